"""Networks trained side by side are torch's own networks: the same states, the same gradients, no leaks."""

import pytest
import torch
from torch import nn

from gradflow.recurrent import (
    ACTIVATIONS,
    ParallelGRU,
    ParallelLRU,
    ParallelLSTM,
    ParallelRNN,
    SequenceModel,
    _in_one_storage,
    driven_run,
    join,
    maxmin,
)

N, T, B, INPUTS, H = 3, 23, 4, 2, 6  # T: more than two of the pieces that a GRU takes at once, and a rest
CELLS = [ParallelRNN, ParallelGRU, ParallelLSTM, ParallelLRU]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make(kind, *args, **kwargs):
    return kind(N, INPUTS, H, *args, generator=generator(), **kwargs).double()


def data(seed=1):
    return torch.randn(T, N, B, INPUTS, generator=generator(seed), dtype=torch.float64)


def torch_twin(kind, cell, net):
    """One network of a stack as a module of torch.nn with the same weights."""
    twin = {ParallelRNN: nn.RNN, ParallelGRU: nn.GRU, ParallelLSTM: nn.LSTM}[kind](INPUTS, H).double()
    if kind is ParallelRNN:
        weights = {"weight_hh_l0": cell.W, "weight_ih_l0": cell.V, "bias_ih_l0": cell.b}
        nn.init.zeros_(twin.bias_hh_l0)
        twin.nonlinearity = cell.activation
        twin.mode = f"RNN_{cell.activation.upper()}"
    else:
        weights = dict(cell.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            getattr(twin, name).copy_(weight[net])
    return twin


@pytest.mark.parametrize(
    ("kind", "activation"), [(ParallelRNN, ("tanh",)), (ParallelRNN, ("relu",)), (ParallelGRU, ()), (ParallelLSTM, ())]
)
def test_states_and_gradients_equal_those_of_torchs_modules(kind, activation):
    cell, x = make(kind, *activation), data().requires_grad_()
    weight = torch.randn(T, N, B, H, generator=generator(2), dtype=torch.float64)
    h = cell(x)
    (h * weight).sum().backward()
    for net in range(N):
        twin = torch_twin(kind, cell, net)
        own_x = x.detach()[:, net].clone().requires_grad_()
        expected = twin(own_x)[0]
        torch.testing.assert_close(h[:, net], expected, rtol=1e-12, atol=1e-12)
        (expected * weight[:, net]).sum().backward()
        torch.testing.assert_close(x.grad[:, net], own_x.grad, rtol=1e-11, atol=1e-12)
        ours = {"weight_hh_l0": cell.W, "weight_ih_l0": cell.V, "bias_ih_l0": cell.b} if kind is ParallelRNN else None
        for name, parameter in (ours or dict(cell.named_parameters())).items():
            torch.testing.assert_close(parameter.grad[net], getattr(twin, name).grad, rtol=1e-11, atol=1e-12)


def test_lru_is_the_recurrence_it_promises():
    cell, x = make(ParallelLRU), data()
    h = cell(x)
    gamma, eigenvalues = cell.log_gamma.exp(), cell.eigenvalues
    for net in range(N):
        complex_B = torch.complex(cell.B[net, 0::2], cell.B[net, 1::2])
        for b in range(B):
            s = torch.zeros(H // 2, dtype=torch.complex128)
            for t in range(T):
                encoded = torch.relu(cell.E[net] @ x[t, net, b] + cell.e[net])
                s = eigenvalues[net] * s + gamma[net] * (complex_B @ encoded.to(torch.complex128))
                expected = torch.stack((s.real, s.imag), -1).flatten()
                torch.testing.assert_close(h[t, net, b], expected)


def test_lru_starts_inside_the_unit_circle_and_cannot_leave_it():
    cell = ParallelLRU(2, 1, 200, generator=generator())
    radius = cell.eigenvalues.abs()
    assert radius.min() >= 0.9 - 1e-5 and radius.max() <= 0.999 + 1e-5
    with torch.no_grad():
        cell.nu.add_(torch.randn(cell.nu.shape, generator=generator()))
    assert cell.eigenvalues.abs().max() < 1


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_step_is_the_formula(activation):
    cell, x = make(ParallelRNN, activation), data()
    h = torch.cat((torch.zeros(1, N, B, H, dtype=torch.float64), cell(x)))
    for t in range(T):
        for net in range(N):
            a = cell.W[net] @ h[t, net, 0] + cell.V[net] @ x[t, net, 0] + cell.b[net]
            torch.testing.assert_close(h[t + 1, net, 0], ACTIVATIONS[activation].function(a))


def test_maxmin_sorts_each_pair():
    h = maxmin(torch.tensor([[3.0, 1.0, -2.0, 5.0]], dtype=torch.float64))
    assert h.tolist() == [[3.0, 1.0, 5.0, -2.0]]


@pytest.mark.parametrize("kind", CELLS)
def test_networks_do_not_see_one_another(kind):
    model = SequenceModel(make(kind), 1, generator=generator()).double()
    x = data()
    before = model(x)
    with torch.no_grad():
        for p in model.parameters():
            p[1] = 100.0
    after = model(torch.cat((x[:, :1], -x[:, 1:2], x[:, 2:]), dim=1))
    assert torch.equal(after[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("kind", CELLS)
def test_last_is_the_last_of_all_states_with_the_same_gradient(kind):
    cell, x = make(kind), data()
    last, states = cell.last(x), cell(x)
    torch.testing.assert_close(last, states[-1], rtol=1e-12, atol=1e-12)
    parameters = list(cell.parameters())
    ours = torch.autograd.grad(last.square().sum(), parameters)
    expected = torch.autograd.grad(states[-1].square().sum(), parameters)
    torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-12)


def test_readout_of_every_step_or_of_the_last():
    cell, x = make(ParallelRNN), data()
    last = SequenceModel(cell, 5, generator=generator()).double()
    every = SequenceModel(cell, 5, every_step=True, generator=generator()).double()
    assert every(x).shape == (T, N, B, 5)
    torch.testing.assert_close(last(x), every(x)[-1])
    torch.testing.assert_close(last(x)[1, 2], last.C[1] @ cell(x)[-1, 1, 2] + last.d[1])


def test_joined_networks_are_the_networks_that_were_joined():
    parts = [SequenceModel(ParallelGRU(n, 2, 4, generator=generator(n)), 1, generator=generator()) for n in (1, 2)]
    x = torch.randn(5, 3, 6, 2, generator=generator())
    joined = join(parts)
    assert joined.nets == 3
    torch.testing.assert_close(joined(x), torch.cat((parts[0](x[:, :1]), parts[1](x[:, 1:]))))
    with torch.no_grad():
        joined.C.zero_()
    assert parts[0].C.abs().max() > 0


@pytest.mark.parametrize("kind", CELLS)
def test_the_seed_decides_the_weights(kind):
    twins = [dict(kind(2, 3, 4, generator=generator(s)).named_parameters()) for s in (5, 5, 6)]
    assert all(torch.equal(p, twins[1][name]) for name, p in twins[0].items())
    assert not all(torch.equal(p, twins[2][name]) for name, p in twins[0].items())


@pytest.mark.parametrize("activation", ["linear", "tanh", "relu", "leaky_relu", "abs", "far_abs"])
@pytest.mark.parametrize("shape", [(5, 5), (8, 5, 5)], ids=["recurrent", "deep"])
def test_driven_run_multiplies_in_the_order_of_time_and_its_slopes_are_derivatives(activation, shape):
    W, inputs, h = (torch.randn(*s, generator=generator(), dtype=torch.float64) for s in (shape, (8, 5), (5,)))
    states, slopes = driven_run(W, inputs, activation, h)
    for t in range(8):
        a = (W[t] if W.ndim == 3 else W) @ states[t] + inputs[t]
        f = ACTIVATIONS[activation].function
        torch.testing.assert_close(states[t + 1], f(a))
        torch.testing.assert_close(slopes[t], torch.func.jacrev(f)(a).diagonal())
    torch.testing.assert_close(states[0], h)
    assert not driven_run(W, inputs, activation)[0][0].any()


def bad_x(shape=(T, N, B, INPUTS), value=0.0):
    return torch.full(shape, value, dtype=torch.float64)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize(
    "x", [bad_x(value=float("nan")), bad_x((T, N + 1, B, INPUTS)), bad_x((T, N, B, 5)), bad_x((T, B, INPUTS))]
)
def test_bad_data_is_named(kind, x):
    with pytest.raises(ValueError, match=r"^x:"):
        make(kind)(x)


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (lambda g: ParallelRNN(0, 2, 4, generator=g), "nets"),
        (lambda g: ParallelGRU(2, 2, 0, generator=g), "hidden_size"),
        (lambda g: ParallelRNN(2, 2, 4, "swish", generator=g), "activation"),
        (lambda g: ParallelRNN(2, 2, 5, "maxmin", generator=g), "hidden_size"),
        (lambda g: ParallelLRU(2, 2, 5, generator=g), "hidden_size"),
        (lambda g: SequenceModel(ParallelRNN(2, 2, 4, generator=g), 0, generator=g), "output_size"),
        (lambda g: driven_run(torch.eye(2), torch.ones(3, 4), "tanh"), "inputs"),
        (lambda g: driven_run(torch.ones(4, 2, 2), torch.ones(3, 2), "tanh"), "W"),
        (lambda g: driven_run(torch.eye(2), torch.ones(3, 2), "maxmin"), "activation"),
        (lambda g: join([]), "models"),
        (lambda g: join([ParallelRNN(2, 2, 4, generator=g), ParallelRNN(2, 2, 5, generator=g)]), "models"),
        (lambda g: join([ParallelRNN(2, 2, 4, generator=g), ParallelRNN(2, 2, 4, "relu", generator=g)]), "models"),
        (lambda g: join([ParallelRNN(2, 2, 4, generator=g), ParallelLSTM(2, 2, 4, generator=g)]), "models"),
    ],
)
def test_bad_arguments_are_named(call, argument):
    with pytest.raises(ValueError, match=f"^{argument}:"):
        call(generator())


@pytest.mark.parametrize("activation", ["tanh", "relu", "abs"])
def test_a_run_in_two_pieces_with_the_state_carried_over_is_one_run(activation):
    cell = ParallelRNN(N, INPUTS, 6, activation, generator=torch.Generator().manual_seed(0)).double()
    x = torch.randn(T, N, B, INPUTS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    whole = cell(x)
    first = cell(x[:3])
    torch.testing.assert_close(torch.cat([first, cell(x[3:], first[-1])]), whole, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match="^h0:"):
        cell(x, first[0, :, :1])


def test_weights_for_cudnn_follow_one_another_in_their_own_storage_and_pass_gradients_on():
    """The condition under which cuDNN neither copies nor warns; the warning itself needs a GPU."""
    lstm = ParallelLSTM(3, 2, 4, generator=torch.Generator().manual_seed(0))
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    of_the_second = [getattr(lstm, name)[1] for name in names]
    copies = _in_one_storage(of_the_second)
    offset = 0
    for copy, weight in zip(copies, of_the_second, strict=True):
        assert torch.equal(copy, weight) and copy.is_contiguous()
        assert copy.untyped_storage().data_ptr() == copies[0].untyped_storage().data_ptr()
        assert copy.storage_offset() == offset
        offset += copy.numel()
    assert copies[0].untyped_storage().nbytes() == 4 * offset
    sum((k + 1) * copy.sum() for k, copy in enumerate(copies)).backward()
    for k, name in enumerate(names):
        gradient = getattr(lstm, name).grad
        assert torch.equal(gradient[1], torch.full_like(gradient[1], k + 1)) and gradient[[0, 2]].count_nonzero() == 0
