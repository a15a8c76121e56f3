"""Networks that are ill, for the page on diagnosis: :data:`PATIENTS`, by name."""

from gradflow.experiments.diagnosis import (  # noqa: F401  (each registers its patients)
    patients_format,
    patients_growth,
    patients_learning,
    patients_loop,
    patients_singular,
)
from gradflow.experiments.diagnosis.patients import PATIENTS, Patient

__all__ = ["PATIENTS", "Patient"]
