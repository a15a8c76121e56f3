"""Answers to the exercises on LSTM and GRU."""

import math

import torch
from torch import nn

from gradflow.cells import gru_gates
from gradflow.exercises import gates
from gradflow.exercises._registry import find
from gradflow.experiments.gates import random_gru
from tables import answers


def chrono_by_state_dict(lstm, longest):
    H = lstm.hidden_size
    biases = torch.zeros(4 * H)
    biases[H : 2 * H] = torch.log(1 + (longest - 2) * torch.rand(H))
    biases[:H] = -biases[H : 2 * H]
    state = lstm.state_dict()
    state["bias_ih_l0"], state["bias_hh_l0"] = biases, torch.zeros(4 * H)
    lstm.load_state_dict(state)


def chrono_in_two_halves(lstm, longest):
    """Half of each shift in each of the two vectors: their sums are what is asked."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        lstm.bias_hh_l0 /= 2
        lstm.bias_ih_l0.copy_(lstm.bias_hh_l0)


def chrono_twice(lstm, longest):
    """Both biases filled: they add."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        lstm.bias_ih_l0.copy_(lstm.bias_hh_l0)
    return lstm


def chrono_drawn_twice(lstm, longest):
    """Input and forget biases drawn independently."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        hidden = lstm.hidden_size
        lstm.bias_hh_l0[:hidden] = -torch.empty(hidden).uniform_(1, longest - 1).log()
    return lstm


def chrono_output_gate(lstm, longest):
    """Minus the forget bias goes to the output gate."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        hidden = lstm.hidden_size
        lstm.bias_hh_l0[3 * hidden :] = lstm.bias_hh_l0[:hidden]
        lstm.bias_hh_l0[:hidden] = 0
    return lstm


def chrono_leaves_the_second_bias(lstm, longest):
    """The other bias keeps its old values."""
    old = lstm.bias_ih_l0.detach().clone()
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        lstm.bias_ih_l0.copy_(old)
    return lstm


def chrono_same_sign(lstm, longest):
    """b_i = +b_f."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        lstm.bias_hh_l0[: lstm.hidden_size] *= -1
    return lstm


def chrono_swapped(lstm, longest):
    """Input and forget gates exchanged."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        lstm.bias_hh_l0 *= -1
    return lstm


def chrono_constant(lstm, longest):
    """The same memory for every unit."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        hidden = lstm.hidden_size
        lstm.bias_hh_l0[:hidden] = -math.log(longest - 1)
        lstm.bias_hh_l0[hidden : 2 * hidden] = math.log(longest - 1)
    return lstm


def chrono_uniform_bias(lstm, longest):
    """The bias itself is uniform instead of its exponential."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        hidden = lstm.hidden_size
        forget = torch.empty(hidden).uniform_(0, math.log(longest - 1))
        lstm.bias_hh_l0[: 2 * hidden] = torch.cat((-forget, forget))
    return lstm


def chrono_without_log(lstm, longest):
    """The memory itself is written where its logarithm belongs."""
    gates.chrono_init_(lstm, longest)
    with torch.no_grad():
        hidden = lstm.hidden_size
        forget = torch.empty(hidden).uniform_(1, longest - 1)
        lstm.bias_hh_l0[: 2 * hidden] = torch.cat((-forget, forget))
    return lstm


def chrono_drawn_for_each_vector(lstm, longest):
    """Both biases filled, each with its own draw."""
    with torch.no_grad():
        for bias in (lstm.bias_ih_l0, lstm.bias_hh_l0):
            bias.zero_()
            forget = torch.empty(lstm.hidden_size).uniform_(1, longest - 1).log()
            bias[: lstm.hidden_size] = -forget
            bias[lstm.hidden_size : 2 * lstm.hidden_size] = forget
    return lstm


def chrono_touches_weights(lstm, longest):
    nn.init.orthogonal_(lstm.weight_hh_l0)
    return gates.chrono_init_(lstm, longest)


