import torch
from torch import nn

from gradflow.exercises._registry import find
from gradflow.networks import deep_linear
from gradflow.profile import layer_gradient_norms
from tables import answers


def with_hooks(model, x, loss_fn):
    inputs, outputs = [], []

    def remember(layer, arguments, output):
        output.retain_grad()
        inputs.append(arguments[0])
        outputs.append(output)

    linears = [layer for layer in model if isinstance(layer, nn.Linear)]
    hooks = [layer.register_forward_hook(remember) for layer in linears]
    y = model(x)
    weights = [layer.weight for layer in linears]
    grads = torch.autograd.grad(loss_fn(y), weights + outputs)
    for hook in hooks:
        hook.remove()
    h = [t.detach().norm() for t in [*inputs, y]]
    return (
        torch.stack(h),
        torch.stack([t.norm() for t in grads[len(weights) :]]),
        torch.stack([t.norm() for t in grads[: len(weights)]]),
    )


def as_numpy_arrays(model, x, loss_fn):
    return [part.numpy() for part in with_hooks(model, x, loss_fn)]


def without_the_input(model, x, loss_fn):
    h, delta, grad = with_hooks(model, x, loss_fn)
    return h[1:], delta, grad


test_layer_gradient_norms = answers(
    "layer-gradient-norms",
    right=[with_hooks, as_numpy_arrays],
    wrong=[(without_the_input, "форм")],
)


def test_scaled_identity_is_what_autograd_measures():
    model = deep_linear(50, 128, 1.5, generator=torch.Generator()).double()
    x = torch.zeros(1, 128, dtype=torch.float64)
    x[0, 3] = 10.0
    profile = layer_gradient_norms(model, x, torch.sum)
    torch.testing.assert_close(
        profile.weight_grads, torch.full((50,), find("scaled-identity").value, dtype=torch.float64)
    )


def test_steps_to_zero_are_what_the_machine_counts():
    for name, dtype in (("underflow-steps", torch.float32), ("underflow-steps-float16", torch.float16)):
        value, steps = torch.ones((), dtype=dtype), 0
        while value > 0:
            value, steps = value * 0.25, steps + 1
        assert steps == find(name).value


def test_the_three_marked_losses_give_linear_layers_no_gradient():
    torch.manual_seed(0)
    linear = nn.Linear(6, 6, dtype=torch.float64)
    x, y = torch.randn(2, 4, 6, dtype=torch.float64)
    gamma = torch.ones(6, dtype=torch.float64, requires_grad=True)
    losses = {
        "а": lambda h: h.sum(),
        "б": lambda h: h.square().sum(),
        "в": lambda h: (gamma * h).sum(),
        "г": lambda h: (h**3).sum(),
        "д": lambda h: h[:, 0].sum(),
        "е": lambda h: (h - y).square().sum(),
    }
    silent = []
    for letter, loss in losses.items():
        h = nn.functional.layer_norm(linear(x).tanh(), (6,), eps=0.0)
        (grad,) = torch.autograd.grad(loss(h), [linear.weight])
        if grad.norm() < 1e-10:
            silent.append(letter)
    assert silent == ["а", "б", "в"]
