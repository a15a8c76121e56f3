"""The record of a training loop: numbers and names alone, no tensor."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from gradflow.monitor.measure import NAN, Measure


@dataclass(slots=True)
class ModuleRecord:
    """One module in one step. Several calls are taken together; lists have one entry a call or a time step.

    Attributes:
        output, gradient: what was read off the outputs, and off the gradients with respect to them.
        entered: norm of the first tensor that entered a module with modules inside.
        spread: how far the answers to the samples of a batch differ, relative to their norm.
        saturated, dead: shares of saturated values and of dead units among the module's own operations.
        by_call: norm of the gradient with respect to the output of each call, in the order of the calls.
        by_time: norm of the gradient with respect to each step of a recurrent module's input, first step first.
        fed: norm of the gradient that enters from above at each step of its output (empty: from the last state alone).
    """

    name: str
    kind: str
    calls: int = 0
    output: Measure | None = None
    gradient: Measure | None = None
    entered: float = NAN
    spread: float = NAN
    saturated: float = NAN
    dead: float = NAN
    by_call: list[float] = field(default_factory=list)
    by_time: list[float] = field(default_factory=list)
    fed: list[float] = field(default_factory=list)
    bidirectional: bool = False


@dataclass(slots=True)
class ParameterRecord:
    """One parameter in one step.

    Attributes:
        gradient: norm after the last backward pass, before whatever the loop does to it.
        stepped: norm of the gradient that the optimiser was given.
        weight, update: norm of the parameter before the optimiser's step, and of the step.
        unmoved: share of the elements with a nonzero gradient that the step left exactly as they were.
        inf, nan: in the gradient; weight_bad: non-finite values of the parameter after the step (or at its end).
    """

    name: str
    dtype: str
    gradient: float = NAN
    stepped: float = NAN
    weight: float = NAN
    update: float = NAN
    unmoved: float = NAN
    inf: int = 0
    nan: int = 0
    zeros: float = NAN
    subnormal: float = NAN
    weight_bad: int = 0
    matrix: bool = True

    @classmethod
    def of(cls, name: str, parameter: Tensor) -> ParameterRecord:
        """An empty record of ``parameter``."""
        return cls(name, str(parameter.dtype).removeprefix("torch."), matrix=parameter.ndim > 1)


@dataclass(slots=True)
class OptimizerRecord:
    """An optimiser: its class's name, its numbers (``lr``, ``eps``, …), and which of its groups holds a parameter."""

    name: str
    numbers: dict[str, float]
    groups: dict[str, int]


@dataclass(slots=True)
class Origin:
    """The first place where something broke.

    Attributes:
        module: the innermost module that was running, or None if the operation lies outside the model.
        operation: autograd's name of the operation, without ``Backward0``; None if unknown.
        after: the last module that had returned before the operation was made.
        healthy: the last module on the other side whose values were still finite.
        what: "inf", "nan" or "zero".
        inputs: what the operation or module had got: a word for diagnosis, as "zero", "negative", "finite", "constant".
        largest: the largest finite absolute value that entered.
        dtype: of what came out.
        batch: the number of the forward pass within the step.
    """

    module: str | None
    operation: str | None = None
    after: str | None = None
    healthy: str | None = None
    what: str = "nan"
    inputs: str = "finite"
    largest: float = NAN
    dtype: str = ""
    batch: int = 1


@dataclass(slots=True)
class InputRecord:
    """The float input of the model: root mean square, mean over standard deviation, non-finite values."""

    rms: float
    offset: float
    bad: int


@dataclass(slots=True)
class StepRecord:
    """One step of the loop.

    Attributes:
        loss: what the loop handed to ``step``, or else what its backward passes started from, unscaled and added up.
        root: the scalar the last backward pass started from.
        recorded: False of a step of which only the loss is kept.
        modules, parameters: by name, in the order of the computation.
        forward: where the forward pass first left the finite numbers; backward: the same of the backward pass;
            vanished: where a nonzero gradient first became exactly zero.
        broken_update: the parameter (or None) that became non-finite in the optimiser's step.
        backwards, updates, nodes: how many backward passes and optimiser steps; operations in the last graph.
        rates: the learning rates; scale: the loss scale, 1.0 without one.
        patterns: what the graph says of the loss, as "softmax twice".
        clipped_between, kept: gradients were changed between two backward passes; gradients of the step before
            were still there.
        constant_loss: the loss of the best constant answer, where it can be read off the graph.
    """

    index: int
    recorded: bool = True
    loss: float = NAN
    root: float = NAN
    modules: dict[str, ModuleRecord] = field(default_factory=dict)
    parameters: dict[str, ParameterRecord] = field(default_factory=dict)
    inputs: InputRecord | None = None
    forward: Origin | None = None
    backward: Origin | None = None
    vanished: Origin | None = None
    broken_update: str | None = None
    backwards: int = 0
    updates: int = 0
    nodes: int = 0
    rates: tuple[float, ...] = ()
    scale: float = 1.0
    patterns: dict[str, str | None] = field(default_factory=dict)
    clipped_between: bool = False
    kept: bool = False
    constant_loss: float = NAN

    @property
    def bad_gradients(self) -> bool:
        """Whether a parameter got a gradient that is not finite."""
        return any(entry.inf or entry.nan for entry in self.parameters.values())


@dataclass(slots=True)
class Record:
    """The whole run, and what does not change from step to step.

    Attributes:
        root: the class of the model, which is its name among the modules.
        steps: in order; finished ones, and the last as far as it came.
        kinds: type name of each module that ran, in the order of the first return.
        reached: names of the parameters that a backward pass ever led to.
        parameters: name → whether it requires a gradient; unregistered: names of parameters that are used inside the
            model and that ``model.parameters()`` does not know.
        strangers: names of modules that ran inside the model, are nowhere in it, and whose parameters nobody trains.
        without_grad: names of the modules that ran in training mode with gradients switched off.
        optimizers: those that hold a parameter of the model.
        forget_bias: mean bias of the forget gates of every LSTM, before the first step.
        exception: type and message of the exception that ended the loop.
    """

    root: str
    steps: list[StepRecord] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, bool] = field(default_factory=dict)
    unregistered: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    without_grad: set[str] = field(default_factory=set)
    strangers: set[str] = field(default_factory=set)
    optimizers: list[OptimizerRecord] = field(default_factory=list)
    forget_bias: dict[str, float] = field(default_factory=dict)
    exception: str | None = None
