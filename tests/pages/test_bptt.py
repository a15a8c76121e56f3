"""The claims of the page on backpropagation through time."""

import math
from functools import partial

import pytest
import torch

from gradflow.book.drawings import draw_unrolled
from gradflow.book.figures import Chart
from gradflow.experiments.bptt.bit_and_echo import train_bit_and_echo
from gradflow.experiments.bptt.contributions import (
    KINDS,
    noisy_run,
    recurrent_matrix,
    term_norms,
)
from gradflow.experiments.bptt.mistakes import mistaken_gradients, right_gradient
from gradflow.jacobians import bptt_terms, log_singular_values, step_jacobian
from gradflow.recurrent import driven_run

D, T = 4, 7


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def network(seed=0):
    """W and, for a tanh network with the loss sum_t |h_t - y_t|^2 / 2, drive, targets, states, slopes and q."""
    g = generator(seed)
    W = torch.randn(D, D, generator=g, dtype=torch.float64)
    drive, y = torch.randn(2, T, D, generator=g, dtype=torch.float64)
    states = unroll([W] * T, drive)
    return W, drive, y, states, 1 - states[1:] ** 2, states[1:] - y


def unroll(matrices, drive):
    states = [torch.full((D,), 0.3, dtype=torch.float64)]
    for W, u in zip(matrices, drive, strict=True):
        states.append(torch.tanh(W @ states[-1] + u))
    return torch.stack(states)


def test_step_jacobian_multiplies_rows_by_slopes():
    W, drive, _, states, slopes, _ = network()
    auto = torch.func.jacrev(lambda h: torch.tanh(W @ h + drive[2]))(states[2])
    torch.testing.assert_close(step_jacobian(W, slopes[2]), auto, rtol=1e-12, atol=1e-14)
    assert not torch.allclose(W * slopes[2], auto)


def test_every_term_of_the_double_sum_is_the_derivative_of_one_loss_by_one_copy():
    W, drive, y, states, slopes, q = network()
    copies = [W.clone().requires_grad_() for _ in range(T)]
    losses = (unroll(copies, drive)[1:] - y).square().sum(1) / 2
    norms = term_norms(W, states, slopes, q)
    for t in range(1, T + 1):
        for k in range(1, t + 1):
            auto = torch.autograd.grad(losses[t - 1], copies[k - 1], retain_graph=True)[0]
            chain = torch.eye(D, dtype=torch.float64)
            for step in range(k + 1, t + 1):
                chain = step_jacobian(W, slopes[step - 1]) @ chain
            ours = torch.outer(slopes[k - 1] * (chain.T @ q[t - 1]), states[k - 1])
            torch.testing.assert_close(ours, auto, rtol=1e-11, atol=1e-13)
            assert norms[t - 1, k - 1].item() == pytest.approx(auto.norm().item(), rel=1e-11)
    assert norms.triu(1).nan_to_num(0).count_nonzero() == 0


def test_double_sum_and_adjoint_form_are_the_gradient():
    W, drive, y, states, slopes, q = network()
    shared = W.clone().requires_grad_()
    ((unroll([shared] * T, drive)[1:] - y).square().sum() / 2).backward()
    torch.testing.assert_close(right_gradient(W, states, slopes, q), shared.grad, rtol=1e-11, atol=1e-13)
    adjoint, g = torch.zeros_like(W), torch.zeros(D, dtype=torch.float64)
    for k in range(T, 0, -1):
        delta = slopes[k - 1] * (q[k - 1] + g)
        adjoint += torch.outer(delta, states[k - 1])
        g = W.T @ delta
    torch.testing.assert_close(adjoint, shared.grad, rtol=1e-11, atol=1e-13)


def test_total_derivatives_count_lag_l_exactly_l_plus_one_times():
    W, drive, _, states, slopes, q = network(1)
    wrong = mistaken_gradients(W, states, slopes, q)["total"]
    terms = bptt_terms(W, states, slopes, q)
    counted = sum((lag + 1) * term for lag, term in enumerate(terms))
    torch.testing.assert_close(wrong, counted, rtol=1e-11, atol=1e-13)
    # The same mistake made literally: total derivatives of every state by autograd.
    totals = torch.autograd.functional.jacobian(lambda M: unroll([M] * T, drive)[1:], W)  # (T, D, D, D)
    literal = torch.zeros_like(W)
    for t in range(1, T + 1):
        v = q[t - 1]
        for k in range(t, 0, -1):
            literal += torch.einsum("d,dij->ij", v, totals[k - 1])
            v = step_jacobian(W, slopes[k - 1]).T @ v
    torch.testing.assert_close(wrong, literal, rtol=1e-10, atol=1e-12)


