"""Rules for mistakes of the training loop: scaling, clipping, optimiser, parameters, gradients and graphs kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

from gradflow.monitor.evidence import Evidence
from gradflow.monitor.record import StepRecord
from gradflow.monitor.symptom import Symptom
from gradflow.monitor.thresholds import threshold


def clip_before_unscale(evidence: Evidence) -> Iterator[Symptom]:
    """The optimiser's gradients are smaller by the loss scale than a clipped gradient ever is."""
    steps = [step for step in evidence.recorded if step.scale > 1 and step.updates]
    pairs = [(step, *_norms(step)) for step in steps]
    pairs = [(step, raw, got) for step, raw, got in pairs if 0 < got < math.inf and 0 < raw < math.inf]
    bad = [(step, raw, got) for step, raw, got in pairs if got < 1e-2 and got * step.scale < threshold("clipped") * raw]
    if len(bad) > len(pairs) / 2:
        step, raw, got = bad[0]
        values: dict[str, float | str] = {"raw": raw, "stepped": got, "scale": step.scale, "limit": got * step.scale}
        yield Symptom("clip-before-unscale", "clip_grad_norm_ → scaler.unscale_", step.index, 1, values)


def clip_every_part(evidence: Evidence) -> Iterator[Symptom]:
    """Gradients were scaled down between two backward passes of one optimiser step."""
    steps = [step for step in evidence.recorded if step.clipped_between]
    if steps:
        yield Symptom("clip-every-part", "clip_grad_norm_", steps[0].index, 1, {"steps": len(steps)})


def skipped_steps(evidence: Evidence) -> Iterator[Symptom]:
    """Backward passes with non-finite gradients and no optimiser step after them, again and again."""
    steps = [step for step in evidence.recorded if step.backwards and not step.updates and step.bad_gradients]
    if len(steps) > threshold("scaler's own") and evidence.still(steps):
        values: dict[str, float | str] = {
            "skipped": len(steps),
            "steps": len(evidence.recorded),
            "scale": steps[-1].scale,
        }
        yield Symptom("skipped-steps", "scaler.step", steps[0].index, 1, values)


def kept_gradients(evidence: Evidence) -> Iterator[Symptom]:
    """Gradients of the step before were still there."""
    steps = [step for step in evidence.recorded if step.kept]
    if len(steps) > 1:
        yield Symptom("kept-gradients", "optimizer.zero_grad", steps[0].index, 1, {"steps": len(steps)})


def kept_graph(evidence: Evidence) -> Iterator[Symptom]:
    """The graph grows from step to step: it reaches back into earlier ones."""
    second = "through the graph a second time" in (evidence.record.exception or "")
    sizes = [step.nodes for step in evidence.recorded if step.nodes]
    grows = len(sizes) >= 5 and all(a < b for a, b in pairwise(sizes))
    if second or (grows and sizes[-1] > threshold("graph growth") * sizes[0]):
        where = _carrier(evidence)
        since = len(evidence.steps) if second else evidence.recorded[1].index
        values: dict[str, float | str] = {"first": sizes[0] if sizes else 0, "last": sizes[-1] if sizes else 0}
        yield Symptom("kept-graph", where, since, 0.5, values)


def _carrier(evidence: Evidence) -> str:
    """The recurrent module whose state is carried, or the model."""
    recurrent = [
        name for name, kind in evidence.record.kinds.items() if kind in ("RNN", "LSTM", "GRU") or "Cell" in kind
    ]
    return f"«{recurrent[0] if recurrent else evidence.record.root}»"


def without_gradient(evidence: Evidence) -> Iterator[Symptom]:
    """Trained parameters that no backward pass ever led to."""
    record = evidence.record
    trained = {name for optimizer in record.optimizers for name in optimizer.groups}
    if not any(step.backwards for step in evidence.recorded):
        return
    for name in record.parameters:
        if name not in trained or name in record.reached or not record.parameters[name]:
            continue
        owner = name.rpartition(".")[0] or record.root
        ran = owner in record.kinds and not any(other.startswith(f"{owner}.") for other in record.kinds)
        ran |= owner in record.without_grad
        if (ran and owner != record.root) or (evidence.flat and len(evidence.losses) >= 50):
            yield Symptom("no-gradient", f"«{owner}»", 1, 1 if ran else 2, {"name": name})
            return


