"""Fitting: from a model and a recording to trained weights, their history and their confidence intervals."""

from deepstrf.models.prediction import predict
from deepstrf.training.confidence import Band, Interval, benjamini_hochberg, jackknife
from deepstrf.training.cross_validation import CrossValidation, FitRecipe, Recipe, compare, cross_validate
from deepstrf.training.field_posterior import DrawnBand, FieldBand, Posterior, posterior, posterior_mean
from deepstrf.training.fit_many import FitJob, FitProgress, FitResult, FitResults, fit_jobs, fit_many
from deepstrf.training.fitter import Fitter
from deepstrf.training.history import EpochRecord, History
from deepstrf.training.kernel_regression import kernel_ridge
from deepstrf.training.linear_regression import ridge
from deepstrf.training.priors import roughness, spread
from deepstrf.training.progress import NonFiniteLossError, Progress
from deepstrf.training.recipes import StepSizes
from deepstrf.training.settings import Metric

__all__ = [
    "Band",
    "CrossValidation",
    "DrawnBand",
    "EpochRecord",
    "FieldBand",
    "FitJob",
    "FitProgress",
    "FitRecipe",
    "FitResult",
    "FitResults",
    "Fitter",
    "History",
    "Interval",
    "Metric",
    "NonFiniteLossError",
    "Posterior",
    "Progress",
    "Recipe",
    "StepSizes",
    "benjamini_hochberg",
    "compare",
    "cross_validate",
    "fit_jobs",
    "fit_many",
    "jackknife",
    "kernel_ridge",
    "posterior",
    "posterior_mean",
    "predict",
    "ridge",
    "roughness",
    "spread",
]