def test_scalar_double_counting_costs_t_plus_one_over_two():
    w, t = 0.9, 9
    states = torch.tensor([[w**k] for k in range(t + 1)], dtype=torch.float64)
    q = torch.zeros(t, 1, dtype=torch.float64)
    q[-1] = 1
    arguments = torch.tensor([[w]], dtype=torch.float64), states, torch.ones_like(q), q
    ratio = mistaken_gradients(*arguments)["total"] / right_gradient(*arguments)
    assert ratio.item() == pytest.approx((t + 1) / 2, rel=1e-12)


@pytest.mark.parametrize("mistake", ["index", "total", "order", "last", "slope"])
def test_each_mistake_changes_the_gradient_of_an_orthogonal_network(mistake):
    g = generator()
    W = recurrent_matrix("orthogonal", 16, generator=g)
    run = noisy_run(W, 20, generator=g)
    right = right_gradient(W, *run)
    assert (mistaken_gradients(W, *run)[mistake] - right).norm() > 0.2 * right.norm()


@pytest.mark.parametrize(("steps", "seen"), [(3, False), (4, True)])
def test_from_a_zero_state_wrong_order_and_slopes_show_from_four_steps_on(steps, seen):
    g = generator()
    W = recurrent_matrix("orthogonal", 16, generator=g)
    run = noisy_run(W, steps, generator=g)
    right, wrong = right_gradient(W, *run), mistaken_gradients(W, *run)
    for name in ("order", "slope"):
        error = (wrong[name] - right).norm() / right.norm()
        assert error > 0.01 if seen else error < 1e-12


def test_from_another_state_they_show_after_three_steps():
    W, _, _, states, slopes, q = network()
    run = states[:4], slopes[:3], q[:3]
    right, wrong = right_gradient(W, *run), mistaken_gradients(W, *run)
    assert all((wrong[name] - right).norm() > 0.01 * right.norm() for name in ("order", "slope"))


def test_mistakes_of_order_and_slope_hide_behind_vanishing():
    cosine = torch.nn.functional.cosine_similarity
    for seed in range(3):
        g = generator(seed)
        W = recurrent_matrix("default", 16, generator=g)
        run = noisy_run(W, 20, generator=g)
        right, wrong = right_gradient(W, *run), mistaken_gradients(W, *run)
        assert all(cosine(wrong[name].flatten(), right.flatten(), dim=0) > 0.98 for name in ("order", "slope"))


def test_long_lags_vanish_and_the_sum_does_not():
    for seed in range(5):
        g = generator(seed)
        W = recurrent_matrix("default", 64, generator=g)
        terms = bptt_terms(W, *noisy_run(W, 50, generator=g))
        total = terms.sum(0).norm()
        assert total > 10
        assert terms[20:].sum(0).norm() < 1e-4 * total
        near, far = terms[:11].sum(0), terms[11:].sum(0)
        unmoved = near.sign() == (near + far).sign()
        assert unmoved[far.abs() < near.abs()].all()
        assert unmoved.double().mean() > 0.999


def test_gaussian_network_of_gain_two_hears_the_far_past_best():
    g = generator()
    W = recurrent_matrix("gaussian", 64, generator=g)
    terms = bptt_terms(W, *noisy_run(W, 50, generator=g))
    assert terms[20:].sum(0).norm() > 0.5 * terms.sum(0).norm()


def test_first_step_of_adam_does_not_see_a_smaller_part():
    g = generator()
    near = torch.randn(50, generator=g, dtype=torch.float64)
    far = 0.9 * near.abs() * (2 * torch.rand(50, generator=g, dtype=torch.float64) - 1)
    steps = []
    for gradient in (near, near + far):
        weight = torch.zeros(50, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.Adam([weight], lr=0.01, eps=0.0)
        weight.grad = gradient.clone()
        optimizer.step()
        steps.append(weight.detach())
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-12, atol=0)


