"""Rules for networks in which nothing breaks and nothing is learnt, and for norms that run away over depth or time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

from gradflow.monitor.evidence import Evidence
from gradflow.monitor.record import ModuleRecord, StepRecord
from gradflow.monitor.symptom import Symptom, place
from gradflow.monitor.thresholds import threshold


def loss_pattern(evidence: Evidence) -> Iterator[Symptom]:
    """Softmax or sigmoid twice; a logarithm after a sigmoid that has become exactly 0 or 1."""
    for step in evidence.recorded:
        for word in ("softmax twice", "sigmoid before softmax", "sigmoid twice", "softmax before sigmoid"):
            if word in step.patterns:
                where = f"«{step.patterns[word] or evidence.record.root}» → loss"
                yield Symptom("softmax-twice", where, step.index, 1, {"pattern": word})
                return
        found = [step.patterns[each] for each in ("loss after sigmoid", "log of sigmoid") if each in step.patterns]
        owner = step.modules.get(found[0] or "") if found else None
        if owner is not None and owner.saturated > threshold("saturated share") and not evidence.falls:
            values: dict[str, float | str] = {"saturated": owner.saturated, "loss": step.loss}
            yield Symptom("log-of-sigmoid", f"«{owner.name}» → Sigmoid → loss", step.index, 1, values)
            return


def zero_gradient(evidence: Evidence) -> Iterator[Symptom]:
    """Every gradient is exactly zero, step after step."""
    steps = [step for step in evidence.recorded if step.parameters]
    dead = [step for step in steps if all(entry.gradient == 0 for entry in step.parameters.values())]
    if not dead or len(dead) < len(steps) / 2:
        return
    step = next((step for step in dead if step.vanished is not None), dead[0])
    origin = step.vanished
    if origin is not None and origin.operation == "Relu":
        yield Symptom("dead-units", place(origin), step.index, 1.5, {"share": 1.0})
    elif origin is not None and origin.operation in ("Sigmoid", "Tanh"):
        yield Symptom("saturation", place(origin), step.index, 1.5, {"share": 1.0})
    else:
        where = place(origin) if origin is not None else "loss"
        yield Symptom("zero-gradient", where, step.index, 1.5, {"operation": (origin and origin.operation) or "?"})


def zero_weights(evidence: Evidence) -> Iterator[Symptom]:
    """Matrices of zeros that get no gradient either, step after step."""
    last = next((step for step in reversed(evidence.recorded) if step.parameters), None)
    entries = last.parameters.values() if last is not None else ()
    empty = [entry.name for entry in entries if entry.matrix and entry.weight == 0 and entry.gradient == 0]
    if empty:
        where = f"«{empty[0].rpartition('.')[0] or evidence.record.root}»"
        yield Symptom("zero-weights", where, evidence.recorded[0].index, 1.4, {"count": len(empty)})


def dead_units(evidence: Evidence) -> Iterator[Symptom]:
    """A layer of ReLU of which hardly a unit answers to any sample."""
    yield from _layer_share(evidence, "dead", "dead-units", threshold("dead share"))


def saturation(evidence: Evidence) -> Iterator[Symptom]:
    """A layer of sigmoid or tanh that lies at its ends."""
    yield from _layer_share(evidence, "saturated", "saturation", threshold("saturated share"))


def _layer_share(evidence: Evidence, field: str, code: str, limit: float) -> Iterator[Symptom]:
    shares: dict[str, list[tuple[int, float]]] = {}
    for step in evidence.recorded:
        for module in step.modules.values():
            if (share := getattr(module, field)) == share:
                shares.setdefault(module.name, []).append((step.index, share))
    for name, values in shares.items():
        late = [share for _, share in values[-max(1, len(values) // 3) :]]
        surely = values[0][1] > limit or evidence.middle(late) > threshold("surely")
        if evidence.middle(late) > limit and (surely or not evidence.falls):
            since = next(index for index, share in values if share > limit)
            yield Symptom(code, f"«{name}»", since, 2, {"share": evidence.middle(late)})
            return


def depth(evidence: Evidence) -> Iterator[Symptom]:
    """The gradient with respect to the activations fades or explodes from the last layer to the first."""
    ratios: list[tuple[float, StepRecord]] = []
    for step in evidence.recorded:
        chain = _chain(evidence, step)
        if len(chain) >= 4:
            ratios.append((math.log10(_size(chain[0])) - math.log10(_size(chain[-1])), step))
    if not ratios:
        return
    middle = evidence.middle([ratio for ratio, _ in ratios])
    _, step = min(ratios, key=lambda pair: abs(pair[0] - middle))
    chain = _chain(evidence, step)
    where = _steepest(chain)
    values: dict[str, float | str] = {
        "ratio": 10.0**middle,
        "first": chain[0].name,
        "last": chain[-1].name,
        "layers": len(chain),
    }
    limit = math.log10(threshold("depth") if evidence.flat else threshold("depth, surely"))
    if middle < limit and not evidence.falls:
        yield Symptom("vanishing-depth", where, ratios[0][1].index, 2, values)
    elif middle > math.log10(threshold("explosion")):
        yield Symptom("explosion-depth", where, ratios[0][1].index, 0.4, values)


def local_drop(evidence: Evidence) -> Iterator[Symptom]:
    """The gradient all but vanishes inside one module: what leaves it downwards is rounding noise."""
    if not evidence.flat:
        return
    drops: dict[str, list[float]] = {}
    for step in evidence.recorded:
        for below, above in pairwise(_chain(evidence, step)):
            drops.setdefault(above.name, []).append(_size(below) / _size(above))
    for name, values in drops.items():
        if evidence.middle(values) < threshold("depth"):
            kind = evidence.record.kinds[name]
            yield Symptom("zero-gradient", f"«{name}» · {kind}", 1, 1.9, {"operation": kind})
            return


def _chain(evidence: Evidence, step: StepRecord) -> list[ModuleRecord]:
    """The leaves of a step that got a finite nonzero gradient, in the order of the computation."""
    return [module for module in evidence.leaves(step) if 0 < _size(module) < math.inf]


def _size(module: ModuleRecord) -> float:
    return module.gradient.norm if module.gradient is not None else math.nan


def _steepest(chain: list[ModuleRecord]) -> str:
    """One pair of neighbours if half of the whole change lies between them; else first and last."""
    logs = [math.log10(_size(module)) for module in chain]
    steps = [abs(b - a) for a, b in pairwise(logs)]
    top = max(range(len(steps)), key=lambda index: steps[index])
    if steps[top] > abs(logs[-1] - logs[0]) / 2:
        return f"«{chain[top].name}» ← «{chain[top + 1].name}»"
    return f"«{chain[0].name}» ← … ← «{chain[-1].name}»"


def lag(evidence: Evidence) -> Iterator[Symptom]:
    """The gradient of a recurrent module fades or explodes over the time steps."""
    for name, profile, step in _profiles(evidence):
        ratio = profile[0] / profile[-1]
        bias = evidence.record.forget_bias.get(name)
        values: dict[str, float | str] = {"ratio": ratio, "lag": len(profile) - 1}
        if ratio < threshold("lag") and not evidence.falls:
            if bias is not None and bias < threshold("forget bias"):
                gate = 1 / (1 + math.exp(-bias))
                values |= {"bias": bias, "gate": gate, "memory": 1 / (1 - gate)}
                yield Symptom("forget-gate", f"«{name}»", step.index, 2, values)
            else:
                yield Symptom("vanishing-lag", f"«{name}»", step.index, 2, values)
            return
        if ratio > threshold("explosion"):
            yield Symptom("explosion-lag", f"«{name}»", step.index, 0.4, values)
            return


def _profiles(evidence: Evidence) -> Iterator[tuple[str, list[float], StepRecord]]:
    """Gradient norms over time, first step first, of recurrent modules that are read out at the end."""
    for step in evidence.recorded:
        for module in step.modules.values():
            fed_late = not any(module.fed[: len(module.fed) // 2])
            profile = module.by_time if module.by_time and fed_late and not module.bidirectional else []
            if not profile and len(module.by_call) >= 8:
                profile = module.by_call
            if len(profile) >= 8 and profile[-1] > 0 and math.isfinite(profile[0]):
                yield module.name, profile, step


def stream(evidence: Evidence) -> Iterator[Symptom]:
    """The stream of a residual network grows from block to block, and the branches of the first count for little."""
    for step in evidence.recorded if not evidence.falls else ():
        blocks = _blocks(step)
        sizes = [blocks[0].entered] if blocks else []
        sizes += [module.output.norm for module in blocks if module.output is not None]
        rising = sum(a < b for a, b in pairwise(sizes))
        if len(sizes) > 6 and rising > 0.6 * (len(sizes) - 1) and sizes[-1] > threshold("stream") * sizes[0]:
            values: dict[str, float | str] = {"ratio": sizes[-1] / sizes[0], "blocks": len(blocks)}
            yield Symptom("growing-stream", f"«{blocks[0].name}» → … → «{blocks[-1].name}»", step.index, 2, values)
            return


def collapse(evidence: Evidence) -> Iterator[Symptom]:
    """The answer is the same for every sample, and the loss stays where a constant answer leaves it."""
    steps = [step for step in evidence.recorded if _spread(evidence, step) == _spread(evidence, step)]
    late = steps[-max(1, len(steps) // 5) :]
    middle = evidence.middle([_spread(evidence, step) for step in late])
    if not late or not middle < threshold("spread") or not evidence.flat:
        return
    step = late[-1]
    first = next(module for module in step.modules.values() if module.spread < threshold("spread"))
    since = next(each.index for each in steps if _spread(evidence, each) < threshold("spread"))
    values: dict[str, float | str] = {"spread": middle, "loss": evidence.last_loss, "constant": step.constant_loss}
    yield Symptom("constant-answer", f"«{first.name}»", since, 2.5, values)


def warmup(evidence: Evidence) -> Iterator[Symptom]:
    """A stack of attention blocks that took large steps from the first on, and stays at the constant answer."""
    attention = any("Attention" in kind for kind in evidence.record.kinds.values())
    rates = [max(step.rates) for step in evidence.steps if step.rates]
    if not attention or not evidence.stuck or len(rates) < 20 or rates[0] < 0.5 * max(rates):
        return
    early = [update for step in evidence.recorded[:5] for update in evidence.relative_updates(step)]
    blocks = _blocks(evidence.recorded[-1])
    if blocks and evidence.middle(early) > threshold("early update"):
        values: dict[str, float | str] = {
            "update": evidence.middle(early),
            "loss": evidence.last_loss,
            "constant": evidence.recorded[-1].constant_loss,
        }
        yield Symptom("no-warmup", f"«{blocks[0].name}» … «{blocks[-1].name}»", 1, 1.8, values)


def _blocks(step: StepRecord) -> list[ModuleRecord]:
    """The modules with modules inside of the commonest kind, in the order of the computation."""
    kinds: dict[str, list[ModuleRecord]] = {}
    for module in step.modules.values():
        if any(name.startswith(f"{module.name}.") for name in step.modules) and module.output is not None:
            kinds.setdefault(module.kind, []).append(module)
    return max(kinds.values(), key=len, default=[])


def _spread(evidence: Evidence, step: StepRecord) -> float:
    """How far the answers of the last module differ over the batch."""
    known = [module.spread for module in step.modules.values() if module.spread == module.spread]
    return known[-1] if known else math.nan


def inputs(evidence: Evidence) -> Iterator[Symptom]:
    """Inputs far from mean 0 and variance 1, in a loop that does not go well."""
    step = next((step for step in evidence.recorded if step.inputs is not None), None)
    if step is None or step.inputs is None:
        return
    large, shifted = (step.inputs.rms > threshold("input rms"), step.inputs.offset > threshold("input offset"))
    trouble = evidence.broken_at is not None or evidence.flat or evidence.growth > threshold("growth")
    trouble |= any(module.saturated > threshold("saturated share") for module in step.modules.values())
    if (large or shifted) and trouble and not step.inputs.bad:
        values: dict[str, float | str] = {"rms": step.inputs.rms, "offset": step.inputs.offset}
        yield Symptom("unscaled-input", f"«{evidence.record.root}» ← x", step.index, 1.2, values)


LEARNING_RULES: tuple[Callable[[Evidence], Iterator[Symptom]], ...] = (
    loss_pattern,
    zero_gradient,
    zero_weights,
    dead_units,
    saturation,
    depth,
    local_drop,
    lag,
    stream,
    warmup,
    collapse,
    inputs,
)
