"""A diagnosis: what was seen, where, since when, why, how to make sure, and what helps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from gradflow.monitor.evidence import Evidence
from gradflow.monitor.messages import GROUPS, MESSAGES, WORDS, Message, formatted
from gradflow.monitor.record import Record
from gradflow.monitor.rules_learning import LEARNING_RULES
from gradflow.monitor.rules_loop import LOOP_RULES
from gradflow.monitor.rules_numbers import NUMBER_RULES
from gradflow.monitor.symptom import Symptom


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        code: a fixed English word for it, as ``"singular-backward"``.
        group: forward pass, backward pass, format of numbers, training loop, or does not learn.
        title: its name; seen: what was seen, with numbers; where: the module, operation or call; since: the step.
        causes: the likely causes, the likeliest first; test: what tells them apart; cure; section: page of the book.
    """

    code: str
    group: str
    title: str
    seen: str
    where: str
    since: int
    causes: tuple[str, ...]
    test: str
    cure: str
    section: str
    lang: str = "ru"

    def __str__(self) -> str:
        words = WORDS[self.lang]
        lines = [
            f"{self.title} [{self.group}]",
            f"  {words['seen']}: {self.seen}",
            f"  {words['where']}: {self.where} ({words['since']} {self.since})",
            f"  {words['causes']}: " + "; ".join(f"{n}) {cause}" for n, cause in enumerate(self.causes, start=1)),
            f"  {words['test']}: {self.test}",
            f"  {words['cure']}: {self.cure}",
            f"  {words['section']}: {self.section}",
        ]
        return "\n".join(lines)


class Diagnosis(list[Finding]):
    """The findings, the surest first. Printed, it is text.

    Attributes:
        verdict: ``"ill"`` (there are findings), ``"healthy"``, or ``"unknown"``: nothing is found, and either too
            little was seen or the loss does not fall.
    """

    def __init__(self, findings: Iterable[Finding], verdict: str, lang: str) -> None:
        super().__init__(findings)
        self.verdict, self.lang = verdict, lang

    def __str__(self) -> str:
        return "\n\n".join(map(str, self)) if self else WORDS[self.lang][self.verdict]

    def to_list(self) -> list[dict[str, object]]:
        """The findings as plain dictionaries."""
        return [asdict(finding) for finding in self]


def diagnose(record: Record, lang: str) -> Diagnosis:
    """Apply every rule to the record."""
    evidence = Evidence(record)
    symptoms: list[Symptom] = []
    if evidence.recorded:
        for rule in (*NUMBER_RULES, *LOOP_RULES, *LEARNING_RULES):
            symptoms.extend(rule(evidence))
    symptoms.sort(key=lambda symptom: symptom.rank)
    findings = [_worded(symptom, lang) for symptom in _once(symptoms)]
    if findings:
        return Diagnosis(findings, "ill", lang)
    enough = len(evidence.losses) >= 10 and not evidence.flat and evidence.broken_at is None
    enough = enough and evidence.last_loss < max(evidence.losses[0], evidence.first_loss)
    return Diagnosis([], "healthy" if enough else "unknown", lang)


def _once(symptoms: list[Symptom]) -> list[Symptom]:
    """The first symptom of every kind."""
    seen: dict[str, Symptom] = {}
    for symptom in symptoms:
        seen.setdefault(symptom.code, symptom)
    return list(seen.values())


def _worded(symptom: Symptom, lang: str) -> Finding:
    """A symptom in words."""
    kind = MESSAGES[symptom.code]
    message: Message = getattr(kind, lang)
    values = {name: formatted(value, lang) for name, value in symptom.values.items()}
    return Finding(
        symptom.code,
        GROUPS[kind.group][lang],
        message.title,
        message.seen.format_map(values),
        symptom.where,
        symptom.since,
        tuple(cause.format_map(values) for cause in message.causes.split("|")),
        message.test,
        message.cure,
        kind.section,
        lang,
    )
