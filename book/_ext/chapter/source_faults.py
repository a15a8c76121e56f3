"""Mistakes that are seen in the source of a page: each with its line, what is wrong and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from chapter import cell_faults, prose_faults
from chapter.exercises import LEVELS
from chapter.exercises import PREFIX as EXERCISE
from chapter.myst_source import CHARTS, Block, Piece, Source

Fault = tuple[int, str]

LEFT_OVER = [
    (r"\$", "a $ without its pair; close the formula, or write \\$"),
    (r"`", "a ` without its pair; close the code"),
    (r"\*\*|(?<![\w*])\*\w|__\w", "emphasis that does not close; put the same stars on both sides of the words"),
    (r"\[\^[^\]]*\]", "a footnote without its text; write [^name]: and the text below"),
    (r"\]\(|\]\[", "a link that is not one; write [words](address) without spaces between"),
    (r"\{[a-z]+(?::[a-z]+)?\}", "a role without its text; write {role}`text` without a space between"),
    (r"\\[a-zA-Z]{2,}|\\[,;!{}]", "TeX outside of a formula; put it between $ and $"),
    (
        r"^\s*:{3,}",
        "a fence that opens nothing; is the fence around it as short as those inside? give it one colon more",
    ),
    (
        r"^\s*\|.*\|",
        "a table that is not recognised; put an empty line before it and as many |---| as cells under its head",
    ),
    (r"^:[\w-]+:(?: |$)", "an option that stands too low; put it directly under the first line of its directive"),
    (r"^(?:<{7}|={7}|>{7})", "a mark of an unfinished merge; keep one of the two versions"),
    (r"[\u200b\ufeff\ufffd]", "an invisible or broken character; type the word anew"),
    (r"^#{1,6}[^\s#]", "a heading without its space; write one after the #"),
    (r"^\.\. [\w-]+::|:[a-z]+:$", "markup of reStructuredText; write :::{name} or {name}`text`"),
    (r"https?://", "an address that is no link; write <https://…>, or [words](https://…)"),
    (r"&[a-z]+;|&#\d+;", "an HTML entity; type the character itself"),
]
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|TBD|ДОПИСАТЬ|ДОДЕЛАТЬ)\b|\b[Tt]odo:")
NESTED = re.compile(r"\\(begin|end)\s*\{([^}]*)\}|\\(left|right)(?![a-zA-Z])|(\\\\|\\[{}%])|([{}])")
CYRILLIC_FORMULA = re.compile(r"\\(?:text|mathrm|textbf|textit|operatorname|tag|mbox)\*?\s*\{[^{}]*\}")
CYRILLIC = re.compile("[А-Яа-яЁё]")
DISPLAYED = "$$ inside a sentence; put each $$ on a line of its own, or write one $"
THEOREMS = ("theorem", "lemma", "proposition", "corollary", "definition", "remark", "example", "algorithm",
            "assumption", "axiom", "conjecture", "criterion", "observation", "property", "notation")  # fmt: skip
LABELS = ("thm", "lem", "prp", "prop", "cor", "def", "rem", "exm", "alg")
PROVED = ("prf:theorem", "prf:lemma", "prf:proposition", "prf:corollary")
NAMELESS = re.compile(
    r"\{?\s*((?:admonition|(?:moving-)?chart|code-cell|dropdown|exercise|figure|math|prf:\w+|quiz|solution-\w+))\b"
)
TITLED = ("admonition", "dropdown")
CLASSES = {
    "attention",
    "caution",
    "danger",
    "dropdown",
    "error",
    "hint",
    "important",
    "note",
    "seealso",
    "tip",
    "warning",
}
TARGET = re.compile(r"\([\w-]+\)=")
LABEL = re.compile(r"[a-z0-9-]+")
EMPTY_IS_FINE = {"code-cell", "solution-start", "solution-end", "exercise-index", "exercise-notebooks",
                 "exercise-times", "bibliography", *CHARTS, "image", "include"}  # fmt: skip
EXERCISE_OPTIONS = ("label", "level", "minutes", "hand-in")
SHORT_ALT = 20
FOLDS = ("Подсказка", "Ответ")
TELLING = 3  # letters of an answer


def find(source: Source) -> Iterator[Fault]:
    """Yield the faults of a page after which the rest of it can be read."""
    for rule in (
        unfinished,
        tables,
        left_over,
        formulas,
        headings,
        labels,
        directives,
        theorems,
        cell_faults.find,
        pictures,
        exercises,
    ):
        yield from rule(source)


def spoils(source: Source) -> Iterator[Fault]:
    """Faults after which the rest of the page means nothing."""
    if source.text.startswith("\ufeff"):
        yield 1, "an invisible mark before the first letter; save the page as UTF-8 without BOM"
        return
    if not source.text.strip():
        yield 1, "an empty page; begin with (sec-…)= and a heading"
    elif not source.headings:
        yield 1, "a page without a title; write # and the title under the label (sec-…)="
    if source.cells and "jupytext" not in source.header:
        yield (
            source.cells[0].line,
            "a cell on a page without the header of notebooks; copy the first lines of another page",
        )
    try:
        header = yaml.safe_load(source.header) or {}
        kernel = header.get("kernelspec", {}).get("name", "python3") if isinstance(header, dict) else ""
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        yield (mark.line + 2 if mark else 1), "the header is no YAML; copy the first lines of another page"
        return
    if kernel != "python3":
        line = next((n for n, text in enumerate(source.lines, 1) if text.strip() == f"name: {kernel}"), 1)
        yield line, f"the kernel «{kernel}» is not that of the book; write name: python3"
        return
    for block in source.blocks:
        if not block.closed:
            outer = block.outer and f"; if it is closed, the {{{block.outer.name}}} around it needs a longer fence"
            yield (
                block.line,
                f"the fence {block.title} does not close{outer or '; add the same marks under its content'}",
            )
            return
        if not block.name and not block.argument and source.lines[block.line - 1].strip().startswith(":"):
            yield (
                block.line,
                "a fence without a name; is the one before it closed too early? give the outer more colons",
            )
            return
    for piece in source.pieces:
        if piece.kind == "formula" and not piece.text.strip():
            yield piece.line, "an empty formula; write it, and its label after the closing $$"
            return
    yield from cell_faults.unreadable(source)


def unfinished(source: Source) -> Iterator[Fault]:
    """Notes of the author to himself, wherever they stand."""
    for number, line in enumerate(source.lines, start=1):
        if found := UNFINISHED.search(line):
            yield (
                number,
                f"«{found[0]}» would be published with the source; finish it, or move the note out of the book",
            )


def left_over(source: Source) -> Iterator[Fault]:
    """Markup that would be printed as text; the first of a line, for the others may be its echoes."""
    told, last = 0, ""
    for piece in source.pieces:
        if piece.kind in {"html_inline", "html_block"} and not UNFINISHED.search(piece.text):
            yield piece.line, f"raw HTML «{piece.text.strip()[:40]}»; use a directive"
        if piece.kind != "text" or piece.line == told:
            continue
        for pattern, message in LEFT_OVER:
            if found := re.search(pattern, piece.text):
                if message == last and piece.line == told + 1 and "table" in message:
                    told += 1
                    break
                double = pattern == r"\$" and "$$" in source.lines[piece.line - 1]
                yield piece.line, DISPLAYED if double else f"«{prose_faults.around(piece.text, found)}»: {message}"
                told, last = piece.line, message
                break


def formulas(source: Source) -> Iterator[Fault]:
    """Formulas that do not balance, or stand where a formula cannot stand."""
    for piece in source.pieces:
        if piece.kind == "displayed":
            yield piece.line, DISPLAYED
        elif piece.kind == "formula" and (message := unbalanced(piece.text)):
            yield piece.line, f"the formula «{' '.join(piece.text.split())[:40]}»: {message}"


def unbalanced(tex: str) -> str:
    """Say what is wrong with a formula, if anything is."""
    open_: list[str] = []
    pairs = {"}": "{", "right": "left"}
    for found in NESTED.finditer(tex):
        environment, name, delimiter, escaped, brace = found.groups()
        if escaped:
            continue
        opened = f"begin{{{name}}}" if environment else delimiter or brace
        if environment == "begin" or opened in {"left", "{"}:
            open_.append(opened)
            continue
        wanted = opened if environment else pairs[opened]
        if not open_ or open_[-1] != wanted:
            closing = f"\\end{{{name}}}" if environment else opened if opened == "}" else "\\right"
            return f"{closing} closes nothing; write {spelt(wanted)} before it, or take it away"
        open_.pop()
    if open_:
        closing = {"{": "}", "left": "\\right"}.get(open_[-1], open_[-1].replace("begin", "\\end"))
        return f"{spelt(open_[-1])} does not close; write {closing}"
    if CYRILLIC.search(CYRILLIC_FORMULA.sub("", tex)):
        return "a Cyrillic letter outside of \\text{…}; is it a Latin one by its looks?"
    if re.search(r"(?<!\\)%", tex):
        return "a bare % hides the rest; write \\%"
    return ""


def spelt(opened: str) -> str:
    """How TeX writes it."""
    return opened if opened == "{" else f"\\{opened}"


def tables(source: Source) -> Iterator[Fault]:
    """Rows that have more or fewer cells than the head."""
    for first in source.tables:
        wanted = cells_in(source.lines[first - 1])
        for number in range(first, len(source.lines) + 1):
            line = source.lines[number - 1].strip()
            if "|" not in line:
                break
            if (count := cells_in(line)) != wanted:
                yield number, f"a row of {count} cells under a head of {wanted}; write a | inside a cell as \\|"


def cells_in(row: str) -> int:
    """How many cells a row of a table has."""
    return len(re.split(r"(?<!\\)\|", row.strip().removeprefix("|").removesuffix("|")))


def headings(source: Source) -> Iterator[Fault]:
    """A page has one title; every heading has a label of its own and stands outside of directives."""
    for number, heading in enumerate(source.headings):
        if heading.outer is not None:
            yield heading.line, f"a heading inside {heading.outer.title}; is its fence closed? use **bold** inside"
        elif heading.level == 1 and number:
            yield heading.line, "a second title on the page; write ## for a section"
        elif heading.level > 1 and not number:
            yield heading.line, "the page begins with a section; write its title with one # first"
        elif number and heading.level > source.headings[number - 1].level + 1:
            yield heading.line, f"the heading skips a level; write {'#' * (source.headings[number - 1].level + 1)}"
        elif heading.text.rstrip().endswith((".", ":", ",", ";")):
            yield heading.line, f"the heading «{heading.text}» ends with a sign; take it away"
        elif is_empty(source, number):
            yield heading.line, f"nothing stands under the heading «{heading.text}»; write the section, or take it away"
        elif not heading.label.startswith("sec-"):
            yield heading.line, f"the heading «{heading.text}» has no label; put (sec-…)= on the line above it"
        elif not heading.text.strip():
            yield heading.line, "an empty heading; write its words after the #"


def is_empty(source: Source, number: int) -> bool:
    """Tell whether a section has neither text nor a section inside."""
    heading, following = source.headings[number], source.headings[number + 1 :]
    if following and (heading.level == 1 or following[0].level > heading.level):
        return False
    end = following[0].line - 1 if following else len(source.lines)
    return not any(line.strip() and not TARGET.fullmatch(line.strip()) for line in source.lines[heading.line : end])


def directives(source: Source) -> Iterator[Fault]:
    """Directives without content or without the label by which they are referred to."""
    for block in source.blocks:
        if not block.name and (found := NAMELESS.match(block.argument)):
            yield block.line, f"a directive without its braces; write {{{found[1]}}}"
        elif block.options and block.content.startswith(":"):
            yield block.line, f"the options of {block.title} run into its content; put an empty line under them"
        elif block.name in TITLED and not block.argument:
            yield block.line, f"{block.title} has no title; write it behind the braces"
        elif block.name == "admonition" and not set(block.options.get("class", "").split()) <= CLASSES:
            classes = ", ".join(sorted(CLASSES - {"dropdown"}))
            yield block.line, f"no box is «{block.options['class']}»; write one of {classes} after :class:"
        elif block.name == "quiz" and not any(within(block, one) for one in source.blocks if one.name == "exercise"):
            yield block.line, f"the field {block.argument} outside of an exercise; move it into one"
        elif block.name and not block.content.strip() and block.name not in EMPTY_IS_FINE:
            yield block.line, f"{block.title} has no content; write it between the fences"
        elif block.name == "admonition" and "dropdown" in block.options.get("class", ""):
            yield block.line, "an admonition does not fold here; use {dropdown}"
        elif block.name in {*CHARTS, "figure", "image"}:
            yield from described(block)


def theorems(source: Source) -> Iterator[Fault]:
    """Theorems have title and label, a proof has a theorem."""
    last = ""
    for block in [block for block in source.blocks if block.name.startswith("prf:")]:
        kind = block.name.removeprefix("prf:")
        labels = [label for label, line in source.labels if block.line - 2 <= line <= block.line]
        prefixes = ", ".join(f"{prefix}-…" for prefix in LABELS)
        if kind in THEOREMS and not block.options.get("label"):
            yield block.line, f"{block.title} has no label; write :label: under its first line"
        elif kind in THEOREMS and not block.argument:
            yield block.line, f"{block.title} has no title; write it behind the braces"
        elif kind in THEOREMS and not any(label.partition("-")[0] in LABELS for label in labels):
            yield block.line, f"the label {block.label} does not tell what it labels; write one of {prefixes}"
        elif kind == "proof" and last not in PROVED:
            yield block.line, "a proof without a theorem above it; write {prf:theorem} before it"
        last = block.name


def described(block: Block) -> Iterator[Fault]:
    """A picture says its conclusion in words, has a caption, and a label."""
    alt = block.options.get("alt", "")
    if len(alt) < SHORT_ALT or not CYRILLIC.search(alt):
        yield block.line, f"{block.title} with the description «{alt}»; say its conclusion in Russian after :alt:"
    elif block.name != "image" and not block.content.strip():
        yield block.line, f"{block.title} has no caption; write its conclusion as the content"
    elif not block.label:
        yield block.line, f"{block.title} has no label; write :name: fig-… under its first line"
    elif block.name in CHARTS and not block.argument.startswith("fig-"):
        yield block.line, f"the chart {block.argument}; begin its name with fig-"


def pictures(source: Source) -> Iterator[Fault]:
    """Pictures and links."""
    for piece in source.pieces:
        if piece.kind == "image":
            if re.match(r"(?:https?:)?//", piece.text):
                yield piece.line, f"the picture {piece.text} comes from outside; put it into book/_static"
            elif len(piece.holder) < SHORT_ALT or not CYRILLIC.search(piece.holder):
                yield piece.line, f"a picture with the description «{piece.holder}»; say its conclusion in the brackets"
        elif piece.kind == "link" and not piece.text:
            yield piece.line, "a link without an address; write [words](address)"


def labels(source: Source) -> Iterator[Fault]:
    """A label is written with small Latin letters, and that of a formula tells what it is."""
    for label, line in source.labels:
        if not LABEL.fullmatch(label):
            yield line, f"the label «{label}»; write it with a–z, 0–9 and - alone"
        elif "$$" in source.lines[line - 1] and not label.startswith("eq-"):
            yield line, f"the label of a formula begins with eq-; write eq-{label}"


def exercises(source: Source) -> Iterator[Fault]:
    """An exercise, its hint, its answer and its solution follow each other, and the solution names the exercise."""
    nested = [block for block in source.blocks if block.name == "exercise" and block.outer is not None]
    if nested and nested[0].outer:
        yield nested[0].line, f"an exercise inside {nested[0].outer.title}; put it on the level of the page"
        return
    found = [block for block in source.blocks if block.outer is None]
    places = [number for number, block in enumerate(found) if block.name == "exercise"]
    for place, following in zip(places, [*places[1:], len(found)], strict=False):
        yield from whole_exercise(found[place], found[place + 1 : following], source)
    before = found[: places[0]] if places else found
    for block in before:
        if block.name in {"solution-start", "solution-end"}:
            yield block.line, f"{block.title} before the first exercise; move it behind its exercise"


def whole_exercise(exercise: Block, rest: list[Block], source: Source) -> Iterator[Fault]:
    """What belongs to one exercise."""
    label = exercise.options.get("label", "")
    missing = [f":{option}:" for option in EXERCISE_OPTIONS if not exercise.options.get(option)]
    if missing:
        yield exercise.line, f"the exercise «{exercise.argument}»: give {', '.join(missing)} under its first line"
        return
    if not label.startswith(EXERCISE):
        yield (
            exercise.line,
            f"the label of an exercise begins with {EXERCISE}; write {EXERCISE}{label.partition('-')[2]}",
        )
        return
    if exercise.options["level"] not in LEVELS or not exercise.options["minutes"].isdecimal():
        yield exercise.line, f"{label}: :level: is one of {', '.join(LEVELS)}, :minutes: a number"
    fields = [block for block in source.blocks if block.name == "quiz" and within(block, exercise)]
    for number, block in enumerate(fields):
        if block.argument in [before.argument for before in fields[:number]]:
            yield block.line, f"the field {block.argument} again; register a second check with another name"
    starts = [block for block in rest if block.name == "solution-start"]
    end = rest.index(starts[0]) if starts else len(rest)
    folds = [block.argument.split()[0] for block in rest[:end] if block.name == "dropdown" and block.argument]
    for fold in FOLDS:
        if fold not in folds:
            yield exercise.line, f"the exercise {label} has no {{dropdown}} {fold}; write it before the solution"
    if folds == [*reversed(FOLDS)]:
        yield exercise.line, f"the exercise {label} answers before it hints; write Подсказка before Ответ"
    content = {block.argument: " ".join(block.content.split()).rstrip(".") for block in rest[:end]}
    if len(answer := content.get(FOLDS[1], "")) >= TELLING and answer in content.get(FOLDS[0], ""):
        yield exercise.line, f"the hint of {label} tells the answer «{answer}»; say only how to begin"
    if not starts:
        yield (
            exercise.line,
            f"the exercise {label} has no solution; write {{solution-start}} {label} … {{solution-end}}",
        )
    for start in starts:
        if start.argument != label:
            yield start.line, f"the solution names {start.argument}, the exercise above it is {label}; write {label}"
    ends = sum(block.name == "solution-end" for block in rest)
    if ends < len(starts):
        yield starts[-1].line, f"the solution of {label} does not end; write {{solution-end}} after it"
    elif ends > len(starts) and starts:
        yield [b for b in rest if b.name == "solution-end"][-1].line, "a solution ends that has not begun; take it away"
    stub = [block for block in source.blocks if block.outer is exercise and (block.name or block.argument) == "python"]
    if exercise.options.get("level") == "код" and not (stub and "def " in stub[0].content and '"""' in stub[0].content):
        yield (
            exercise.line,
            f"the exercise {label} gives no function to fill in; write ```python with def and docstring",
        )


def checks_of(exercise: Block, source: Source) -> dict[str, int]:
    """Names by which an exercise is checked, those of its fields or its own, and their lines."""
    fields = {block.argument: block.line for block in source.blocks if block.name == "quiz" and within(block, exercise)}
    return fields or {exercise.options.get("label", "").removeprefix(EXERCISE): exercise.line}


def within(block: Block, outer: Block) -> bool:
    """Tell whether a block stands in another, however deep."""
    return block.outer is not None and (block.outer is outer or within(block.outer, outer))


def roles(source: Source, *names: str) -> list[Piece]:
    """The roles of some kinds."""
    return [piece for piece in source.pieces if piece.kind in {f"role {name}" for name in names}]
