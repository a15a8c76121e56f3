"""Truncated BPTT drops exactly the terms that cross a border; Pascanu's regularizer revives the long ones."""

import pytest
import torch

from gradflow.experiments.exploding.regularizer import omega
from gradflow.experiments.exploding.truncation import random_rnn, truncated_gradient

T, B, H = 12, 3, 5


def setup(gain=1.0, T=T, B=B, H=H, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rnn = random_rnn(2, H, gain, generator=generator)
    x = torch.randn(T, B, 2, generator=generator, dtype=torch.float64)
    return rnn, x, torch.randn(T, B, H, generator=generator, dtype=torch.float64)


def sum_of_terms(rnn, x, readout, window):
    """The double sum over t and k, explicit Jacobians, only pairs within one piece."""
    W, V = rnn.weight_hh_l0.detach(), rnn.weight_ih_l0.detach()
    total = torch.zeros_like(W)
    for b in range(x.shape[1]):
        h = [torch.zeros(W.shape[0], dtype=W.dtype)]
        for u in x[:, b]:
            h.append(torch.tanh(W @ h[-1] + V @ u))
        D = [None] + [torch.diag(1 - s**2) for s in h[1:]]
        for t in range(1, len(h)):
            row = readout[t - 1, b]
            for k in range(t, 0, -1):
                if (t - 1) // window == (k - 1) // window:
                    total += torch.outer(D[k] @ row, h[k - 1])
                row = (D[k] @ W).T @ row
    return total / x.shape[1]


@pytest.mark.parametrize("window", [1, 3, 5, 12, 40])
def test_truncated_gradient_is_the_sum_of_the_terms_inside_the_pieces(window):
    rnn, x, readout = setup()
    ours = truncated_gradient(rnn, x, readout, window)
    torch.testing.assert_close(ours, sum_of_terms(rnn, x, readout, window), rtol=1e-10, atol=1e-12)


def cosine(gain, window, seed):
    rnn, x, readout = setup(gain, T=60, B=8, H=16, seed=seed)
    full, part = (truncated_gradient(rnn, x, readout, k).flatten() for k in (60, window))
    return torch.cosine_similarity(full, part, dim=0)


def test_truncation_is_harmless_where_terms_vanish_and_loses_the_direction_where_they_explode():
    for seed in range(5):
        assert cosine(0.5, 20, seed) > 0.97
        assert abs(cosine(2.5, 20, seed)) < 0.7
    assert sum(cosine(1.0, 2, seed) < cosine(1.0, 20, seed) for seed in range(5)) == 5


def test_truncation_bounds_the_gradient_that_explodes():
    rnn, x, readout = setup(gain=3.0, T=60, B=8, H=16)
    full, part = (truncated_gradient(rnn, x, readout, k).norm() for k in (60, 5))
    assert full > 1e3 * part


def test_omega_is_zero_for_an_orthogonal_network_with_tiny_states():
    generator = torch.Generator().manual_seed(0)
    W = torch.nn.init.orthogonal_(torch.empty(H, H, dtype=torch.float64), generator=generator).unsqueeze(0)
    drive = 1e-6 * torch.randn(T, 1, B, H, generator=generator, dtype=torch.float64)
    penalty, norms = omega(W, drive, torch.randn(1, B, H, generator=generator, dtype=torch.float64))
    assert penalty < 1e-15
    torch.testing.assert_close(norms, norms[-1:].expand_as(norms), rtol=1e-6, atol=0)


def test_omega_equals_its_definition_by_explicit_jacobians():
    generator = torch.Generator().manual_seed(1)
    Ws, drive, readout = (
        torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((3, H, H), (6, 3, 1, H), (3, 1, H))
    )
    penalties, ours = omega(Ws, drive, readout)
    for net, W in enumerate(Ws):
        h, states = torch.zeros(H, dtype=torch.float64), []
        for u in drive[:, net, 0]:
            h = torch.tanh(W @ h + u)
            states.append(h)
        delta = readout[net, 0]
        norms = [delta.norm()]
        for s in reversed(states[1:]):
            delta = (torch.diag(1 - s**2) @ W).T @ delta
            norms.append(delta.norm())
        expected = torch.stack(norms[::-1])
        torch.testing.assert_close(ours[:, net, 0], expected)
        torch.testing.assert_close(penalties[net], (expected[:-1] / expected[1:] - 1).square().mean())


def test_minimizing_omega_revives_the_long_gradient():
    generator = torch.Generator().manual_seed(0)
    W = torch.empty(5, 16, 16).uniform_(-0.25, 0.25, generator=generator).requires_grad_()
    drive = 0.3 * torch.randn(30, 5, 8, 16, generator=generator)
    readout = torch.randn(5, 8, 16, generator=generator)
    optimizer = torch.optim.Adam([W], lr=0.01)
    ratios = []
    for _ in range(61):
        penalty, norms = omega(W, drive, readout)
        ratios.append((norms[0] / norms[-1]).mean(1))
        optimizer.zero_grad()
        penalty.sum().backward()
        optimizer.step()
    assert (ratios[0] < 1e-4).all() and (ratios[-1] > 0.05).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: random_rnn(2, 4, 0.0, generator=torch.Generator()),
        lambda: truncated_gradient(*setup()[:2], torch.zeros(T, B, H + 1), 3),
        lambda: truncated_gradient(*setup(), 0),
        lambda: omega(torch.eye(3)[None], torch.zeros(1, 1, 2, 3), torch.zeros(1, 2, 3)),
        lambda: omega(torch.eye(3)[None], torch.zeros(4, 1, 2, 3), torch.zeros(1, 1, 3)),
        lambda: omega(torch.eye(3)[None], torch.zeros(4, 2, 2, 3), torch.zeros(2, 2, 3)),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ValueError, match="expected"):
        call()