def test_a_product_of_own_layers_leaves_few_directions():
    for seed in range(3):
        g = generator(seed)
        layers = torch.stack([recurrent_matrix("default", 32, generator=g) for _ in range(50)])
        start = torch.randn(32, generator=g, dtype=torch.float64)
        _, slopes = driven_run(layers, torch.zeros(50, 32, dtype=torch.float64), "tanh", start)
        log_sigma = log_singular_values(layers, slopes)
        assert (log_sigma > log_sigma[0] - math.log(10)).sum() <= 8
        assert log_sigma[0] < -15


def test_adam_makes_up_for_the_length_of_a_gradient_that_has_far_terms_only():
    torch.manual_seed(0)
    rnn = torch.nn.RNN(2, 32, dtype=torch.float64)
    x = torch.randn(40, 1, 2, dtype=torch.float64)
    x[:, :, 0] = 0
    x[0, :, 0] = 1  # the channel of the bit speaks at the first step only
    optimizer = torch.optim.Adam([rnn.weight_ih_l0], lr=0.01, eps=1e-30)
    before = rnn.weight_ih_l0.detach().clone()
    rnn(x)[0][-1].sum().backward()
    far, near = rnn.weight_ih_l0.grad.norm(dim=0)
    optimizer.step()
    steps = (rnn.weight_ih_l0 - before).norm(dim=0)
    assert far < 1e-5 * near and steps[0].item() == pytest.approx(steps[1].item(), rel=1e-6)


def test_usual_networks_learn_the_echo_only_and_orthogonal_ones_the_bit_too():
    adam = partial(torch.optim.Adam, lr=0.003)
    outcomes = {}
    for kind in ("default", "orthogonal"):
        g = generator()
        W = torch.stack([recurrent_matrix(kind, 32, generator=g).float() for _ in range(3)])
        outcomes[kind] = train_bit_and_echo(W, adam, length=24, steps=250, generator=g)
    assert (outcomes["default"].bit_accuracy < 0.6).all()
    assert (outcomes["default"].echo_error < 0.1).all()
    assert (outcomes["orthogonal"].bit_accuracy > 0.9).sum() >= 2


def test_window_leaves_out_the_long_lags_and_only_them():
    class Recorder(torch.optim.SGD):
        def step(self):
            gradients.append(self.param_groups[0]["params"][0].grad.clone())

    gradients = []
    W = torch.stack([recurrent_matrix("default", 16, generator=generator(s)).float() for s in range(3)])
    for window in (None, 12, 8, 2):
        train_bit_and_echo(
            W, Recorder, echo=False, window=window, length=12, steps=1, max_norm=1e9, generator=generator()
        )
    full, whole, long, short = gradients
    torch.testing.assert_close(whole, full)
    assert 0 < (long - full).norm() < 0.05 * full.norm() < (short - full).norm()


def test_blind_gradient_never_sees_the_bit_but_moves_the_matrix():
    adam = partial(torch.optim.Adam, lr=0.01)
    W = torch.stack([recurrent_matrix("default", 32, generator=generator(s)).float() for s in range(3)])
    outcome = train_bit_and_echo(W, adam, echo=False, window=10, steps=200, generator=generator())
    assert outcome.spectral_radius.max() > 1


def test_bad_input_is_named():
    W = torch.eye(3)
    with pytest.raises(ValueError, match="kind"):
        recurrent_matrix("diagonal", 3, generator=generator())
    with pytest.raises(ValueError, match="W"):
        train_bit_and_echo(W, torch.optim.SGD, generator=generator())
    with pytest.raises(ValueError, match="length"):
        train_bit_and_echo(W[None], torch.optim.SGD, length=3, generator=generator())
    with pytest.raises(ValueError, match="term"):
        draw_unrolled(Chart().ax, steps=3, term=(2, 3))
    assert len(KINDS) == 3


def test_unrolled_graph_names_the_jacobians_of_the_way_back():
    chart = Chart(2)
    draw_unrolled(chart.axes[0], steps=3)
    draw_unrolled(chart.axes[1], steps=3, term=(3, 1))
    words = [[text.get_text() for text in ax.texts] for ax in chart.axes]
    assert words[0].count("$W$") == 3
    assert {r"$J_3^\top$", r"$J_2^\top$", r"$D_1\cdot h_0^\top$"} <= set(words[1])
