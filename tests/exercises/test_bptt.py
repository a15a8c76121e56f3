"""The exercises on backpropagation through time."""

import numpy as np
import torch

from gradflow.exercises._registry import find
from tables import answers


def by_the_double_sum(W, V, b, xs, h0, gT):
    """All chains formed as matrices."""
    h = [h0]
    for x in xs:
        h.append(torch.tanh(W @ h[-1] + V @ x + b))
    chain = torch.eye(len(W), dtype=W.dtype)
    grads = [torch.zeros_like(W), torch.zeros_like(V), torch.zeros_like(b)]
    for k in range(len(xs), 0, -1):
        slope = 1 - h[k] ** 2
        delta = slope * (chain.T @ gT)
        grads[0] += delta[:, None] * h[k - 1]
        grads[1] += delta[:, None] * xs[k - 1]
        grads[2] += delta
        chain = chain @ (slope[:, None] * W)
    return tuple(grads)


def with_numpy(W, V, b, xs, h0, gT):
    W, V, b, xs, h, g = (np.asarray(value) for value in (W, V, b, xs, h0, gT))
    states = [h]
    for x in xs:
        states.append(np.tanh(W @ states[-1] + V @ x + b))
    deltas = []
    for state in states[:0:-1]:
        deltas.insert(0, g * (1 - state**2))
        g = W.T @ deltas[0]
    deltas = np.array(deltas)
    return deltas.T @ np.array(states[:-1]), deltas.T @ xs, deltas.sum(0)


def by_autograd(W, V, b, xs, h0, gT):
    parameters = [p.clone().requires_grad_() for p in (W, V, b)]
    h = h0
    for x in xs:
        h = torch.tanh(parameters[0] @ h + parameters[1] @ x + parameters[2])
    return torch.autograd.grad(h @ gT, parameters)


test_bptt_grad = answers(
    "bptt-grad",
    right=[by_the_double_sum, with_numpy],
    wrong=[(by_autograd, "Здесь производную надо вычислить самим")],
)


def test_other_convention_agrees_with_autograd():
    w = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    h = torch.tensor(1.0, dtype=torch.float64)
    for _ in range(3):
        h = w * h**2
    h.backward()
    assert abs(w.grad.item() - find("bptt-other-convention").value) < 1e-12


def test_double_counting_agrees_with_brute_force():
    w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    states = [torch.ones((), dtype=torch.float64)]
    for _ in range(28):
        states.append(w * states[-1])
    totals = [torch.autograd.grad(h, w, retain_graph=True)[0].item() for h in states[1:]]
    wrong = sum(totals[k - 1] for t in range(1, 29) for k in range(1, t + 1))  # w^(t-k) = 1
    assert abs(wrong / sum(totals) - find("bptt-double-counting").value) < 1e-12
