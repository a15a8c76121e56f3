"""Mistakes that authors make, with the place and the words of the message that must name each of them.

A page is written as its faulty parts: ``Page`` puts a header and a title before them. Most pages have several, since a page
costs time, and one with cells a kernel; none of them may hide another.
"""

from dataclasses import dataclass

from bookmaker import KERNEL

CHECK = """from gradflow.exercises._authoring import number

number("{name}", 2.0, digits=1, mistakes=[(3.0, "Три."), (4.0, "Четыре."), (5.0, "Пять.")])
"""

EXERCISE = """::::{exercise} Сумма
:label: ex-NAME
:level: устно
:minutes: 5
:hand-in: число.

Сложите единицу и единицу.

:::{quiz} NAME
Сколько будет?
:::
::::

:::{dropdown} Подсказка
Начните с единицы.
:::

:::{dropdown} Ответ
Два.
:::

:::{solution-start} ex-NAME
:::

```{code-cell} ipython3
from gradflow.exercises import check

check("NAME", 2)
```

:::{solution-end}
:::
"""

CHART = """```{code-cell} ipython3
:tags: [remove-output]
from gradflow.book.figures import Chart
from myst_nb import glue

chart = Chart()
chart.ax.plot([1, 2], [3, NAME])
glue("fig-NAME", chart)
```

```{chart} fig-NAME
:alt: Прямая растёт от трёх до числа на странице.
Прямая растёт.
```
"""

MOVING = (
    CHART.replace(
        "glue(",
        """chart.moves("deep_network", gain=Slider("g", 0, 2, 0.5, 1), sigma=Slider("s", 0, 2, 1, 1), depth=Slider("L", 2, 9, 1, 3))
glue(""",
    )
    .replace("import Chart", "import Chart, Slider")
    .replace("{chart}", "{moving-chart}")
)

THEOREM = """:::{prf:theorem} О единице
:label: thm-NAME
Единица равна $1$.
:::
"""


@dataclass
class Fault:
    """A faulty part of a page, the words at whose first occurrence the message points, and words of the message."""

    text: str
    at: str
    message: str
    executed: bool = False
    title: str = "(sec-NAME)=\n# Страница NAME\n\n"
    header: str = KERNEL


@dataclass
class Page:
    """A page with one fault or several, by their names."""

    name: str
    faults: dict[str, Fault]

    @property
    def file(self) -> str:
        """The name of its file, which is also that of a Python module."""
        return self.name.replace("-", "_")

    @property
    def text(self) -> str:
        """The whole page."""
        first = next(iter(self.faults.values()))
        header = first.header if first.executed or "{code-cell}" in first.text else ""
        parts = [fault.text.replace("NAME", name) for name, fault in self.faults.items()]
        return header + first.title.replace("NAME", self.name) + "\n\n".join(parts)

    def line_of(self, name: str) -> int:
        """The number of the line where the fault stands."""
        start, wanted = 0, self.faults[name].at.replace("NAME", name)
        if len(self.faults) > 1:
            start = self.text.index(self.faults[name].text.replace("NAME", name))
        return self.text[: self.text.index(wanted, start)].count("\n") + 1


def cell(code: str, tags: str = "") -> str:
    """A code cell."""
    return "```{code-cell} ipython3\n" + (f":tags: [{tags}]\n" if tags else "") + code + "\n```\n"


