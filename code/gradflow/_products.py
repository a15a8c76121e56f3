r"""The product :math:`J_T\cdots J_1` of :math:`J_t=\mathrm{diag}(s_t)W_t` in four ways: the fast before the safe.

The fast ways are for dense ``W``. The first multiplies neighbours in pairs, all pairs at once. The next two go from
factor to factor and keep the product transposed: ``rest`` holds rows, and a factor is applied as
``(rest @ W_t.T) * s_t``. After a few factors ``rest`` is divided by its norm, and the norm is remembered. Where digits
may have been lost on one way, the next one is taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

# On a CPU pairs are faster where a step costs less than the call that makes it: 1.4 to 3.7 times, measured at D = 8,
# 16, 32 and T = 200 to 4000. At T = 50 they are no faster, at D = 64 they are slower, by a third.
_MOST_UNITS, _LEAST_STEPS = 32, 200
_MOST_ELEMENTS = 2**27  # of factors that are held at once
_ORTHOGONALIZE_EVERY = 28  # steps; after many more all directions would lean to one side


class _DigitsLostError(ArithmeticError):
    """Digits may have been lost on this way."""


@torch.no_grad()
def scaled_product(W: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """The product and the logarithm of its scale.

    Args:
        W: ``(D, D)`` or ``(T, D, D)``, ``T >= 1``.
        slopes: ``(T, D)`` or ``(T, B, D)``.

    Returns:
        ``P``, ``(D, D)`` or ``(B, D, D)``, of Frobenius norm 1 (or zero), and ``log_norm``, ``()`` or ``(B,)``, in
        float64: the true product is ``exp(log_norm) * P``.
    """
    T, D = slopes.shape[0], slopes.shape[-1]
    sizes = float(torch.linalg.matrix_norm(W).max()), max(abs(float(slope)) for slope in torch.aminmax(slopes))
    if _is_dense(W) and min(sizes) > 1e-6 and max(sizes) < 1e6:
        every = int(-math.log(_lowest(W)) / math.log(max(math.prod(sizes), 10.0)))  # their norm stays below 1 / lowest
        count = 8 * max(1, round(8 * D / T))  # so many directions usually part within the first third of the factors
        try:
            if W.is_cuda or (slopes.ndim == 2 and D <= _MOST_UNITS and T >= _LEAST_STEPS):
                return _tree_product(W, slopes)
        except _DigitsLostError:
            pass
        try:
            if 3 * count <= D:
                P, log_norm = _low_rank_product(W, slopes, count, every)
                return P.clone(), log_norm.clone()  # tensors made in inference mode could not meet autograd later
        except _DigitsLostError:
            pass
        try:
            return _whole_product(W, slopes, every)
        except _DigitsLostError:
            pass
    return _careful_product(W, slopes)


def _is_dense(W: Tensor) -> bool:
    """Whether all units are coupled: a group that the others do not reach leaves at least ``D - 1`` entries near zero.

    What falls behind in such a group may come back, however far behind it was; elsewhere others take its place.
    """
    sizes = W.abs()
    weak = sizes <= 1e-6 * sizes.amax(dim=(-2, -1), keepdim=True)
    return int(weak.sum(dim=(-2, -1)).max()) < W.shape[-1] - 1


def _tree_product(W: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """Neighbours in pairs, then pairs of pairs: some log2(T) batches of products instead of T products.

    Every product is divided by its norm and keeps the logarithm. Where two factors of norm 1 have a product of norm
    n, a rounding error eps of theirs becomes eps / (n √D): usually eps, much more where the directions that one of
    them has nearly lost come back in the other. The squares of these errors are summed.
    """
    T, D = slopes.shape[0], slopes.shape[-1]
    most = max(2, _MOST_ELEMENTS // (D * slopes[0].numel()))
    slopes, W = slopes.unsqueeze(-1), W if W.ndim == 2 else W.view(T, *[1] * (slopes.ndim - 2), D, D)
    roots = []
    for start in range(0, T, most):
        some = slice(start, start + most)
        P = slopes[some] * (W if W.ndim == 2 else W[some])
        norms = torch.linalg.vector_norm(P, dim=(-2, -1))
        roots.append(_folded(P.div_(norms[..., None, None]), norms.double().log(), torch.zeros_like(norms)))
    P, log_norm, square = _folded(*(torch.cat(parts) for parts in zip(*roots, strict=True)))
    negligible = 2 * T**0.5 * torch.finfo(W.dtype).eps  # about the rounding error of T factors
    if not float(square.max()) < (10 * negligible) ** 2 or not bool(log_norm.isfinite().all()):
        raise _DigitsLostError
    return P[0], log_norm[0]


def _folded(P: Tensor, log_norms: Tensor, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The product of ``(T, …, D, D)``, its logarithm and the square of its error, each as a batch of one."""
    eps = torch.finfo(P.dtype).eps / P.shape[-1] ** 0.5
    while len(P) > 1:
        even = len(P) // 2 * 2
        pairs = P[1:even:2] @ P[:even:2]
        norms = torch.linalg.vector_norm(pairs, dim=(-2, -1))
        sums = [v[1:even:2] + v[:even:2] for v in (log_norms, squares)]
        # What is left over waits for the next level.
        P = torch.cat((pairs.div_(norms[..., None, None]), P[even:]))
        log_norms = torch.cat((sums[0] + norms.double().log(), log_norms[even:]))
        squares = torch.cat((sums[1] + (eps / norms).square(), squares[even:]))
    return P, log_norms, squares


