"""The claims of the page that compares all cures, at a smaller size."""

import math
from functools import partial

import pytest
import torch

from gradflow.experiments.comparison.pixels import recorded_pixels
from gradflow.experiments.comparison.race import ADDING, ORDER, build, input_gradients, race
from gradflow.experiments.comparison.temporal_order import gradient_concentration, order_table, recorded_order
from gradflow.tasks import adding_problem
from gradflow.training import train


def lost_orders(name, length=50):
    """Decimal orders by which the gradient by the first input is below that by the last, median of three networks."""
    gradient = input_gradients(build(name, ADDING, length=length, seeds=3), length)
    return (gradient[:, -1] / gradient[:, 0]).log10().median().item()


def test_lru_and_irnn_learn_to_add_where_tanh_stays_at_the_constant_answer():
    results = race(ADDING, ("LRU", "IRNN", "tanh"), length=30, steps=300, goal=0.03, seeds=2)
    assert results["LRU"].history.solved.all() and results["IRNN"].history.solved.all()
    assert results["LRU"].score.max() < 0.06
    tanh = results["tanh"]
    assert not tanh.history.solved.any()
    assert (tanh.score - ADDING.baseline).abs().max() < 0.02


def test_chrono_biases_alone_make_an_lstm_learn_the_temporal_order():
    results = race(ORDER, ("LSTM, chrono", "LSTM, b = 1"), length=30, steps=250, goal=0.2, seeds=2)
    assert results["LSTM, chrono"].history.solved.all()
    assert not results["LSTM, b = 1"].history.solved.any()


def test_gru_needs_no_short_lags_on_its_way_to_long_ones():
    """The adding problem with the nearer mark at least half of the sequence before the end."""
    far = ADDING._replace(sample=partial(adding_problem, windows=((3, 6), (12, 15))))
    assert race(far, ("GRU",), length=30, steps=450, goal=0.05, seeds=2)["GRU"].history.solved.all()


def test_it_is_the_distractors_that_slow_a_gru_on_the_temporal_order():
    def silent_order(*sizes, generator):
        x, y = ORDER.sample(*sizes, generator=generator)
        return x * torch.tensor([1.0, 1, 0, 0, 0, 0]), y

    def gru(task):
        return race(task, ("GRU",), length=40, steps=250, goal=0.2, seeds=2)["GRU"].history

    assert gru(ORDER._replace(sample=silent_order)).solved.all() and not gru(ORDER).solved.any()


def test_no_rate_and_no_quiet_input_teaches_an_orthogonal_tanh_network_to_add():
    model = build("tanh, ортогональная", ADDING, length=50, seeds=6)
    with torch.no_grad():
        model.cell.V[4:] *= 0.1
    rates = torch.tensor([1.5e-3, 5e-3, 1.5e-2]).repeat_interleave(2)
    lessons = partial(ADDING.sample, 50, 6, 20, generator=torch.Generator().manual_seed(100))
    history = train(model, lessons, ADDING.loss, steps=400, lr=rates, clip=1.0, goal=0.05)
    assert not history.solved.any()


def test_gradient_at_the_start_does_not_tell_who_will_learn():
    assert lost_orders("GRU") > 6 and lost_orders("tanh") > 6
    assert 0.3 < lost_orders("tanh, ортогональная") < 1.7
    assert lost_orders("IRNN") < 0.5
    assert lost_orders("LSTM, b = 1") < lost_orders("GRU") - 3


def test_clipping_and_orthogonality_cure_different_diseases():
    sgd, clip, orthogonal, both = order_table({20: 900}, seeds=3)[20]
    assert clip + both >= 5
    assert sgd + orthogonal + 2 <= clip + both


def test_a_shorter_step_replaces_clipping_on_a_short_sequence():
    unclipped = ["SGD", "ортогональная"]
    assert min(order_table({20: 900}, unclipped, lr=0.03, seeds=3)[20]) >= 2


def test_methods_of_the_table_share_their_networks_and_sequences():
    """A threshold that never bites makes a method with clipping the method without."""
    sgd, clipped, orthogonal, both = order_table({10: 200}, clip=1e6, seeds=2)[10]
    assert (sgd, orthogonal) == (clipped, both)
    alone = order_table({10: 200}, ["ортогональная"], seeds=2)[10]
    assert alone == [orthogonal]