MARKUP = {
    "dollar": Fault("Пусть $a=b и конец.", "Пусть", "a $ without its pair"),
    "displayed": Fault("Итак,\n$$a=b$$ и конец.", "$$a", "inside a sentence"),
    "torn": Fault("Слово $$a=b и конец.", "Слово", "$$ inside a sentence"),
    "row-short": Fault("| a | b |\n|---|---|\n| 1 |\n", "| 1 |", "a row of 1 cells under a head of 2"),
    "row-long": Fault("| a | b |\n|---|---|\n| 1 | 2 | 3 |\n", "| 1 |", "a row of 3 cells"),
    "row-bar": Fault("| a | b |\n|---|---|\n| $|x|$ | 2 |\n", "| $", "a row of 4 cells"),
    "no-table": Fault("| a | b |\n| 1 | 2 |\n", "| a |", "a table that is not recognised"),
    "open-fence": Fault(":::{admonition} Угадайте\nЧто?\n\n(sec-more)=\n## Дальше\n", ":::{adm", "does not close"),
    "nested-fence": Fault(":::{admonition} Угадайте\n:::{tip}\nЧто?\n:::\n:::\n", ":::{tip}", "longer fence"),
    "open-backticks": Fault("```python\nx = 1\n\nТекст.\n", "```python", "does not close"),
    "brace": Fault("Пусть $\\frac{1}{2$ дано.", "Пусть", "does not close; write }"),
    "brace-extra": Fault("$$\na}=1\n$$\n", "$$", "} closes nothing"),
    "left": Fault("$$\n\\left(a+b)=1\n$$\n", "$$", "write \\right"),
    "begin": Fault("$$\n\\begin{aligned}a&=b\n$$\n", "$$", "\\end{aligned}"),
    "unknown-macro": Fault("Пусть\n$\\nosuchmacro x$.", "$\\nosuch", "Undefined control sequence \\nosuchmacro"),
    "macro-display": Fault("$$\na\n=\\nosuchmacro\n$$\n", "=\\nosuch", "formula a =\\nosuchmacro: Undefined"),
    "macro-row": Fault("| a | b |\n|---|---|\n| 1 | 2 |\n| $\\nosuch$ | 2 |\n", "| $\\nosuch", "use a macro of LaTeX"),
    "macro-inside": Fault(
        ":::{admonition} Опыт\nПервая строка,\nвторая $\\nosuch$.\n:::\n", "вторая", "use a macro of LaTeX"
    ),
    "cyrillic-formula": Fault("Пусть $с=1$.", "Пусть", "Cyrillic letter"),
    "percent": Fault("Это $5%$ веса.", "Это", "write \\%"),
    "emphasis": Fault("Это **важно.", "Это", "emphasis that does not close"),
    "backtick": Fault("Вызовем `f(x).", "Вызовем", "a ` without its pair"),
    "role-space": Fault("На {numref} `fig-x`.", "На", "a role without its text"),
    "macro-text": Fault("Норма \\lVert x\\rVert равна.", "Норма", "TeX outside of a formula"),
    "option-low": Fault(":::{admonition} Угадайте\nЧто?\n\n:class: tip\n:::\n", ":class:", "stands too low"),
    "merge": Fault("<<<<<<< HEAD\nСлово.\n", "<<<", "unfinished merge"),
    "latin": Fault("Это cлой сети.", "Это", "Latin and Cyrillic letters in one word"),
    "hyphen": Fault("Слой - это матрица.", "Слой", "write a dash"),
    "link": Fault("Ссылка [тут][b].", "Ссылка", "a link that is not one"),
    "todo": Fault("Здесь будет опыт. TODO: дописать.", "Здесь", "«TODO»"),
    "todo-comment": Fault("Текст.\n\n<!-- TODO: проверить число -->\n", "<!--", "«TODO»"),
    "todo-percent": Fault("Текст.\n\n% FIXME число\n", "% FIXME", "«FIXME»"),
    "html": Fault('<img src="https://example.org/a.png" alt="Кривая растёт от 1 до 4.">\n', "<img", "raw HTML"),
    "image-outside": Fault("![Кривая растёт от одного до двух](https://example.org/a.png)\n", "![", "from outside"),
    "unknown-directive": Fault(":::{prf:theorm} О нуле\nНоль.\n:::\n", ":::", "write prf:theorem"),
    "unknown-role": Fault("Первая строка,\nвторая {numreff}`fig-x`.", "вторая", "write numref"),
    "no-braces": Fault(":::admonition Опыт\nДа.\n:::\n", ":::", "without its braces; write {admonition}"),
    "spaced-braces": Fault(":::{ admonition } Да\nДа.\n:::\n", ":::", "without its braces; write {admonition}"),
    "rst": Fault(".. note::\n\n   Да.\n", "..", "markup of reStructuredText"),
    "rst-role": Fault("На :ref:`sec-x` смотрите.", "На", "markup of reStructuredText"),
    "heading-space": Fault("##Раздел\n", "##Раздел", "a heading without its space"),
    "address": Fault("Смотрите https://example.org здесь.", "Смотрите", "an address that is no link"),
    "footnote": Fault("Слово[^a].", "Слово", "a footnote without its text"),
    "mark": Fault("Текст.", "---", "save the page as UTF-8 without BOM", header="\ufeff" + KERNEL, executed=True),
    "formula-label": Fault("$$\na=b \\label{eq-a}\n$$\n", "$$", "write (eq-…) after the closing $$"),
    "formula-tag": Fault("$$\na=b \\tag{1}\n$$\n", "$$", "write (eq-…) after the closing $$"),
    "formula-reference": Fault("Из $\\eqref{eq-a}$ следует.", "Из", "write {eq}`eq-…` in the text"),
    "formula-name": Fault("Текст.\n\n$$\na=b\n$$ (first)\n", "$$ (first", "begins with eq-; write eq-first"),
    "formula-label-first": Fault("$$ (eq-first)\na=b\n$$\n", "$$", "an empty formula"),
    "formula-twice": Fault(
        "$$\na\n$$ (eq-NAME)\n\n$$\nb\n$$ (eq-NAME)\n\nКонец.",
        "$$ (eq-NAME)\n\nКонец",
        "the label eq-formula-twice again",
    ),
    "ampersand": Fault("$$\na&=b\n$$\n", "$$", "Misplaced &"),
    "wide-table": Fault("| a |\n|---|---|\n| 1 | 2 |\n", "| a |", "a table that is not recognised"),
}

