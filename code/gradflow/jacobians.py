r"""Products of transition Jacobians: formed without underflow, measured without forming them.

Everything here speaks about the recurrent network :math:`h_t = f(a_t)`, :math:`a_t = W h_{t-1} + V x_t + b`
(column vectors), whose Jacobian over one step is :math:`J_t = \partial h_t/\partial h_{t-1} = \mathrm{diag}(s_t)\,W`
with the slopes :math:`s_t = f'(a_t)`. A deep network is the same thing with its own :math:`W_t` in every layer.

Shared conventions:

* ``W`` is ``(D, D)``, one matrix for all steps, or ``(T, D, D)``, one matrix per step (layer).
* ``slopes`` is ``(T, D)`` in the order of time, or ``(T, B, D)`` for ``B`` sequences at once.
* Products run in decreasing order, :math:`J_T \cdots J_2 J_1`, as the chain rule writes them.
* ``float32`` or ``float64``, on any device; ``W`` and ``slopes`` agree in both. Logarithms are natural and
  always ``float64``: a sum of a thousand logarithms in ``float32`` is only good to four digits.
* Neither a single :math:`J_t` nor the product need fit into the range of its type; what is returned as it is
  (``step_jacobian``, ``bptt_terms``, ``state_jacobians``) must, or else ``ValueError`` says that it does not.
* These are measurements: no graph is recorded (``step_jacobian`` and the closed formula aside).
* Bad input raises ``ValueError`` naming the argument, what came and what was expected.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from gradflow._products import per_step, scaled_product
from gradflow._validation import (
    require_count,
    require_finite,
    require_like,
    require_positive,
    require_square,
    require_tensor,
)

# Close singular values part slowly. After n polishing rounds the error of the logarithm is at most about 1/(2en).
_POLISHING_ROUNDS = 40
_LN2 = math.log(2)


def step_jacobian(W: Tensor, slope: Tensor) -> Tensor:
    r"""Jacobian of one step, :math:`\mathrm{diag}(s)\,W`: row :math:`i` of ``W`` times :math:`s_i`.

    Args:
        W: ``(D, D)``.
        slope: ``(..., D)``, the derivative of the activation at each unit.

    Returns:
        ``(..., D, D)``.
    """
    W = require_square("W", W)
    slope = require_tensor("slope", slope)
    if W.ndim != 2:
        raise ValueError(f"W: expected one matrix (D, D), got shape {tuple(W.shape)}")
    if slope.ndim == 0 or slope.shape[-1] != W.shape[-1]:
        raise ValueError(f"slope: expected last dimension {W.shape[-1]} as in W, got shape {tuple(slope.shape)}")
    _require_same_kind("slope", slope, W)
    jacobian = slope.unsqueeze(-1) * W
    require_finite("W, slope: their product", jacobian)
    return jacobian


@torch.no_grad()
def scaled_jacobian_product(W: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    r"""The product :math:`J_T \cdots J_1 = \partial h_T/\partial h_0` with its scale kept as a logarithm.

    A thousand factors leave the range of ``float32``; on many processors arithmetic near its lower end is slow besides.
    So the product is divided by its norm every few factors, and the logarithms of the norms are summed.

    On a GPU, and on a CPU for small networks over many steps, neighbouring factors are multiplied in pairs, then pairs
    of pairs, each level as one batch and each product with its own logarithm. (On a CPU this was timed against the
    other ways; on a GPU it has not been.)

    Elsewhere one factor follows the other. A long product of dense factors is almost of low rank: its singular values
    part exponentially. Once a few random vectors sent through the first factors have parted by more than the rounding
    error of the product, the later factors multiply only the directions that these span, and fewer and fewer of them.
    One more random vector estimates what is left out. Should that be more than rounding, the product is formed anew,
    whole. Where ``W`` falls into blocks, or the product leaves the range of numbers between two divisions, it is formed
    in ``float64``, factor by factor.

    Digits are right relative to the norm of the product. A direction that falls behind the largest one by more than
    the range of ``float64`` is lost even if it could return.

    Args:
        W: ``(D, D)`` or ``(T, D, D)``.
        slopes: ``(T, D)`` or ``(T, B, D)``; ``T = 0`` gives the identity and log-scale 0.

    Returns:
        ``P`` of shape ``(D, D)`` or ``(B, D, D)`` in the type of ``W``, of Frobenius norm 1 where ``T > 0`` (or zero),
        and ``log_norm`` of shape ``()`` or ``(B,)``: the true product is ``exp(log_norm) * P``. Where ``P`` is zero,
        ``log_norm`` means nothing.

    Source of the low-rank form: Halko, Martinsson, Tropp, SIAM Review 53, 2011.
    """
    W, slopes = _require_factors(W, slopes)
    if slopes.numel() == 0:
        identity = torch.eye(W.shape[-1], dtype=W.dtype, device=W.device)
        return identity.expand(*slopes.shape[1:], -1), slopes.new_zeros(slopes.shape[1:-1], dtype=torch.float64)
    return scaled_product(W, slopes)


@torch.no_grad()
def vjp_log_norms(W: Tensor, slopes: Tensor, v: Tensor) -> Tensor:
    r"""How long the gradient is at every step: :math:`\log\lVert v^\top\,\partial h_T/\partial h_k\rVert_2`.

    One vector travels backwards, so all lags together cost :math:`O(TD^2)`; no Jacobian is formed.

    Args:
        W: ``(D, D)`` or ``(T, D, D)``.
        slopes: ``(T, D)`` or ``(T, B, D)``.
        v: gradient of the loss with respect to the last state, ``(D,)``, ``(B, D)`` or, for several directions in
            one sequence, ``(K, D)``.

    Returns:
        ``(T,)``, ``(T, B)`` or ``(T, K)``; entry ``k = 0 … T-1`` belongs to :math:`\partial h_T/\partial h_k`, the
        lag is ``T - k``. A gradient that is exactly zero gives ``-inf``.
    """
    W, slopes = _require_factors(W, slopes)
    v = require_tensor("v", v)
    _require_same_kind("v", v, W)
    try:
        shape = torch.broadcast_shapes(v.shape, slopes.shape[1:])
    except RuntimeError:
        shape = None
    if v.ndim == 0 or shape is None or v.shape[-1] != W.shape[-1]:
        raise ValueError(
            f"v: expected shape (..., {W.shape[-1]}) that fits slopes {tuple(slopes.shape)}, got {tuple(v.shape)}"
        )
    logs = torch.empty(len(slopes), *shape[:-1], dtype=torch.float64, device=W.device)
    W, slopes, log_sizes = _balanced(W, slopes)
    v, exponent = _of_size_one(v, dims=(-1,))
    g, log_norm = _normalize(v.expand(shape))
    log_norm = log_norm + exponent * _LN2
    factors = list(zip(per_step(W, len(slopes)), slopes, log_sizes, strict=True))
    for k in reversed(range(len(factors))):
        W_t, slope, log_size = factors[k]
        g, log_growth = _normalize((g * slope) @ W_t)
        log_norm = log_norm + log_growth + log_size
        logs[k] = log_norm
    return logs


@torch.no_grad()
def log_singular_values(W: Tensor, slopes: Tensor) -> Tensor:
    r"""Natural logarithms of all singular values of :math:`J_T \cdots J_1`, largest first, far below machine precision.

    A formed product keeps only what is larger than its rounding error, :math:`10^{-16}\sigma_{\max}` at best. Here the
    product is never formed. A QR pass backwards in time turns a basis into the right singular directions; a pass
    forwards writes the product as :math:`Q\,R_T\cdots R_1` with triangular factors, which are multiplied row by row,
    each row with its own logarithmic scale; QR rounds on this one graded matrix then drive it to a diagonal.
    All in ``float64``.

    Args:
        W: ``(D, D)`` or ``(T, D, D)``.
        slopes: ``(T, D)``; ``T = 0`` gives zeros (the identity).

    Returns:
        ``(D,)``. A direction that some step maps to less than the rounding error of its Jacobian counts as lost and
        gives ``-inf`` (a dead ReLU does so exactly).

    Source: Stewart, "On graded QR decompositions of products of matrices", 1995; the logarithmic rows are ours.
    """
    W, slopes = _require_factors(W, slopes)
    if slopes.ndim != 2:
        raise ValueError(f"slopes: expected one sequence (T, D), got shape {tuple(slopes.shape)}")
    W, slopes, log_sizes = _balanced(W.double(), slopes.double())
    jacobians = slopes.unsqueeze(-1) * W
    D = W.shape[-1]
    generator = torch.Generator().manual_seed(0)
    # A random start meets every singular direction; the identity would miss some (a diagonal W, say).
    Q = torch.linalg.qr(torch.randn(D, D, generator=generator, dtype=torch.float64).to(W.device)).Q
    for J in jacobians.flip(0):
        Q = torch.linalg.qr(J.mT @ Q).Q

    log_rows = torch.zeros(D, dtype=torch.float64, device=W.device)
    rows = torch.eye(D, dtype=torch.float64, device=W.device)
    for J in jacobians:
        Q, R = torch.linalg.qr(J @ Q)
        noise = D * torch.finfo(torch.float64).eps * R.abs().max()
        R = R * (R.diagonal().abs() > noise).unsqueeze(-1)
        log_rows, rows = _multiply_graded(R, log_rows, rows)

    for _ in range(_POLISHING_ROUNDS):
        log_rows, order = log_rows.sort(descending=True)
        log_rows, rows = _multiply_graded(torch.linalg.qr(rows[order].mT).R, log_rows, torch.eye(D).to(rows))
        if rows.triu(1).abs().max() < 1e-6:
            break
    log_lengths: Tensor = log_rows + torch.linalg.vector_norm(rows, dim=-1).log()
    return log_lengths.sort(descending=True).values + log_sizes.sum()


@torch.no_grad()
def lyapunov_spectrum(W: Tensor, slopes: Tensor, k: int | None = None) -> Tensor:
    r"""The ``k`` largest Lyapunov exponents, measured over the given ``T`` steps, per step.

    Args:
        W: ``(D, D)`` or ``(T, D, D)``.
        slopes: ``(T, D)`` or ``(T, B, D)`` with ``T >= 1``.
        k: how many exponents, ``1 … D``; all of them by default.

    Returns:
        ``(k,)`` or ``(B, k)``: :math:`\frac1T\sum_t\log|R_t^{ii}|` from QR steps :math:`J_tQ_{t-1}=Q_tR_t`, in nats per
        step, in the order of the columns (decreasing once ``T`` is large enough). A lost direction gives ``-inf`` or
        a value near the logarithm of the rounding error.

    Source: Benettin, Galgani, Giorgilli, Strelcyn, Meccanica 15, 1980.
    """
    W, slopes = _require_factors(W, slopes)
    if len(slopes) == 0:
        raise ValueError("slopes: expected at least one step, got T = 0 (a rate per step needs a step)")
    D = W.shape[-1]
    k = D if k is None else require_count("k", k)
    if k > D:
        raise ValueError(f"k: expected at most D = {D} exponents, got {k}")
    W, slopes, log_sizes = _balanced(W, slopes)
    start = torch.randn(D, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    Q = torch.linalg.qr(start.to(W)).Q.expand(*slopes.shape[1:-1], -1, -1)
    total = torch.zeros(*slopes.shape[1:-1], k, dtype=torch.float64, device=W.device)
    for W_t, slope in zip(per_step(W, len(slopes)), slopes.unsqueeze(-1), strict=True):
        Q, R = torch.linalg.qr(slope * (W_t @ Q))
        total += R.diagonal(dim1=-2, dim2=-1).abs().double().log()
    return (total + log_sizes.sum(0).unsqueeze(-1)) / len(slopes)


def gaussian_lyapunov_exponents(D: int, sigma: float) -> Tensor:
    r"""Exact Lyapunov exponents of a product of independent Gaussian matrices.

    :math:`\lambda_k=\log\sigma+\frac12\bigl[\psi\bigl(\tfrac{D-k+1}2\bigr)+\log\tfrac2D\bigr]` for entries
    :math:`\mathcal N(0,\sigma^2/D)`, with the digamma function :math:`\psi`.

    Args:
        D: size of the matrices.
        sigma: positive gain.

    Returns:
        ``(D,)``, ``float64``, decreasing, in nats per factor.

    Source: Newman, Communications in Mathematical Physics 103, 1986.
    """
    D, sigma = require_count("D", D), require_positive("sigma", sigma)
    degrees = torch.arange(D, 0, -1, dtype=torch.float64)
    return math.log(sigma) + (torch.digamma(degrees / 2) + math.log(2 / D)) / 2


@torch.no_grad()
def bptt_terms(W: Tensor, states: Tensor, slopes: Tensor, loss_grads: Tensor) -> Tensor:
    r"""The gradient :math:`d\mathcal L/dW` of a recurrent network, split by lag.

    With :math:`\mathcal L=\sum_t\mathcal L_t(h_t)` the term of lag :math:`\ell` collects all pairs of a loss at step
    :math:`t` and a use of :math:`W` at step :math:`k=t-\ell`:

    .. math::
        \sum_{k=1}^{T-\ell}\bigl(D_k\,J_{k+1}^\top\cdots J_{k+\ell}^\top\,\nabla_{h_{k+\ell}}\mathcal L_{k+\ell}\bigr)
        h_{k-1}^\top, \qquad D_k=\mathrm{diag}(s_k).

    Args:
        W: ``(D, D)``.
        states: ``(T+1, D)`` or ``(T+1, B, D)``: :math:`h_0,\dots,h_T`, the initial state first.
        slopes: ``(T, D)`` or ``(T, B, D)``: :math:`f'(a_1),\dots,f'(a_T)`.
        loss_grads: like ``slopes``: :math:`\partial\mathcal L_t/\partial h_t`, the **immediate** derivative of step
            ``t``'s own loss; zeros at the steps that have none.

    Returns:
        ``(T, D, D)``: entry ``lag = 0 … T-1``; the sum over lags is :math:`d\mathcal L/dW` (over the batch, too).
    """
    W, slopes = _require_factors(W, slopes)
    states, loss_grads = require_tensor("states", states), require_tensor("loss_grads", loss_grads)
    if W.ndim != 2:
        raise ValueError(f"W: expected one matrix (D, D) for all steps, got shape {tuple(W.shape)}")
    for name, value, length in (("states", states, len(slopes) + 1), ("loss_grads", loss_grads, len(slopes))):
        if value.shape != (length, *slopes.shape[1:]):
            raise ValueError(
                f"{name}: expected shape {(length, *slopes.shape[1:])} to fit slopes "
                f"{tuple(slopes.shape)}, got {tuple(value.shape)}"
            )
        _require_same_kind(name, value, W)
    T, D = len(slopes), W.shape[0]
    terms = W.new_zeros(T, D, D)
    delta = slopes * loss_grads  # row k: the gradient with respect to a_k of the loss `lag` steps later
    for lag in range(T):
        terms[lag] = delta.reshape(-1, D).mT @ states[: T - lag].reshape(-1, D)
        delta = slopes[: T - lag - 1] * (delta[1:] @ W)
    require_finite("W, states, slopes, loss_grads: the terms", terms)
    return terms


def _multiply_graded(R: Tensor, log_rows: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """``R @ diag(exp(log_rows)) @ rows`` as new ``(log_rows, rows)`` with the largest entry of each row equal to 1."""
    exponents = R.abs().log() + log_rows
    top = exponents.amax(dim=-1, keepdim=True)
    # A row of zeros stays zero: exp(-inf) without the nan of (-inf) - (-inf).
    weights = R.sign() * (exponents - top.clamp(min=torch.finfo(top.dtype).min)).exp()
    product = weights @ rows
    largest = product.abs().amax(dim=-1, keepdim=True)
    product = product / torch.where(largest > 0, largest, 1)
    return (top + largest.log()).squeeze(-1), product


def _normalize(g: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors along the last dimension, and the logarithms of the norms (float64, so that no square overflows)."""
    norm = torch.linalg.vector_norm(g, dim=-1, dtype=torch.float64)
    return (g / torch.where(norm > 0, norm, 1).unsqueeze(-1)).to(g.dtype), norm.log()


