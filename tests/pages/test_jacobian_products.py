"""The theorems of the page on products of Jacobians, each on random networks, and its experiments."""

import math

import pytest
import torch

from gradflow.experiments.jacobian_products.fan import recorded_benchmark, singular_value_fan
from gradflow.experiments.jacobian_products.nonnormal import (
    best_scaling,
    kreiss_constant,
    power_norms,
    resolvent_norms,
    schur_constant,
)
from gradflow.jacobians import log_singular_values, scaled_jacobian_product, step_jacobian
from gradflow.recurrent import driven_run

torch64 = {"dtype": torch.float64}


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), **torch64)


def orthogonal(D, seed=0):
    return torch.linalg.qr(normal(D, D, seed=seed)).Q


def norm(A):
    return torch.linalg.matrix_norm(A, 2)


def products(jacobians):
    """Φ(t, k) = J_t … J_{k+1} for all t >= k >= 1, as {(t, k): matrix}; ``jacobians[t]`` is J_t, index 0 unused."""
    found = {}
    for k in range(1, len(jacobians)):
        P = torch.eye(len(jacobians[0]), **torch64)
        found[k, k] = P
        for t in range(k + 1, len(jacobians)):
            P = jacobians[t] @ P
            found[t, k] = P
    return found


@pytest.mark.parametrize(("activation", "gamma"), [("tanh", 1.0), ("relu", 1.0), ("leaky_relu", 1.0), ("linear", 1.0)])
@pytest.mark.parametrize("gain", [0.3, 1.0, 2.0])
def test_no_product_exceeds_the_upper_bound(activation, gamma, gain):
    W = gain * normal(12, 12) / 12**0.5
    _, slopes = driven_run(W, normal(30, 12, seed=1), activation)
    for T in (1, 5, 30):
        bound = T * torch.log(gamma * norm(W))
        assert log_singular_values(W, slopes[:T])[0] <= bound + 1e-9


def test_the_upper_bound_is_attained_by_a_multiple_of_an_orthogonal_matrix():
    W = 0.9 * orthogonal(8)
    _, slopes = driven_run(W, normal(20, 8), "linear")
    assert float(log_singular_values(W, slopes)[0]) == pytest.approx(20 * math.log(0.9))


@pytest.mark.parametrize("activation", ["tanh", "leaky_relu", "linear"])
def test_no_direction_shrinks_below_the_lower_bound(activation):
    W = 1.5 * torch.eye(10, **torch64) + 0.05 * normal(10, 10)
    _, slopes = driven_run(W, 0.3 * normal(15, 10, seed=1), activation)
    bound = 15 * torch.log(slopes.abs().min() * torch.linalg.svdvals(W)[-1])
    assert log_singular_values(W, slopes)[-1] >= bound - 1e-9


def test_gelfand_between_the_radius_and_any_larger_rate():
    W = normal(6, 6) / 6**0.5
    rho, epsilon = torch.linalg.eigvals(W).abs().max(), 0.05
    ratios = torch.tensor([norm(torch.linalg.matrix_power(W, t)) / (rho + epsilon) ** t for t in range(0, 400, 8)])
    assert ratios.max() < 100 and ratios[-1] < 1e-3
    for t in (1, 10, 100):
        assert norm(torch.linalg.matrix_power(W, t)) >= rho**t * (1 - 1e-9)


def test_transient_growth_peaks_at_the_ninth_power():
    A = torch.tensor([[0.9, 10.0], [0.0, 0.9]], **torch64)
    powers = [0.9**t * torch.tensor([[1, 10 * t / 0.9], [0, 1]], **torch64) for t in range(1, 30)]
    torch.testing.assert_close(torch.linalg.matrix_power(A, 29), powers[-1])
    assert max(range(29), key=lambda i: float(norm(powers[i]))) + 1 == 9


def almost_shift(D):
    return 0.9 * torch.eye(D, **torch64) + 0.5 * torch.ones(D - 1, **torch64).diag(1)


def default(D, seed=0):
    return (2 * torch.rand(D, D, generator=torch.Generator().manual_seed(seed), **torch64) - 1) / D**0.5