PROSE = {
    "decimal-point": Fault("Множитель равен 0.5.", "Множитель", "a decimal point; write a comma"),
    "decimal-formula": Fault("Множитель равен $0.5$.", "Множитель", "a decimal point; write 0{,}5"),
    "decimal-comma": Fault("Множитель равен\n$0,5$, а интервал $(0,1)$.", "$0,5", "write 0{,}5"),
    "exponent": Fault("Скорость равна 1e-3.", "Скорость", "a number of a program"),
    "per-cent": Fault("Ещё 5% весов.", "Ещё", "a per cent sign without its space"),
    "quotation": Fault('Это "важное" слово.', "Это", "write «…»"),
    "quotation-english": Fault("Это “важное” слово.", "Это", "write «…»"),
    "quotation-open": Fault("Это «важное слово.\n\nКонец.", "Это", "« without its pair"),
    "quotation-closed": Fault("Это важное» слово.", "Это", "« or » without its pair"),
    "two-hyphens": Fault("Слой -- это матрица.", "Слой", "write a dash"),
    "hyphen-end": Fault("Слой -\nматрица.", "Слой", "write a dash"),
    "short-dash": Fault("Слой – матрица.", "Слой", "write a dash"),
    "close-dash": Fault("Слой —матрица.", "Слой", "a dash without its spaces"),
    "range": Fault("За 3-5 шагов.", "За", "write 3–5"),
    "stops": Fault("И так далее...", "И", "write …"),
    "space": Fault("Слой , матрица.", "Слой", "a space before a sign"),
    "twice": Fault("Это это слово слово.", "Это", "a word twice"),
    "letter-alone": Fault("Вот c чем мы работаем.", "Вот", "a Latin letter alone"),
    "letter-code": Fault("Функция `\u0441lip` режет.", "Функция", "Latin and Cyrillic letters in one name"),
    "dots": Fault("Ещё шаг.\nИ еще шаг.", "И еще", "write ё"),
}

