"""The claims of the page on random matrices."""

import math

import mpmath
import pytest
import torch

from gradflow.experiments.random_matrices.driven import driven_exponents
from gradflow.experiments.random_matrices.mean_field import (
    chi,
    level_curve,
    log_gradient,
    measured_chi,
    stationary_variance,
    tanh_jacobian,
)
from gradflow.experiments.random_matrices.products import log_growth, masked_product
from gradflow.jacobians import gaussian_lyapunov_exponents, lyapunov_spectrum
from gradflow.networks import gaussian_weights, orthogonal_weights
from gradflow.recurrent import driven_run


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_spectral_radius_is_sigma_and_norm_is_two_sigma():
    W = gaussian_weights(3, 256, 1.5, generator=generator()).double()
    assert torch.linalg.eigvals(W).abs().amax(1).mean().item() == pytest.approx(1.5, rel=0.07)
    assert torch.linalg.svdvals(W)[:, 0].mean().item() == pytest.approx(3.0, rel=0.03)


def test_eigenvalues_fill_the_disk_evenly_and_singular_values_the_quarter_circle():
    W = gaussian_weights(4, 256, generator=generator()).double()
    inner = (torch.linalg.eigvals(W).abs() < 0.5**0.5).double().mean().item()
    assert inner == pytest.approx(0.5, abs=0.04)  # half of the area
    below = (torch.linalg.svdvals(W) < 1).double().mean().item()
    assert below == pytest.approx(1 / 3 + 3**0.5 / (2 * math.pi), abs=0.03)  # area of the quarter circle left of 1


def test_circular_law_needs_a_law_of_entries_that_does_not_change_with_the_size():
    g = generator()
    sign = torch.randint(0, 2, (256, 256), generator=g) * 2 - 1.0
    W = 0.5**0.5 * sign * (torch.rand(256, 256, generator=g) < 2 / 256)
    assert W.square().mean().item() * 256 == pytest.approx(1, rel=0.15)
    assert (torch.linalg.eigvals(W.double()).abs() < 0.1).double().mean() > 0.25


def test_default_matrix_of_rnn_has_radius_below_and_norm_above_one():
    W = torch.empty(5, 256, 256).uniform_(-1 / 16, 1 / 16, generator=generator())
    assert torch.linalg.eigvals(W).abs().amax(1).mean().item() == pytest.approx(3**-0.5, rel=0.07)
    assert torch.linalg.svdvals(W)[:, 0].mean().item() == pytest.approx(2 * 3**-0.5, rel=0.03)


def test_mean_square_stays_and_typical_length_falls_as_predicted():
    width, steps, runs = 8, 60, 4000
    logs = log_growth(width, steps, runs, generator=generator())
    rate = (float(mpmath.digamma(width / 2)) + math.log(2 / width)) / 2
    variance = float(mpmath.polygamma(1, width / 2)) / 4
    error = (variance / steps / runs) ** 0.5
    assert abs(logs[-1].mean().item() / steps - rate) < 4 * error
    assert logs[-1].var().item() / steps == pytest.approx(variance, rel=0.1)
    assert (2 * logs[0]).exp().mean().item() == pytest.approx(1, rel=0.05)
    assert (2 * logs[4]).exp().mean().item() == pytest.approx(1, rel=0.15)
    assert logs[-1].median() < -3


def test_mean_square_is_held_by_the_products_that_the_weighted_law_draws():
    width, steps = 8, 5
    g = generator()
    normal = torch.randn(20_000, steps, width + 2, generator=g, dtype=torch.float64)
    squares = (normal.square().sum(2) / width).prod(1)
    half = squares.median()
    chance = (1 / squares)[squares > half].sum().item() / len(squares)
    plain = (2 * log_growth(width, steps, 40_000, generator=g)[-1]).exp()
    above = plain > half
    assert (plain * above).mean().item() == pytest.approx(0.5, abs=0.05)
    assert above.double().mean().item() == pytest.approx(chance, rel=0.06)


