"""The cliff: closed forms against autograd, and the claims about clipping at a smaller size."""

import pytest
import torch

from gradflow.experiments.exploding.cliff import START, TARGET, descend, loss_and_gradient, ridge, ridge_gradient_norm


def autograd_reference(point, steps):
    point = point.clone().requires_grad_()
    x = torch.full_like(point[0], START)
    for _ in range(steps):
        x = point[0] * torch.sigmoid(x) + point[1]
    loss = (torch.sigmoid(x) - TARGET) ** 2
    (gradient,) = torch.autograd.grad(loss.sum(), point)
    return loss.detach(), gradient


def starts(count):
    generator = torch.Generator().manual_seed(0)
    centre = torch.tensor([[5.15], [-3.1]], dtype=torch.float64)
    return centre + 0.3 * torch.randn(2, count, generator=generator, dtype=torch.float64)


def arrived(path):
    return loss_and_gradient(path[-1])[0] < 1e-3


@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_forward_sensitivities_equal_autograd(steps):
    generator = torch.Generator().manual_seed(steps)
    point = torch.tensor([5.0, -2.5], dtype=torch.float64).view(2, 1, 1) + torch.randn(
        2, 3, 4, generator=generator, dtype=torch.float64
    )
    loss, gradient = loss_and_gradient(point, steps)
    expected_loss, expected_gradient = autograd_reference(point, steps)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient, expected_gradient, rtol=1e-8, atol=1e-14)


def test_gradient_on_the_ridge_is_the_geometric_sum():
    w = torch.linspace(4.3, 7, 10, dtype=torch.float64)
    _, gradient = autograd_reference(torch.stack([w, ridge(w)]), 50)
    torch.testing.assert_close(ridge_gradient_norm(w), gradient.norm(dim=0), rtol=1e-5, atol=0)


def test_gradient_on_the_ridge_grows_by_the_slope_of_the_map_with_every_step():
    w = torch.tensor(6.0, dtype=torch.float64)
    y = torch.sigmoid(torch.tensor(START, dtype=torch.float64))
    growth = ridge_gradient_norm(w, 41) / ridge_gradient_norm(w, 40)
    torch.testing.assert_close(growth, w * y * (1 - y), rtol=1e-4, atol=0)


def test_loss_jumps_across_the_ridge():
    w = torch.tensor([5.0, 6.0, 7.0], dtype=torch.float64)
    below = loss_and_gradient(torch.stack([w, ridge(w) - 0.01]))[0]
    above = loss_and_gradient(torch.stack([w, ridge(w) + 0.01]))[0]
    assert (below > 0.3).all() and (above < 0.1).all()


def test_clipped_step_is_never_longer_than_the_learning_rate_times_the_threshold():
    path = descend(starts(30), 0.1, 50, max_norm=1.0)
    assert (path[1:] - path[:-1]).norm(dim=1).max() <= 0.1 * (1 + 1e-9)


def test_without_a_threshold_the_step_is_the_gradient():
    start = starts(5)
    path = descend(start, 0.1, 1)
    _, gradient = autograd_reference(start, 50)
    torch.testing.assert_close(path[1], start - 0.1 * gradient)


def test_every_point_may_have_its_own_rate_and_threshold():
    start, rates, limits = starts(3), torch.tensor([0.1, 1.0, 0.01]), torch.tensor([1.0, 0.1, float("inf")])
    together = descend(start, rates, 20, max_norm=limits)
    for point in range(3):
        alone = descend(start[:, point : point + 1], rates[point].item(), 20, max_norm=limits[point].item())
        torch.testing.assert_close(together[:, :, point : point + 1], alone, rtol=1e-6, atol=1e-9)


def test_clipping_lets_most_starts_arrive_and_its_absence_throws_them_away():
    start = starts(60)
    free, clipped = descend(start, 0.1, 400), descend(start, 0.1, 400, max_norm=1.0)
    assert arrived(free).double().mean() < 0.3
    assert arrived(clipped).double().mean() > 0.8
    thrown = (free[-1] - start).norm(dim=0)
    assert (thrown > 5).double().mean() > 0.3
    assert (clipped[-1] - start).norm(dim=0).max() < 2


def test_a_threshold_can_be_too_low_and_too_high():
    start = starts(60)
    share = {c: arrived(descend(start, 0.1, 400, max_norm=c)).double().mean() for c in (0.03, 1.0, 30.0)}
    assert share[1.0] > 0.8 > 0.3 > max(share[0.03], share[30.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: loss_and_gradient(torch.zeros(3, 4)),
        lambda: loss_and_gradient(torch.full((2, 1), float("nan"))),
        lambda: loss_and_gradient(torch.zeros(2, 1), steps=0),
        lambda: descend(torch.zeros(2), 0.1, 3),
        lambda: descend(torch.zeros(2, 1), -0.1, 3),
        lambda: descend(torch.zeros(2, 1), float("nan"), 3),
        lambda: descend(torch.zeros(2, 1), 0.1, 3, max_norm=0.0),
        lambda: descend(torch.zeros(2, 1), 0.1, 0),
    ],
)
def test_bad_input_is_named(call):
    with pytest.raises(ValueError, match="expected"):
        call()