WHOLE = {
    "no-heading-label": Fault("## Раздел\n\nТекст.", "## Раздел", "has no label"),
    "no-title-label": Fault("Текст.", "# Страница", "has no label", title="# Страница\n\n"),
    "no-title": Fault("Текст.", "Текст", "without a title", title=""),
    "second-title": Fault("(sec-two)=\n# Ещё одна\n", "# Ещё", "a second title"),
    "level": Fault("(sec-three)=\n### Раздел\n\nТекст.", "### Раздел", "skips a level"),
    "inner-heading": Fault(":::{admonition} Угадайте\n(sec-in)=\n## Раздел\n:::\n", "## Раздел", "a heading inside"),
    "no-theorem-label": Fault(":::{prf:theorem} О нуле\nНоль.\n:::\n", ":::", "has no label"),
    "no-content": Fault(":::{dropdown} Подсказка\n:::\n", ":::", "has no content"),
    "figure-label": Fault(
        "```{figure} _static/favicon.svg\n:alt: Кривая растёт от одного до двух.\nКривая.\n```\n", "```", "has no label"
    ),
    "heading-stop": Fault("(sec-stop)=\n## Раздел.\n\nТекст.", "## Раздел", "ends with a sign"),
    "empty-section": Fault("(sec-empty)=\n## Раздел\n\n(sec-full)=\n## Второй\n\nТекст.", "## Раздел", "nothing stands"),
    "empty-end": Fault("Текст.\n\n(sec-end)=\n## Раздел\n", "## Раздел", "nothing stands under"),
    "underlined": Fault("Раздел\n======\n\nТекст.\n", "Раздел", "a second title"),
    "label-letters": Fault("(sec-раздел)=\n## Раздел\n\nТекст.", "(sec-р", "with a–z, 0–9 and - alone"),
    "label-case": Fault("(sec-Case)=\n## Раздел\n\nТекст.", "(sec-C", "with a–z, 0–9 and - alone"),
    "label-space": Fault("(sec-space) =\n## Раздел\n\nТекст.", "## Раздел", "has no label"),
    "proof-alone": Fault(":::{prf:proof}\nЯсно. ∎\n:::\n", ":::", "a proof without a theorem"),
    "theorem-title": Fault(THEOREM.replace(" О единице", ""), ":::", "has no title"),
    "theorem-label": Fault(THEOREM.replace("thm-", "theorem-"), ":::", "does not tell what it labels"),
    "options-end": Fault("::::{admonition} Да\n:class: tip\n:::{tip}\nДа.\n:::\n::::\n", "::::", "put an empty line under"),
    "box-class": Fault(":::{admonition} Угадайте\n:class: warnign\nЧто?\n:::\n", ":::", "no box is «warnign»"),
    "box-title": Fault(":::{admonition}\nЧто?\n:::\n", ":::", "has no title"),
    "box-option": Fault(":::{dropdown} Да\n:colour: red\nЧто?\n:::\n", ":::", "Unknown option keys: ['colour']"),
    "fold-title": Fault(":::{dropdown}\nЧто?\n:::\n", ":::", "has no title"),
    "image-absent": Fault("![Кривая растёт от одного до двух](_static/favicn.svg)\n", "![", "write book/_static/favicon.svg"),
    "link-heading": Fault("Смотрите\n[раздел](#sec-absent-at-all).", "[раздел]", "correct the name"),
    "link-page": Fault("Смотрите [страницу](indexx.md).", "Смотрите", "indexx.md"),
    "include": Fault("```{include} absent.md\n```\n", "```", "file not found"),
    "admonition-fold": Fault("```{admonition} Да\n:class: dropdown\nНет.\n```\n", "```", "use {dropdown}"),
    "no-header": Fault(cell("1 + 1"), "```", "without the header of notebooks", header=""),
    "bad-header": Fault("Текст.", "kernel: [", "the header is no YAML", executed=True, header="---\njupytext: x\nkernel: [\n---\n"),
    "nested-cell": Fault(":::{admonition} Опыт\n" + cell("1 + 1") + ":::\n", "```", "is not executed"),
    "undefined": Fault("Смотрите {ref}`sec-absent`.", "Смотрите", "sec-absent"),
    "undefined-number": Fault("На {numref}`рис. {number} <fig-absent>`.", "На", "fig-absent"),
    "undefined-theorem": Fault("По {prf:ref}`thm-absent`.", "По", "thm-absent"),
    "undefined-work": Fault("Смотрите\n{cite}`unused200`.", "{cite}", "write unused2000"),
    "undefined-term": Fault("Это\n{term}`градеент`.", "{term}", "write градиент"),
    "undefined-kind": Fault("В {eq}`sec-index`.", "В", "take another role"),
    "undefined-formula": Fault("В {eq}`eq-absent`.", "В", "eq-absent"),
    "two-theorems": Fault(THEOREM + "\n" + THEOREM.replace("О единице", "О двойке"), ":::{prf:theorem} О двойке", "again"),
    "two-headings": Fault("(sec-NAME)=\n## Раздел\n\nТекст.", "(sec-NAME)=\n## Раздел", "the label sec-two-headings again"),
}  # fmt: skip

