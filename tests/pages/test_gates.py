"""What the page on gates claims, at a smaller size."""

import math

import pytest
import torch
from torch import nn

from gradflow.book import Chart, draw_cell_paths
from gradflow.cells import lstm_gates
from gradflow.experiments.gates import (
    carousel,
    cell_paths,
    gru_paths,
    random_lstm,
    remember_a_bit,
)
from gradflow.initialization import chrono_, orthogonal_gates_


def median_end(curves):
    return curves[:, -1].median().item()


def test_without_forgetting_the_cell_grows_and_disappears_from_the_output():
    old_size, old_slope = carousel(50.0, seeds=5, steps=300)
    new_size, new_slope = carousel(0.0, seeds=5, steps=300)
    assert (old_size[:, -1] > 5).all() and (new_size[:, -1] < 0.5).all()
    assert (old_slope[:, -1] < 1e-6).all() and (new_slope[:, -1] > 0.4).all()


def test_growth_without_forgetting_is_linear_not_a_random_walk():
    size, _ = carousel(50.0, seeds=5, steps=800)
    ratio = (size[:, 799] / size[:, 399]).median().item()
    assert ratio == pytest.approx(2, abs=0.25)  # a random walk would give √2


def test_the_cell_grows_because_its_candidate_hears_the_output():
    hearing, _ = carousel(50.0, seeds=5, steps=600)
    deaf, _ = carousel(50.0, feedback=False, seeds=5, steps=600)
    assert deaf[:, -1].median() < 0.2 * hearing[:, -1].median()


@pytest.mark.parametrize(("bias", "gap"), [(0.0, 4.0), (1.0, 2.5)])
def test_product_of_forget_gates_is_orders_below_the_truth(bias, gap):
    path = cell_paths(bias, seeds=5, distance=50)
    assert median_end(path.true) > median_end(path.direct) + gap


def test_at_bias_three_the_direct_path_decays_and_the_truth_grows():
    path = cell_paths(3.0, seeds=8, distance=100)
    assert median_end(path.direct) < -1 and median_end(path.true) > 0.3


def predicted_at_zero(bias):
    return 100 * math.log10(1 / (1 + math.exp(-bias)) + 0.25 / math.sqrt(3))


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_zero_trajectory_predicts_the_rate(bias):
    assert median_end(cell_paths(bias, seeds=5).true) == pytest.approx(predicted_at_zero(bias), abs=2)


@pytest.mark.parametrize("bias", [3.0, 4.0, 5.0])
def test_with_long_memory_the_prediction_holds_on_silence_and_fails_on_noise(bias):
    silent = median_end(cell_paths(bias, noise=0.0, seeds=5).true)
    noisy = median_end(cell_paths(bias, seeds=5).true)
    assert silent == pytest.approx(predicted_at_zero(bias), abs=2)
    assert noisy < predicted_at_zero(bias) - 2.2


def test_lstm_explodes_with_large_recurrent_weights_only():
    wild, tame = cell_paths(3.0, gain=8.0, seeds=8).true, cell_paths(3.0, gain=0.5, seeds=8).true
    assert median_end(wild) > 5 and median_end(tame) < 2
    assert wild[:, 100].median() > wild[:, 50].median() + 2 > wild[:, 10].median() + 3


def rotate(lstm, generator):
    orthogonal_gates_(lstm, generator=generator)


def test_growth_with_large_weights_goes_on():
    far = cell_paths(3.0, gain=8.0, distance=400).true[:, -1]
    assert (far > 6).sum() >= 5


def test_orthogonal_blocks_with_long_memory_explode_on_silence():
    top = 100 * math.log10(1 / (1 + math.exp(-3)) + 0.25)
    silent = median_end(cell_paths(3.0, initialise=rotate, noise=0.0, seeds=5).true)
    noisy = median_end(cell_paths(3.0, initialise=rotate, seeds=5).true)
    assert top - 1.5 < silent <= top and noisy < silent - 3


def test_chrono_keeps_the_gradient_and_the_direct_path_is_nearly_all_of_it():
    path = cell_paths(0.0, initialise=lambda lstm, generator: chrono_(lstm, 100, generator=generator), seeds=8)
    assert median_end(path.true) == pytest.approx(median_end(path.direct), abs=0.3)
    assert median_end(path.true) > -1.2


