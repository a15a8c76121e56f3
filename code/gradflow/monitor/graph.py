"""What autograd's graph tells: the operation that first left the finite numbers, and known bad patterns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from gradflow.monitor.measure import NAN, norm

# These move values about and change none.
# fmt: off
LAYOUT = frozenset({
    "T", "Transpose", "View", "UnsafeView", "Reshape", "ReshapeAlias", "Permute", "Unsqueeze", "Squeeze",
    "Expand", "Clone", "Alias", "Slice", "Select", "Split", "SplitWithSizes", "Unbind", "Cat", "Stack",
    "Detach", "Contiguous", "Flatten", "Unflatten", "Narrow", "Chunk", "AccumulateGrad",
})
# fmt: on
# These have a point, or an end of their domain, where the slope is infinite.
# fmt: off
SINGULAR = frozenset({
    "Sqrt", "Rsqrt", "LinalgVectorNorm", "Norm", "Pow", "Log", "Log2", "Log10", "Log1P", "Div", "Reciprocal",
    "Acos", "Asin", "Atanh", "Acosh", "Atan2", "Std", "StdMean", "Cdist", "EuclideanDist", "Xlogy", "Logit",
    "Erfinv", "Lgamma", "Digamma", "Tan",
})
# fmt: on
# Sums of products: heavy, with a slope everywhere. What they send back is seen at the modules' ends and at the weights.
# fmt: off
PRODUCTS = frozenset({
    "Addmm", "Mm", "Convolution", "Linear", "MkldnnLinear", "MkldnnRnnLayer", "CudnnRnn", "Addbmm", "Baddbmm",
    "Embedding", "Add", "Sub", "Neg", "Sum", "Mean",
})
# fmt: on
_INPUTS = ("_saved_self", "_saved_input", "_saved_other", "_saved_mat1", "_saved_mat2", "_saved_target", "_saved_query")
_RESULTS = ("_saved_result", "_saved_result1", "_saved_grid", "_saved_L", "_saved_S", "_saved_Q")


def operation(node: Node) -> str:
    """The operation's name: ``"Sqrt"`` for ``SqrtBackward0``."""
    return _short(node.name())


@cache
def _short(name: str) -> str:
    return re.sub(r"Backward\d*$", "", name.rsplit("::", 1)[-1])


def node_number(node: Node) -> int:
    """The number autograd gave to the operation."""
    return int(node._sequence_nr())


def graph_nodes(roots: Iterable[Node | None]) -> list[Node]:
    """Every node that a backward pass from ``roots`` may visit, roots first."""
    todo = [root for root in roots if root is not None]
    seen: dict[Node, None] = dict.fromkeys(todo)
    while todo:
        for child, _ in todo.pop().next_functions:
            if child is not None and child not in seen:
                seen[child] = None
                todo.append(child)
    return list(seen)


def leaves(nodes: Iterable[Node]) -> dict[int, Tensor]:
    """The tensors that collect a gradient, by ``id``."""
    return {id(node.variable): node.variable for node in nodes if hasattr(node, "variable")}


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """Operations in the order in which they were made; what collects gradients is left out."""
    return sorted((node for node in nodes if not hasattr(node, "variable")), key=node_number)


def source(node: Node | None) -> Node | None:
    """The operation whose values reach ``node`` unchanged: ``node`` itself unless it moves values about."""
    while node is not None and operation(node) in LAYOUT and not hasattr(node, "variable"):
        node = node.next_functions[0][0] if node.next_functions else None
    return node


def saved(node: Node, name: str, floating: bool = True) -> Tensor | None:
    """A tensor that ``node`` keeps for its backward pass, or None (also if it was freed or overwritten)."""
    try:
        value = getattr(node, name, None)
    except RuntimeError:
        return None
    if not isinstance(value, Tensor):
        return None
    return value if not floating or value.is_floating_point() or value.is_complex() else None


def first_bad_operation(nodes: Iterable[Node], since: int = 0) -> tuple[str, int, str, float] | None:
    """The first operation, in the order of the computation, that made a non-finite value.

    What an operation keeps for its backward pass is looked at; no value is computed anew.

    Returns:
        Its name, its number, a word on what it had got, and the largest value that entered; or None. The words:
        ``"zero"``, ``"nothing"`` (a single divisor of zero), ``"negative"``, ``"large"``, ``"masked"`` (a softmax of
        nothing but minus infinity), ``"outside"`` (a non-finite tensor from outside the graph), ``"finite"``.
    """
    for node in in_order(nodes):
        if node_number(node) < since:
            continue
        name = operation(node)
        if (word := _singular_input(name, node)) is not None:
            return name, node_number(node), word, _largest(saved(node, "_saved_self"))
        for index, attribute in enumerate(_INPUTS):
            if (value := saved(node, attribute)) is not None and not _finite(value):
                maker = _maker(node, attribute, index)
                if maker is None or hasattr(maker, "variable"):
                    return name, node_number(node), "outside", NAN
                return operation(maker), node_number(maker), _word(maker), NAN
        for attribute in _RESULTS:
            if (value := saved(node, attribute)) is not None and not _finite(value):
                return name, node_number(node), _word(node), NAN
    return None


def _maker(node: Node, attribute: str, index: int) -> Node | None:
    """The operation that made a saved input."""
    children = [child for child, _ in node.next_functions]
    position = {"_saved_other": 1, "_saved_mat2": 1, "_saved_target": 1}.get(attribute, 0)
    if operation(node) == "Addmm":
        position += 1
    return source(children[position]) if position < len(children) else None


