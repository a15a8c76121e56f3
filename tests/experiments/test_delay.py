"""Truncated BPTT with a carried state: what the window forbids, what the state allows, and what nobody guards."""

import pytest
import torch

from gradflow.experiments.exploding.delay import learn_delays


def final(*arguments, **options):
    """Median error of the last hundred pieces, one number per delay."""
    return learn_delays(*arguments, **options)[-100:].mean(0).median(0).values


def test_without_the_carried_state_the_error_is_the_share_of_steps_that_cannot_know():
    delays = torch.tensor([1, 4, 5, 8])
    floor = (delays / 5).clamp(max=1)
    measured = final("orthogonal", delays.tolist(), steps=350, seeds=1, carry=False)
    assert (measured > floor - 0.04).all() and (measured < floor + 0.06).all()


def test_with_it_both_starts_learn_lags_that_the_gradient_does_not_contain():
    assert (final("default", [5, 6], steps=500) < 0.2).all()
    assert (final("orthogonal", [6, 10], steps=500) < 0.3).all()


def test_how_far_depends_on_how_long_the_start_echoes():
    quiet, louder = (final(start, [8, 10], steps=500) for start in ("default", "louder"))
    assert quiet[1] > 0.9 and (louder < quiet - 0.2).all()


def test_a_smaller_step_and_more_of_them_reach_further():
    assert final("default", [8], steps=3500, lr=3e-4) < 0.4


def test_a_window_that_contains_the_lag_does_not_need_the_echo():
    assert final("default", [7, 10], steps=450, seeds=2, window=20).max() < 0.4


def test_truncation_does_not_guard_the_memory_that_it_uses():
    """One thing changed at a time: the window, or whether the recurrent weights may move."""
    short, frozen, long = (
        learn_delays("orthogonal", [10], steps=1000, lr=3e-3, **options).squeeze(2).unflatten(0, (-1, 50)).mean(1)
        for options in ({}, {"frozen": True}, {"window": 20})
    )
    assert short.amin(0).median() < 0.5 and short[-1].median() > 0.8
    assert frozen[-1].max() < 0.3 and long[-1].max() < 0.1


@pytest.mark.parametrize(
    ("start", "delays", "options"),
    [
        ("identity", [3], {}),
        ("default", [], {}),
        ("default", [0], {}),
        ("default", [3], {"window": 0}),
        ("default", [3], {"steps": 0}),
        ("default", [3], {"lr": 0.0}),
    ],
)
def test_bad_input_is_named(start, delays, options):
    with pytest.raises(ValueError, match="expected"):
        learn_delays(start, delays, **{"steps": 1, **options})
