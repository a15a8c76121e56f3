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

STEPS_AT_ONCE = 10
sigmoid_backward = torch.ops.aten.sigmoid_backward
tanh_backward = torch.ops.aten.tanh_backward


class SimpleRecurrence(torch.autograd.Function):
    """States of ``h_t = f(h_{t-1} W + x_t V)`` as a tuple of T tensors; f is ``"tanh"``, ``"relu"`` or ``"linear"``.

    A bias is the row of V for an input of ones: its gradient then costs no operation of its own.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, V: Tensor, W: Tensor, h0: Tensor, f: str) -> tuple[Tensor, ...]:
        """One state a step."""
        activate = torch.tanh_ if f == "tanh" else torch.relu_
        states: list[Tensor] = []
        h = h0
        for x_t in x.unbind(0):
            h = torch.bmm(x_t, V).baddbmm_(h, W)
            states.append(h if f == "linear" else activate(h))
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
        of_V, of_W = torch.zeros_like(V), torch.zeros_like(W)
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        for t in range(len(states) - 1, -1, -1):
            own = grads[t]
            g = g if own is None else g + own
            if ctx.f == "tanh":
                delta = tanh_backward(g, states[t])
            else:
                delta = g if ctx.f == "linear" else torch.ops.aten.threshold_backward(g, states[t], 0)
            of_W.baddbmm_((states[t - 1] if t else h0).mT, delta)
            of_V.baddbmm_(x[t].mT, delta)
            if of_x is not None:
                torch.bmm(delta, V.mT, out=of_x[t])
            g = torch.bmm(delta, back)
        return of_x, of_V, of_W, None, None


class GatedRecurrence(torch.autograd.Function):
    """States of a GRU, all ``(T, N, B, H)`` or the last one ``(N, B, H)``.

    With ``[r' z' m n'] = x_t V + b + [h W, 0]`` a step is ``r, z = sigm(r'), sigm(z')``, ``n = tanh(n' + r m)`` and
    ``h <- (1 - z) n + z h``; V is ``(N, I, 4H)``, b ``(N, 1, 4H)``, W ``(N, H, 3H)``.

    Gates lie network by network, so that the gradients of the weights are one product for some steps at once; more
    steps would not fit into the cache.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, V: Tensor, b: Tensor, W: Tensor, h0: Tensor, every: bool) -> Tensor:
        """One state a step."""
        T, N, B, H = (*x.shape[:3], h0.shape[-1])
        x = x.transpose(0, 1).contiguous()
        R, Z, M, C = (x.new_empty(N, T, B, H) for _ in range(4))
        S = x.new_empty(N, T + 1, B, H)
        S[:, 0] = h0
        states = S.unbind(1)
        steps = zip(states, states[1:], *(A.unbind(1) for A in (R, Z, M, C)), strict=False)
        for some in x.split(STEPS_AT_ONCE, 1):
            own = torch.baddbmm(b, some.flatten(1, 2), V).unflatten(1, (-1, B))
            for of_h, of_n in zip(own[..., : 3 * H].unbind(1), own[..., 3 * H :].unbind(1), strict=True):
                before, after, r, z, m, n = next(steps)
                a_r, a_z, a_m = torch.baddbmm(of_h, before, W).chunk(3, -1)
                torch.sigmoid(a_r, out=r)
                torch.sigmoid(a_z, out=z)
                m.copy_(a_m)
                torch.tanh(torch.addcmul(of_n, r, m), out=n)
                torch.lerp(n, before, z, out=after)
        ctx.save_for_backward(x, V, W, S, R, Z, M, C)
        ctx.every = every
        return S[:, 1:].transpose(0, 1) if every else S[:, -1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Backpropagation through time; the factors of the incoming gradient are computed for some steps at once."""
        x, V, W, S, *records = ctx.saved_tensors
        T, H = x.shape[1], S.shape[-1]
        back = W.mT.contiguous()
        of_V, of_W, of_b = torch.zeros_like(V), torch.zeros_like(W), torch.zeros_like(V[:, :1])
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        g = grad[-1] if ctx.every else grad
        for start in reversed(range(0, T, STEPS_AT_ONCE)):
            some = slice(start, min(T, start + STEPS_AT_ONCE))
            before, (r, z, m, n) = S[:, some], (record[:, some] for record in records)
            factors = S.new_empty(*r.shape[:3], 4, H)
            to_n = tanh_backward(1 - z, n)
            factors[..., 3, :] = to_n
            torch.mul(to_n, r, out=factors[..., 2, :])
            sigmoid_backward.grad_input(to_n.mul_(m), r, grad_input=factors[..., 0, :])
            sigmoid_backward.grad_input(before - n, z, grad_input=factors[..., 1, :])
            deltas = torch.empty_like(factors)
            to_states = deltas.flatten(3)[..., : 3 * H]
            for k in reversed(range(r.shape[1])):
                torch.mul(factors[:, k], g.unsqueeze(-2), out=deltas[:, k])
                g = torch.mul(g, z[:, k]).baddbmm_(to_states[:, k], back)
                if ctx.every and start + k:
                    g += grad[start + k - 1]
            of_W.baddbmm_(before.flatten(1, 2).mT, to_states.flatten(1, 2))
            rows = deltas.flatten(3).flatten(1, 2)
            of_V.baddbmm_(x[:, some].flatten(1, 2).mT, rows)
            of_b += rows.sum(1, keepdim=True)
            if of_x is not None:
                of_x[:, some] = torch.bmm(rows, V.mT).view_as(x[:, some])
        return of_x if of_x is None else of_x.transpose(0, 1), of_V, of_b, of_W, None, None