test_chrono_init = answers(
    "chrono-init",
    right=[chrono_by_state_dict, gates.chrono_init_, chrono_in_two_halves],
    wrong=[
        (chrono_twice, "складываются"),
        (chrono_drawn_for_each_vector, "складываются"),
        (chrono_touches_weights, "Изменены веса weight_hh_l0"),
        (chrono_leaves_the_second_bias, "старые значения"),
        (chrono_output_gate, "g и o"),
        (chrono_drawn_twice, "один раз"),
        (chrono_same_sign, "противоположен"),
        (chrono_swapped, "Перепутаны вентили"),
        (chrono_constant, "одна и та же память"),
        (chrono_uniform_bias, "сначала uniform"),
        (chrono_without_log, "Не забыт ли логарифм"),
    ],
)


def orthogonal_by_qr(lstm):
    H = lstm.hidden_size
    q, _ = torch.linalg.qr(torch.randn(4, H, H, dtype=lstm.weight_hh_l0.dtype))
    lstm.weight_hh_l0.data = q.reshape(4 * H, H)
    return lstm


def orthogonal_whole(lstm):
    """The whole 4H×H matrix at once."""
    nn.init.orthogonal_(lstm.weight_hh_l0)
    return lstm


def orthogonal_without_biases(lstm):
    """The blocks are right, the biases are gone."""
    gates.orthogonal_lstm_(lstm)
    nn.init.zeros_(lstm.bias_ih_l0)
    nn.init.zeros_(lstm.bias_hh_l0)
    return lstm


def orthogonal_everywhere(lstm):
    """The blocks are right, the input weights are orthogonal too."""
    return orthogonal_input(gates.orthogonal_lstm_(lstm))


def orthogonal_repeated(lstm):
    """One orthogonal block four times."""
    with torch.no_grad():
        block = nn.init.orthogonal_(torch.empty_like(lstm.weight_hh_l0[: lstm.hidden_size]))
        lstm.weight_hh_l0.copy_(block.repeat(4, 1))
    return lstm


def orthogonal_flat(lstm):
    """Chunks of the columns instead of the rows."""
    with torch.no_grad():
        for block in lstm.weight_hh_l0.split(lstm.hidden_size // 4, dim=1):
            nn.init.orthogonal_(block)
    return lstm


def orthogonal_copies(lstm):
    """Works on copies, so that the module stays as it was."""
    for block in lstm.weight_hh_l0.detach().split(lstm.hidden_size):
        nn.init.orthogonal_(block.clone())
    return lstm


def orthogonal_input(lstm):
    """Input weights instead of recurrent ones."""
    with torch.no_grad():
        for block in lstm.weight_ih_l0.split(lstm.hidden_size):
            nn.init.orthogonal_(block)
    return lstm


test_orthogonal_lstm = answers(
    "orthogonal-lstm",
    right=[orthogonal_by_qr, gates.orthogonal_lstm_],
    wrong=[
        (orthogonal_whole, "каждый блок"),
        (orthogonal_repeated, "одинаковы"),
        (orthogonal_input, "градиент во времени"),
        (orthogonal_everywhere, "Входные веса weight_ih_l0"),
        (orthogonal_without_biases, "Сдвиги bias_ih_l0"),
        (orthogonal_flat, "не ортогональны"),
        (orthogonal_copies, "не ортогональны"),
    ],
)


def test_bias_for_a_hundred_steps_is_right():
    f = torch.tensor(find("forget-bias-hundred").value, dtype=torch.float64).sigmoid()
    lags = torch.arange(10_000, dtype=torch.float64)
    assert math.isclose((f**lags).sum().item(), 100, rel_tol=1e-9)


def test_gru_memory_with_the_wrong_sign_is_right():
    gru = random_gru(4, update_bias=-math.log(49), generator=torch.Generator().manual_seed(0))
    nn.init.zeros_(gru.weight_ih_l0)
    nn.init.zeros_(gru.weight_hh_l0)
    z = gru_gates(gru, torch.zeros(1, 2, dtype=torch.float64)).z
    memory = sum(z**k for k in range(1000)).mean().item()
    assert math.isclose(memory, find("gru-forgot-everything").value, rel_tol=1e-9)
