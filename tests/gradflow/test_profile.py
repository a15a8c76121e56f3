import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

from gradflow.networks import deep_linear, deep_network, gaussian_weights, residual_network
from gradflow.profile import layer_gradient_norms


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reference(model: nn.Sequential, x: torch.Tensor, loss_fn):
    """The same norms from plain autograd on a model whose every child is applied by hand."""
    inputs, outputs = [], []
    for layer in model:
        if isinstance(layer, nn.Linear):
            inputs.append(x)
            x = layer(x)
            x.retain_grad()
            outputs.append(x)
        else:
            x = layer(x)
    loss_fn(x).backward()
    weights = [layer.weight for layer in model if isinstance(layer, nn.Linear)]
    return (
        torch.stack([h.norm() for h in [*inputs, x]]),
        torch.stack([a.grad.norm() for a in outputs]),
        torch.stack([w.grad.norm() for w in weights]),
    )


@settings(max_examples=30, deadline=None)
@given(
    depth=st.integers(1, 6),
    width=st.integers(1, 9),
    batch=st.integers(1, 5),
    activation=st.sampled_from([None, nn.Tanh, nn.ReLU, nn.Sigmoid]),
    norm=st.sampled_from([None, "before", "after"]),
    seed=st.integers(0, 100),
)
def test_profile_agrees_with_plain_autograd(depth, width, batch, activation, norm, seed):
    g = generator(seed)
    weights = gaussian_weights(depth, width, 1.3, generator=g).double()
    model = deep_network(weights, activation, norm)
    x = torch.randn(batch, width, generator=g, dtype=torch.float64)
    profile = layer_gradient_norms(model, x, lambda y: (y**2).sum())
    h, delta, grad = (t.detach() for t in reference(model, x, lambda y: (y**2).sum()))
    torch.testing.assert_close(profile.activations, h)
    torch.testing.assert_close(profile.deltas, delta)
    torch.testing.assert_close(profile.weight_grads, grad)


def test_weight_gradient_is_product_of_input_and_delta_norms_for_one_sample():
    model = deep_network(gaussian_weights(8, 16, 2.0, generator=generator()).double(), nn.Tanh)
    profile = layer_gradient_norms(model, torch.ones(1, 16, dtype=torch.float64), torch.sum)
    torch.testing.assert_close(profile.weight_grads, profile.activations[:-1] * profile.deltas)


def test_a_batch_turns_the_equality_into_an_inequality():
    model = deep_network(gaussian_weights(8, 16, 2.0, generator=generator()).double(), nn.Tanh)
    x = torch.randn(10, 16, generator=generator(1), dtype=torch.float64)
    profile = layer_gradient_norms(model, x, torch.sum)
    assert (profile.weight_grads < profile.activations[:-1] * profile.deltas).all()


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_scaled_identity_has_the_closed_form(gain):
    depth, width = 12, 5
    model = deep_linear(depth, width, gain, generator=generator()).double()
    x = torch.randn(width, generator=generator(), dtype=torch.float64)
    profile = layer_gradient_norms(model, x, torch.sum)
    layers = torch.arange(depth + 1, dtype=torch.float64)
    torch.testing.assert_close(profile.activations, x.norm() * gain**layers)
    torch.testing.assert_close(profile.deltas, math.sqrt(width) * gain ** (depth - layers[1:]))
    same = torch.full((depth,), gain ** (depth - 1) * math.sqrt(width) * x.norm().item(), dtype=torch.float64)
    torch.testing.assert_close(profile.weight_grads, same)


def test_fifty_linear_layers_explode_both_ways_but_not_along_the_weights():
    g = generator(42)
    model = deep_linear(50, 128, 1.5, 0.01, generator=g)
    profile = layer_gradient_norms(model, torch.randn(1, 128, generator=g), torch.sum)
    assert profile.activations[-1] / profile.activations[0] > 1e8
    assert profile.deltas[0] / profile.deltas[-1] > 1e8
    ratio = profile.weight_grads[0] / profile.weight_grads[-1]
    assert 0.5 < ratio < 2


def test_in_fifty_tanh_layers_the_first_weight_gradient_is_a_million_times_the_last():
    logs = []
    for seed in range(9):
        g = generator(seed)
        model = deep_network(gaussian_weights(50, 128, 3.0, generator=g), nn.Tanh)
        profile = layer_gradient_norms(model, torch.randn(1, 128, generator=g), torch.sum)
        logs.append((profile.weight_grads[0] / profile.weight_grads[-1]).log10().item())
    assert 5 < sorted(logs)[4] < 7.5


