"""Whatever comes in, finite numbers of the documented shape come out, or an error that names an argument."""

import importlib
import inspect
import math
import re
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import gradflow
from gradflow import cells, networks, profile, recurrent, tasks, training, transformer
from gradflow.monitor import GradientMonitor

MODULES = sorted(path.stem for path in Path(gradflow.__file__).parent.glob("[a-z]*.py"))
PARALLEL = ("ParallelRNN", "ParallelGRU", "ParallelLSTM", "ParallelLRU")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed))


def tensors(seed=0, **shapes):
    return {name: normal(*shape, seed=seed + i) for i, (name, shape) in enumerate(shapes.items())}


def cell(name):
    return getattr(recurrent, name)(2, 3, 4, generator=generator())


def model():
    return recurrent.SequenceModel(cell("ParallelRNN"), 1, generator=generator())


def transformer_model():
    sizes = {"length": 5, "width": 4, "heads": 2, "depth": 2}
    return transformer.ParallelTransformer(2, 3, 2, **sizes, generator=generator())


def sample():
    return normal(5, 2, 3, 3), normal(2, 3, 1)


def torch_cell(kind):
    torch.manual_seed(0)
    return kind(2, 3)


SIZES = {"nets": 2, "input_size": 3, "hidden_size": 4}
SEQUENCES = {"nets": 2, "batch": 3}
ANSWERS = {"output": normal(2, 3, 4), "y": torch.tensor([[0, 1, 2], [3, 0, 1]])}
LSTM, GRU = torch_cell(nn.LSTM), torch_cell(nn.GRU)