def _word(node: Node) -> str:
    """What a bad result says of its input: a softmax becomes nan on a row of minus infinities alone."""
    return "masked" if operation(node) in ("Softmax", "LogSoftmax", "SafeSoftmax") else "finite"


def _singular_input(name: str, node: Node) -> str | None:
    """A word if ``node`` got finite values and what it makes of them is not finite."""
    inner = saved(node, "_saved_self")
    if name in ("Log", "Log2", "Log10") and inner is not None and _finite(inner):
        return "negative" if bool((inner < 0).any()) else "zero" if bool((inner == 0).any()) else None
    if name in ("Div", "Reciprocal"):
        divisor = saved(node, "_saved_other", floating=False)
        if divisor is not None and bool((divisor == 0).any()):
            return "zero" if divisor.numel() > 1 else "nothing"
    if name in ("Acos", "Asin", "Atanh") and inner is not None and bool((inner.abs() > 1).any()):
        return "outside the domain"
    if name == "Pow" and inner is not None and _finite(inner):
        exponent = getattr(node, "_saved_exponent", None)
        if isinstance(exponent, (int, float)):
            if exponent < 0 and bool((inner == 0).any()):
                return "zero"
            if not float(exponent).is_integer() and bool((inner < 0).any()):
                return "negative"
            limit = torch.finfo(inner.dtype).max
            if exponent > 0 and _largest(inner) ** min(exponent, 64.0) > limit:
                return "large"
    if name in ("Exp", "Expm1") and (result := saved(node, "_saved_result")) is not None and not _finite(result):
        return "large" if bool(result.isinf().any()) and not bool(result.isnan().any()) else None
    return None


def _finite(tensor: Tensor) -> bool:
    return bool(tensor.isfinite().all())


def _largest(tensor: Tensor | None) -> float:
    return float(tensor.detach().abs().max()) if tensor is not None and tensor.numel() else NAN


def gradient_watch(nodes: Iterable[Node], on_break: Callable[[str, int, str], None]) -> Iterator[Any]:
    """Hook every operation that changes values, but sums of products; yield the handles.

    ``on_break(name, number, what)`` is called when gradients leave an operation as "inf" or "nan" although they came
    finite, or all as exact zeros although they did not come so ("zero").
    """
    for node in nodes:
        if operation(node) not in LAYOUT and operation(node) not in PRODUCTS:
            yield node.register_hook(_node_hook(operation(node), node_number(node), on_break))


def _node_hook(name: str, order: int, on_break: Callable[[str, int, str], None]) -> Callable[..., None]:
    def look(left: tuple[Tensor | None, ...], came: tuple[Tensor | None, ...]) -> None:
        norms = [norm(gradient) for gradient in left if gradient is not None]
        if not norms:
            return
        total = math.hypot(*norms)
        if math.isfinite(total) and total > 0:
            return
        before = math.hypot(*(norm(gradient) for gradient in came if gradient is not None))
        if not math.isfinite(total) and math.isfinite(before):
            on_break(name, order, "nan" if any(map(math.isnan, norms)) else "inf")
        elif total == 0 and before > 0:
            on_break(name, order, "zero")

    return look


def loss_scale(root: Tensor) -> Tensor | None:
    """The number by which the last operation multiplied a loss, as a scaler does, or None; a copy, not read yet."""
    if root.grad_fn is None or operation(root.grad_fn) != "Mul":
        return None
    kept = [saved(root.grad_fn, name, floating=False) for name in ("_saved_self", "_saved_other")]
    factors = [factor.detach().clone() for factor in kept if factor is not None and factor.numel() == 1]
    return factors[0] if len(factors) == 1 else None


def patterns(nodes: Iterable[Node]) -> dict[str, int]:
    """Known mistakes that the graph shows: a word for each → the number of the operation where it stands."""
    found: dict[str, int] = {}
    for node in nodes:
        name = operation(node)
        wanted = _PATTERNS.get(name)
        below = source(node.next_functions[0][0]) if wanted and node.next_functions else None
        if wanted and below is not None and (word := wanted.get(operation(below))):
            found.setdefault(word, node_number(below))
        if name == "Where" and any(operation(child) in SINGULAR for child in map(source, _children(node)) if child):
            found.setdefault("singular behind where", node_number(node))
    return found


def _children(node: Node) -> list[Node | None]:
    return [child for child, _ in node.next_functions]


_PATTERNS = {
    "LogSoftmax": {"Softmax": "softmax twice", "Sigmoid": "sigmoid before softmax", "Relu": "relu before softmax"},
    "BinaryCrossEntropyWithLogits": {"Sigmoid": "sigmoid twice", "Softmax": "softmax before sigmoid"},
    "BinaryCrossEntropy": {"Sigmoid": "loss after sigmoid"},
    "Log": {"Softmax": "log of softmax", "Sigmoid": "log of sigmoid"},
}


def constant_answer(nodes: Iterable[Node]) -> float:
    """The loss of the constant answer with nothing learnt: ln(classes), ln 2 or the variance of the targets; or nan."""
    for node in nodes:
        name = operation(node)
        if name in ("NllLoss", "NllLoss2D", "NllLossNd") and (values := saved(node, "_saved_self")) is not None:
            return math.log(values.shape[1 if values.ndim > 1 else 0])
        if name.startswith("BinaryCrossEntropy"):
            return math.log(2)
        if name == "MseLoss" and (target := saved(node, "_saved_target")) is not None and target.numel() > 1:
            return float(target.detach().float().var(unbiased=False))
    return NAN
