"""Networks built near an isometry: what their Jacobian of many steps keeps at the start."""

import pytest
import torch

from gradflow.experiments.orthogonal.relatives import RELATIVES, long_singular_values


def values(name, steps=40, hidden_size=12):
    return long_singular_values(name, steps, 2, hidden_size, generator=torch.Generator().manual_seed(0))


def test_np_rnn_keeps_one_direction_when_linear_and_none_with_relu():
    linear, relu = values("np-RNN, linear"), values("np-RNN")
    torch.testing.assert_close(linear[:, 0], torch.ones(2, dtype=torch.float64))
    assert (linear[:, 1] < 0.5).all() and (relu[:, 0] < 1e-3).all()


def test_mod_relu_behind_an_orthogonal_matrix_keeps_a_direction_or_loses_it():
    sigma = values("modReLU")
    assert (sigma[:, 0] <= 1 + 1e-12).all() and (sigma[:, sigma.shape[1] // 2] > 0.99).all()


def test_no_other_relative_is_an_isometry_or_explodes():
    for name in ("antisymmetric", "coRNN", "nnRNN"):
        largest = values(name, steps=100)[:, 0]
        assert (largest > 1.05).all() and (largest < 1e3).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda g: long_singular_values("LSTM", generator=g),
        lambda g: long_singular_values("coRNN", hidden_size=3, generator=g),
        lambda g: long_singular_values("coRNN", steps=0, generator=g),
    ],
)
def test_bad_input_is_named(call):
    assert len(set(RELATIVES)) == len(RELATIVES)
    with pytest.raises(ValueError, match="expected"):
        call(torch.Generator())