def test_increments_are_independent_of_the_past():
    logs = log_growth(4, 2, 20_000, generator=generator())
    first, second = logs[0], logs[1] - logs[0]
    assert abs(torch.corrcoef(torch.stack([first, second]))[0, 1].item()) < 0.03


def test_newman_formula_agrees_with_measurement():
    W = gaussian_weights(3000, 6, 1.3, generator=generator()).double()
    measured = lyapunov_spectrum(W, torch.ones(3000, 6, dtype=torch.float64))
    error = torch.tensor([float(mpmath.polygamma(1, degrees / 2) / 4 / 3000) ** 0.5 for degrees in range(6, 0, -1)])
    assert ((measured - gaussian_lyapunov_exponents(6, 1.3)).abs() < 4 * error + 0.003).all()


def test_determinant_gives_the_sum_of_all_exponents():
    W = gaussian_weights(20_000, 3, generator=generator()).double()
    mean = torch.linalg.slogdet(W).logabsdet.mean().item()
    assert gaussian_lyapunov_exponents(3, 1.0).sum().item() == pytest.approx(mean, abs=0.04)


def test_product_is_almost_of_rank_one_after_several_widths_and_not_after_one():
    g, medians = generator(), []
    for layers in (12, 60):
        P = torch.eye(12, dtype=torch.float64)
        for _ in range(layers):
            P = gaussian_weights(200, 12, generator=g).double() @ P
        s = torch.linalg.svdvals(P)
        medians.append((s[:, 1] / s[:, 0]).median())
    assert medians[0] > 0.25 and medians[1] < 0.12


def test_half_mask_halves_the_mean_square():
    squares = []
    g = generator()
    for _ in range(200):
        P = masked_product("orthogonal", 32, 1, 2**0.5, generator=g)
        squares.append(P[:, 0].square().sum())
    assert torch.stack(squares).mean().item() == pytest.approx(1, abs=0.06)


def test_relu_layer_multiplies_length_like_a_random_mask():
    logs = log_growth(16, 1, 40_000, 2**0.5, relu=True, generator=generator())
    g = generator(1)
    mask = torch.randint(0, 2, (40_000, 16), generator=g)
    X = (2 / 16 * mask * torch.randn(40_000, 16, generator=g).square()).sum(1)
    ratio = (2 * logs[0]).exp()
    assert ratio.mean().item() == pytest.approx(1, abs=0.02)
    assert ratio.var().item() == pytest.approx(5 / 16, rel=0.08)
    for q in (0.1, 0.5, 0.9):
        assert ratio.quantile(q).item() == pytest.approx(X.quantile(q).item(), rel=0.05)


def test_relu_falls_two_and_a_half_times_as_fast():
    linear = log_growth(32, 50, 600, generator=generator())[-1].mean().item() / 50
    relu = log_growth(32, 50, 600, 2**0.5, relu=True, generator=generator())[-1].mean().item() / 50
    assert linear == pytest.approx(-1 / 64, rel=0.2)
    assert relu == pytest.approx(-5 / 128, rel=0.2)


@pytest.mark.parametrize(("depth", "low", "high"), [(12, 0.3, 0.6), (1, 0.0, 0.05)])
def test_price_of_relu_depends_on_depth_over_width(depth, low, high):
    logs = log_growth(32, depth, 400, 2**0.5, relu=True, generator=generator())[-1]
    assert low <= (logs.abs() > math.log(2)).double().mean() <= high


def test_gain_root_two_keeps_the_mean_and_loses_the_directions():
    for kind in ("gaussian", "orthogonal"):
        plain = torch.linalg.svdvals(masked_product(kind, 64, 30, 1.0, generator=generator()))
        gained = torch.linalg.svdvals(masked_product(kind, 64, 30, 2**0.5, generator=generator()))
        torch.testing.assert_close(gained, plain * 2**15, rtol=1e-6, atol=1e-12)
        assert plain.square().mean() < 1e-7
        assert gained[0] > 2
        assert (gained > 0.01 * gained[0]).sum() < 20


