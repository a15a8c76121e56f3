"""Random LSTMs and GRUs and the length of the paths along which their gradient travels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gradflow._global_seed import global_seed
from gradflow._validation import require_count
from gradflow.book.figures import BLUE, GOLD, GRAY, RED, Chart, log_scale
from gradflow.book.moving import Slider
from gradflow.cells import (
    gru_gates,
    gru_jacobians,
    lstm_cell_jacobians,
    lstm_gates,
)
from gradflow.jacobians import state_jacobians
from gradflow.recurrent import ParallelLSTM, SequenceModel
from gradflow.training import train


class CellPath(NamedTuple):
    """log10 of ‖·‖_F/√H by lag: the true derivative and the product of forget gates."""

    true: Tensor
    direct: Tensor


def random_lstm(
    hidden_size: int, forget_bias: float = 0.0, gain: float | None = None, *, generator: torch.Generator
) -> nn.LSTM:
    """A float64 LSTM with two inputs and no biases but the forget gate's.

    Args:
        hidden_size: H.
        forget_bias: sum of the two forget biases.
        gain: recurrent weights are N(0, gain²/H); None keeps PyTorch's U(-1/√H, 1/√H).
        generator: source of all weights.
    """
    with global_seed():
        lstm = nn.LSTM(2, require_count("hidden_size", hidden_size), dtype=torch.float64)
    _fill(lstm, forget_bias, gain, generator)
    return lstm


def random_gru(hidden_size: int, update_bias: float = 0.0, *, generator: torch.Generator) -> nn.GRU:
    """A float64 GRU with two inputs, PyTorch's weights and no biases but the update gate's."""
    with global_seed():
        gru = nn.GRU(2, require_count("hidden_size", hidden_size), dtype=torch.float64)
    _fill(gru, update_bias, None, generator)
    return gru


def carousel(forget_bias: float, feedback: bool = True, seeds: int = 5, steps: int = 1000) -> tuple[Tensor, Tensor]:
    """Let untrained LSTMs run on noise and watch their cells.

    Args:
        forget_bias: 50 makes the forget gate 1 to the last digit: the LSTM of 1997.
        feedback: whether the candidate ``g_t`` listens to ``h_{t-1}``; if not, ``U_g = 0``.
        seeds: how many networks of 32 units.
        steps: length of the run.

    Returns:
        Root mean square of the cell and the median over units of ``∂h_t/∂c_t = o_t (1 - tanh² c_t)``,
        both (seeds, steps).
    """
    sizes, slopes = [], []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        lstm = random_lstm(32, forget_bias, generator=generator)
        if not feedback:
            nn.init.zeros_(lstm.get_parameter("weight_hh_l0")[2 * 32 : 3 * 32])
        gates = lstm_gates(lstm, _noise(steps, 1.0, generator))
        cell = gates.c[1:]
        sizes.append(cell.square().mean(1).sqrt())
        slopes.append((gates.o * (1 - cell.tanh() ** 2)).median(1).values)
    return torch.stack(sizes), torch.stack(slopes)


def cell_paths(
    forget_bias: float,
    gain: float | None = None,
    initialise: Callable[[nn.LSTM, torch.Generator], object] | None = None,
    noise: float = 1.0,
    seeds: int = 8,
    distance: int = 100,
    hidden_size: int = 32,
) -> CellPath:
    """Size of ``dc_T/dc_k`` and of its popular substitute in untrained LSTMs, at lags 0 … distance.

    Args:
        forget_bias: sum of the two forget biases.
        gain: recurrent weights are N(0, gain²/H); None keeps PyTorch's.
        initialise: changes weights or biases of each network before the run, if given.
        noise: standard deviation of the input.
        seeds: how many networks.
        distance: largest lag.
        hidden_size: H.

    Returns:
        Two tensors (seeds, distance + 1): the true derivative and the product of forget gates.
    """
    paths = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        lstm = random_lstm(hidden_size, forget_bias, gain, generator=generator)
        if initialise is not None:
            initialise(lstm, generator)
        gates = lstm_gates(lstm, _noise(distance + 1, noise, generator))
        direct = state_jacobians(torch.diag_embed(gates.f[1:]))
        paths.append((_log_size(lstm_cell_jacobians(lstm, gates)), _log_size(direct)))
    true, direct = (torch.stack(curves) for curves in zip(*paths, strict=True))
    return CellPath(true, direct)


def moving_chart(paths: Mapping[float, CellPath]) -> Chart:
    """What reaches the cell of long ago, directly and in all, and the memory of the gate.

    Args:
        paths: by forget bias 0, 1, …; from :func:`cell_paths`.
    """
    bias, distance = 1, 100
    whole = [paths[float(b)].true.median(0).values for b in range(len(paths))]
    lags = torch.arange(len(whole[0]))
    gate = 1 / (1 + math.exp(-bias))
    curves = {
        "whole": (whole[bias], "вся производная", BLUE, "-"),
        "direct": (lags * math.log10(gate), "только $f^n$", RED, "--"),
        "paper": (lags * math.log10(gate + 0.25 / math.sqrt(3)), r"$(f+io/\sqrt{3})^n$", GOLD, "-."),
    }
    chart = Chart(2, ["Что доходит", "Память вентиля"])
    left, right = chart.axes
    for name, (ys, label, color, dash) in curves.items():
        left.plot(lags, ys, dash, color=color, label=label, gid=f"curve-{name}")
        left.plot([distance], ys[[distance]], "o", color=color, gid=f"curve-{name}-now")
    left.set(xlabel="расстояние $n$, шагов", ylabel=r"$\log_{10}$ величины", ylim=(-32, 14))
    left.legend(loc="lower left")
    grid = torch.linspace(0, 5, 51)
    right.plot(grid, 1 + grid.exp(), color=BLUE, linestyle="-", label=r"память $\tau=1+e^{b_f}$")
    right.plot([0, 5], [distance, distance], color=GRAY, linestyle="--", label="расстояние", gid="curve-distance")
    right.plot([bias], [1 + math.exp(bias)], "o", color=BLUE, gid="curve-memory")
    log_scale(right)
    right.set(xlabel="сдвиг $b_f$", ylabel="шагов", ylim=(1, 300))
    right.legend(loc="lower right")
    chart.moves(
        "gates",
        data=[[round(value, 3) for value in curve.tolist()] for curve in whole],
        bias=Slider("сдвиг вентиля забывания", 0, len(paths) - 1, 1, bias),
        distance=Slider("расстояние n, шагов", 1, len(lags) - 1, 1, distance),
    )
    return chart


def gru_paths(update_bias: float = 0.0, seeds: int = 8, distance: int = 100) -> tuple[Tensor, Tensor]:
    """log10 sizes (seeds, distance + 1) of ``∂h_T/∂h_k`` and of the product of update gates; H = 32."""
    paths = []
    for seed in range(seeds):
        generator = torch.Generator().manual_seed(seed)
        gru = random_gru(32, update_bias, generator=generator)
        gates = gru_gates(gru, _noise(distance + 1, 1.0, generator))
        true = state_jacobians(gru_jacobians(gru, gates)[1:])
        paths.append((_log_size(true), _log_size(state_jacobians(torch.diag_embed(gates.z[1:])))))
    true, direct = (torch.stack(curves) for curves in zip(*paths, strict=True))
    return true, direct


def _noise(steps: int, std: float, generator: torch.Generator) -> Tensor:
    return std * torch.randn(steps, 2, generator=generator, dtype=torch.float64)


def _log_size(jacobians: Tensor) -> Tensor:
    """log10 of the root mean square singular value, the last matrix (lag 0) first."""
    size: Tensor = jacobians.flatten(1).norm(dim=1) / math.sqrt(jacobians.shape[1])
    return size.flip(0).log10()


def _fill(module: nn.RNNBase, second_bias: float, gain: float | None, generator: torch.Generator) -> None:
    """Fill weights; of the biases only the second block (forget gate, update gate) is not zero."""
    W, U, b_input, b_hidden = module.parameters()
    bound = 1 / math.sqrt(module.hidden_size)
    nn.init.uniform_(W, -bound, bound, generator=generator)
    if gain is None:
        nn.init.uniform_(U, -bound, bound, generator=generator)
    else:
        nn.init.normal_(U, std=gain * bound, generator=generator)
    nn.init.zeros_(b_input)
    nn.init.zeros_(b_hidden)
    nn.init.constant_(b_hidden[module.hidden_size : 2 * module.hidden_size], second_bias)


def remember_a_bit(
    initialise: Callable[[nn.LSTM, torch.Generator], object], length: int, seeds: int = 6, steps: int = 200
) -> Tensor:
    """Train small LSTMs to say at the end which sign the first input had.

    The input is noise N(0, 0.3²); a sign ±1 is added at step 1 only, and the answer is asked after ``length`` steps.
    16 units, batch 16, Adam 1e-2, gradient norm clipped at 1, float32.

    Args:
        initialise: gets an LSTM (weights as in PyTorch, biases zero) and a generator, sets the biases.
        length: steps from the bit to the answer, at least 2.
        seeds: how many networks; a seed fixes weights, biases and data.
        steps: training steps.

    Returns:
        Cross-entropy (seeds, steps) in nats; knowing nothing costs ln 2 = 0.693.
    """
    require_count("length", length, minimum=2)
    generators = [torch.Generator().manual_seed(seed) for seed in range(require_count("seeds", seeds))]
    model = SequenceModel(ParallelLSTM(seeds, 1, 16, generator=generators[0]), 1, generator=generators[0])
    with torch.no_grad():
        for seed, generator in enumerate(generators):
            generator.manual_seed(seed)
            with global_seed():
                lstm = nn.LSTM(1, 16)
            _fill(lstm, 0.0, None, generator)
            nn.init.uniform_(model.C[seed], -0.25, 0.25, generator=generator)
            initialise(lstm, generator)
            for name, parameter in lstm.named_parameters():
                model.cell.get_parameter(name)[seed] = parameter
        nn.init.zeros_(model.d)

    def sample() -> tuple[Tensor, Tensor]:
        inputs, answers = [], []
        for generator in generators:
            bits = torch.randint(0, 2, (16,), generator=generator).float()
            x = 0.3 * torch.randn(length, 16, 1, generator=generator)
            x[0, :, 0] += 2 * bits - 1
            inputs.append(x)
            answers.append(bits.unsqueeze(1))
        return torch.stack(inputs, dim=1), torch.stack(answers)

    def measure(output: Tensor, answers: Tensor) -> Tensor:
        losses = nn.functional.binary_cross_entropy_with_logits(output, answers, reduction="none")
        return losses.flatten(1).mean(1)

    return train(model, sample, measure, steps=steps, lr=1e-2, clip=1.0).loss.T