# Valid arguments of every public function of the core: functions that make them, so that no call sees what another did.
EXAMPLES = {
    "cells.lstm_gates": lambda: {"lstm": LSTM, "x": normal(4, 2)},
    "cells.gru_gates": lambda: {"gru": GRU, "x": normal(4, 2)},
    "cells.lstm_jacobians": lambda: {"lstm": LSTM, "gates": cells.lstm_gates(LSTM, normal(4, 2))},
    "cells.cell_jacobians": lambda: {"lstm": LSTM, "gates": cells.lstm_gates(LSTM, normal(4, 2))},
    "cells.lstm_cell_jacobians": lambda: {"lstm": LSTM, "gates": cells.lstm_gates(LSTM, normal(4, 2))},
    "cells.gru_jacobians": lambda: {"gru": GRU, "gates": cells.gru_gates(GRU, normal(4, 2))},
    "initialization.identity_": lambda: {"W": normal(2, 3, 3), "gain": 1.5},
    "initialization.orthogonal_": lambda: {"W": normal(2, 3, 3), "gain": 1.5, "generator": generator()},
    "initialization.orthogonal_gates_": lambda: {"cell": torch_cell(nn.GRU), "gain": 1.0, "generator": generator()},
    "initialization.forget_bias_": lambda: {"lstm": torch_cell(nn.LSTM), "value": 1.0},
    "initialization.chrono_": lambda: {"lstm": torch_cell(nn.LSTM), "max_lag": 20, "generator": generator()},
    "jacobians.step_jacobian": lambda: tensors(W=(3, 3), slope=(2, 3)),
    "jacobians.scaled_jacobian_product": lambda: tensors(W=(3, 3), slopes=(5, 2, 3)),
    "jacobians.vjp_log_norms": lambda: tensors(W=(3, 3), slopes=(5, 2, 3), v=(2, 3)),
    "jacobians.log_singular_values": lambda: tensors(W=(3, 3), slopes=(5, 3)),
    "jacobians.lyapunov_spectrum": lambda: {**tensors(W=(3, 3), slopes=(5, 2, 3)), "k": 2},
    "jacobians.gaussian_lyapunov_exponents": lambda: {"D": 4, "sigma": 1.5},
    "jacobians.bptt_terms": lambda: tensors(W=(3, 3), states=(6, 2, 3), slopes=(5, 2, 3), loss_grads=(5, 2, 3)),
    "jacobians.state_jacobians": lambda: tensors(jacobians=(5, 3, 3)),
    "layer_norm.layer_norm_jacobian": lambda: {"x": normal(5), "eps": 1e-5},
    "layer_norm.gradient_growth": lambda: {"activation": torch.relu, "layer_norm": "after", "sigma": 1.0, "bias": 0.1},
    "networks.identity_weights": lambda: {"depth": 2, "width": 3, "gain": 1.0, "noise": 0.1, "generator": generator()},
    "networks.gaussian_weights": lambda: {"depth": 2, "width": 3, "sigma": 1.0, "generator": generator()},
    "networks.orthogonal_weights": lambda: {"depth": 2, "width": 3, "gain": 1.0, "generator": generator()},
    "networks.deep_linear": lambda: {"depth": 2, "width": 3, "gain": 1.0, "noise": 0.1, "generator": generator()},
    "networks.deep_network": lambda: {"weights": normal(2, 3, 3), "activation": nn.ReLU, "layer_norm": "before"},
    "networks.residual_network": lambda: {
        "weights": normal(2, 3, 3), "activation": nn.ReLU, "scale": 0.5, "layer_norm": "pre",
    },
    "profile.layer_gradient_norms": lambda: {
        "model": networks.deep_linear(2, 3, 1.0, generator=generator()), "x": normal(4, 3), "loss_fn": torch.sum,
    },
    "recurrent.maxmin": lambda: {"a": normal(3, 4)},
    "recurrent.driven_run": lambda: {**tensors(W=(3, 3), inputs=(5, 3), h0=(3,)), "activation": "tanh"},
    "recurrent.join": lambda: {"models": [model(), model()]},
    "recurrent.SequenceModel": lambda: {"cell": cell("ParallelGRU"), "output_size": 2, "generator": generator()},
    "recurrent.SequenceModel.forward": lambda: {"self": model(), "x": normal(5, 2, 3, 3)},
    "recurrent.ParallelRNN": lambda: {**SIZES, "activation": "maxmin", "generator": generator()},
    **{f"recurrent.{name}": lambda: {**SIZES, "generator": generator()} for name in PARALLEL[1:]},
    **{
        f"recurrent.{name}.{method}": partial(lambda name: {"self": cell(name), "x": normal(5, 2, 3, 3)}, name)
        for name in PARALLEL
        for method in ("forward", "last")
    },
    "tasks.adding_problem": lambda: {"length": 6, **SEQUENCES, "generator": generator()},
    "tasks.copy_memory": lambda: {"delay": 3, **SEQUENCES, "symbols": 4, "letters": 2, "generator": generator()},
    "tasks.copy_baseline": lambda: {"delay": 3, "symbols": 4, "letters": 2},
    "tasks.temporal_order": lambda: {"length": 12, **SEQUENCES, "generator": generator()},
    "tasks.mean_squared_error": lambda: tensors(output=(2, 3, 1), y=(2, 3, 1)),
    "tasks.cross_entropy": lambda: dict(ANSWERS),
    "tasks.error_rate": lambda: dict(ANSWERS),
    "transformer.softmax_jacobian": lambda: {"p": normal(2, 4).softmax(-1)},
    "transformer.ParallelBlock": lambda: {
        "nets": 2, "width": 4, "heads": 2, "layer_norm": "post", "skip": 1.5, "scale": torch.ones(2, 4),
        "qk_norm": True, "logit_cap": 5.0, "generator": generator(),
    },
    **{
        f"transformer.ParallelBlock.{name}": lambda: {"self": transformer_model().blocks[0], "h": normal(2, 3, 5, 4)}
        for name in ("forward", "attention", "perceptron", "logits")
    },
    "transformer.ParallelTransformer": lambda: {
        "nets": 2, "input_size": 3, "output_size": 2, "length": 5, "width": 4, "heads": 2, "depth": 2,
        "layer_norm": "pre", "skip": 1.5, "scale": torch.ones(2, 1), "qk_norm": False, "logit_cap": 5.0,
        "generator": generator(),
    },
    "transformer.ParallelTransformer.forward": lambda: {"self": transformer_model(), "x": normal(5, 2, 3, 3)},
    "transformer.ParallelTransformer.states": lambda: {"self": transformer_model(), "x": normal(5, 2, 3, 3)},
    "training.train": lambda: {
        "model": model(), "sample": sample, "measure": tasks.mean_squared_error, "steps": 2, "lr": 0.01,
        "clip": torch.ones(2), "optimizer": "adam", "warmup": 2, "beta2": 0.99, "eps": 1e-6, "skip": 5.0, "goal": 0.1,
        "window": 1,
    },
    "training.evaluate": lambda: {"model": model(), "sample": sample, "measure": tasks.mean_squared_error},
    "training.clip_grad_norm_": lambda: {"grads": [normal(2, 3), normal(2, 3, 4)], "max_norm": 1.0},
    "training.History.curves": lambda: {
        "self": training.train(model(), sample, tasks.mean_squared_error, steps=4, lr=0.01), "every": 2,
    },
}  # fmt: skip # a table