def not_optimised(evidence: Evidence) -> Iterator[Symptom]:
    """Parameters that get a gradient and that no optimiser holds, or that the model does not know."""
    record = evidence.record
    lost = [name for name in record.unregistered if name in record.reached]
    trained = {name for optimizer in record.optimizers for name in optimizer.groups}
    lost = [name for name in lost if name not in trained]
    if lost:
        values: dict[str, float | str] = {"count": len(lost), "name": lost[0]}
        yield Symptom("unregistered", f"«{lost[0].rpartition('.')[0] or lost[0]}»", 1, 1, values)
    elif record.strangers:
        name = min(record.strangers)
        yield Symptom("unregistered", f"«{name}»", 1, 1, {"count": len(record.strangers), "name": name})
    left = [name for name in record.parameters if name in record.reached and name not in trained and name not in lost]
    if record.optimizers and left:
        values = {"count": len(left), "all": len(record.parameters), "name": left[0]}
        yield Symptom("not-optimised", f"«{left[0].rpartition('.')[0] or left[0]}»", 1, 1, values)


def lost_updates(evidence: Evidence) -> Iterator[Symptom]:
    """Steps that the weights' format rounds away."""
    shares: dict[str, list[float]] = {}
    kinds: dict[str, str] = {}
    for step in evidence.recorded[: max(1, len(evidence.recorded) // 3)]:
        for entry in step.parameters.values():
            if entry.matrix and entry.dtype in ("bfloat16", "float16") and entry.unmoved == entry.unmoved:
                shares.setdefault(entry.name, []).append(entry.unmoved)
                kinds[entry.name] = entry.dtype
    bad = {name: evidence.middle(values) for name, values in shares.items()}
    bad = {name: share for name, share in bad.items() if share > threshold("unmoved")}
    if bad:
        name = max(bad, key=lambda key: bad[key])
        owner = name.rpartition(".")[0] or evidence.record.root
        values: dict[str, float | str] = {"share": bad[name], "dtype": kinds[name], "count": len(bad)}
        yield Symptom("lost-updates", f"optimizer.step → «{owner}»", evidence.recorded[0].index, 1, values)


def rate_too_high(evidence: Evidence) -> Iterator[Symptom]:
    """The loss grew far beyond its start, and every step moves the weights by a good part of themselves."""
    if not evidence.losses or not evidence.growth >= threshold("growth"):
        return
    start = evidence.losses[0]
    limit = threshold("growth") * start
    peak = next((step.index for step in evidence.steps if not step.loss < limit), len(evidence.steps))
    before = [step for step in evidence.recorded if step.index <= peak]
    size = max((update for step in before for update in evidence.relative_updates(step)), default=math.nan)
    if size > threshold("update"):
        rate = max((rate for step in before for rate in step.rates), default=math.nan)
        values: dict[str, float | str] = {
            "growth": evidence.growth,
            "update": size,
            "rate": rate,
            "loss": start,
        }
        yield Symptom("rate-too-high", "optimizer.step", peak, 0.5, values)


def rate_too_low(evidence: Evidence) -> Iterator[Symptom]:
    """Nothing moves: the steps are far smaller than the weights, though there are gradients."""
    sizes = [update for step in evidence.recorded for update in evidence.relative_updates(step)]
    grads = [entry.stepped for step in evidence.recorded for entry in step.parameters.values() if entry.stepped > 0]
    if evidence.flat and sizes and grads and max(sizes) < threshold("small update"):
        rates = [rate for step in evidence.recorded for rate in step.rates]
        values: dict[str, float | str] = {"update": max(sizes), "rate": max(rates, default=math.nan)}
        yield Symptom("rate-too-low", "optimizer.step", 1, 2, values)


def _norms(step: StepRecord) -> tuple[float, float]:
    """The norm of the whole gradient after the backward pass, and as the optimiser got it."""
    entries = [entry for entry in step.parameters.values() if entry.stepped == entry.stepped]
    return math.hypot(*(entry.gradient for entry in entries)), math.hypot(*(entry.stepped for entry in entries))


LOOP_RULES: tuple[Callable[[Evidence], Iterator[Symptom]], ...] = (
    clip_before_unscale,
    clip_every_part,
    skipped_steps,
    kept_gradients,
    kept_graph,
    without_gradient,
    not_optimised,
    lost_updates,
    rate_too_high,
    rate_too_low,
)