def test_the_closed_input_gate_keeps_the_way_round_small():
    def memory_only(lstm, generator):
        chrono_(lstm, 100, generator=generator)
        nn.init.zeros_(lstm.bias_ih_l0[:32])
        nn.init.zeros_(lstm.bias_hh_l0[:32])

    path = cell_paths(0.0, initialise=memory_only, seeds=5)
    assert median_end(path.true) > median_end(path.direct) + 1


def test_gru_truth_exceeds_its_direct_path():
    true, direct = gru_paths(seeds=5)
    assert median_end(true) > median_end(direct) + 5
    assert median_end(true) == pytest.approx(100 * math.log10(0.5 + 0.25 / math.sqrt(3)), abs=2.5)


def constant_bias(bias):
    return lambda lstm, generator: nn.init.constant_(lstm.bias_hh_l0[16:32], bias)


def chrono_for(length):
    def initialise(lstm, generator):
        chrono_(lstm, length, generator=generator)

    return initialise


@pytest.mark.parametrize(
    ("start", "length", "steps", "learns"),
    [
        (constant_bias(0.0), 30, 100, False),
        (constant_bias(1.0), 30, 100, True),
        (constant_bias(1.0), 60, 100, False),
        (chrono_for(30), 30, 100, True),
    ],
)
def test_a_bit_is_remembered_when_the_bias_gives_memory(start, length, steps, learns):
    final = remember_a_bit(start, length, seeds=5, steps=steps)[:, -20:].mean(1)
    assert (final < 0.35).sum() >= 4 if learns else (final > 0.6).all()


def test_chrono_cell_is_a_bounded_average():
    lstm = random_lstm(16, generator=torch.Generator().manual_seed(0))
    forget = torch.linspace(0, 5, 16, dtype=torch.float64)
    with torch.no_grad():
        for gate, bias in ((0, -forget), (1, forget)):  # gates i and f depend on their biases only
            rows = slice(16 * gate, 16 * gate + 16)
            lstm.weight_ih_l0[rows] = 0
            lstm.weight_hh_l0[rows] = 0
            lstm.bias_hh_l0[rows] = bias
        lstm.weight_ih_l0 *= 50
    gates = lstm_gates(lstm, torch.randn(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    torch.testing.assert_close(gates.i, 1 - gates.f)
    assert gates.c.abs().max() <= 1


def test_chrono_stays_bounded_on_noise_and_a_loud_input_breaks_the_bound():
    lstm = random_lstm(32, generator=torch.Generator().manual_seed(0))
    chrono_(lstm, 1000, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(1000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    quiet, loud = (lstm_gates(lstm, scale * noise).c.abs().max() for scale in (1, 10))
    assert quiet < 0.2 and 1 < loud < 20


def test_drawing_names_every_matrix_of_the_theorem():
    chart = Chart()
    draw_cell_paths(chart.ax, steps=3)
    labels = {text.get_text() for text in chart.ax.texts}
    assert {"$F_t$", "$C_t$", "$E_t$", "$R_{t-1}$", "$E_{t-2}$", "$c_t$", "$h_{t-2}$"} <= labels


def test_orthogonal_columns_do_not_make_orthogonal_blocks():
    whole = nn.init.orthogonal_(torch.empty(4 * 32, 32), generator=torch.Generator().manual_seed(0))
    blocks = torch.stack(whole.split(32))
    torch.testing.assert_close((blocks.mT @ blocks).sum(0), torch.eye(32), atol=1e-5, rtol=0)
    singular = torch.linalg.svdvals(blocks)
    assert singular.max() < 1 and singular.min() < 0.1
    assert singular.square().mean().item() == pytest.approx(0.25, abs=1e-5)


@pytest.mark.parametrize("bias", [0.0, 1.0, 4.6, -2.0])
def test_memory_is_one_plus_exponent_of_bias(bias):
    f = torch.tensor(bias, dtype=torch.float64).sigmoid()
    lags = torch.arange(20_000, dtype=torch.float64)
    assert (f**lags).sum().item() == pytest.approx(1 + math.exp(bias))


def test_the_two_biases_of_torch_add():
    lstm, x = nn.LSTM(3, 4, dtype=torch.float64), torch.ones(5, 3, dtype=torch.float64)
    before = lstm(x)[0]
    with torch.no_grad():
        lstm.bias_hh_l0 += lstm.bias_ih_l0
        lstm.bias_ih_l0.zero_()
    torch.testing.assert_close(lstm(x)[0], before)
