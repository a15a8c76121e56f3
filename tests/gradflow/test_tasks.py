"""The synthetic tasks ask what they claim to ask, and their baselines are what a memoryless answer costs."""

import math

import pytest
import torch

from gradflow import tasks
from gradflow.tasks import (
    adding_problem,
    copy_baseline,
    copy_memory,
    cross_entropy,
    error_rate,
    temporal_order,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_adding_target_is_the_sum_of_two_marked_numbers_one_in_each_half():
    x, y = adding_problem(11, 3, 40, generator=generator())
    assert x.shape == (11, 3, 40, 2) and y.shape == (3, 40, 1)
    numbers, markers = x.unbind(-1)
    assert torch.equal(markers[:5].sum(0), torch.ones(3, 40)) and torch.equal(markers[5:].sum(0), torch.ones(3, 40))
    for net in range(3):
        for b in range(40):
            marked = [numbers[t, net, b].item() for t in range(11) if markers[t, net, b] == 1]
            assert y[net, b].item() == pytest.approx(sum(marked))


def test_every_step_of_the_adding_problem_can_be_marked():
    x, _ = adding_problem(6, 1, 2000, generator=generator())
    assert (x[..., 1].sum((1, 2)) > 0).all()


def test_marks_of_the_adding_problem_stand_in_the_windows_and_change_nothing_else():
    windows = ((2, 4), (5, 6))
    x, y = adding_problem(11, 3, 400, windows=windows, generator=generator())
    marked = x[..., 1].mean((1, 2)) > 0
    assert marked.nonzero().flatten().tolist() == [2, 3, 5]
    assert torch.equal(x[..., 1].sum(0), torch.full((3, 400), 2.0))
    assert torch.equal(y.squeeze(-1), (x[..., 0] * x[..., 1]).sum(0))
    halves = adding_problem(11, 3, 40, windows=((0, 5), (5, 11)), generator=generator())
    assert torch.equal(halves[0], adding_problem(11, 3, 40, generator=generator())[0])


def test_best_constant_answer_to_the_adding_problem_costs_one_sixth():
    _, y = adding_problem(2, 1, 200_000, generator=generator())
    constants = torch.linspace(0.8, 1.2, 41)
    costs = (y.flatten().unsqueeze(1) - constants).square().mean(0)
    assert constants[costs.argmin()].item() == pytest.approx(1.0, abs=0.011)
    assert costs.min().item() == pytest.approx(tasks.ADDING_BASELINE, abs=2e-3)


def test_copy_memory_hides_the_letters_for_the_delay_and_asks_for_them_in_order():
    x, y = copy_memory(7, 2, 30, symbols=4, letters=3, generator=generator())
    assert x.shape == (13, 2, 30, 6) and y.shape == (13, 2, 30)
    shown = x.argmax(-1)
    assert torch.equal(x.sum(-1), torch.ones(13, 2, 30))
    assert torch.equal(y[-3:], shown[:3]) and shown[:3].min() == 1 and shown[:3].max() == 4
    assert (y[:-3] == 0).all()
    assert (shown[3:9] == 0).all() and (shown[9] == 5).all() and (shown[10:] == 0).all()


def test_copy_baseline_is_the_cost_of_silence_then_guessing():
    _, y = copy_memory(7, 1, 500, symbols=4, letters=3, generator=generator())
    p = torch.full((13, 1, 500, 5), 1e-12)
    p[:-3, ..., 0] = 1.0
    p[-3:, ..., 1:] = 0.25
    cost = cross_entropy(p.log(), y)
    assert cost.item() == pytest.approx(copy_baseline(7, symbols=4, letters=3), rel=1e-5)
    assert cost.item() == pytest.approx(3 * math.log(4) / 13, rel=1e-5)


@pytest.mark.parametrize("length", [10, 20, 37])
def test_temporal_order_names_the_two_symbols_in_their_order(length):
    x, y = temporal_order(length, 2, 300, generator=generator())
    shown = x.argmax(-1)
    for net in range(2):
        for b in range(300):
            steps = [t for t in range(length) if shown[t, net, b] < 2]
            assert len(steps) == 2
            assert length // 10 <= steps[0] <= 2 * length // 10
            assert 4 * length // 10 <= steps[1] <= 5 * length // 10
            first, second = (int(shown[t, net, b]) for t in steps)
            assert y[net, b] == 2 * first + second
    assert set(y.flatten().tolist()) == {0, 1, 2, 3}


def test_guessing_the_temporal_order_costs_log_four_and_errs_three_times_in_four():
    _, y = temporal_order(10, 1, 4000, generator=generator())
    logits = torch.zeros(1, 4000, 4)
    assert cross_entropy(logits, y).item() == pytest.approx(tasks.ORDER_BASELINE, rel=1e-5)
    assert error_rate(logits, y).item() == pytest.approx(0.75, abs=0.03)


def test_losses_are_torchs_own_network_by_network():
    g = generator()
    logits, y = torch.randn(5, 3, 7, 4, generator=g), torch.randint(4, (5, 3, 7), generator=g)
    for net, cost in enumerate(cross_entropy(logits, y)):
        expected = torch.nn.functional.cross_entropy(logits[:, net].reshape(-1, 4), y[:, net].reshape(-1))
        torch.testing.assert_close(cost, expected)
    output, target = torch.randn(3, 7, 2, generator=g), torch.randn(3, 7, 2, generator=g)
    for net, cost in enumerate(tasks.mean_squared_error(output, target)):
        torch.testing.assert_close(cost, torch.nn.functional.mse_loss(output[net], target[net]))


def test_the_same_seed_gives_the_same_sequences():
    for task in (adding_problem, copy_memory, temporal_order):
        first, second = task(12, 2, 5, generator=generator(3)), task(12, 2, 5, generator=generator(3))
        assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
        assert not torch.equal(first[0], task(12, 2, 5, generator=generator(4))[0])


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda g: adding_problem(1, 1, 1, generator=g), "length"),
        (lambda g: adding_problem(5, 0, 1, generator=g), "nets"),
        (lambda g: adding_problem(5, 1, 1, windows=((0, 3), (2, 5)), generator=g), "windows"),
        (lambda g: adding_problem(5, 1, 1, windows=((0, 2), (3, 6)), generator=g), "windows"),
        (lambda g: adding_problem(5, 1, 1, windows=((0, 2),), generator=g), "windows"),
        (lambda g: copy_memory(0, 1, 1, generator=g), "delay"),
        (lambda g: copy_memory(5, 1, 1, symbols=1, generator=g), "symbols"),
        (lambda g: copy_baseline(5, letters=0), "letters"),
        (lambda g: temporal_order(9, 1, 1, generator=g), "length"),
        (lambda g: temporal_order(10, 1, 2.5, generator=g), "batch"),
        (lambda g: tasks.mean_squared_error(torch.zeros(2, 3, 1), torch.zeros(2, 3)), "y"),
        (lambda g: cross_entropy(torch.zeros(2, 3, 4), torch.zeros(3, 2, dtype=torch.int64)), "y"),
    ],
)
def test_bad_arguments_are_named(call, argument):
    with pytest.raises(ValueError, match=f"^{argument}:"):
        call(generator())
