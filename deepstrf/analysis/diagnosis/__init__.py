"""What is suspicious in a trained model: dead neurons, flipped fields, a look into the future, and more."""

from deepstrf.analysis.diagnosis.diagnose import diagnose
from deepstrf.analysis.diagnosis.evidence import Interval
from deepstrf.analysis.diagnosis.finding import KINDS, Diagnosis, Finding

__all__ = ["KINDS", "Diagnosis", "Finding", "Interval", "diagnose"]
