"""Old home of `deepstrf.models.checkpoints`, kept until 0.3."""

from . import hub

__all__ = ["hub"]
