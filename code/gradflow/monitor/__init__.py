"""A doctor for one's own network: what happens to the numbers of a training loop, where it breaks, and what helps.

:class:`GradientMonitor` is a context manager round an ordinary loop; :class:`Finding` is one entry of what it says;
:data:`THRESHOLDS` are the numbers it compares with, each with its source. Importing this needs torch alone.
"""

from gradflow.monitor.findings import Diagnosis, Finding
from gradflow.monitor.monitor import GradientMonitor
from gradflow.monitor.thresholds import THRESHOLDS

__all__ = ["THRESHOLDS", "Diagnosis", "Finding", "GradientMonitor"]
