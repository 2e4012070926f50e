"""A fit of the model under edit that moves the bench step by step: play, pause, step, pins, and the way back."""

from .player import Player
from .settings import PlaySettings

__all__ = ["PlaySettings", "Player"]
