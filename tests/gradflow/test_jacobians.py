"""Products of Jacobians against autograd in float64, mpmath with 150 digits and closed forms."""

import math

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradflow.jacobians import (
    bptt_terms,
    gaussian_lyapunov_exponents,
    log_singular_values,
    lyapunov_spectrum,
    scaled_jacobian_product,
    step_jacobian,
    vjp_log_norms,
)
from gradflow.recurrent import driven_run

LN10 = math.log(10)


def gaussian(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def tanh_network(D, T, gain=1.0, seed=0, dtype=torch.float64):
    """W and the slopes of a tanh network driven by noise."""
    W, inputs = gaussian(D, D, seed=seed) * gain / D**0.5, gaussian(T, D, seed=seed + 1) / 2
    _, slopes = driven_run(W, inputs, "tanh")
    return W.to(dtype), slopes.to(dtype)


def plain_product(W, slopes):
    P = torch.eye(W.shape[-1], dtype=W.dtype)
    for s in slopes:
        P = torch.diag(s) @ W @ P
    return P


def mpmath_product(W, slopes):
    W, P = mpmath.matrix(W.tolist()), mpmath.eye(len(W))
    for s in slopes.tolist():
        P = W * P
        for i, factor in enumerate(s):
            P[i, :] *= factor
    return P


# --- one step ----------------------------------------------------------------------------------------------


def test_step_jacobian_is_the_derivative_of_one_step():
    W, h = gaussian(5, 5), gaussian(5, seed=1)
    expected = torch.autograd.functional.jacobian(lambda h: torch.tanh(W @ h), h)
    torch.testing.assert_close(step_jacobian(W, 1 - torch.tanh(W @ h) ** 2), expected, rtol=1e-14, atol=1e-14)


def test_step_jacobian_takes_a_batch_of_slopes():
    W, slopes = gaussian(4, 4), gaussian(3, 2, 4, seed=1)
    assert step_jacobian(W, slopes).shape == (3, 2, 4, 4)
    assert torch.equal(step_jacobian(W, slopes)[2, 1], torch.diag(slopes[2, 1]) @ W)


# --- the scaled product ------------------------------------------------------------------------------------


def test_scaled_product_is_the_jacobian_of_the_network():
    W, inputs, h0 = gaussian(6, 6) / 2, gaussian(12, 6, seed=1), gaussian(6, seed=2)
    slopes = []

    def last_state(h):
        for x in inputs:
            h = torch.tanh(W @ h + x)
            slopes.append((1 - h**2).detach())
        return h

    expected = torch.autograd.functional.jacobian(last_state, h0)
    P, log_norm = scaled_jacobian_product(W, torch.stack(slopes))
    torch.testing.assert_close(log_norm.exp() * P, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gain", [0.5, 1.0, 4.0])
def test_scaled_float32_product_survives_a_thousand_steps(gain):
    W, slopes = tanh_network(8, 1000, dtype=torch.float32)
    W = W * gain
    with mpmath.workdps(50):
        exact = mpmath_product(W, slopes)
        top = mpmath.norm(exact, p=2)  # of all entries: the Frobenius norm
        exact_P = torch.tensor([[float(exact[i, j] / top) for j in range(8)] for i in range(8)])
        log_top = float(mpmath.log(top))
    plain = plain_product(W, slopes)
    assert plain.count_nonzero() == 0 or not plain.isfinite().all()
    P, log_norm = scaled_jacobian_product(W, slopes)
    assert P.dtype == torch.float32 and abs(P.norm() - 1) < 1e-5
    assert abs(float(log_norm) - log_top) < 1e-4
    torch.testing.assert_close(P, exact_P, rtol=0, atol=1e-4)


def test_scaled_product_survives_steps_that_leave_the_range_after_two():
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    P, log_norm = scaled_jacobian_product(swap, torch.tensor([1.0, 1e-30]).repeat(100, 1))
    assert torch.equal(P, P[0, 0] * torch.eye(2)) and 1e-19 < P[0, 0] < 1e19
    assert float(log_norm + P[0, 0].log()) / LN10 == pytest.approx(-1500, rel=1e-6)


def test_scaled_product_of_a_nilpotent_matrix_is_exactly_zero():
    nilpotent = torch.tensor([[1.5, 1.5], [-1.5, -1.5]])
    P, log_norm = scaled_jacobian_product(nilpotent, torch.full((5, 2), 1e10))
    assert torch.equal(P, torch.zeros(2, 2)) and log_norm.isfinite()


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_scaled_product_survives_huge_and_tiny_weights(scale):
    P, log_norm = scaled_jacobian_product(torch.eye(2) * scale, torch.ones(50, 2))
    assert float(log_norm + P[0, 0].log()) / LN10 == pytest.approx(50 * math.log10(scale), rel=1e-6)


def test_scaled_product_of_one_matrix_per_layer_and_of_a_batch():
    W, slopes = gaussian(7, 3, 3), gaussian(7, 2, 3, seed=1)
    P, log_norm = scaled_jacobian_product(W, slopes)
    assert P.shape == (2, 3, 3) and log_norm.shape == (2,)
    for b in range(2):
        expected = torch.eye(3, dtype=torch.float64)
        for t in range(7):
            expected = torch.diag(slopes[t, b]) @ W[t] @ expected
        torch.testing.assert_close(log_norm[b].exp() * P[b], expected, rtol=1e-12, atol=1e-14)


def test_no_steps_give_the_identity():
    W, slopes = gaussian(3, 3), torch.empty(0, 3, dtype=torch.float64)
    P, log_norm = scaled_jacobian_product(W, slopes)
    assert torch.equal(P, torch.eye(3, dtype=torch.float64)) and float(log_norm) == 0
    assert torch.equal(log_singular_values(W, slopes), torch.zeros(3, dtype=torch.float64))
    assert vjp_log_norms(W, slopes, W[0]).shape == (0,)


@settings(max_examples=40, deadline=None)
@given(D=st.integers(1, 6), T=st.integers(0, 12), log10_gain=st.floats(-4, 4), seed=st.integers(0, 10**6))
def test_scaled_product_equals_the_plain_one_wherever_that_one_works(D, T, log10_gain, seed):
    W, slopes = gaussian(D, D, seed=seed) * 10**log10_gain, gaussian(T, D, seed=seed + 1)
    P, log_norm = scaled_jacobian_product(W, slopes)
    expected = plain_product(W, slopes)
    error = (log_norm.exp() * P - expected).norm()
    assert error <= 1e-12 * T * D * math.prod(float(torch.linalg.matrix_norm(step_jacobian(W, s))) for s in slopes)


# --- vector-Jacobian norms ---------------------------------------------------------------------------------


def test_vjp_log_norms_are_the_gradients_autograd_finds_at_every_state():
    W, inputs, v = gaussian(5, 5), gaussian(8, 5, seed=1), gaussian(5, seed=2)
    states = [gaussian(5, seed=3).requires_grad_()]
    for x in inputs:
        states.append(torch.tanh(W @ states[-1] + x))
    grads = torch.autograd.grad(states[-1] @ v, states[:-1])
    slopes = torch.stack([1 - h.detach() ** 2 for h in states[1:]])
    expected = torch.stack([g.norm().log() for g in grads])
    torch.testing.assert_close(vjp_log_norms(W, slopes, v), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-25, 0.5, 1e25])
def test_vjp_log_norms_have_no_underflow_and_no_overflow(scale):
    logs = vjp_log_norms(scale * torch.eye(3), torch.ones(50, 3), torch.tensor([3.0, 0.0, 4.0]))
    expected = math.log(5) + math.log(scale) * torch.arange(50, 0, -1, dtype=torch.float64)
    torch.testing.assert_close(logs, expected, rtol=1e-6, atol=0)


def test_vjp_log_norms_take_several_directions_and_several_sequences():
    W, slopes, v = gaussian(4, 4), gaussian(6, 3, 4, seed=1), gaussian(3, 4, seed=2)
    together = vjp_log_norms(W, slopes, v)
    assert together.shape == (6, 3)
    for b in range(3):
        torch.testing.assert_close(together[:, b], vjp_log_norms(W, slopes[:, b], v[b]))
    torch.testing.assert_close(vjp_log_norms(W, slopes[:, 0], v)[:, 2], vjp_log_norms(W, slopes[:, 0], v[2]))


def test_vjp_log_norm_of_a_dead_path_is_minus_infinity():
    slopes = torch.tensor([[1.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    assert vjp_log_norms(torch.eye(2), slopes, torch.ones(2)).isinf().tolist() == [True, True, False]


# --- singular values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1])
def test_log_singular_values_are_right_far_below_machine_precision(seed):
    W, slopes = tanh_network(24, 100, seed=seed)
    with mpmath.workdps(150):
        exact = mpmath.svd_r(mpmath_product(W, slopes), compute_uv=False)
        expected = torch.tensor([float(mpmath.log10(x)) for x in exact], dtype=torch.float64)
    assert expected[-1] < -100
    torch.testing.assert_close(log_singular_values(W, slopes) / LN10, expected, rtol=0, atol=1e-4)
    formed = torch.linalg.svdvals(plain_product(W, slopes)).log10()
    assert (formed - expected).abs().max() > 50  # what an ordinary SVD makes of the same product


@settings(max_examples=30, deadline=None)
@given(D=st.integers(1, 12), T=st.integers(1, 6), seed=st.integers(0, 10**6))
def test_log_singular_values_equal_the_svd_where_that_one_can_see(D, T, seed):
    W, slopes = gaussian(D, D, seed=seed), gaussian(T, D, seed=seed + 1).abs().clamp(0.1, 1)
    expected = torch.linalg.svdvals(plain_product(W, slopes)).log()
    visible = expected > expected[0] - 18
    torch.testing.assert_close(log_singular_values(W, slopes)[visible], expected[visible], rtol=0, atol=0.02)


def test_log_singular_values_add_up_to_the_log_determinant():
    W, slopes = tanh_network(32, 300, seed=3)
    expected = 300 * torch.linalg.slogdet(W).logabsdet + slopes.log().sum()
    assert float(log_singular_values(W, slopes).sum()) == pytest.approx(float(expected), rel=1e-9)


def test_log_singular_values_of_a_diagonal_product_are_exact_at_any_depth():
    W = torch.diag(torch.tensor([1e-3, 1.0, 2.0]))
    expected = 400 * torch.log(torch.tensor([2.0, 1.0, 1e-3], dtype=torch.float64))
    torch.testing.assert_close(log_singular_values(W, torch.ones(400, 3)), expected, rtol=1e-6, atol=1e-9)


def test_masked_orthogonal_step_has_singular_values_zero_and_one():
    Q, mask = torch.linalg.qr(gaussian(16, 16)).Q, (gaussian(16, seed=1) > 0).double()
    alive = int(mask.sum())
    expected = torch.tensor([0.0] * alive + [-math.inf] * (16 - alive), dtype=torch.float64)
    torch.testing.assert_close(log_singular_values(Q, mask.unsqueeze(0)), expected)


def test_shift_matrix_loses_one_direction_at_every_step_and_all_after_D():
    shift = 1.5 * torch.diag(torch.ones(7, dtype=torch.float64), 1)
    for T in (1, 4, 8):
        expected = [T * math.log(1.5)] * (8 - T) + [-math.inf] * T
        torch.testing.assert_close(
            log_singular_values(shift, torch.ones(T, 8, dtype=torch.float64)),
            torch.tensor(expected, dtype=torch.float64),
        )


# --- Lyapunov exponents ------------------------------------------------------------------------------------


def test_exponents_of_a_constant_diagonal_matrix_are_its_logarithms():
    W = torch.diag(torch.tensor([0.25, 2.0, 1.0], dtype=torch.float64))
    measured = lyapunov_spectrum(W, torch.ones(2000, 3, dtype=torch.float64))
    torch.testing.assert_close(measured, torch.tensor([2, 1, 0.25], dtype=torch.float64).log(), rtol=0, atol=2e-3)


def test_exponents_add_up_to_the_mean_log_determinant():
    W, slopes = tanh_network(10, 50)
    mean_log_det = (50 * torch.linalg.slogdet(W).logabsdet + slopes.log().sum()) / 50
    torch.testing.assert_close(lyapunov_spectrum(W, slopes).sum(), mean_log_det)


def test_gaussian_factors_have_newmans_exponents():
    T, D = 4000, 4
    W = gaussian(T, D, D, seed=5) * 1.3 / D**0.5
    measured = lyapunov_spectrum(W, torch.ones(T, D, dtype=torch.float64))
    degrees = torch.arange(D, 0, -1, dtype=torch.float64)
    standard_error = (torch.special.polygamma(1, degrees / 2) / 4 / T).sqrt()
    assert ((measured - gaussian_lyapunov_exponents(D, 1.3)).abs() < 4 * standard_error).all()


def test_newmans_formula_in_closed_form():
    # psi(2) = 1 - gamma, and for 1x1 factors E log|N(0, 1)| = -(gamma + log 2) / 2
    gamma = 0.5772156649015329
    assert float(gaussian_lyapunov_exponents(4, 2.0)[0]) == pytest.approx((1 - gamma + math.log(2)) / 2)
    assert float(gaussian_lyapunov_exponents(1, 1.0)[0]) == pytest.approx(-(gamma + math.log(2)) / 2)


def test_spectrum_of_a_batch_and_of_the_first_exponents_only():
    W, slopes = gaussian(5, 5), gaussian(40, 3, 5, seed=1)
    spectrum = lyapunov_spectrum(W, slopes, k=2)
    assert spectrum.shape == (3, 2)
    torch.testing.assert_close(spectrum[1], lyapunov_spectrum(W, slopes[:, 1], k=2))


# --- the gradient by lag -----------------------------------------------------------------------------------


def rnn_with_losses(T, batch, loss_steps, seed=0):
    """States, slopes and immediate loss gradients of a small tanh network, and autograd's dL/dW."""
    D, shape = 5, (*batch, 5)
    W = gaussian(D, D, seed=seed).requires_grad_()
    inputs, targets = gaussian(T, *shape, seed=seed + 1), gaussian(T, *shape, seed=seed + 2)
    states = [gaussian(*shape, seed=seed + 3)]
    for x in inputs:
        states.append(torch.tanh(states[-1] @ W.T + x))
    loss = sum(((states[t] - targets[t - 1]) ** 2).sum() for t in loss_steps)
    (gradient,) = torch.autograd.grad(loss, W)
    states = torch.stack(states).detach()
    loss_grads = torch.zeros(T, *shape, dtype=torch.float64)
    for t in loss_steps:
        loss_grads[t - 1] = 2 * (states[t] - targets[t - 1])
    return W.detach(), states, 1 - states[1:] ** 2, loss_grads, gradient


@pytest.mark.parametrize("batch", [(), (3,)])
@pytest.mark.parametrize(("T", "loss_steps"), [(1, [1]), (9, [9]), (9, range(1, 10)), (9, [2, 5])])
def test_terms_of_all_lags_add_up_to_autograds_gradient(T, loss_steps, batch):
    W, states, slopes, loss_grads, gradient = rnn_with_losses(T, batch, list(loss_steps))
    terms = bptt_terms(W, states, slopes, loss_grads)
    assert terms.shape == (T, 5, 5)
    torch.testing.assert_close(terms.sum(0), gradient, rtol=1e-12, atol=1e-12)


def test_each_term_is_its_sum_of_products_of_jacobians():
    W, states, slopes, loss_grads, _ = rnn_with_losses(6, (), [3, 4, 6])
    terms = bptt_terms(W, states, slopes, loss_grads)
    for lag in range(6):
        expected = torch.zeros(5, 5, dtype=torch.float64)
        for k in range(1, 7 - lag):
            row = loss_grads[k + lag - 1] @ plain_product(W, slopes[k : k + lag])  # ∂L_t/∂h_t · J_t … J_{k+1}
            expected += torch.outer(row * slopes[k - 1], states[k - 1])
        torch.testing.assert_close(terms[lag], expected, rtol=1e-12, atol=1e-13)


# --- bad input ---------------------------------------------------------------------------------------------

W2, S2 = torch.eye(2), torch.ones(3, 2)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: scaled_jacobian_product(torch.ones(2, 3), S2), "W"),
        (lambda: scaled_jacobian_product(torch.eye(2, dtype=torch.int64), S2), "W"),
        (lambda: scaled_jacobian_product(W2 * math.nan, S2), "W"),
        (lambda: scaled_jacobian_product(W2.half(), S2.half()), "W"),
        (lambda: scaled_jacobian_product([[1.0]], S2), "W"),
        (lambda: scaled_jacobian_product(torch.ones(4, 2, 2), S2), "W"),
        (lambda: scaled_jacobian_product(W2, torch.ones(3, 5)), "slopes"),
        (lambda: scaled_jacobian_product(W2, torch.ones(2)), "slopes"),
        (lambda: scaled_jacobian_product(W2, S2.double()), "slopes"),
        (lambda: scaled_jacobian_product(W2, S2 * math.inf), "slopes"),
        (lambda: step_jacobian(W2, torch.ones(3)), "slope"),
        (lambda: step_jacobian(torch.ones(3, 2, 2), torch.ones(2)), "W"),
        (lambda: vjp_log_norms(W2, S2, torch.ones(3)), "v"),
        (lambda: vjp_log_norms(W2, S2, torch.ones(2) * math.nan), "v"),
        (lambda: log_singular_values(W2, torch.ones(3, 4, 2)), "slopes"),
        (lambda: lyapunov_spectrum(W2, torch.ones(0, 2)), "slopes"),
        (lambda: lyapunov_spectrum(W2, S2, k=-1), "k"),
        (lambda: lyapunov_spectrum(W2, S2, k=3), "k"),
        (lambda: lyapunov_spectrum(W2, S2, k=1.0), "k"),
        (lambda: gaussian_lyapunov_exponents(0, 1.0), "D"),
        (lambda: gaussian_lyapunov_exponents(4, -1.0), "sigma"),
        (lambda: bptt_terms(W2, torch.ones(3, 2), S2, S2), "states"),
        (lambda: bptt_terms(W2, torch.ones(4, 2), S2, torch.ones(2, 2)), "loss_grads"),
        (lambda: bptt_terms(torch.ones(3, 2, 2), torch.ones(4, 2), S2, S2), "W"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=rf"^{name}: expected"):
        call()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-12)])