def test_exponential_constant_belongs_to_the_proof_of_one_matrix_and_to_the_other_matrix_itself():
    for W, top in ((default(32), 1.5), (almost_shift(32), math.inf)):
        assert schur_constant(W, 0.05) > 25
        assert power_norms(W, 400).max() < top
    assert power_norms(almost_shift(32), 400).max() > 1e20


def test_schur_constant_bounds_every_power():
    W = normal(5, 5, seed=3) / 3
    rate = float(torch.linalg.eigvals(W).abs().max()) + 0.1
    bound = torch.tensor([schur_constant(W, 0.1) + t * math.log10(rate) for t in range(60)], **torch64)
    assert (power_norms(W, 59).log10() <= bound + 1e-9).all()


@pytest.mark.parametrize("W", [default(16), almost_shift(16), torch.tensor([[0.9, 10.0], [0.0, 0.9]], **torch64)])
def test_kreiss_constant_encloses_the_largest_power(W):
    K, top = kreiss_constant(W), power_norms(W, 600).max()
    assert top * (1 + 1e-9) >= K and top <= math.e * len(W) * K * 1.05  # the grid misses the supremum a little


def test_resolvent_norm_is_the_norm_of_the_inverse():
    W, z = almost_shift(20), torch.tensor([1.1 + 0j, 0.3 + 0.9j], dtype=torch.complex128)
    expected = [torch.linalg.matrix_norm(torch.linalg.inv(x * torch.eye(20) - W), 2) for x in z]
    torch.testing.assert_close(resolvent_norms(W, z), torch.stack(expected), rtol=1e-4, atol=0)


def test_a_tiny_corner_moves_the_spectral_radius_of_the_almost_shift_beyond_one():
    W = almost_shift(64)
    W[-1, 0] = 1e-10
    # (λ − 0.9)^64 = 0.5^63 · 1e-10
    assert float(torch.linalg.eigvals(W).abs().max()) == pytest.approx(0.9 + (0.5**63 * 1e-10) ** (1 / 64), rel=1e-3)


@pytest.mark.parametrize("activation", ["tanh", "relu", "abs"])
def test_moduli_and_scalings_bound_the_product_where_the_norm_says_nothing(activation):
    W = almost_shift(8)
    assert norm(W) > 1
    _, slopes = driven_run(W, normal(200, 8, seed=1), activation)
    P = torch.eye(8, **torch64)
    scale = 10 ** torch.arange(8, **torch64)
    scaled = norm(scale[:, None] * W / scale)
    assert scaled < 1
    for n, J in enumerate(step_jacobian(W, slopes), start=1):
        P = J @ P
        assert norm(P) <= norm(torch.linalg.matrix_power(W.abs(), n)) + 1e-12
        assert norm(P) <= scale.max() / scale.min() * scaled**n


def test_perron_vectors_give_the_scaling_that_the_moduli_promise():
    W = 0.2 * normal(6, 6)
    A = W.abs()
    right, left = (torch.linalg.matrix_power(B, 200).sum(1) for B in (A, A.T))
    scale = (left / right).sqrt()
    rho = torch.linalg.eigvals(A).abs().max()
    assert norm(scale[:, None] * A / scale) == pytest.approx(float(rho))
    assert norm(scale[:, None] * W / scale) <= rho + 1e-12


def test_gradient_descent_finds_a_hidden_scaling_but_none_for_default_weights():
    scale = torch.linspace(0.5, 2, 8, **torch64)
    hidden = 0.9 * orthogonal(8) * scale[:, None] / scale
    assert norm(hidden) > 1.1 and best_scaling(hidden) == pytest.approx(0.9, abs=0.01)
    assert best_scaling(default(64)) > 1


def test_slopes_between_zero_and_one_stop_the_nilpotent_network_below_c_equal_one():
    N = torch.tensor([[1.0, 1.0], [-1.0, -1.0]], **torch64)
    for signed, rate in ((False, 1.0), (True, 2.0)):
        s = torch.rand(30, 2, generator=torch.Generator().manual_seed(0), **torch64)
        s[:, 1] = s[:, 1] - 1 if signed else s[:, 1]
        P = torch.linalg.multi_dot([*step_jacobian(N, s)])
        assert norm(P) <= 2 * rate**29
        worst = torch.tensor([1.0, -1.0 if signed else 0.0], **torch64).expand(30, 2)
        assert norm(torch.linalg.multi_dot([*step_jacobian(N, worst)])) >= rate**29