@pytest.mark.parametrize("activation", [None, nn.ReLU])
def test_inner_product_of_weights_and_gradient_is_the_same_in_every_layer(activation):
    model = deep_network(gaussian_weights(10, 16, 1.7, generator=generator()).double(), activation)
    output = model(torch.randn(3, 16, generator=generator(1), dtype=torch.float64))
    output.sum().backward()
    products = [(layer.weight * layer.weight.grad).sum() for layer in model if isinstance(layer, nn.Linear)]
    torch.testing.assert_close(torch.stack(products), output.sum().detach().expand(10))


def test_layer_norm_last_and_sum_give_zero_gradient():
    model = deep_network(gaussian_weights(5, 16, generator=generator()).double(), nn.ReLU, layer_norm="after")
    x = torch.randn(4, 16, generator=generator(1), dtype=torch.float64)
    profile = layer_gradient_norms(model, x, torch.sum)
    assert profile.weight_grads.max() < 1e-13
    direction = torch.randn(16, generator=generator(2), dtype=torch.float64)
    assert layer_gradient_norms(model, x, lambda y: (y @ direction).sum()).weight_grads.min() > 0.1


def test_norms_do_not_overflow_where_float32_norms_do():
    model = deep_linear(108, 128, 1.5, 0.01, generator=generator(42))
    x = torch.randn(1, 128, generator=generator(1))
    assert model(x).isfinite().all() and model(x).norm().isinf()
    profile = layer_gradient_norms(model, x, lambda y: y.sum() / 1e15)
    expected = model(x).double().norm().item()
    assert expected > 1e19 and profile.activations[-1].item() == pytest.approx(expected, rel=1e-6)


def test_model_gradients_buffers_and_input_stay_as_they_were():
    model = nn.Sequential(
        nn.ReLU(inplace=True), nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.Linear(6, 1)
    )
    model[1].weight.grad = torch.ones(6, 4)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.randn(5, 4, generator=generator())
    before = x.clone()
    layer_gradient_norms(model, x, torch.sum)
    assert torch.equal(x, before)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(model[1].weight.grad, torch.ones(6, 4)) and model[4].weight.grad is None
    assert not any(module._forward_hooks for module in model.modules())


def test_an_in_place_activation_gives_the_same_profile():
    g = generator()
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    x = torch.randn(3, 4, generator=g)
    plain = layer_gradient_norms(nn.Sequential(first, nn.ReLU(), second), x, torch.sum)
    in_place = layer_gradient_norms(nn.Sequential(first, nn.ReLU(inplace=True), second), x, torch.sum)
    torch.testing.assert_close(in_place.deltas, plain.deltas)
    torch.testing.assert_close(in_place.weight_grads, plain.weight_grads)


def test_no_grad_mode_does_not_matter_and_frozen_layers_get_no_gradient():
    model = deep_network(gaussian_weights(3, 4, generator=generator()), nn.Tanh)
    x = torch.ones(4)
    expected = layer_gradient_norms(model, x, torch.sum)
    model[2].requires_grad_(False)
    model[0].requires_grad_(False)
    with torch.no_grad():
        profile = layer_gradient_norms(model, x, torch.sum)
    torch.testing.assert_close(profile.deltas, expected.deltas)
    assert profile.weight_grads.isnan().tolist() == [True, True, False]
    torch.testing.assert_close(profile.weight_grads[2], expected.weight_grads[2])


@pytest.mark.parametrize(
    "parametrise",
    [
        parametrizations.orthogonal,
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        lambda layer: weight_norm(layer),
    ],
)
@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_parametrised_layer_shows_the_norm_of_the_matrix_it_multiplies_with(parametrise):
    torch.manual_seed(0)
    model = nn.Sequential(parametrise(nn.Linear(6, 6)), nn.Tanh(), nn.Linear(6, 3)).double().eval()
    x = torch.randn(4, 6, dtype=torch.float64)
    model(x)  # the old weight_norm computes its weight in the call alone
    weight = model[0].weight.detach().clone().requires_grad_()
    hidden = nn.functional.linear(x, weight, model[0].bias)
    model[2](hidden.tanh()).square().sum().backward()
    profile = layer_gradient_norms(model, x, lambda y: y.square().sum())
    assert profile.weight_grads[0].item() == pytest.approx(weight.grad.norm().item(), rel=1e-9)
    assert profile.weight_grads[0] > 0.1


def test_layers_in_a_plain_list_are_seen_by_name():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = [nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)]
            self.head = nn.Linear(4, 1)

        def forward(self, x):
            for layer in self.hidden:
                x = layer(x)
            return self.head(x)

    model = Net()
    mean = model.hidden[1].running_mean.clone()
    profile = layer_gradient_norms(model, torch.randn(5, 4), torch.sum)
    assert profile.names == ("hidden[0]", "hidden[2]", "head")
    assert torch.equal(model.hidden[1].running_mean, mean)


