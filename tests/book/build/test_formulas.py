"""Formulas are typeset once, with what a browser, a screen reader and a phone need."""

import re
from pathlib import Path

import pytest
from docutils import nodes

from chapter import typesetting
from chapter.formulas import font_face, glue_to_neighbours, plain, source_of, used_rules
from chapter.typesetting import FONTS, Formulas, Typeset


@pytest.fixture(scope="module")
def formulas(tmp_path_factory: pytest.TempPathFactory) -> Formulas:
    """An empty store."""
    return Formulas(tmp_path_factory.mktemp("formulas"))


def pieces(formula: Typeset) -> list[str]:
    """Return the characters of each piece between two places where a line may end."""
    parts = formula["html"].split("<mjx-break></mjx-break>")
    return ["".join(chr(int(code, 16)) for code in re.findall(r"mjx-c([0-9A-F]+)", part)) for part in parts]


def test_error_names_its_cause(formulas: Formulas) -> None:
    assert formulas.get(r"\nosuchmacro x", display=False) == {"error": r"Undefined control sequence \nosuchmacro"}


def test_screen_reader_gets_mathml(formulas: Formulas) -> None:
    assert formulas.get(r"\frac{a}{2}", display=False)["mathml"] == "<math><mfrac><mi>a</mi><mn>2</mn></mfrac></math>"


def test_search_shows_a_formula_as_plain_text(formulas: Formulas) -> None:
    assert plain(formulas.get(r"\sqrt2\le W", display=False)["mathml"]) == "√2≤W"


def test_russian_words_are_whole(formulas: Formulas) -> None:
    assert ">при всех </mjx-utext>" in formulas.get(r"x\quad\text{при всех }y", display=True)["html"].replace(
        "\xa0", " "
    )


def test_long_formula_of_the_text_breaks_after_its_signs(formulas: Formulas) -> None:
    assert pieces(formulas.get("12345678=(1+1)+9876", display=False)) == ["12345678=", "(1+1)+", "9876"]


def test_display_breaks_before_its_relations(formulas: Formulas) -> None:
    assert pieces(formulas.get("1=2+3=(4=5)", display=True)) == ["1", "=2+3", "=(4=5)"]


def test_long_part_of_a_display_breaks_before_its_operations(formulas: Formulas) -> None:
    long = "1234567890123456"
    assert pieces(formulas.get(f"1={long}+{long}", display=True)) == ["1", f"={long}", f"+{long}"]


def test_formula_breaks_at_a_wide_space_and_not_at_a_thin_one(formulas: Formulas) -> None:
    long = "123456789012"
    assert pieces(formulas.get(rf"{long}\,{long}\quad2", display=False)) == [2 * long, "2"]


def test_short_formula_of_the_text_stays_whole(formulas: Formulas) -> None:
    assert pieces(formulas.get("1=2", display=False)) == ["1=2"]


def test_width_is_that_of_the_longest_piece(formulas: Formulas) -> None:
    digit = 0.5
    assert formulas.get("1=12345", display=True)["width"] == pytest.approx(5 * digit + 0.778 + 2 * 0.278, abs=0.01)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (r"a \\ b", r"\begin{split}a \\ b\end{split}"),
        (r"\begin{cases}a\\b\end{cases}", r"\begin{cases}a\\b\end{cases}"),
        ("a\n\nb", r"\begin{aligned}a\\b\end{aligned}"),
        (r"\mathrm{diag}f", r"\operatorname{diag}f"),
        (r"W_{\mathrm{rec}}", r"W_{\mathrm{rec}}"),
    ],
)
def test_source_of_a_display(text: str, source: str) -> None:
    assert source_of(nodes.math_block(text, text)) == source


def test_next_build_typesets_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Formulas(tmp_path)
    assert first.add([("a", False), ("b", True), (r"\bad", False), ("a", False)]) == 3
    first.save()
    second = Formulas(tmp_path)
    assert second.style_sheet == first.style_sheet
    assert second.add([("a", False), ("b", True)]) == 0
    assert second.get("b", display=True) == first.get("b", display=True)
    assert second.add([(r"\bad", False)]) == 1, "an error must be found again"
    monkeypatch.setattr(typesetting, "BEFORE", typesetting.BEFORE + " ")
    assert Formulas(tmp_path).style_sheet == "", "other tools must typeset anew"


def test_style_sheet_holds_what_the_pages_use(formulas: Formulas) -> None:
    formulas.add([("a", False)])
    words = {"mjx-container", "mjx-math", "mjx-c", "mjx-c61"}
    text = "\n".join(used_rules(formulas.style_sheet, words))
    assert "mjx-c.mjx-c61::before" in text
    assert "mjx-c62" not in text
    assert "mjx-mfrac" not in text


def test_font_holds_the_characters_that_the_pages_use(formulas: Formulas) -> None:
    rule = '@font-face { src: url("./MathJax_Main-Regular.woff") format("woff"); }'
    small = font_face(rule, {ord("a")})
    assert small == font_face(rule, {ord("a")})
    assert len(small) < (FONTS / "MathJax_Main-Regular.woff").stat().st_size / 10


def test_a_full_stop_follows_the_formula_it_stood_behind() -> None:
    number, formula = nodes.inline("", "1,5"), nodes.math("", "x")
    paragraph = nodes.paragraph("", "", number, nodes.Text("."), nodes.Text(" Here is "), formula, nodes.Text("."))
    document = nodes.document(None, None)
    document += paragraph
    glue_to_neighbours(None, document, "page")
    assert paragraph.astext() == "1,5. Here is x."
    assert formula.parent.astext() == "x."


def test_sign_has_one_element(formulas: Formulas) -> None:
    html = formulas.get("W^{T}=0", display=False)["html"]
    assert len(re.findall(r"<mjx-c ", html)) == 4
    assert not re.search(r"<mjx-(?:mi|mo|mn|TeXAtom)\b", html)
    assert re.search(r'<mjx-script[^>]*><mjx-c class="[^"]*" size="s"></mjx-c></mjx-script>', html)
    assert re.search(r"<mjx-mn[^>]*>(<mjx-c [^>]*></mjx-c>){2}</mjx-mn>", formulas.get("10", display=False)["html"])