@pytest.mark.parametrize("c", [0.5, 1.2, 1.5])
def test_nilpotent_relu_network_grows_as_c_to_the_t(c):
    N, start = c * torch.tensor([[1.0, 1.0], [-1.0, -1.0]], **torch64), torch.tensor([1.0, 0.0], **torch64)

    def run(h):
        for _ in range(20):
            h = torch.relu(N @ h)
        return h

    torch.testing.assert_close(N @ N, torch.zeros(2, 2, **torch64), rtol=0, atol=1e-15)  # a fused sum keeps a last bit
    torch.testing.assert_close(run(start), torch.tensor([c**20, 0.0], **torch64))
    jacobian = torch.autograd.functional.jacobian(run, start)
    torch.testing.assert_close(jacobian, c**20 * torch.tensor([[1.0, 1.0], [0.0, 0.0]], **torch64))


def test_default_recurrent_weights_have_norm_above_one_and_radius_below():
    torch.manual_seed(0)
    W = torch.nn.RNN(256, 256).weight_hh_l0.detach().double()
    assert abs(torch.linalg.eigvals(W).abs().max() - 3**-0.5) < 0.06
    assert abs(norm(W) - 2 * 3**-0.5) < 0.06


def test_tanh_helps_default_weights_to_forget_and_does_not_stop_large_ones_from_exploding():
    W, inputs = default(64), normal(60, 64, seed=1)
    logs = {f: log_singular_values(W, driven_run(W, inputs, f)[1])[0] for f in ("linear", "tanh")}
    assert logs["tanh"] < logs["linear"] - 5
    large = 3 * normal(64, 64) / 8
    _, slopes = driven_run(large, inputs, "tanh")
    assert (slopes < 0.1).double().mean() > 0.3 and log_singular_values(large, slopes)[0] > 10


def test_saturated_network_obeys_its_bound_though_every_singular_value_of_W_is_two():
    h = torch.zeros(3, **torch64)
    slopes = []
    for t in range(1, 21):
        h = torch.tanh(2 * h + 3)
        slopes.append(1 - h**2)
        log_norm = log_singular_values(2 * torch.eye(3, **torch64), torch.stack(slopes))[0]
        assert log_norm <= (t - 1) * math.log(4e-4)