def _balanced(W: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``W`` and ``slopes`` of size about 1 in every step, and the logarithms of what their Jacobians lost: ``(T, …)``.

    Powers of 2 are divided out, so no digit changes, and no Jacobian of the rest leaves the range of its type.
    """
    W, of_W = _of_size_one(W, dims=(-2, -1))
    slopes, of_slopes = _of_size_one(slopes, dims=(-1,))
    if slopes.ndim == 3:
        of_W = of_W.unsqueeze(-1)
    return W, slopes, (of_W + of_slopes) * _LN2


def _of_size_one(x: Tensor, dims: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """``x`` divided by the power of 2 next to its largest element along ``dims``, and the exponents in float64."""
    exponent = torch.frexp(x.abs().amax(dims, keepdim=True)).exponent
    half = exponent // 2  # 2^-1074 has no reciprocal
    return torch.ldexp(torch.ldexp(x, -half), half - exponent), exponent.double().squeeze(dims)


def _require_factors(W: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    W = require_square("W", W)
    slopes = require_tensor("slopes", slopes, ndim=(2, 3))
    if W.ndim > 3:
        raise ValueError(f"W: expected shape (D, D) or (T, D, D), got {tuple(W.shape)}")
    if slopes.shape[-1] != W.shape[-1]:
        raise ValueError(f"slopes: expected last dimension {W.shape[-1]} as in W, got shape {tuple(slopes.shape)}")
    if W.ndim == 3 and len(W) != len(slopes):
        raise ValueError(f"W: expected {len(slopes)} matrices, one for each step of slopes, got {len(W)}")
    _require_same_kind("slopes", slopes, W)
    return W, slopes


def _require_same_kind(name: str, value: Tensor, W: Tensor) -> None:
    require_like(name, value, W, "W")
    if W.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"W: expected float32 or float64, got {W.dtype}")


def state_jacobians(jacobians: Tensor) -> Tensor:
    """Products ``J_T … J_{k+1}`` of one-step Jacobians for all k = 0 … T.

    Args:
        jacobians: (T, D, D) in time order; T = 0 is allowed.

    Returns:
        (T + 1, D, D): entry k is the derivative of the last state with respect to state k;
        the last entry is the identity.
    """
    require_tensor("jacobians", jacobians, ndim=3)
    if jacobians.shape[1] != jacobians.shape[2]:
        raise ValueError(f"jacobians: expected square matrices (T, D, D), got shape {tuple(jacobians.shape)}")
    product = torch.eye(jacobians.shape[1], dtype=jacobians.dtype, device=jacobians.device)
    products = [product]
    for J in jacobians.flip(0).unbind(0):
        product = product @ J
        products.append(product)
    result = torch.stack(products[::-1])
    require_finite("jacobians: their products", result)
    return result
