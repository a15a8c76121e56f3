"""Rules for numbers that are no numbers: which pass broke first, in which operation, and what that operation got."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from gradflow.monitor.evidence import Evidence
from gradflow.monitor.graph import SINGULAR
from gradflow.monitor.record import Origin, StepRecord
from gradflow.monitor.symptom import Symptom, place
from gradflow.monitor.thresholds import threshold

DECOMPOSITIONS = frozenset(
    ["LinalgSvd", "LinalgEigh", "LinalgEig", "LinalgQr", "Svd", "Eigh", "Qr", "LinalgInvEx", "LinalgCholeskyEx"]
)
EXPONENTIALS = frozenset(["Exp", "Expm1", "Sinh", "Cosh", "Exp2"])


def broken_forward(evidence: Evidence) -> Iterator[Symptom]:
    """The forward pass left the finite numbers, and the loss, a gradient or a weight with it."""
    broken = evidence.broken_at
    step = next((step for step in evidence.recorded if step.forward is not None), None)
    if broken is None or step is None or step.forward is None or step.index > broken:
        return
    origin = step.forward
    if not math.isfinite(step.loss) or step.bad_gradients or step.index < broken:
        values: dict[str, float | str] = {
            "what": origin.what,
            "largest": origin.largest,
            "healthy": origin.healthy or "—",
            "got": origin.inputs,
        }
        values |= {"batch": origin.batch, "operation": origin.operation or "?", "dtype": origin.dtype or "float32"}
        code = _forward_code(origin, step)
        rank = 0.6 if code == "overflow-forward" else 0.0
        yield Symptom(code, place(origin) or "loss", step.index, rank, values)


def _forward_code(origin: Origin, step: StepRecord) -> str:
    name = origin.operation or ""
    half = origin.dtype == "float16"
    if origin.inputs == "batch":
        return "bad-batch"
    if origin.inputs == "weights":
        return "bad-weights"
    if origin.inputs == "masked" or name in ("Softmax", "LogSoftmax"):
        return "masked-row"
    if origin.inputs == "outside":
        return "bad-target" if origin.module is None else "bad-constant"
    if origin.inputs == "nothing":
        return "empty-mean"
    if half and origin.inputs in ("finite", "large"):
        return "half-overflow"
    if name in EXPONENTIALS:
        return "exp-overflow"
    if name in SINGULAR and origin.inputs != "large":
        return "singular-forward"
    if origin.largest > 1e15 or origin.what == "inf" or origin.inputs == "large":
        return "overflow-forward"
    return "nonfinite-forward"


def broken_backward(evidence: Evidence) -> Iterator[Symptom]:
    """The loss is finite, and a gradient is not."""
    step = next((step for step in evidence.recorded if step.backward is not None and step.bad_gradients), None)
    if step is None or step.backward is None or (step.forward is not None and step.forward.inputs == "masked"):
        return
    earlier = next((other for other in evidence.recorded if other.forward is not None), None)
    if earlier is not None and earlier.index < step.index and not math.isfinite(earlier.loss):
        return
    origin = step.backward
    name = origin.operation or ""
    values: dict[str, float | str] = {
        "what": origin.what,
        "operation": name,
        "healthy": origin.healthy or "—",
        "loss": step.loss,
        "scale": step.scale,
    }
    if name in DECOMPOSITIONS:
        yield Symptom("decomposition", place(origin), step.index, 0, values)
    elif name in SINGULAR:
        code = "behind-where" if "singular behind where" in step.patterns else "singular-backward"
        yield Symptom(code, place(origin), step.index, 0, values)
    elif name in EXPONENTIALS:
        yield Symptom("exp-overflow", place(origin), step.index, 0, values | {"largest": math.inf, "got": "large"})
    elif step.scale > 1 or "float16" in {entry.dtype for entry in step.parameters.values()}:
        lost = [other for other in evidence.recorded if other.backward is not None]
        if step.updates or (len(lost) > threshold("scaler's own") and evidence.still(lost)):
            yield Symptom("half-gradient", place(origin), step.index, 0.5, values)
    else:
        yield Symptom("overflow-backward", place(origin), step.index, 0.6, values)


def broken_update(evidence: Evidence) -> Iterator[Symptom]:
    """Weights and gradients were finite, and the optimiser's step was not."""
    step = next((step for step in evidence.recorded if step.broken_update), None)
    if step is None or step.broken_update is None:
        return
    name = step.broken_update
    entry = step.parameters[name]
    owner = next((each for each in evidence.record.optimizers if name in each.groups), None)
    eps = owner.numbers.get("eps", math.inf) if owner else math.inf
    where = f"{owner.name if owner else 'optimizer'}.step(), group {owner.groups[name] if owner else 0}: «{name}»"
    values: dict[str, float | str] = {
        "gradient": entry.stepped,
        "dtype": entry.dtype,
        "eps": eps,
        "rate": max(step.rates, default=math.nan),
    }
    rounded = entry.dtype == "float16" and eps < threshold("smallest half") / 2
    yield Symptom("eps-rounded" if rounded else "broken-update", where, step.index, 0, values)


def clipped_away(evidence: Evidence) -> Iterator[Symptom]:
    """The gradient was there after the backward pass, and zero or nan when the optimiser got it."""
    for step in evidence.recorded:
        known = [
            entry
            for entry in step.parameters.values()
            if math.isfinite(entry.gradient) and entry.stepped == entry.stepped
        ]
        before = math.hypot(*(entry.gradient for entry in known))
        after = max((entry.stepped for entry in known), default=math.nan)
        if known and before > threshold("squares overflow") and after == 0:
            values: dict[str, float | str] = {"norm": before}
            yield Symptom("clip-overflow", "clip_grad_norm_", step.index, 0, values)
            return


NUMBER_RULES: tuple[Callable[[Evidence], Iterator[Symptom]], ...] = (
    broken_forward,
    broken_backward,
    broken_update,
    clipped_away,
)