@pytest.mark.parametrize("activation", ["linear", "abs", "relu", "tanh"])
def test_orthogonal_theorem(activation):
    Q = orthogonal(10)
    _, slopes = driven_run(Q, normal(40, 10, seed=1), activation)
    one = torch.linalg.svdvals(step_jacobian(Q, slopes[0]))
    torch.testing.assert_close(one, slopes[0].abs().sort(descending=True).values)
    logs = log_singular_values(Q, slopes)
    torch.testing.assert_close(logs.sum(), slopes.abs().log().sum(), rtol=1e-9, atol=1e-9)
    assert logs[0] <= slopes.abs().amax(-1).log().sum() + 1e-9
    if activation in ("linear", "abs"):
        torch.testing.assert_close(logs, torch.zeros(10, **torch64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_bounded_noise_gain_forces_geometric_forgetting(rate, seed):
    # Non-normal factors: single products grow before they decay, so the constant M matters.
    W = normal(4, 4, seed=seed)
    W *= rate / torch.linalg.eigvals(W).abs().max()
    slopes = 0.8 + 0.2 * torch.rand(31, 4, generator=torch.Generator().manual_seed(seed), **torch64)
    phi = products(step_jacobian(W, slopes))
    # The largest response to unit noise is at most the sum of norms, hence this M is a valid margin.
    M = max(sum(norm(phi[t, k]) for k in range(1, t + 1)) for t in range(1, 31))
    assert M >= 1
    for (t, k), P in phi.items():
        assert norm(P) <= M * (1 - 1 / M) ** (t - k) * (1 + 1e-12)


@pytest.mark.parametrize("slope", [0.2, 0.7])
def test_constant_slope_attains_the_latching_rate(slope):
    steps = products([torch.tensor([[slope]], **torch64)] * 121)
    M = float(max(sum(steps[t, k] for k in range(1, t + 1)) for t in (60, 120)))  # the noise +1 at every step
    for lag in (1, 10, 30):
        assert float(steps[1 + lag, 1]) == pytest.approx((1 - 1 / M) ** lag, rel=1e-6)


@pytest.mark.parametrize("w", [1.05, 1.5, 3.0])
def test_constant_noise_moves_the_neuron_as_the_latching_rate_foretells(w):
    h, noisy, epsilon = 1.0, 1.0, 1e-7
    for _ in range(3000):
        h, noisy = math.tanh(w * h), math.tanh(w * noisy) + epsilon
    M = (noisy - h) / epsilon
    assert pytest.approx(w * (1 - h**2), rel=1e-3) == 1 - 1 / M


@pytest.mark.parametrize("w", [1.05, 1.5, 3.0])
def test_neuron_keeps_its_bit_up_to_exactly_the_stated_noise(w):
    kappa = math.sqrt(1 - 1 / w)
    h_c = math.atanh(kappa) / w
    threshold = kappa - h_c

    def final(noise, steps=20_000):
        h = h_c
        for _ in range(steps):
            h = math.tanh(w * h) - noise
            if h < 0:
                break
        return h

    assert final(threshold * 0.999) >= h_c
    assert final(threshold * 1.01) < 0


def test_a_bit_survives_noise_while_the_gradient_of_a_smooth_map_explodes():
    generator = torch.Generator().manual_seed(0)
    bit = torch.ones(200, **torch64).copysign(normal(200))
    h = (bit * (1 + torch.rand(200, generator=generator, **torch64))).requires_grad_()
    start = h
    for _ in range(200):
        h = 2.9 * h.sin() + 0.2 * torch.rand(200, generator=generator, **torch64) - 0.1
        assert (h.abs() >= 0.1).all() and (h.abs() <= 3).all()
    assert torch.equal(h.sign(), bit)
    (gradient,) = torch.autograd.grad(h.sum(), start)
    assert gradient.abs().log10().median() > 20


def test_a_margin_without_a_common_lipschitz_constant_bears_no_fixed_noise():
    shifts = [0.0]
    for t in range(1, 16):
        shifts.append(shifts[-1] / 2 + 4.0**t * shifts[-1] ** 2 + 1e-8)
    assert max(shifts[:9]) <= 2.01e-8 and shifts[15] > 1e-4


def test_with_one_lipschitz_constant_the_stated_noise_is_borne_for_ever():
    beta, C, B, M = 0.5, 1.0, 0.6, 3.0  # F(h) = h / 2 + 0.3 h², along h = 0
    epsilon = 2 / (B * M**2) * (M * (1 - beta) / C - 1)
    h = 0.0
    for _ in range(10_000):
        h = h / 2 + 0.3 * h**2 + epsilon
        assert h <= M * epsilon
    h = 0.0
    for _ in range(10_000):
        h = min(h / 2 + 0.3 * h**2 + 1.2 * epsilon, 1e3)
    assert h > M * 1.2 * epsilon


def test_plain_float32_product_becomes_subnormal_and_then_zero():
    W = (normal(16, 16) / 4).float()
    _, slopes = driven_run(W, normal(800, 16, seed=1).float(), "tanh")
    P, seen = torch.eye(16), set()
    for s in slopes:
        P = torch.diag(s) @ W @ P
        if ((P != 0) & (P.abs() < torch.finfo(torch.float32).tiny)).any():
            seen.add("subnormal")
    assert seen and not P.any()
    unit, log_norm = scaled_jacobian_product(W, slopes)
    assert float(unit.norm()) == pytest.approx(1, rel=1e-5) and log_norm.isfinite()


def test_fan_holds_the_singular_values_of_every_prefix():
    W, slopes = normal(5, 5), normal(4, 5, seed=1).abs() + 0.1
    fan = singular_value_fan(W, slopes, [1, 4])
    for row, T in zip(fan, (1, 4), strict=True):
        P = torch.linalg.multi_dot([*step_jacobian(W, slopes[:T]).flip(0), torch.eye(5, **torch64)])
        torch.testing.assert_close(row, torch.linalg.svdvals(P).log10(), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: recorded_benchmark([(128, 50), (100, 50)]), "cases"),
    ],
)
def test_bad_input_is_named(call, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        call()
