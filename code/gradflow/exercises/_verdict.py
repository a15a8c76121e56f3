"""What a check returns, in a form that reads well in a notebook and in a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

DONE, CLOSE, NOT_DONE = "✓", "≈", "✗"


@dataclass(frozen=True, repr=False)
class Verdict:
    """The outcome of one check: ``passed``, or ``close`` to it, and a Russian ``message`` of one or more lines."""

    passed: bool
    message: str
    close: bool = False

    @property
    def mark(self) -> str:
        """``✓``, ``≈`` or ``✗``."""
        return DONE if self.passed else CLOSE if self.close else NOT_DONE

    def __repr__(self) -> str:
        return f"{self.mark} {self.message}"

    def _repr_html_(self) -> str:
        # Only the border is coloured: text keeps the contrast of the light or dark theme around it.
        colour = {DONE: "#1a7f37", CLOSE: "#9a6700", NOT_DONE: "#cf222e"}[self.mark]
        lines = "<br>".join(escape(line) for line in self.message.splitlines())
        style = f"border-left: 4px solid {colour}; padding: 0.3em 0.8em"
        return f'<div class="verdict" style="{style}">{self.mark} {lines}</div>'


@dataclass(frozen=True, repr=False)
class Status:
    """Which exercises are done: pairs (name, done) under the name of their page, and the titles that are known."""

    pages: dict[str, list[tuple[str, bool]]]
    titles: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        lines = [self._total()]
        for page, entries in self.pages.items():
            lines.append(self._titled(page))
            lines += [f"  {DONE if done else '·'} {self._titled(name)}" for name, done in entries]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(self.titles.get(page) or page)}</td><td><code>{escape(name)}</code></td>"
            f"<td>{escape(self.titles.get(name, ''))}</td><td>{'решено' if done else 'ещё нет'}</td></tr>"
            for page, entries in self.pages.items()
            for name, done in entries
        )
        head = "<tr><th>Раздел</th><th>Имя</th><th>Задача</th><th>Состояние</th></tr>"
        return f"<p>{self._total()}</p><table><thead>{head}</thead><tbody>{rows}</tbody></table>"

    def _titled(self, name: str) -> str:
        """A name with its title beside it, if that is known."""
        return f"{name} — {self.titles[name]}" if self.titles.get(name) else name

    def _total(self) -> str:
        marks = [done for entries in self.pages.values() for _, done in entries]
        return f"Решено {sum(marks)} из {len(marks)}."
