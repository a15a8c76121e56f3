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


test_chrono_init = answers(
    "chrono-init",
    right=[chrono_by_state_dict, gates.chrono_init_, chrono_in_two_halves],
    wrong=[
        (gates.chrono_twice, "складываются"),
        (gates.chrono_leaves_the_second_bias, "старые значения"),
        (gates.chrono_output_gate, "g и o"),
        (gates.chrono_drawn_twice, "один раз"),
        (gates.chrono_same_sign, "противоположен"),
        (gates.chrono_swapped, "Перепутаны вентили"),
        (gates.chrono_constant, "одна и та же память"),
        (gates.chrono_uniform_bias, "сначала uniform"),
        (gates.chrono_without_log, "Не забыт ли логарифм"),
    ],
)


def orthogonal_by_qr(lstm):
    H = lstm.hidden_size
    q, _ = torch.linalg.qr(torch.randn(4, H, H, dtype=lstm.weight_hh_l0.dtype))
    lstm.weight_hh_l0.data = q.reshape(4 * H, H)
    return lstm


test_orthogonal_lstm = answers(
    "orthogonal-lstm",
    right=[orthogonal_by_qr, gates.orthogonal_lstm_],
    wrong=[
        (gates.orthogonal_whole, "каждый блок"),
        (gates.orthogonal_repeated, "одинаковы"),
        (gates.orthogonal_input, "градиент во времени"),
        (gates.orthogonal_everywhere, "Входные веса weight_ih_l0"),
        (gates.orthogonal_without_biases, "Сдвиги bias_ih_l0"),
        (gates.orthogonal_flat, "не ортогональны"),
        (gates.orthogonal_copies, "не ортогональны"),
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