EXERCISES = {  # their names begin with sum-: such a page gets the checks above
    "sum-folded": Fault(
        "::::::{dropdown} Задача\n" + EXERCISE.replace(":::{dropdown} Подсказка", "::::::\n\n:::{dropdown} Подсказка"),
        "::::{exercise}",
        "an exercise inside {dropdown}",
    ),
    "sum-field": Fault(
        EXERCISE.replace("будет?\n:::", "будет?\n:::\n\n:::{quiz} NAME\nА теперь?\n:::"), ":::{quiz} NAME\nА", "again"
    ),
    "sum-minutes": Fault(EXERCISE.replace(":minutes: 5", ":minutes: пять"), "::::{exercise}", ":minutes: a number"),
    "sum-order": Fault(
        EXERCISE.replace("Подсказка", "Потом").replace("Ответ", "Подсказка").replace("Потом", "Ответ"),
        "::::{exercise}",
        "answers before it hints",
    ),
    "sum-telling": Fault(
        EXERCISE.replace("Начните с единицы", "Будет Два"), "::::{exercise}", "tells the answer «Два»"
    ),
    "sum-alone": Fault(":::{quiz} NAME\nСколько?\n:::\n", ":::", "outside of an exercise"),
    "sum-level": Fault(EXERCISE.replace(":level: устно\n", ""), "::::{exercise}", "give :level:"),
    "sum-two": Fault(
        EXERCISE + "\n" + EXERCISE.replace("Сумма", "Ещё"), "::::{exercise} Ещё", "the label ex-sum-two again"
    ),
    "sum-label": Fault(EXERCISE.replace(":label: ex-NAME", ":label: task-NAME"), "::::{exercise}", "begins with ex-"),
    "sum-unchecked": Fault(EXERCISE.replace("{quiz} NAME", "{quiz} no-such"), "{quiz}", "no-such"),
    "sum-hint": Fault(EXERCISE.replace("} Подсказка", "} Намёк"), "::::{exercise}", "no {dropdown} Подсказка"),
    "sum-answer": Fault(EXERCISE.replace("} Ответ", "} Итог"), "::::{exercise}", "no {dropdown} Ответ"),
    "sum-solution": Fault(EXERCISE.partition(":::{solution-start}")[0], "::::{exercise}", "has no solution"),
    "sum-foreign": Fault(
        EXERCISE.replace("start} ex-NAME", "start} ex-other"), ":::{solution-start}", "names ex-other"
    ),
    "sum-endless": Fault(EXERCISE.partition(":::{solution-end}")[0], ":::{solution-start}", "does not end"),
    "sum-unbegun": Fault(EXERCISE + "\n::::{solution-end}\n::::\n", "::::{solution-end}", "has not begun"),
    "sum-stub": Fault(EXERCISE.replace("устно", "код"), "::::{exercise}", "no function to fill in"),
    "sum-wrong": Fault(EXERCISE.replace('"NAME", 2)', '"NAME", 3)'), "::::{exercise}", "does not accept the solution"),
    "sum-misspelt": Fault(EXERCISE.replace('"NAME", 2)', '"NAMES", 2)'), 'check("', "no check is named"),
    "sum-silent": Fault(EXERCISE.replace('check("NAME", 2)', "2"), "::::{exercise}", "does not check"),
}