@torch.inference_mode()
def _low_rank_product(W: Tensor, slopes: Tensor, count: int, every: int) -> tuple[Tensor, Tensor]:
    """Through the few directions that survive: a long product is almost of low rank.

    Random vectors go through the first ``n`` factors until their images have parted by more than the rounding error.
    Then these span all that is left of the product so far, up to that error, and the way back to the start gives the
    product itself. The other factors need to multiply only these few rows, which become fewer. The last row estimates
    what is left out: it is the image of one more random vector under that part of the product, plus the rows dropped
    later.

    Source: Halko, Martinsson, Tropp, SIAM Review 53, 2011.
    """
    T, D = slopes.shape[0], slopes.shape[-1]
    negligible = 2 * T**0.5 * torch.finfo(W.dtype).eps  # about the rounding error of T factors
    backward, forward, slopes = per_step(W, T), per_step(W.mT.contiguous(), T), slopes.unsqueeze(-2)

    random = torch.randn(count, D, generator=torch.Generator().manual_seed(0), dtype=W.dtype).to(W.device)
    image, log_lengths = random.expand(*slopes.shape[1:-2], -1, -1), random.new_zeros(count - 1)
    n, parted, image_norms, norms = 0, 0.0, list[Tensor](), list[Tensor]()
    while parted < -math.log(negligible):
        if n + _ORTHOGONALIZE_EVERY > T or n * -math.log(negligible) > T * parted:  # at this pace T factors are too few
            raise _DigitsLostError
        start, n = n, n + _ORTHOGONALIZE_EVERY
        image = _apply(image, forward[start:n], slopes[start:n], every, image_norms)
        Q, R = torch.linalg.qr(image[..., :-1, :].mT)
        image = torch.cat((Q.mT, image[..., -1:, :]), dim=-2)
        log_lengths = log_lengths + R.diagonal(dim1=-2, dim2=-1).abs().log()
        parted = float((log_lengths.amax(dim=-1) - log_lengths[..., -1]).min())

    # The last row is of no use on the way back, but an even number of rows is multiplied faster.
    slopes_back = torch.cat((slopes[: n - 1].flip(0), torch.ones_like(slopes[:1])))
    origins = _apply(image * slopes[n - 1], backward[:n][::-1], slopes_back, every, norms)[..., :-1, :]
    directions, image_of_last = image.split((count - 1, 1), dim=-2)
    scale = torch.exp(_log_product(image_norms) - _log_product(norms)).to(W.dtype)[..., None, None]
    left_out = scale * image_of_last - random[-1:] @ origins.mT @ directions

    # The product is (basis @ rest)ᵀ without the last row of `rest`; `basis` is orthonormal.
    basis, R = torch.linalg.qr(origins.mT)
    rest = torch.cat((R @ directions, left_out), dim=-2)
    while n < T:
        Q, R = torch.linalg.qr(rest[..., :-1, :])
        tails = R.square().sum(dim=-1).flip(-1).cumsum(dim=-1)  # of the last row, the last two, ..., all
        rank = int((tails > negligible**2 * tails[..., -1:]).sum(dim=-1).max()) | 1  # odd: even with the last row
        rest = torch.cat((R[..., :rank, :], rest[..., -1:, :] + R[..., rank:, :].sum(dim=-2, keepdim=True)), dim=-2)
        basis = basis @ Q[..., :rank]
        start, n = n, n * 8 // 5
        rest = _apply(rest, forward[start:n], slopes[start:n], every, norms)
    P, log_norm = _normalized((basis @ rest[..., :-1, :]).mT)
    left_out = torch.linalg.vector_norm(rest[..., -1, :], dim=-1) / log_norm.exp()
    if not float(left_out.max()) < 10 * negligible:
        raise _DigitsLostError
    return P, _log_product(norms) + log_norm