def test_chi_is_one_at_the_edge_and_theory_agrees_with_a_network():
    assert chi(0.7) == pytest.approx(0.49, abs=1e-6)
    assert chi(1.0) == pytest.approx(1.0, abs=1e-6)
    q = stationary_variance(2.0)
    z = torch.randn(400_000, generator=generator(), dtype=torch.float64)
    assert 4 * (q**0.5 * z).tanh().square().mean().item() == pytest.approx(q, rel=0.01)
    g = generator()
    measured = [measured_chi(2.0, 200, 20, generator=g) for _ in range(6)]
    assert sum(measured) / 6 == pytest.approx(chi(2.0), rel=0.06)


def test_orthogonal_tanh_is_isometric_while_the_input_is_small_against_one_over_depth():
    orthogonal, gaussian = (
        make(50, 64, generator=generator()).double() for make in (orthogonal_weights, gaussian_weights)
    )
    x = torch.randn(64, generator=generator(), dtype=torch.float64)
    small, large = (torch.linalg.svdvals(tanh_jacobian(orthogonal, scale * x)) for scale in (0.01, 1.0))
    assert small[-1] > 0.9 and small[0] <= 1
    assert large[0] < 0.5 and large[-1] < 0.01
    assert torch.linalg.svdvals(tanh_jacobian(gaussian, 0.01 * x))[32] < 1e-4
    for scale in (0.01, 0.1, 1.0):
        rms = torch.linalg.svdvals(tanh_jacobian(orthogonal, scale * x)).square().mean().sqrt().item()
        assert rms == pytest.approx((1 + 100 * (scale * x).square().mean().item()) ** -0.5, rel=0.25)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2])
def test_level_curve_holds_the_points_with_this_chi_and_bends_to_larger_weights(factor):
    sigma_w, sigma_b = level_curve(factor, torch.logspace(-2, 0.7, 12))
    assert len(sigma_w) >= 3
    for w, b in zip(sigma_w.tolist(), sigma_b.tolist(), strict=True):
        assert chi(w, b) == pytest.approx(factor, abs=1e-6)
    assert (sigma_w.diff() > 0).all() and (sigma_b.diff() > 0).all()


@pytest.mark.parametrize(("sigma_w", "sigma_b"), [(1.0, 0.39), (2.0, 0.39)])
def test_gradient_with_biases_changes_as_chi_foretells(sigma_w, sigma_b):
    g = generator()
    logs = torch.stack([log_gradient(sigma_w, sigma_b, 200, 30, generator=g) for _ in range(4)]).mean(0)
    assert logs[0].item() / 30 == pytest.approx(math.log(chi(sigma_w, sigma_b)) / 2, abs=0.03)
    assert logs[15].item() / 15 == pytest.approx(math.log(chi(sigma_w, sigma_b)) / 2, abs=0.05)


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("fresh", [False, True])
def test_one_matrix_for_all_steps_grows_as_independent_layers(noise, fresh):
    g = generator()
    first = [driven_exponents(2.0, noise, 96, 300, fresh=fresh, generator=g).item() for _ in range(2)]
    assert sum(first) / 2 == pytest.approx(math.log(chi(2.0, noise)) / 2, abs=0.06)


def test_noise_calms_a_chaotic_network():
    quiet, noisy = (driven_exponents(1.6, noise, 96, 400, generator=generator()).item() for noise in (0.0, 1.0))
    assert quiet > -0.02 and noisy < -0.05


def test_exponents_of_one_gaussian_matrix_are_its_eigenvalues_and_near_those_of_newman():
    W = gaussian_weights(1, 48, generator=generator())[0].double()
    measured = lyapunov_spectrum(W, torch.ones(3000, 48, dtype=torch.float64))
    moduli = torch.linalg.eigvals(W).abs().log().sort(descending=True).values
    torch.testing.assert_close(measured, moduli, rtol=0, atol=0.02)
    assert (measured - gaussian_lyapunov_exponents(48, 1.0))[4:40].abs().max() < 0.2


