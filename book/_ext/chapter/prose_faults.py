"""Mistakes of typography in the Russian text of a page: each with its line, what is wrong and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from chapter.myst_source import Source

Fault = tuple[int, str]

SIGNS = [
    (r"[А-Яа-яЁё][A-Za-z]|[A-Za-z][А-Яа-яЁё]", "Latin and Cyrillic letters in one word; type the word anew"),
    (
        r"(?<=[а-яё] )[aceopxyku](?= [а-яё])|^[ABCOKUY](?= [а-яё])",
        "a Latin letter alone; type the Russian one, or put the name of a variable between $",
    ),
    (r"(?:^|\s)-(?:\s|$)|\s--+(?:\s|$)|\s–\s", "a hyphen between spaces; write a dash, —"),
    (r"\w—|—\w", "a dash without its spaces; write « — »"),
    (r"\d-\d", "a hyphen between numbers; write 3–5, and a date or a version in backticks"),
    (r"(?<![\d.])\d+\.\d+(?!\d|\.\d)", "a decimal point; write a comma, and a version in backticks"),
    (r"\d[eE][-+]?\d", "a number of a program; write $10^{-3}$"),
    (r"\d%", "a per cent sign without its space; write a no-break space before it"),
    (r"[\"“”]", "straight or English quotation marks; write «…»"),
    (r"\.\.\.", "three full stops; write …"),
    (r"\s[,;:!?](?:\s|$)|\s\.(?:\s|$)", "a space before a sign; take it away"),
    (r"\b([А-Яа-яЁё]+)\s+\1\b", "a word twice; take one away"),
]
FORMULAS = [
    (r"\d\.\d", "a decimal point; write 0{,}5"),
    (r"\\(?:label|tag)\b", "a label inside of a formula; write (eq-…) after the closing $$"),
    (r"\\(?:eq)?ref\b", "a reference inside of a formula; write {eq}`eq-…` in the text"),
]
BRACKETS = re.compile(r"\{,\}|\\?[({\[][^(){}\[\]]*\\?[)}\]]")
COMMA = re.compile(r"\d,\d")
CODE = re.compile(r"[A-Za-z_][А-Яа-яЁё]|[А-Яа-яЁё][A-Za-z_]")
WORD = re.compile("[А-Яа-яЁё]+")
# Words that are another word, or another case, without the dots of ё.
AMBIGUOUS = {"все", "чем", "нем", "тем", "всем", "узнает", "узнаем", "признает", "создает", "зерна", "числа", "звезды",
             "колеса", "озера", "стекла", "сел", "мел", "небо", "берет", "совершенно", "поем", "лет"}  # fmt: skip


def find(source: Source, dotted: Iterable[str] = ()) -> Iterator[Fault]:
    """Yield the faults of the text.

    Args:
        source: the page.
        dotted: words that the book writes with ё.
    """
    undotted = {word.replace("ё", "е"): word for word in dotted}
    for piece in source.pieces:
        if piece.kind == "text":
            for pattern, message in SIGNS:
                if found := re.search(pattern, piece.text):
                    yield piece.line, f"«{around(piece.text, found)}»: {message}"
            for word in WORD.findall(piece.text):
                if (other := undotted.get(word.lower())) and word.lower() not in AMBIGUOUS:
                    yield piece.line, f"«{word}», but «{other}» elsewhere in the book; write ё"
        elif piece.kind == "formula" and (message := formula(piece.text)):
            yield piece.line, f"the formula «{' '.join(piece.text.split())[:40]}»: {message}"
        elif piece.kind == "code_inline" and (found := CODE.search(piece.text)):
            yield piece.line, f"«{around(piece.text, found)}»: Latin and Cyrillic letters in one name; type it anew"
    yield from quotation_marks(source)


def around(text: str, found: re.Match[str]) -> str:
    """The place of a text where something was found, with its neighbours."""
    return text[max(0, found.start() - 12) : found.end() + 12].strip()


def formula(tex: str) -> str:
    """Say what is wrong with the numbers and the references of a formula, if anything is."""
    for pattern, message in FORMULAS:
        if re.search(pattern, tex):
            return message
    bare, before = tex, ""
    while bare != before:  # a comma within brackets separates
        bare, before = BRACKETS.sub("|", bare), bare
    return "a comma after which TeX leaves a space; write 0{,}5" if COMMA.search(bare) else ""


def quotation_marks(source: Source) -> Iterator[Fault]:
    """Quotation marks come in pairs."""
    opened = 0
    for piece in source.pieces:
        if piece.kind != "text" and not piece.kind.startswith("role"):
            continue
        for mark in re.findall("[«»]", piece.text):
            if (mark == "«") == bool(opened):
                yield opened or piece.line, "« or » without its pair; write «…», and „…“ inside of it"
            opened = piece.line if mark == "«" else 0
    if opened:
        yield opened, "« without its pair; write »"


@lru_cache
def dotted_words(book: Path) -> frozenset[str]:
    """The words that the pages of a book write with ё."""
    texts = [file.read_bytes().decode(errors="replace").lower() for file in sorted(book.glob("*.md"))]
    return frozenset(word for text in texts for word in WORD.findall(text) if "ё" in word)