# The documented shapes of what comes out, from the arguments that went in.
SHAPES = {
    "cells.lstm_gates": lambda lstm, x: 4 * [(len(x), lstm.hidden_size)] + 2 * [(len(x) + 1, lstm.hidden_size)],
    "cells.gru_gates": lambda gru, x: 4 * [(len(x), gru.hidden_size)] + [(len(x) + 1, gru.hidden_size)],
    "cells.lstm_jacobians": lambda lstm, gates: [(len(gates.i), 2 * lstm.hidden_size, 2 * lstm.hidden_size)],
    "cells.lstm_cell_jacobians": lambda lstm, gates: [(len(gates.i), lstm.hidden_size, lstm.hidden_size)],
    "cells.gru_jacobians": lambda gru, gates: [(len(gates.r), gru.hidden_size, gru.hidden_size)],
    "initialization.identity_": lambda W, **_: [W.shape],
    "initialization.orthogonal_": lambda W, **_: [W.shape],
    "jacobians.step_jacobian": lambda W, slope: [(*slope.shape, W.shape[-1])],
    "jacobians.scaled_jacobian_product": lambda W, slopes: [(*slopes.shape[1:], len(W)), slopes.shape[1:-1]],
    "jacobians.vjp_log_norms": lambda W, slopes, v: [slopes.shape[:-1]],
    "jacobians.log_singular_values": lambda W, slopes: [(len(W),)],
    "jacobians.lyapunov_spectrum": lambda W, slopes, k: [(*slopes.shape[1:-1], len(W) if k is None else k)],
    "jacobians.gaussian_lyapunov_exponents": lambda D, sigma: [(D,)],
    "jacobians.bptt_terms": lambda W, slopes, **_: [(len(slopes), *W.shape)],
    "jacobians.state_jacobians": lambda jacobians: [(len(jacobians) + 1, *jacobians.shape[1:])],
    "layer_norm.layer_norm_jacobian": lambda x, eps: [(len(x), len(x))],
    "layer_norm.gradient_growth": lambda **_: [()],
    "networks.identity_weights": lambda depth, width, **_: [(depth, width, width)],
    "networks.gaussian_weights": lambda depth, width, **_: [(depth, width, width)],
    "networks.orthogonal_weights": lambda depth, width, **_: [(depth, width, width)],
    "networks.deep_linear": lambda depth, width, **_: depth * [(width, width)],
    "recurrent.maxmin": lambda a: [a.shape],
    "recurrent.driven_run": lambda W, inputs, **_: [(len(inputs) + 1, len(W)), (len(inputs), len(W))],
    **{f"recurrent.{name}.forward": lambda self, x: [(*x.shape[:-1], 4)] for name in PARALLEL},
    **{f"recurrent.{name}.last": lambda self, x: [(*x.shape[1:-1], 4)] for name in PARALLEL},
    "recurrent.SequenceModel.forward": lambda self, x: [(*x.shape[1:-1], 1)],
    "tasks.adding_problem": lambda length, nets, batch, **_: [(length, nets, batch, 2), (nets, batch, 1)],
    "tasks.copy_baseline": lambda **_: [()],
    "tasks.temporal_order": lambda length, nets, batch, **_: [(length, nets, batch, 6), (nets, batch)],
    "tasks.mean_squared_error": lambda output, y: [output.shape[:1]],
    "tasks.cross_entropy": lambda output, y: [(output.shape[-3],)],
    "tasks.error_rate": lambda output, y: [(output.shape[-3],)],
    "training.evaluate": lambda **_: [(2,)],
}  # fmt: skip # a table

