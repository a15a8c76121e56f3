"""What one forward and one backward pass do to every layer: three norms a layer, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from gradflow._validation import ask, require_callable, require_like, require_module, require_tensor
from gradflow.monitor.calls import Call, CallWatcher
from gradflow.monitor.measure import norm


@dataclass(frozen=True)
class LayerProfile:
    """Euclidean norms, layer by layer, in the order of the computation.

    Attributes:
        activations: ``(L + 1,)``: the input of each of the ``L`` linear layers, then the model's output.
        deltas: ``(L,)``: the gradient of the loss by the output of each linear layer.
        weight_grads: ``(L,)``: the gradient of the loss by each weight matrix (Frobenius norm); of a parametrised
            layer by the matrix it multiplies with; nan for a frozen layer, which gets none.
        names: ``(L,)``: the layers' names in the model.

    All are float64. For a batch, each norm is taken over the whole batch as one long vector.
    """

    activations: Tensor
    deltas: Tensor
    weight_grads: Tensor
    names: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        return f"LayerProfile(L={len(self.deltas)})"


@torch.enable_grad()
def layer_gradient_norms(model: nn.Module, x: Tensor, loss_fn: Callable[[Tensor], Tensor]) -> LayerProfile:
    """Norms of activations, error signals and weight gradients in every linear layer of ``model``.

    Args:
        model: any module with ``nn.Linear`` layers, each called once in the forward pass, also such as lie in a plain
            list. Neither its parameters nor their ``.grad`` nor its buffers change, nor do the random numbers.
        x: ``(D,)`` or ``(B, D)``, the input.
        loss_fn: maps the model's output to a scalar, for example ``torch.sum``.

    Raises:
        ValueError: ``x`` is not a finite float tensor of a fitting width, ``model`` has no linear layer, calls none or
            uses a weight twice, or does not return a tensor, the loss is not a finite scalar that depends on the
            layers, or a layer or a gradient overflowed: the first such layer in the order of the pass is named.

    Source: for one sample the third norm is the product of the other two, Rumelhart, Hinton, Williams 1986.
    """
    require_module("model", model), require_callable("loss_fn", loss_fn)
    if require_tensor("x", x).numel() == 0:
        raise ValueError(f"x: expected at least one sample, got shape {tuple(x.shape)}")
    calls: list[Call] = []
    used: dict[int, Tensor] = {}
    watcher = CallWatcher(model, lambda call: _note(calls, used, call))
    linears = [module for module in (*model.modules(), *watcher.unregistered.values()) if isinstance(module, nn.Linear)]
    if not linears:
        raise ValueError(f"model: expected at least one nn.Linear layer, got none in {type(model).__name__}")
    require_like("x", x, next(iter(linears[0].parameters()), x), "the first layer")
    width = linears[0].in_features
    if isinstance(model, nn.Sequential) and model[0] is linears[0] and (x.ndim == 0 or x.shape[-1] != width):
        raise ValueError(f"x: expected shape (..., {width}), got {tuple(x.shape)}")

    with _as_it_was(model, watcher, x):
        with parametrize.cached(), watcher:
            output = ask("model", model, x.detach().clone())
        loss = _loss(loss_fn, output, calls)
        outputs: list[Tensor] = [call.output for call in calls]
        weights = list(used.values())
        trained = [weight for weight in weights if weight.requires_grad]
        grads = torch.autograd.grad(loss.reshape(()), [*outputs, *trained], allow_unused=True, materialize_grads=True)
    for index in reversed(range(len(calls))):
        _require_finite(f"model: the gradient at the output of {_layer(calls, index)}", grads[index])
    of_weights = iter(grads[len(calls) :])
    return LayerProfile(
        activations=_norms([*(call.args[0] for call in calls), output]),
        deltas=_norms(grads[: len(calls)]),
        weight_grads=_norms([next(of_weights) if weight.requires_grad else None for weight in weights]),
        names=tuple(call.name for call in calls),
    )


def _note(calls: list[Call], used: dict[int, Tensor], call: Call) -> Any:
    """Keep the call of a linear layer and its weight; hand on a copy, which an in-place activation may overwrite."""
    if not isinstance(call.module, nn.Linear):
        return None
    weight = call.module.weight  # of a parametrised layer, while its cache is open, what the pass multiplied with
    if id(weight) in used:
        raise ValueError(
            f"model: expected every linear layer to be called once, got the weight of {call.name!r} used twice"
        )
    if not call.args:
        raise ValueError(f"model: expected the input of {call.name!r} as its positional argument")
    if not call.output.requires_grad:
        call.output = call.output.requires_grad_()
    calls.append(call)
    used[id(weight)] = weight
    return call.output.clone()


def _loss(loss_fn: Callable[[Tensor], Tensor], output: object, calls: list[Call]) -> Tensor:
    """The loss, after a look at all that leads to it, first layer first."""
    if not calls:
        raise ValueError("model: expected its linear layers to be called in the forward pass, got none called")
    if not isinstance(output, Tensor):
        raise ValueError(f"model: expected a tensor as output, got {type(output).__name__}")
    for index, call in enumerate(calls):
        following = calls[index + 1].args[0] if index + 1 < len(calls) else output
        for activation in (call.output, following):
            _require_finite(f"model: the activations after {_layer(calls, index)}", activation)
    loss = ask("loss_fn", loss_fn, output)
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        came = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f"loss_fn: expected a scalar tensor, got {came}")
    _require_finite("loss_fn: the loss", loss)
    if not loss.requires_grad:
        raise ValueError("loss_fn: expected a loss that depends on the model's output, got a constant")
    return loss


@contextmanager
def _as_it_was(model: nn.Module, watcher: CallWatcher, x: Tensor) -> Iterator[None]:
    """Give every buffer, and the random state of the CPU and of the device of ``x``, its old value back."""
    modules = [*model.modules(), *watcher.unregistered.values()]
    before = [
        (module, key, value, value.clone())
        for module in modules
        for key, value in module._buffers.items()
        if value is not None
    ]
    with torch.random.fork_rng(devices=[x.device] if x.is_cuda else []):
        try:
            yield
        finally:
            with torch.no_grad():
                for module, key, buffer, value in before:
                    buffer.copy_(value)
                    module._buffers[key] = buffer


def _layer(calls: list[Call], index: int) -> str:
    return f"layer {index + 1} of {len(calls)} ({calls[index].name})"


def _require_finite(what: str, value: Tensor) -> None:
    bad = int((~torch.isfinite(value)).sum())
    if bad:
        raise ValueError(f"{what}: expected finite values, got {bad} of {value.numel()} inf or nan")


def _norms(tensors: list[Tensor | None] | tuple[Tensor | None, ...]) -> Tensor:
    """Norms in float64 that no square overflows; nan for None."""
    values = [torch.nan if tensor is None else norm(tensor.detach().double()) for tensor in tensors]
    return torch.tensor(values, dtype=torch.float64)
