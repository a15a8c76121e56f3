"""The numbers and the claims of the problem sheet, by roads other than the page's."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from gradflow.exercises import check
from gradflow.exercises._registry import find
from gradflow.experiments.exploding.cliff import descend, loss_and_gradient
from gradflow.initialization import forget_bias_


def value(name: str) -> float:
    return find(name).value


def test_clipped_coordinate_is_the_projection_on_the_ball() -> None:
    gradient = torch.tensor([3e6, 4e6], dtype=torch.float64)
    angle = math.atan2(gradient[1], gradient[0])
    assert value("sheet-exploding") == pytest.approx(5 * math.cos(angle))


def test_signal_along_the_cell_of_an_lstm_without_recurrent_weights() -> None:
    lstm = forget_bias_(nn.LSTM(1, 1, dtype=torch.float64), 1.0)
    with torch.no_grad():
        lstm.weight_hh_l0.zero_()
        lstm.weight_ih_l0.zero_()
    c0 = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    c20 = lstm(torch.zeros(20, 1, dtype=torch.float64), (torch.zeros(1, 1, dtype=torch.float64), c0))[1][1]
    (derivative,) = torch.autograd.grad(c20.sum(), c0)
    assert value("sheet-vanishing") == pytest.approx(derivative.item(), rel=1e-12)


@pytest.mark.parametrize("answer", ["0,0019", "0,731^20", "sigm(1)^20"])
def test_rounding_the_gate_on_paper_is_accepted(answer: str) -> None:
    assert check("sheet-vanishing", answer).passed


def influence(net: nn.Module, steps: int) -> Tensor:
    """Norms of the derivative of the sum of the last state by each input, in time order."""
    generator = torch.Generator().manual_seed(1)
    x = (0.1 * torch.randn(steps, 4, generator=generator, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(net(x)[0][-1].sum(), x)
    return gradient.norm(dim=1)


def reach(net: nn.Module, steps: int) -> float:
    """Influence of the first input over that of the last."""
    norms = influence(net, steps)
    return (norms[0] / norms[-1]).item()


def orthogonal_rnn(gain: float) -> nn.RNN:
    generator = torch.Generator().manual_seed(2)
    net = nn.RNN(4, 32, bias=False, dtype=torch.float64)
    nn.init.orthogonal_(net.weight_hh_l0, gain, generator=generator)
    nn.init.normal_(net.weight_ih_l0, std=0.1, generator=generator)
    return net


def uniform(net: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(3)
    for parameter in net.parameters():
        nn.init.uniform_(parameter, -(32**-0.5), 32**-0.5, generator=generator)
    return net.double()


def test_influence_decays_stays_or_grows_with_the_scale_of_the_matrix() -> None:
    decays, stays, grows = (reach(orthogonal_rnn(gain), 50) for gain in (0.8, 1.0, 1.5))
    assert decays < 1e-3 < 0.1 < stays < 10 < grows


def test_influence_stays_below_the_bound_of_the_largest_singular_value() -> None:
    net = orthogonal_rnn(0.8)
    lags = torch.arange(49, -1, -1)
    sigma = torch.linalg.matrix_norm(net.weight_hh_l0, 2)
    bound = 32**0.5 * sigma**lags * torch.linalg.matrix_norm(net.weight_ih_l0, 2)
    assert (influence(net, 50) <= bound).all()


def test_orthogonal_matrix_and_large_forget_bias_keep_what_a_plain_network_loses() -> None:
    plain = reach(uniform(nn.RNN(4, 32)), 60)
    assert plain < 1e-8
    assert reach(orthogonal_rnn(1.0), 60) > 0.01
    assert reach(forget_bias_(uniform(nn.LSTM(4, 32)), 5.0), 60) > 0.01


def test_clipping_bounds_the_step_and_lets_more_descents_arrive() -> None:
    w, b = torch.meshgrid(torch.linspace(4.5, 5.2, 4), torch.linspace(-2.6, -2.2, 3), indexing="ij")
    start = torch.stack([w.flatten(), b.flatten()])
    plain, clipped = descend(start, 0.1, 300), descend(start, 0.1, 300, max_norm=1.0)
    assert clipped.diff(dim=0).norm(dim=1).max() <= 0.1 * (1 + 1e-4)
    assert plain.diff(dim=0).norm(dim=1).max() > 1
    arrived = [int((loss_and_gradient(path[-1])[0] < 0.01).sum()) for path in (plain, clipped)]
    assert arrived[0] < arrived[1] == start.shape[1]


def test_doubled_matrix_need_not_explode_and_a_quarter_slope_may() -> None:
    h, product = torch.zeros(8, dtype=torch.float64), torch.eye(8, dtype=torch.float64)
    for _ in range(20):
        h = torch.tanh(2 * h + 3)
        product = torch.diag(1 - h**2) @ (2 * product)
    assert torch.linalg.matrix_norm(product, 2) < 1e-40


def test_adam_restores_only_a_parameter_whose_gradient_has_no_near_terms() -> None:
    net = uniform(nn.RNN(2, 32))
    x = 0.3 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x[1:, 0] = 0.0  # the first input speaks at the first step only
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    before = net.weight_ih_l0.detach().clone()
    net(x)[0][-1].square().sum().backward()
    gradient = net.weight_ih_l0.grad.norm(dim=0)
    optimizer.step()
    step = (net.weight_ih_l0 - before).norm(dim=0)
    assert gradient[0] < 1e-3 * gradient[1]
    assert step[0] > 0.5 * step[1]


def test_saturated_attention_loses_weight_and_derivative_together() -> None:
    logits = torch.tensor([20.0, 0.0], dtype=torch.float64, requires_grad=True)
    weight = logits.softmax(0)[1]
    (derivative,) = torch.autograd.grad(weight, logits)
    assert weight.item() == pytest.approx(math.exp(-20), rel=1e-6)
    assert derivative[1].item() == pytest.approx(weight.item(), rel=1e-6)