CELLS = {
    "raises": Fault(cell("x = 1\n1 / 0"), "1 / 0", "ZeroDivisionError: division by zero"),
    "syntax": Fault(cell("x = 1\nx ="), "x =\n", "the cell is no Python"),
    "stderr": Fault(cell("import sys\nprint('осторожно', file=sys.stderr)"), "import sys", "«осторожно»"),
    "display": Fault(
        cell("class Bad:\n    def _repr_html_(self):\n        raise RuntimeError\n\nBad()"), "class Bad", "while it is displayed"
    ),
    "bare-object": Fault(cell("object()"), "object()", "an object's address"),
    "hidden-object": Fault(cell("object()", "remove-output"), "object()", "an object's address"),
    "endless": Fault(
        cell("from threading import Event\nEvent().wait()"), "from threading", "does not end within 2 s",
        header=KERNEL.replace("---\njup", "---\nmystnb:\n  execution_timeout: 2\njup"),
    ),
    "dies": Fault(cell("import os\nos._exit(1)"), "import os", "the kernel died"),
    "clock": Fault(cell("import time\nprint(time.time())"), "import time", "reads the clock (time.time)"),
    "date": Fault(cell("from datetime import datetime\nprint(datetime.now().year)"), "print(", "reads the clock"),
    "chance": Fault(cell("import random\nprint(random.random())"), "import random", "global random state of random"),
    "uuid": Fault(cell("import uuid\nprint(uuid.uuid4())"), "import uuid", "uuid.uuid4"),
    "numpy-chance": Fault(cell("import numpy as np\nnp.random.rand(2).sum()"), "import numpy", "state of numpy"),
    "torch-chance": Fault(cell("import torch\nprint(torch.rand(1))"), "import torch", "global random state of torch"),
    "network": Fault(
        cell("from urllib.request import urlopen\ntry:\n    urlopen('http://192.0.2.1/')\nexcept Exception:\n    pass"),
        "from urllib", "reaches for the network (192.0.2.1)",
    ),
    "writes": Fault(cell("from pathlib import Path\nPath('data.txt').write_text('1');"), "from pathlib", "the file data.txt"),
    "program": Fault(cell("import subprocess\nsubprocess.run(['true']);"), "import subprocess", "another program"),
    "shell": Fault(cell("!ls"), "!ls", "calls a program"),
    "large": Fault(cell("print('ноль ' * 1_000_000)"), "print", "MB"),
    "path": Fault(cell("import sys\nprint(sys.prefix)"), "import sys", "shows the path"),
    "tag-text": Fault(cell("1 + 1").replace("ipython3\n", 'ipython3\n:tags: "hide-input"\n'), "```", "write :tags: [hide-input]"),
    "tag-bare": Fault(cell("1 + 1").replace("ipython3\n", "ipython3\n:tags: hide-input\n"), "```", "write :tags: [hide-input]"),
    "tag-header": Fault(cell("---\ntags: [hide-input]\n---\n1 + 1"), "```", "write :tags: [hide-input]"),
    "kernel": Fault(cell("1 + 1"), "name: ir", "write name: python3", header=KERNEL.replace("name: python3", "name: ir")),
    "endless-cell": Fault("```{code-cell} ipython3\nx = 1\n\n(sec-more)=\n## Дальше\n", "```", "does not close"),
    "space-code": Fault(cell("x\u00a0= 1"), "x\u00a0", "the cell is no Python"),
    "name": Fault(cell("x = 1\n\u0441 = 1"), "\u0441 =", "has a Cyrillic letter"),
    "install": Fault(cell("%pip install numpy"), "%pip", "calls a program"),
    "machine": Fault(cell("import os\nprint(os.cpu_count())"), "import os", "asks what only this machine knows"),
    "progress": Fault(cell("print('10 %\\r20 %')"), "print", "writes over itself"),
    "wide": Fault(cell("print('сигнал ' * 40)"), "print", "write shorter lines"),
    "long": Fault(cell("for step in range(99):\n    print(step)"), "for step", "show the first few"),
    "drawing": Fault(cell("import matplotlib.pyplot as plt\nplt.plot([1, 2]);"), "import mat", "a picture without description"),
    "chart-bare": Fault(cell("from gradflow.book import Chart\nchart = Chart()\nchart"), "from gradflow", "show it with {chart}"),
    "unsaid": Fault(cell("from gradflow.book import say\nsay('NAME-x', 0.5, 2)"), "say(", "no sentence says «unsaid-x»"),
    "unsaid-many": Fault(
        cell("from gradflow.book import say\nfor k in 'ab':\n    say(f'NAME-{k}', 1)"), "    say(", "no sentence says «unsaid-many-*»"
    ),
    "said-twice": Fault(
        cell("from gradflow.book import say\nsay('NAME-x', 1)\nsay('NAME-x', 2)") + "\nЭто {glue:text}`NAME-x`.",
        "say('said-twice-x', 2)", "is glued again",
    ),
    "tag": Fault(cell("1 + 1", "hide-inpt"), "```", "write hide-input"),
    "option": Fault(cell("1 + 1").replace("ipython3\n", "ipython3\n:tag: [hide-input]\n"), "```", "no option :tag:"),
    "glued-nothing": Fault(
        cell("from myst_nb import glue\nglue('NAME-x', float('nan'), display=False)") + "\nВышло {glue:text}`NAME-x`.",
        "from myst_nb", "the glued value is «nan»",
    ),
    "unglued": Fault(cell("1 + 1") + "\nВышло {glue:text}`NAME-absent`.", "Вышло", "unglued-absent"),
    "chart-shown": Fault(CHART.replace(":tags: [remove-output]\n", ""), "```{code-cell}", "a second time"),
    "chart-tag": Fault(CHART.replace("remove-output", "remove-outptu"), "```{code-cell}", "write remove-output"),
    "chart-unseen": Fault(CHART.partition("```{chart}")[0], 'glue("fig', "is nowhere shown"),
    "chart-alt": Fault(CHART.replace(":alt: Прямая растёт от трёх до числа на странице.\n", ""), "```{chart}", "its conclusion in Russian"),
    "chart-english": Fault(CHART.replace("Прямая растёт от трёх до числа на странице", "A straight line that grows"), "```{chart}", "in Russian"),
    "chart-short": Fault(CHART.replace("Прямая растёт от трёх до числа на странице", "Прямая"), "```{chart}", "in Russian"),
    "chart-caption": Fault(CHART.replace("\nПрямая растёт.\n```", "\n```"), "```{chart}", "has no caption"),
    "moving-still": Fault(CHART.replace("{chart}", "{moving-chart}"), "```{moving-chart}", "the chart has no controls; call chart.moves"),
    "moving-chart": Fault(MOVING.replace("{moving-chart}", "{chart}"), "```{chart}", "show it with {moving-chart}"),
    "moving-curve": Fault(MOVING, "```{moving-chart}", "do not both know the curve «linear-activations»; give a line"),
    "moving-drawn": Fault(MOVING.replace("[3, NAME]", '[3, 4], gid="curve-own"'), "```{moving-chart}", "do not both know the curve"),
    "moving-range": Fault(MOVING.replace("0, 2, 0.5, 1)", "2, 2, 0.5, 2)"), "chart.moves", "low, high: expected low < high, got 2 and 2"),
    "moving-start": Fault(MOVING.replace("0.5, 1)", "0.5, 0.7)"), "chart.moves", "start: expected a position between 0 and 2, got 0.7"),
    "moving-ends": Fault(MOVING.replace("0, 2, 0.5, 1)", ")"), "chart.moves", "missing 4 required positional arguments"),
    "moving-formula": Fault(MOVING.replace("deep_network", "no_formula"), "```{moving-chart}", "no book/_static/moving_no_formula.js"),
    "moving-control": Fault(MOVING.replace("depth=", "layers="), "```{moving-chart}", "moving_deep_network.js says «Error: no control is named depth»"),
    "moving-alt": Fault(MOVING.replace(":alt: Прямая растёт от трёх до числа на странице.\n", ""), "```{moving-chart}", "its conclusion in Russian"),
    "moving-unseen": Fault(MOVING.partition("```{moving-chart}")[0], 'glue("fig', "is nowhere shown"),
    "chart-twice": Fault(
        CHART + "\n" + CHART.replace("book.figures", "book").replace("fig-NAME", "fig-NAME-2"),
        "from gradflow.book import", "is the same picture as",
    ),
}  # fmt: skip
for number, fault in enumerate(CELLS.values(), start=4):  # no two pictures are the same
    fault.text = fault.text.replace("[3, NAME]", f"[3, {number}]")


