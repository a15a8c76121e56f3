"""The record as a table, JSON, text of one screen, and a figure."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from gradflow.monitor.messages import WORDS, formatted
from gradflow.monitor.record import ModuleRecord, Record, StepRecord

if TYPE_CHECKING:
    import pandas

    from gradflow.book import Chart
    from gradflow.monitor.findings import Diagnosis


def rows(record: Record) -> Iterator[dict[str, Any]]:
    """One row a module and step."""
    for step in record.steps:
        for module in step.modules.values():
            own = [entry for name, entry in step.parameters.items() if name.rpartition(".")[0] == _path(module, record)]
            weights, updates = (_norm([entry.weight for entry in own]), _norm([entry.update for entry in own]))
            yield {
                "step": step.index,
                "module": module.name,
                "kind": module.kind,
                "calls": module.calls,
                "loss": step.loss,
                **_measures("output", module),
                **_measures("gradient", module),
                "weight": weights,
                "weight_gradient": _norm([entry.gradient for entry in own]),
                "stepped_gradient": _norm([entry.stepped for entry in own]),
                "relative_update": updates / weights if weights else math.nan,
                "spread": module.spread,
                "saturated": module.saturated,
                "dead": module.dead,
            }


def _path(module: ModuleRecord, record: Record) -> str:
    return "" if module.name == record.root else module.name


def _measures(name: str, module: ModuleRecord) -> dict[str, float]:
    measure = getattr(module, name)
    fields = ("norm", "inf", "nan", "zeros", "subnormal", "near_limit")
    return {f"{name}_{field}": getattr(measure, field) if measure is not None else math.nan for field in fields}


def _norm(values: list[float]) -> float:
    known = [value for value in values if value == value]
    return math.hypot(*known) if known else math.nan


def table(record: Record) -> pandas.DataFrame:
    """The rows as a pandas frame."""
    import pandas

    return pandas.DataFrame(list(rows(record)))


def to_json(record: Record, diagnosis: Diagnosis) -> str:
    """Record and findings; inf and nan are written as strings, for JSON knows none."""
    content = {"record": asdict(record), "verdict": diagnosis.verdict, "findings": diagnosis.to_list()}
    return json.dumps(_plain(content), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, set):
        return sorted(value)
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def summary(record: Record, lang: str, most: int = 40) -> str:
    """One line a module: the last recorded step, at most 80 characters wide."""
    words = WORDS[lang]
    step = next((step for step in reversed(record.steps) if step.modules), None)
    if step is None:
        return words["no steps"]
    lines = [f"{words['step']} {step.index}, {words['loss']} {formatted(step.loss, lang)}"]
    lines.append(
        _line(words["module"], words["activation"], words["gradient"], words["weights"], words["update"], words["bad"])
    )
    shown = list(rows(Record(record.root, [step])))
    for row in shown[:most]:
        bad = row["output_inf"] + row["output_nan"] + _zero(row["gradient_inf"]) + _zero(row["gradient_nan"])
        values = (row["output_norm"], row["gradient_norm"], row["weight_gradient"], row["relative_update"])
        lines.append(_line(row["module"], *(_short(value, lang) for value in values), str(int(bad))))
    if len(shown) > most:
        lines.append(f"… +{len(shown) - most}")
    return "\n".join(lines)


def _line(name: str, *cells: str) -> str:
    if len(name) > 28:
        name = "…" + name[-27:]
    return f"{name:28}" + "".join(f"{cell:>10}" for cell in cells)


def _short(value: float, lang: str) -> str:
    if value != value:
        return "—"
    text = f"{value:.2g}"
    return text.replace(".", ",") if lang == "ru" else text


def _zero(value: float) -> float:
    return 0.0 if value != value else value


def report(record: Record, diagnosis: Diagnosis, lang: str) -> str:
    """One screen to paste where others will read it: no path, no data, numbers and names of modules alone."""
    words = WORDS[lang]
    losses = [step.loss for step in record.steps]
    lines = [f"gradflow.monitor · torch {torch.__version__} · Python {platform.python_version()} · {platform.system()}"]
    count = len(record.parameters)
    lines.append(
        f"{words['model']}: {record.root}, {count} parameters; {', '.join(_optimizer(record)) or 'optimizer: —'}"
    )
    if losses:
        trend = f"{formatted(losses[0], lang)} → {formatted(losses[-1], lang)}"
        lines.append(f"{words['loss']}: {trend} ({len(losses)} {words['steps']})")
    if record.exception:
        lines.append(f"{words['exception']}: {record.exception.splitlines()[0][:100]}")
    lines += ["", f"{words['findings']}:", str(diagnosis), "", summary(record, lang, most=12)]
    return "\n".join(lines)


def _optimizer(record: Record) -> list[str]:
    return [
        f"{each.name}(lr={each.numbers.get('lr', math.nan):.3g}, {len(each.groups)} parameters)"
        for each in record.optimizers
    ]


def plot(record: Record, lang: str) -> Chart:
    """Two panels: the loss over the steps, and the gradients by module at the first and the last recorded step."""
    from gradflow.book import BLUE, RED, Chart

    words = WORDS[lang]
    steps = [step for step in record.steps if step.modules]
    chart = Chart(2, [words["loss"], words["gradient"]])
    left, right = chart.axes
    left.plot([step.index for step in record.steps], [step.loss for step in record.steps], color=BLUE)
    left.set_xlabel(words["step"])
    for step, colour, label in _ends(steps, (BLUE, words["first step"]), (RED, words["last step"])):
        sizes = [module.gradient.norm if module.gradient is not None else math.nan for module in step.modules.values()]
        right.semilogy(range(len(sizes)), sizes, "o-", color=colour, label=label, markersize=4)
    right.set_xlabel(words["module"])
    right.legend()
    return chart


def _ends(
    steps: list[StepRecord], first: tuple[str, str], last: tuple[str, str]
) -> Iterator[tuple[StepRecord, str, str]]:
    if steps:
        yield steps[0], *first
    if len(steps) > 1:
        yield steps[-1], *last
