"""Nothing of the package moves the global random state: what a reader draws is what it would be without us."""

import pytest
import torch
from torch import nn

from gradflow._global_seed import global_seed
from gradflow.exercises import check, example
from gradflow.experiments import gates, precision
from gradflow.experiments.comparison.race import MODELS, ORDER, build
from gradflow.experiments.diagnosis import PATIENTS
from gradflow.experiments.exploding.delay import learn_delays
from gradflow.experiments.exploding.truncation import random_rnn
from gradflow.initialization import chrono_, orthogonal_
from gradflow.networks import deep_linear, deep_network, gaussian_weights, orthogonal_weights, residual_network
from gradflow.transformer import ParallelBlock

WEIGHTS = gaussian_weights(2, 4, generator=torch.Generator().manual_seed(0))
MAKERS = {
    "deep network": lambda g: deep_network(WEIGHTS, nn.ReLU, "after"),
    "deep linear network": lambda g: deep_linear(2, 4, 1.0, 0.1, generator=g),
    "residual network": lambda g: residual_network(WEIGHTS, nn.ReLU, layer_norm="pre", output_weights=WEIGHTS),
    "orthogonal weights": lambda g: orthogonal_weights(2, 4, generator=g),
    "transformer block": lambda g: ParallelBlock(2, 8, 2, generator=g),
    "random LSTM": lambda g: gates.random_lstm(4, 1.0, generator=g),
    "random GRU": lambda g: gates.random_gru(4, generator=g),
    "a bit to remember": lambda g: gates.remember_a_bit(
        lambda lstm, generator: chrono_(lstm, 5, generator=generator), 5, seeds=1, steps=1
    ),
    "random RNN": lambda g: random_rnn(2, 4, 1.0, generator=g),
    "delays": lambda g: learn_delays("orthogonal", [2], steps=1, seeds=1),
    "loss scaling": lambda g: precision.train_with_scaler(steps=1),
    "orthogonal matrix": lambda g: orthogonal_(torch.empty(3, 3), generator=g),
    "arguments of a check": lambda g: example("chrono-init", 0),
    "answer": lambda g: check("chrono-init", lambda lstm, longest: torch.rand(3)),
    **{name: lambda g, name=name: build(name, ORDER, length=10, seeds=2, hidden=4) for name in MODELS},
    "patient": lambda g: PATIENTS["gradients_not_cleared"](0),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_the_global_random_state_stays(make):
    before = torch.get_rng_state()
    make(torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_weights_drawn_under_a_global_seed_are_those_of_that_seed():
    with global_seed(3):
        inside = nn.Linear(2, 2).weight
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        wanted = nn.Linear(2, 2).weight
    assert torch.equal(inside, wanted)


def test_the_global_random_state_returns_after_an_error():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError), global_seed():
        torch.rand(1)
        raise RuntimeError
    assert torch.equal(torch.get_rng_state(), before)