FAULTS = {**MARKUP, **PROSE, **WHOLE, **EXERCISES, **CELLS}
TOGETHER = {  # what Sphinx cannot read, or what stops a kernel, has a page to itself
    "prose": "decimal-point decimal-formula decimal-comma exponent per-cent quotation quotation-english quotation-closed"
    " two-hyphens hyphen-end short-dash close-dash range stops space twice letter-alone letter-code dots",
    "formulas": "dollar displayed torn brace brace-extra left begin unknown-macro macro-display macro-inside"
    " cyrillic-formula percent formula-label formula-tag formula-reference formula-name formula-twice ampersand",
    "tables": "row-short row-long row-bar no-table macro-row wide-table",
    "text": "emphasis backtick role-space macro-text option-low latin hyphen link todo todo-comment todo-percent html"
    " image-outside unknown-directive unknown-role no-braces spaced-braces rst rst-role heading-space address footnote"
    " quotation-open",
    "labels": "no-heading-label second-title level inner-heading no-theorem-label no-content figure-label heading-stop"
    " label-letters label-case label-space theorem-title theorem-label options-end box-class box-title"
    " box-option fold-title include admonition-fold two-theorems empty-section",
    "links": "image-absent link-heading link-page undefined undefined-number undefined-theorem undefined-work"
    " undefined-term undefined-kind undefined-formula",
    "sources": "tag-text tag-bare tag-header space-code syntax",
    "tags": "name install shell tag option date chart-tag chart-alt chart-english chart-short chart-caption chart-unseen"
    " moving-alt moving-unseen unsaid unsaid-many said-twice",
    "exercises": "sum-field sum-minutes sum-order sum-telling sum-level sum-label sum-unchecked sum-hint sum-answer"
    " sum-stub sum-misspelt",
    "notes": "clock chance uuid numpy-chance torch-chance network machine writes",  # the last one stops the kernel
    "outputs": "stderr bare-object hidden-object large path progress wide long drawing chart-bare glued-nothing chart-twice",
    "charts": "moving-still moving-chart moving-curve moving-drawn moving-formula moving-control",
    "sums": "sum-two sum-wrong sum-silent",
}
SHARED = {name for names in TOGETHER.values() for name in names.split()}
PAGES = [
    *(Page(page, {name: FAULTS[name] for name in names.split()}) for page, names in TOGETHER.items()),
    *(Page(name, {name: fault}) for name, fault in FAULTS.items() if name not in SHARED),
]
