"""Deep linear networks: the batched descent against autograd, and learning time against depth."""

import pytest
import torch

from gradflow.experiments.orthogonal.saxe import initial_weights, steps_to_learn


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def targets(seeds, width, seed=1):
    return torch.randn(seeds, width, width, generator=generator(seed), dtype=torch.float64) / width**0.5


def slow_reference(weights, target, rate, fraction, max_steps):
    """One network, autograd, torch.optim.SGD."""
    layers = [w.clone().requires_grad_() for w in weights]
    optimizer = torch.optim.SGD(layers, lr=rate / len(layers))
    goal = None
    for step in range(max_steps + 1):
        product = layers[0]
        for layer in layers[1:]:
            product = layer @ product
        loss = (product - target).square().sum() / 2
        goal = fraction * loss.item() if goal is None else goal
        if loss.item() <= goal:
            return float(step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float("inf")


@pytest.mark.parametrize("kind", ["orthogonal", "identity", "gaussian"])
@pytest.mark.parametrize("depth", [1, 3, 6])
def test_steps_equal_those_of_autograd_and_sgd(kind, depth):
    weights, target = initial_weights(kind, depth, 2, 5, generator=generator()), targets(2, 5)
    rates = (0.1, 0.5)
    steps = steps_to_learn(weights, target, rates, max_steps=80)
    expected = [[slow_reference(weights[:, s], target[s], r, 0.1, 80) for r in rates] for s in range(2)]
    assert steps.tolist() == expected


def test_initial_weights_are_what_they_are_called():
    orthogonal = initial_weights("orthogonal", 3, 4, 8, generator=generator())
    eye = torch.eye(8, dtype=torch.float64)
    torch.testing.assert_close(orthogonal @ orthogonal.mT, eye.expand_as(orthogonal))
    assert not torch.equal(orthogonal[0, 0], orthogonal[1, 0])
    assert torch.equal(initial_weights("identity", 2, 1, 8, generator=generator())[1, 0], eye)
    gaussian = initial_weights("gaussian", 3, 4, 64, generator=generator())
    assert abs(gaussian.var() * 64 - 1) < 0.05


def test_orthogonal_networks_learn_in_a_time_that_hardly_depends_on_depth_and_gaussian_ones_do_not():
    def best(kind, depth):
        weights = initial_weights(kind, depth, 5, 16, generator=generator(depth))
        return steps_to_learn(weights, targets(5, 16), (0.2, 0.4, 0.8), max_steps=150).median(0).values.min()

    for kind in ("orthogonal", "identity"):
        assert best(kind, 24) <= 4 * best(kind, 2) < 30
    assert best("gaussian", 2) < 10
    assert best("gaussian", 24).isinf()


def test_a_diverging_rate_is_reported_and_does_not_stop_the_others():
    weights = initial_weights("orthogonal", 4, 2, 6, generator=generator())
    steps = steps_to_learn(weights, targets(2, 6), (0.3, 1e3), max_steps=100)
    assert steps[:, 0].isfinite().all() and steps[:, 1].isinf().all()


def test_balanced_scalar_chain_takes_the_time_that_the_integral_predicts():
    """One mode, u(0) = 1, target 2: the integral of du / (u^(2-2/L) (2-u)) over learning rate."""
    mpmath = pytest.importorskip("mpmath")
    for depth in (2, 8, 64):
        weights = torch.ones(depth, 1, 1, 1, dtype=torch.float64)
        rate = 0.002
        # a tenth of the loss is sqrt(0.1) of the distance
        steps = steps_to_learn(weights, torch.full((1, 1, 1), 2.0, dtype=torch.float64), (rate,), max_steps=2000)
        end = 2 - mpmath.sqrt(0.1)
        power = 2 - mpmath.mpf(2) / depth
        predicted = mpmath.quad(lambda u, power=power: u**-power / (2 - u), [1, end])
        assert abs(steps.item() * rate - float(predicted)) < 0.01


@pytest.mark.parametrize(
    "call",
    [
        lambda: initial_weights("unitary", 2, 1, 3, generator=generator()),
        lambda: initial_weights("identity", 0, 1, 3, generator=generator()),
        lambda: steps_to_learn(torch.zeros(2, 1, 3, 3), torch.zeros(2, 3, 3), (0.1,)),
        lambda: steps_to_learn(torch.zeros(2, 1, 3, 3), torch.zeros(1, 3, 3), (0.0,)),
        lambda: steps_to_learn(torch.zeros(2, 1, 3, 3), torch.zeros(1, 3, 3), (0.1,), max_steps=0),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ValueError, match="expected"):
        call()