def test_network_with_bounded_gradients_is_not_chaotic():
    W = orthogonal_weights(1, 32, generator=generator())[0].double()
    _, slopes = driven_run(W, torch.randn(400, 32, generator=generator(), dtype=torch.float64), "tanh")
    assert lyapunov_spectrum(W, slopes, 1).item() < 0


def test_a_network_that_reproduces_a_chaotic_system_has_its_gradient():
    def model(h):  # its state mixes the system y = h_1 + h_2 with a memory of its own
        y, own = h[0] + h[1], (h[0] - h[1]) / 4
        return torch.stack([4 * y * (1 - y) / 2 + own, 4 * y * (1 - y) / 2 - own])

    start = torch.tensor([0.2, 0.13], dtype=torch.float64)
    h, P, y, growth = start, torch.eye(2, dtype=torch.float64), start.sum(), 1.0
    for _ in range(25):
        P = torch.func.jacrev(model)(h) @ P
        h, growth, y = model(h), growth * (4 * (1 - 2 * y)), 4 * y * (1 - y)
        assert h.sum() == pytest.approx(float(y), abs=1e-4)
        assert torch.linalg.matrix_norm(P, 2) >= abs(growth) * (1 - 1e-4)  # ‖R'‖ = √2 on both sides
    assert torch.linalg.matrix_norm(P, 2) > 1e4


def test_logistic_map_has_the_exponent_log_two():
    y = torch.rand(2000, generator=generator(), dtype=torch.float64)
    total = torch.zeros(2000, dtype=torch.float64)
    for _ in range(50):
        total += (4 * (1 - 2 * y)).abs().log()
        y = 4 * y * (1 - y)
    assert total.median().item() / 50 == pytest.approx(math.log(2), abs=0.03)


def without_passing_the_basis_on(factors):
    return torch.linalg.qr(factors).R.diagonal(dim1=1, dim2=2).abs().log().mean(0)


def test_forgotten_basis_shows_itself_only_when_directions_differ():
    factors, ones = gaussian_weights(800, 8, generator=generator()).double(), torch.ones(800, 8, dtype=torch.float64)
    assert (lyapunov_spectrum(factors, ones) - without_passing_the_basis_on(factors)).abs().max() < 0.1
    factors[:, :, 0] *= 4
    right, wrong = lyapunov_spectrum(factors, ones), without_passing_the_basis_on(factors)
    assert wrong[0] - right[0] > 0.5
    assert right.sum().item() == pytest.approx(wrong.sum().item(), abs=1e-6)
    u = torch.randn(20_000, 8, generator=generator(), dtype=torch.float64)
    u = u / u.norm(dim=1, keepdim=True)
    u[:, 0] *= 4  # a Gaussian factor turns every direction into a uniform one
    expected = gaussian_lyapunov_exponents(8, 1.0)[0] + u.norm(dim=1).log().mean()
    assert right[0].item() == pytest.approx(expected.item(), abs=0.06)


def test_tanh_jacobian_agrees_with_autograd():
    weights = gaussian_weights(4, 5, generator=generator()).double()
    x = torch.randn(5, generator=generator(), dtype=torch.float64)

    def run(h):
        for W in weights:
            h = torch.tanh(W @ h)
        return h

    torch.testing.assert_close(tanh_jacobian(weights, x), torch.func.jacrev(run)(x), rtol=1e-12, atol=1e-14)


def test_measured_chi_of_a_linear_regime_is_sigma_squared():
    g = generator()
    values = [math.log(measured_chi(0.5, 128, 20, generator=g)) for _ in range(5)]
    assert math.exp(sum(values) / 5) == pytest.approx(0.25, rel=0.03)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="gain"):
        log_growth(4, 2, 2, gain=0.0, generator=generator())
    with pytest.raises(ValueError, match="runs"):
        log_growth(4, 2, 0, generator=generator())
    with pytest.raises(ValueError, match="kind"):
        masked_product("uniform", 4, 2, 1.0, generator=generator())
    with pytest.raises(ValueError, match="sigma_w"):
        chi(-1.0)
