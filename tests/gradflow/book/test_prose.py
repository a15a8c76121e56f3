import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradflow.book.prose import decimal, table, written


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.97444, 3, "0,974"),
        (15.04, 3, "15,0"),
        (-3.2, 3, "−3,20"),
        (1000.0, 3, "1000"),
        (4.86e8, 3, "4,86·10⁸"),
        (4.86e8, 1, "5·10⁸"),
        (1e-30, 1, "10⁻³⁰"),
        (-1e-30, 1, "−10⁻³⁰"),
        (0.0, 3, "0"),
        (1234, 3, "1234"),
        (12345, 3, "12\u202f345"),
        (-1234567, 3, "−1\u202f234\u202f567"),
        (12345.6, 6, "12\u202f345,6"),
        (1234.5, 5, "1234,5"),
        (-7, 3, "−7"),
        (math.inf, 3, "∞"),
        (-math.inf, 3, "−∞"),
        (math.nan, 3, "nan"),
        (9.9996, 3, "10,0"),
    ],
)
def test_numbers_read_as_in_a_russian_book(value, digits, text):
    assert written(value, digits) == text


def read_back(text: str) -> float:
    mantissa, _, power = text.replace("\u202f", "").partition("·10")
    exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or "0"
    return float(mantissa.replace(",", ".")) * 10.0 ** int(exponent)


@given(st.floats(min_value=1e-290, max_value=1e290), st.integers(2, 8))
def test_the_text_is_the_value_rounded_to_the_digits_asked(value, digits):
    assert read_back(written(value, digits)) == pytest.approx(value, rel=0.5 * 10 ** (1 - digits) * 1.001)


def test_zero_digits_are_refused():
    with pytest.raises(ValueError, match="digits"):
        written(1.0, 0)


def test_a_table_keeps_formulas_and_writes_numbers_in_russian():
    text = table(["сеть", "$\\rho$"], [["$0{,}5I$", 0.5], ["гауссова", 12]]).data
    assert text.splitlines() == ["| сеть | $\\rho$ |", "| --- | --- |", "| $0{,}5I$ | 0,500 |", "| гауссова | 12 |"]


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="rows: expected 2 cells in row 0, got 1"):
        table(["a", "b"], [["x"]])


@pytest.mark.parametrize(
    ("value", "text"), [(-0.2, "−0,2"), (65504, "65\u202f504,0"), (8.86, "8,9"), (-0.01, "0,0"), (-14.2, "−14,2")]
)
def test_a_decimal_has_fixed_places_and_zero_has_no_sign(value, text):
    assert decimal(value) == text