def test_the_random_state_and_every_buffer_stay():
    torch.manual_seed(0)
    model = nn.Sequential(
        parametrizations.spectral_norm(nn.Linear(4, 6)), nn.BatchNorm1d(6), nn.Dropout(), nn.Linear(6, 1)
    )
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    layer_gradient_norms(model, torch.randn(5, 4, generator=generator()), torch.sum)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("after", [1, 4, 7])
def test_a_gradient_that_breaks_after_a_layer_names_this_layer(after):
    class Root(nn.Module):
        def forward(self, x):
            return x * 0 + (x - x).sqrt() + x

    layers = [
        module for index in range(10) for module in (nn.Linear(4, 4), Root() if index + 1 == after else nn.Tanh())
    ]
    name = str(2 * (after - 1))
    message = (
        rf"^model: the gradient at the output of layer {after} of 10 \({name}\): expected finite values, got 8 of 8"
    )
    with pytest.raises(ValueError, match=message):
        layer_gradient_norms(nn.Sequential(*layers), torch.randn(2, 4), torch.sum)


def test_layers_inside_residual_blocks_are_seen():
    model = residual_network(gaussian_weights(6, 8, generator=generator()), nn.ReLU, layer_norm="pre")
    profile = layer_gradient_norms(model, torch.ones(1, 8), torch.sum)
    assert profile.activations.shape == (7,) and profile.deltas.shape == profile.weight_grads.shape == (6,)


TWICE = nn.Linear(4, 4)


class Tied(nn.Module):
    """Calls a layer that it does not own."""

    def __init__(self, layer):
        super().__init__()
        self.borrowed = [layer]

    def forward(self, x):
        return self.borrowed[0](x)


class Uncalled(nn.Linear):
    def __init__(self):
        super().__init__(4, 4)
        self.inner = nn.Linear(4, 4)

    def __call__(self, x):
        return x


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x), x


@pytest.mark.parametrize(
    ("model", "x", "loss_fn", "message"),
    [
        (nn.Sequential(nn.Linear(4, 4)), torch.ones(2, 3), torch.sum, r"^x: expected shape \(..., 4\), got \(2, 3\)"),
        (nn.Sequential(nn.Linear(4, 4)), torch.ones(4, dtype=torch.long), torch.sum, "^x: expected a floating-point"),
        (nn.Sequential(nn.Linear(4, 4)), torch.full((4,), torch.nan), torch.sum, "^x: expected finite"),
        (nn.Sequential(nn.Linear(4, 4)), [1.0, 2.0], torch.sum, "^x: expected a torch.Tensor, got list"),
        (nn.Sequential(nn.ReLU()), torch.ones(4), torch.sum, "^model: expected at least one nn.Linear"),
        (
            nn.Sequential(TWICE, TWICE),
            torch.ones(4),
            torch.sum,
            "^model: expected every linear layer to be called once",
        ),
        (nn.Sequential(TWICE, nn.Tanh(), Tied(TWICE)), torch.ones(4), torch.sum, "^model: expected every linear layer"),
        (Uncalled(), torch.ones(4), torch.sum, "^model: expected its linear layers to be called"),
        (Pair(), torch.ones(4), torch.sum, "^model: expected a tensor as output, got tuple"),
        (nn.Sequential(nn.Linear(4, 4)), torch.ones(4), torch.tanh, r"^loss_fn: expected a scalar tensor, got \(4,\)"),
        (nn.Sequential(nn.Linear(4, 4)), torch.ones(4), lambda y: 1.0, "^loss_fn: expected a scalar tensor, got float"),
        (
            nn.Sequential(nn.Linear(4, 4)),
            torch.ones(4),
            lambda y: (y - y).sum() / 0,
            "^loss_fn: the loss: expected finite",
        ),
        (nn.Sequential(nn.Linear(4, 4)), torch.ones(4), lambda y: torch.ones(()), "^loss_fn: .* got a constant"),
    ],
)
def test_bad_arguments_are_named(model, x, loss_fn, message):
    with pytest.raises(ValueError, match=message):
        layer_gradient_norms(model, x, loss_fn)


def test_an_overflow_names_the_layer():
    model = deep_linear(300, 4, 1.5, generator=generator())
    with pytest.raises(ValueError, match=r"activations after layer 219 of 300 \(218\): expected finite values"):
        layer_gradient_norms(model, torch.ones(1, 4), torch.sum)
