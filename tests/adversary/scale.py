"""How much of an adversary test runs: a share within `make test`, the whole by `make adversary`."""

from __future__ import annotations

import os

__all__ = ["WHOLE"]

WHOLE = os.environ.get("ADVERSARY") == "whole"
