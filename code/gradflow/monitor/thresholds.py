"""Every number that a diagnosis compares with, and where it comes from, in one table."""

from __future__ import annotations

from typing import NamedTuple


class Threshold(NamedTuple):
    """A number and its source: a paper, a property of the format, or the healthy networks of the tests."""

    value: float
    source: str


HEALTHY = "between the healthy and the ill networks of tests/gradflow/test_monitor_diagnosis.py"

THRESHOLDS: dict[str, Threshold] = {
    "saturated at": Threshold(0.99, "tanh' < 0.02; Glorot, Bengio 2010, section 3"),
    "saturated share": Threshold(0.8, "Glorot, Bengio 2010, figure 2 (a saturated layer); " + HEALTHY),
    "dead share": Threshold(0.9, "Lu et al. 2019 (dying ReLU): learning stops when a whole layer is dead; " + HEALTHY),
    "surely": Threshold(0.99, "a layer that is dead to its last unit lets nothing through, whatever the loss does"),
    "depth": Threshold(1e-5, "Hochreiter 1991: a geometric decay; " + HEALTHY),
    "depth, surely": Threshold(1e-9, "below float32's 2^-23 of the last layer's gradient twice over"),
    "explosion": Threshold(1e3, "Pascanu, Mikolov, Bengio 2013; " + HEALTHY),
    "lag": Threshold(1e-5, "less than a forget gate at 1/2 leaves after 16 steps, 2^-16"),
    "stream": Threshold(10.0, "residual branches without 1/sqrt(depth): Radford et al. 2019; " + HEALTHY),
    "spread": Threshold(1e-2, "rank collapse: Dong, Cordonnier, Loukas 2021; " + HEALTHY),
    "flat": Threshold(0.05, "a loss that fell by less than this share counts as not falling"),
    "falls": Threshold(0.3, "a loss that fell by more than this share counts as learning"),
    "growth": Threshold(3.0, "the loss against its start: beyond the noise of a healthy loop; " + HEALTHY),
    "spike": Threshold(300.0, "one loss against the usual one: a cliff, Pascanu, Mikolov, Bengio 2013; " + HEALTHY),
    "unmoved": Threshold(0.5, "bfloat16 keeps 8 bits: a step below 2^-9 of the weight is rounded away"),
    "update": Threshold(0.1, "a hundred times the usual 1e-3 of update over weight; " + HEALTHY),
    "early update": Threshold(0.03, "Xiong et al. 2020 (warm-up of post-LN); " + HEALTHY),
    "small update": Threshold(1e-6, "a thousandth of the usual 1e-3 of update over weight"),
    "changed": Threshold(0.999, "relative rounding of a float32 norm is below 1e-5"),
    "input rms": Threshold(20.0, "LeCun et al. 1998: inputs of mean 0 and variance 1; " + HEALTHY),
    "input offset": Threshold(10.0, "LeCun et al. 1998: inputs of mean 0; mean over standard deviation"),
    "graph growth": Threshold(1.5, "a graph that grows at every step and by this factor in all is never cut"),
    "smallest half": Threshold(6e-8, "the smallest positive float16, 2^-24"),
    "squares overflow": Threshold(1e19, "the square exceeds float32's largest, 3.4e38"),
    "scaler's own": Threshold(4, "a GradScaler that starts at 2^16 finds its scale within a few skipped steps"),
    "clipped": Threshold(0.5, "clipping changes the norm at least by this factor"),
    "forget bias": Threshold(1.5, "Jozefowicz et al. 2015 (bias 1); Tallec, Ollivier 2018: ln(T - 1) for lag T"),
}


def threshold(name: str) -> float:
    """The number of that name."""
    return THRESHOLDS[name].value


SATURATED_AT = threshold("saturated at")
CHANGED = threshold("changed")