# What is documented not to be finite: a logarithm of zero, the loss of a network that diverges, and the like.
MINUS_INF = {"jacobians.vjp_log_norms", "jacobians.log_singular_values", "jacobians.lyapunov_spectrum"}
ANYTHING = {
    "recurrent.maxmin", "training.train", "training.evaluate", "training.clip_grad_norm_", "training.History.curves",
    "tasks.mean_squared_error", "tasks.cross_entropy", "tasks.error_rate", "recurrent.SequenceModel.forward",
    *(f"recurrent.{name}.{method}" for name in PARALLEL for method in ("forward", "last")),
    *(f"transformer.{name}" for name in ("ParallelTransformer.forward", "ParallelTransformer.states")),
    *(f"transformer.ParallelBlock.{name}" for name in ("forward", "attention", "perceptron", "logits")),
}  # fmt: skip # a table
# Modules and functions of the caller's are not looked into; what they raise is theirs.
OPAQUE = {"self"}


def public():
    """Functions, constructors of modules, and methods that take an argument, of all modules of the core."""
    found = {}
    for name in MODULES:
        module = importlib.import_module(f"gradflow.{name}")
        for key, value in vars(module).items():
            if key.startswith("_") or getattr(value, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(value):
                found[f"{name}.{key}"] = value
            if inspect.isclass(value):
                if issubclass(value, nn.Module):
                    found[f"{name}.{key}"] = value
                for method, function in vars(value).items():
                    if (
                        method[0] != "_"
                        and inspect.isfunction(function)
                        and len(inspect.signature(function).parameters) > 1
                    ):
                        found[f"{name}.{key}.{method}"] = function
    return found


PUBLIC = public()


def test_every_public_function_has_an_example():
    assert set(PUBLIC) == set(EXAMPLES)


SCALARS = [
    None, True, False, 0, 1, -1, 3, -2.5, 0.0, 1e-300, 1e30, 1e300, -1e300, 10**12, 10**30, 10**400, math.nan, math.inf,
    -math.inf, 1j, "", "x", "tanh", b"x", (), [], {}, [[]], [None], object(), 2.0, torch.float32,
]  # fmt: skip # a table
TENSORS = [
    lambda: torch.tensor(1.0), lambda: torch.tensor(2), lambda: torch.tensor(True), lambda: torch.empty(0),
    lambda: torch.ones(2), lambda: torch.ones(3, 3), lambda: torch.ones(2, 3, 3, 3),
    lambda: torch.ones(2, dtype=torch.int64),
    lambda: torch.full((3, 3), math.nan), lambda: torch.ones(3, 3, device="meta"), lambda: torch.ones(3, 3).to_sparse(),
    lambda: [torch.ones(2, 3), 1], lambda: [torch.tensor(1.0)], lambda: [torch.ones(2, 0)],
]  # fmt: skip # a table
OBJECTS = [
    lambda: nn.Linear(3, 3), lambda: nn.Sequential(), lambda: nn.Linear(3, 3, device="meta"), lambda: nn.LSTM(2, 3, 2),
    lambda: nn.LSTM(2, 3, bias=False), lambda: nn.GRU(2, 3).double(), lambda: nn.Embedding(2, 2), generator,
    lambda: torch.relu, lambda: (lambda *a: None), lambda: (lambda *a: torch.ones(())), lambda: (lambda *a: a),
    lambda: (lambda *a: (torch.ones(2), torch.ones(2))), lambda: [nn.Linear(2, 2), nn.Linear(3, 3)],
]  # fmt: skip # a table
VARIANTS = [
    lambda t: t * 1e30, lambda t: t * 1e-30, lambda t: t * 0, lambda t: -t, lambda t: t * math.inf,
    lambda t: t * math.nan,
    lambda t: t.double(), lambda t: t.double() * 1e300, lambda t: t.double() * 1e-300, lambda t: t.half(),
    lambda t: t.long(), lambda t: t.to(torch.complex64), lambda t: t.bool(), lambda t: t.to("meta"),
    lambda t: t.unsqueeze(0), lambda t: t[0], lambda t: t[:0], lambda t: t[..., :0], lambda t: t[..., :1],
    lambda t: torch.cat([t, t]), lambda t: t.mT if t.ndim > 1 else t, lambda t: t.to_sparse(), lambda t: t.tolist(),
    lambda t: t.numpy(), lambda t: t.requires_grad_() if t.is_floating_point() else t, lambda t: t + 10,
]  # fmt: skip # a table


def spoiled(value, draw):
    """Something else in the place of ``value``: its own variant, or of quite another kind."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        index = draw(st.integers(0, len(value) - 1))
        if draw(st.booleans()):
            return value._replace(**{value._fields[index]: spoiled(value[index], draw)})
    if isinstance(value, Tensor) and draw(st.integers(0, 2)):
        return draw(st.sampled_from(VARIANTS))(value.clone())
    return draw(st.sampled_from([*(lambda v=v: v for v in SCALARS), *TENSORS, *OBJECTS]))()


def numbers(result):
    """All tensors and floats of a result."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, float):
        yield torch.tensor(result)
    elif isinstance(result, nn.Module):
        yield from result.parameters()
    elif isinstance(result, (tuple, list)):
        for item in result:
            yield from numbers(item)
    elif isinstance(result, (profile.LayerProfile, training.History)):
        for item in vars(result).values():
            yield from numbers(item)


def shapes(result):
    return [tuple(tensor.shape) for tensor in numbers(result)]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_is_valid(name):
    for tensor in numbers(PUBLIC[name](**EXAMPLES[name]())):
        assert name == "training.History.curves" or name == "training.train" or tensor.isfinite().all()


@pytest.mark.parametrize("name", EXAMPLES)
@settings(derandomize=True, max_examples=40, deadline=None)
@given(data=st.data())
def test_bad_input_is_named_or_harmless(name, data):
    arguments = EXAMPLES[name]()
    bad = data.draw(st.sets(st.sampled_from(sorted(set(arguments) - OPAQUE)), min_size=1))
    arguments |= {key: spoiled(arguments[key], data.draw) for key in sorted(bad)}
    try:
        result = PUBLIC[name](**arguments)
    except (ValueError, TypeError) as error:
        message = str(error)
    else:
        message = ""
    if message:
        known = [*inspect.signature(PUBLIC[name]).parameters, *("x", "y", "output")]  # what sample and model hand on
        assert re.match(rf"({'|'.join(known)})\b", message), message
        return
    for tensor in numbers(result):
        allowed = tensor.isfinite() | (tensor == -math.inf if name in MINUS_INF else False)
        assert name in ANYTHING or allowed.all()
    if name in SHAPES:
        assert shapes(result) == [tuple(shape) for shape in SHAPES[name](**arguments)]


def test_the_documented_shapes_are_those_of_the_examples():
    assert {name: shapes(PUBLIC[name](**EXAMPLES[name]())) for name in SHAPES} == {
        name: [tuple(shape) for shape in shape_of(**EXAMPLES[name]())] for name, shape_of in SHAPES.items()
    }


NET = nn.Linear(2, 3)
MONITOR = {
    "model": NET, "optimizer": torch.optim.SGD(NET.parameters(), 0.1), "scaler": None, "every": 1, "shares": True,
    "lang": "ru", "loss": torch.ones(1),
}  # fmt: skip # a table


@settings(derandomize=True, max_examples=150, deadline=None)
@given(data=st.data())
def test_monitor_names_what_it_cannot_watch(data):
    bad = data.draw(st.sets(st.sampled_from(sorted(MONITOR)), min_size=1))
    arguments = MONITOR | {key: spoiled(MONITOR[key], data.draw) for key in sorted(bad)}
    loss = arguments.pop("loss")
    try:
        with GradientMonitor(**arguments) as monitor:
            monitor.step(loss)
    except (ValueError, TypeError) as error:
        message = str(error)
    else:
        message = ""
    if message:
        assert re.match(rf"({'|'.join(MONITOR)})\b", message), message
        return
    assert len(monitor.record.steps) == 1
    for word in (monitor.diagnose(), monitor.summary(), monitor.report(), monitor.to_json()):
        assert str(word)
