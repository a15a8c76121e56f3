"""Recurrences of many small networks with a backward pass written by hand, a half to two thirds of autograd's time.

Autograd keeps the input part of all steps as one large tensor and adds up a gradient of the weights at every step.
Here a step adds its input while the state is still in the cache, and the gradients are accumulated in place.

Shapes are those of ``gradflow.recurrent``: x ``(T, N, B, I)``, states ``(N, B, H)``; the matrices multiply rows from
the right, ``V (N, I, ·)`` and ``W (N, H, ·)``, and biases are ``(N, 1, ·)``. The first state gets no gradient, and
gradients have no gradient of their own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class SimpleRecurrence(torch.autograd.Function):
    """States of ``h_t = f(h_{t-1} W + x_t V + b)`` as a tuple of T tensors; f is ``"sigmoid"`` or ``"relu"``."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, V: Tensor, b: Tensor, W: Tensor, h0: Tensor, f: str) -> tuple[Tensor, ...]:
        """One state a step."""
        activate = torch.sigmoid_ if f == "sigmoid" else torch.relu_
        states: list[Tensor] = []
        h = h0
        for x_t in x.unbind(0):
            h = activate(torch.baddbmm(b, x_t, V).baddbmm_(h, W))
            states.append(h)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, V, W, h0, *states)
        ctx.f = f
        return tuple(states)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Backpropagation through time."""
        x, V, W, h0, *states = ctx.saved_tensors
        back = W.mT.contiguous()
        g = torch.zeros_like(h0)
        of_V, of_W, of_b = torch.zeros_like(V), torch.zeros_like(W), torch.zeros_like(g)
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        for t in range(len(states) - 1, -1, -1):
            own = grads[t]
            g = g if own is None else g + own
            if ctx.f == "sigmoid":
                delta = torch.ops.aten.sigmoid_backward(g, states[t])
            else:
                delta = torch.ops.aten.threshold_backward(g, states[t], 0)
            of_W.baddbmm_((states[t - 1] if t else h0).mT, delta)
            of_V.baddbmm_(x[t].mT, delta)
            of_b += delta
            if of_x is not None:
                torch.bmm(delta, V.mT, out=of_x[t])
            g = torch.bmm(delta, back)
        return of_x, of_V, of_b.sum(1, keepdim=True), of_W, None, None


class GatedRecurrence(torch.autograd.Function):
    """States of a GRU as a tuple of T tensors.

    ``[r z] = sigm(h W_rz + x_t V_rz + b_rz)``, ``n = tanh(x_t V_n + b_n + r (h W_n + c))``, ``h' = (1 - z) n + z h``.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, V_rz: Tensor, V_n: Tensor, W_rz: Tensor, W_n: Tensor, b_rz: Tensor, b_n: Tensor, c: Tensor,
        h0: Tensor,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        """One state a step."""
        H = h0.shape[-1]
        gates, contents, recalled, states = [], [], [], [h0]
        for x_t in x.unbind(0):
            h = states[-1]
            rz = torch.baddbmm(b_rz, x_t, V_rz).baddbmm_(h, W_rz).sigmoid_()
            m = torch.baddbmm(c, h, W_n)
            n = torch.baddbmm(b_n, x_t, V_n).addcmul_(rz[..., :H], m).tanh_()
            states.append(torch.lerp(n, h, rz[..., H:]))
            gates.append(rz)
            contents.append(n)
            recalled.append(m)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(
            x, V_rz, V_n, W_rz, W_n, *(torch.stack(s) for s in (gates, contents, recalled, states[:-1]))
        )
        return tuple(states[1:])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        """Backpropagation through time; the factors of the incoming gradient are computed for all steps at once."""
        x, V_rz, V_n, W_rz, W_n, gates, n, m, before = ctx.saved_tensors
        H = n.shape[-1]
        r, z = gates[..., :H], gates[..., H:]
        to_n = (1 - z) * (1 - n.square())
        to_m = to_n * r
        to_rz = torch.stack((to_m * m * (1 - r), (before - n) * z * (1 - z)), -2)  # (T, N, B, 2, H)
        back_rz, back_n = W_rz.mT.contiguous(), W_n.mT.contiguous()
        of_rz, of_m, of_n = torch.empty_like(gates), torch.empty_like(n), torch.empty_like(n)
        g = torch.zeros_like(n[0])
        for t in range(len(n) - 1, -1, -1):
            own = grads[t]
            g = g if own is None else g + own
            torch.mul(to_rz[t], g.unsqueeze(-2), out=of_rz[t].unflatten(-1, (2, H)))
            torch.mul(to_m[t], g, out=of_m[t])
            torch.mul(to_n[t], g, out=of_n[t])
            g = torch.mul(g, z[t]).baddbmm_(of_rz[t], back_rz).baddbmm_(of_m[t], back_n)
        x, before, d_rz, d_m, d_n = (_by_network(s) for s in (x, before, of_rz, of_m, of_n))
        of_x = None
        if ctx.needs_input_grad[0]:
            rows = torch.bmm(d_rz, V_rz.mT).baddbmm_(d_n, V_n.mT)
            of_x = rows.unflatten(1, (len(n), -1)).transpose(0, 1)
        weights = [torch.bmm(a.mT, d) for a, d in ((x, d_rz), (x, d_n), (before, d_rz), (before, d_m))]
        return of_x, *weights, *(d.sum(1, keepdim=True) for d in (d_rz, d_n, d_m)), None


def _by_network(steps: Tensor) -> Tensor:
    """(T, N, B, ·) -> (N, T·B, ·)."""
    return steps.transpose(0, 1).flatten(1, 2)
