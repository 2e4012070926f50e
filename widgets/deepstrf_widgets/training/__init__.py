"""A fit on the bench: ``train`` opens it with its panel Fit."""

from .fit_on_bench import train

__all__ = ["train"]