def test_gradient_of_the_recurrent_matrix_is_nearly_of_rank_one():
    assert 0.5 < gradient_concentration(20, steps=60, seeds=3) <= 1


def test_input_gradients_are_finite_differences():
    model = build("GRU", ADDING, length=5, seeds=2).double()
    x, _ = adding_problem(5, 2, 20, generator=torch.Generator().manual_seed(300))
    x, eps, expected = x.double(), 1e-6, torch.zeros(5, 2, 20, 2, dtype=torch.float64)
    with torch.no_grad():
        for t in range(5):
            for feature in range(2):
                step = torch.zeros_like(x)
                step[t, ..., feature] = eps
                expected[t, ..., feature] = ((model(x + step) - model(x - step)) / (2 * eps)).squeeze(-1)
    norms = expected.square().sum((2, 3)).sqrt().T
    torch.testing.assert_close(input_gradients(model.float(), 5).double(), norms, rtol=1e-4, atol=1e-6)


def test_models_start_as_the_page_says():
    eye = torch.eye(32).expand(2, 32, 32)
    irnn, orthogonal = (build(name, ADDING, length=20, seeds=2).cell for name in ("IRNN", "tanh, ортогональная"))
    assert torch.equal(irnn.W.detach(), eye) and irnn.activation == "relu"
    torch.testing.assert_close((orthogonal.W.mT @ orthogonal.W).detach(), eye, atol=1e-5, rtol=0)
    for bias in (0.0, 1.0):
        lstm = build(f"LSTM, b = {bias:.0f}", ADDING, length=20, seeds=2).cell
        forget = (lstm.bias_ih_l0 + lstm.bias_hh_l0)[:, 32:64]
        assert torch.equal(forget.detach(), torch.full((2, 32), bias))
    chrono = build("LSTM, chrono", ADDING, length=20, seeds=2).cell
    assert chrono.bias_ih_l0[:, 32:64].min() >= 0 and chrono.bias_ih_l0[:, 32:64].max() <= math.log(19)


def test_a_race_repeats_to_the_bit():
    first, second = (race(ADDING, ("IRNN",), length=10, steps=50, goal=0.01, seeds=2)["IRNN"] for _ in range(2))
    assert torch.equal(first.history.loss, second.history.loss) and torch.equal(first.score, second.score)


def test_models_of_one_kind_learn_in_one_stack_what_each_learns_alone():
    names = ("LSTM, chrono", "IRNN", "LSTM, b = 1")
    settings = {"length": 30, "steps": 120, "goal": 1.3, "seeds": 2}
    together = race(ORDER, names, **settings)
    assert tuple(together) == names
    assert len(together["LSTM, chrono"].history.loss) < len(together["LSTM, b = 1"].history.loss)
    for name in names:
        alone = race(ORDER, (name,), **settings)[name]
        torch.testing.assert_close(
            together[name].history.loss, alone.history.loss, equal_nan=True, rtol=1e-3, atol=1e-5
        )
        torch.testing.assert_close(together[name].score, alone.score)


def test_only_both_cures_together_learn_the_recorded_length_fifty():
    made, rows = recorded_order()
    assert all(made.values()) and list(rows) == [50, 100] and all(len(row.successes) == 4 for row in rows.values())
    assert rows[50].successes[:3] == [0, 0, 0] and rows[50].successes[3] > rows[50].seeds / 2
    assert order_table({50: 1300}, ["ортогональная + отсечение"], seeds=3)[50][0] >= 1 and rows[50].steps > 1300


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match=r"^methods:"):
        order_table({10: 1}, ["Adam"])


def test_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="^name:"):
        build("Transformer", ADDING, length=20, seeds=1)


def test_record_of_the_pixels_says_where_it_was_made_and_holds_five_seeds_of_every_model():
    made, entries = recorded_pixels()
    assert all(made.values()) and "H100" in made["device"]
    assert len(entries) == 7 and all(entry.accuracy.shape == (5, len(entry.passes)) for entry in entries)
    final = {(entry.name, entry.rate): entry.accuracy[:, -1] for entry in entries}
    irnn = final["IRNN", 3e-5]
    assert final["LSTM, b = 1", 1e-3].max() < irnn.min()
    assert irnn.max() < final["LSTM, chrono", 3e-3].min() and irnn.max() < final["GRU", 3e-3].min()