def _whole_product(W: Tensor, slopes: Tensor, every: int) -> tuple[Tensor, Tensor]:
    norms: list[Tensor] = []
    rest = torch.eye(W.shape[-1], dtype=W.dtype, device=W.device).expand(*slopes.shape[1:], -1)
    rest = _apply(rest, per_step(W.mT.contiguous(), len(slopes)), slopes.unsqueeze(-2), every, norms)
    return rest.mT, _log_product(norms)


def _careful_product(W: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """In float64, with a division by the largest entry of each part, of each factor and of each product."""
    P = torch.eye(W.shape[-1], dtype=torch.float64, device=W.device)
    total = P.new_zeros(slopes.shape[1:-1])
    for W_t, slope in zip(per_step(W.double(), len(slopes)), slopes.double(), strict=True):
        (W_t, of_W), (diagonal, of_slope) = _divided_by_peak(W_t), _divided_by_peak(slope.unsqueeze(-1))
        J, of_J = _divided_by_peak(diagonal * W_t)
        P, of_P = _divided_by_peak(J @ P)
        total = total + of_W + of_slope + of_J + of_P
    P, log_norm = _normalized(P)
    return P.to(W.dtype), total + log_norm


def _divided_by_peak(A: Tensor) -> tuple[Tensor, Tensor]:
    peak = A.abs().amax(dim=(-2, -1), keepdim=True)
    peak = torch.where(peak > 0, peak, 1)
    return A / peak, peak.log()[..., 0, 0]


def _apply(rest: Tensor, factors: Sequence[Tensor], slopes: Tensor, every: int, norms: list[Tensor]) -> Tensor:
    """``rest`` after the factors ``(W.T, slope)``, divided by its norm after ``every`` few; the norms are appended."""
    rest = rest.clone(memory_format=torch.contiguous_format)
    product = torch.empty_like(rest)  # two buffers for all steps: to allocate takes time, too
    for start in range(0, len(slopes), every):
        some = slice(start, start + every)
        for W, slope in zip(factors[some], slopes[some].unbind(), strict=True):
            torch.matmul(rest, W, out=product)
            torch.mul(product, slope, out=rest)
        norms.append(torch.linalg.vector_norm(rest, dim=(-2, -1), keepdim=True))
        rest.div_(norms[-1])
    return rest


def _log_product(norms: list[Tensor]) -> Tensor:
    steps = torch.stack(norms)[..., 0, 0]
    if not float(steps.min()) > _lowest(steps):  # on the way here `rest` may have been among the subnormal numbers
        raise _DigitsLostError
    return steps.double().log().sum(dim=0)


def _lowest(x: Tensor) -> float:
    return math.pow(torch.finfo(x.dtype).tiny, 0.4)


def _normalized(P: Tensor) -> tuple[Tensor, Tensor]:
    """``P`` with norm 1 (zero stays zero), and the logarithm of the norm that it had."""
    norm = torch.linalg.vector_norm(P, dim=(-2, -1), dtype=torch.float64)
    norm = torch.where(norm > 0, norm, 1)
    return (P / norm[..., None, None]).to(P.dtype), norm.log()


def per_step(W: Tensor, T: int) -> Sequence[Tensor]:
    return W.unbind() if W.ndim == 3 else [W] * T