def test_leaving_out_what_rounding_has_destroyed_changes_no_correct_digit(dtype, tolerance):
    """One sequence of the batch soon has low rank, the other (slopes 1, orthogonal W) never does."""
    W = torch.linalg.qr(gaussian(24, 24)).Q.to(dtype)
    slopes = torch.stack([gaussian(300, 24, seed=1).sigmoid(), torch.ones(300, 24, dtype=torch.float64)], dim=1).to(
        dtype
    )
    P, log_norm = scaled_jacobian_product(W, slopes)
    for b in range(2):
        alone, log_alone = scaled_jacobian_product(W, slopes[:, b])
        exact = torch.eye(24, dtype=torch.float64)
        log_exact = 0.0
        for slope in slopes[:, b].double():
            exact = slope[:, None] * (W.double() @ exact)
            log_exact += exact.norm().log().item()
            exact /= exact.norm()
        for product, log in ((P[b], log_norm[b]), (alone, log_alone)):
            assert abs(float(log) - log_exact) < tolerance * 300
            torch.testing.assert_close(product.double(), exact, rtol=0, atol=tolerance)
    assert (
        torch.linalg.matrix_rank(slopes.new_tensor(P[0].tolist()), rtol=1e-7 if dtype == torch.float32 else 1e-15) < 24
    )
