"""A network trained in a stack trains as it would alone, whatever happens to its neighbours."""

import copy
import math
from functools import partial

import pytest
import torch
from torch import nn

from gradflow.initialization import identity_
from gradflow.recurrent import ParallelGRU, ParallelLSTM, ParallelRNN, SequenceModel
from gradflow.tasks import (
    adding_problem,
    copy_memory,
    cross_entropy,
    mean_squared_error,
    temporal_order,
)
from gradflow.training import clip_grad_norm_, evaluate, train

N, STEPS = 3, 30


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def stack(kind=ParallelRNN, nets=N, seed=0, hidden=8):
    g = generator(seed)
    return SequenceModel(kind(nets, 2, hidden, generator=g), 1, generator=g).double()


def only(model, net):
    """A model that holds one network of a stack."""
    alone = copy.deepcopy(model)
    for name, p in model.named_parameters():
        owner, _, leaf = name.rpartition(".")
        setattr(alone.get_submodule(owner), leaf, nn.Parameter(p.detach()[net : net + 1].clone()))
    return alone


def batches(count=STEPS, nets=N, seed=9):
    """The same batches for a stack and for each of its networks."""
    g = generator(seed)
    return [tuple(z.double() for z in adding_problem(8, nets, 5, generator=g)) for _ in range(count)]


def replay(data, nets=slice(None)):
    queue = iter(data)

    def sample():
        x, y = next(queue)
        return x[:, nets], y[nets]

    return sample


def weights(model):
    return torch.cat([p.detach().flatten(1) for p in model.parameters()], dim=1)


@pytest.mark.parametrize("kind", [ParallelRNN, ParallelGRU, ParallelLSTM])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_network_in_a_stack_trains_as_it_does_alone(kind, optimizer):
    together, data = stack(kind), batches()
    alone = [only(together, net) for net in range(N)]
    rates, thresholds = torch.tensor([0.01, 0.03, 0.1]), torch.tensor([math.inf, 0.1, 0.3])
    joint = train(
        together, replay(data), mean_squared_error, steps=STEPS, lr=rates, clip=thresholds, optimizer=optimizer
    )
    for net, model in enumerate(alone):
        settings = {"lr": rates[net].item(), "clip": thresholds[net].item(), "optimizer": optimizer}
        sample = replay(data, slice(net, net + 1))
        own = train(model, sample, mean_squared_error, steps=STEPS, **settings)
        torch.testing.assert_close(joint.loss[:, net], own.loss[:, 0], rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(weights(together)[net], weights(model)[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_training_is_that_of_torchs_optimisers_and_clipping(optimizer):
    ours, data = stack(ParallelGRU, nets=1), batches(nets=1)
    theirs = copy.deepcopy(ours)
    history = train(ours, replay(data), mean_squared_error, steps=STEPS, lr=0.05, clip=0.2, optimizer=optimizer)
    rule = (torch.optim.Adam if optimizer == "adam" else torch.optim.SGD)(theirs.parameters(), lr=0.05)
    for step, (x, y) in enumerate(data):
        rule.zero_grad()
        loss = nn.functional.mse_loss(theirs(x), y)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(theirs.parameters(), 0.2)
        rule.step()
        # torch divides by the norm plus 1e-6, hence the tolerance
        assert history.loss[step, 0].item() == pytest.approx(loss.item(), rel=1e-5)
        assert history.grad_norm[step, 0].item() == pytest.approx(norm.item(), rel=1e-4)
    torch.testing.assert_close(weights(ours), weights(theirs), rtol=1e-4, atol=1e-5)


def test_warmup_and_constants_are_those_of_torchs_adam_and_scheduler():
    ours, data = stack(ParallelGRU, nets=1), batches(nets=1)
    theirs = copy.deepcopy(ours)
    train(ours, replay(data), mean_squared_error, steps=STEPS, lr=0.05, warmup=12, beta2=0.9, eps=1e-3)
    rule = torch.optim.Adam(theirs.parameters(), lr=0.05, betas=(0.9, 0.9), eps=1e-3)
    schedule = torch.optim.lr_scheduler.LambdaLR(rule, lambda step: min(1.0, (step + 1) / 12))
    for x, y in data:
        rule.zero_grad()
        nn.functional.mse_loss(theirs(x), y).backward()
        rule.step()
        schedule.step()
    torch.testing.assert_close(weights(ours), weights(theirs))


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_each_network_warms_up_over_its_own_number_of_steps(optimizer):
    data, ramps = batches(4), torch.tensor([1.0, 2.0, 8.0])
    together = stack()
    train(together, replay(data), mean_squared_error, steps=4, lr=0.1, warmup=ramps, optimizer=optimizer)
    for net, ramp in enumerate(ramps.tolist()):
        alone, mine = only(stack(), net), replay(data, slice(net, net + 1))
        train(alone, mine, mean_squared_error, steps=4, lr=0.1, warmup=ramp, optimizer=optimizer)
        torch.testing.assert_close(weights(together)[net : net + 1], weights(alone))


def test_a_skipped_batch_leaves_weights_and_moments_as_they_were():
    data = batches(6)
    x, y = data[2]
    loud = torch.tensor([1.0, 1e4, 1.0]).double().view(3, 1, 1)
    spoiled = [*data[:2], (x, y * loud), *data[3:]]
    skipping, plain = stack(), stack()
    history = train(skipping, replay(spoiled), mean_squared_error, steps=6, lr=0.1, skip=1e3)
    train(plain, replay(data), mean_squared_error, steps=6, lr=0.1)
    assert history.grad_norm[2, 1] > 1e3 and (history.grad_norm < 1e3).sum() == 17
    torch.testing.assert_close(weights(skipping)[[0, 2]], weights(plain)[[0, 2]])
    first = stack()
    train(first, replay(data[:2]), mean_squared_error, steps=2, lr=0.1)
    after = stack()
    train(after, replay(spoiled[:3]), mean_squared_error, steps=3, lr=0.1, skip=1e3)
    assert torch.equal(weights(after)[1], weights(first)[1])


def test_the_step_after_a_skipped_batch_goes_where_it_would_without_that_batch():
    data = batches(4, nets=1)
    spoiled = [*data[:2], (data[2][0], 1e4 * data[2][1]), data[3]]
    ours, before = stack(nets=1), stack(nets=1)
    theirs = copy.deepcopy(ours)
    train(ours, replay(spoiled), mean_squared_error, steps=4, lr=1e-3, skip=1e3)
    train(before, replay(data[:2]), mean_squared_error, steps=2, lr=1e-3)
    rule = torch.optim.Adam(theirs.parameters(), lr=1e-3)
    for x, y in (data[0], data[1], data[3]):
        rule.zero_grad()
        nn.functional.mse_loss(theirs(x), y).backward()
        rule.step()
    moved, expected = weights(ours) - weights(before), weights(theirs) - weights(before)
    assert torch.cosine_similarity(moved, expected).item() > 0.999  # the count of steps makes the lengths differ


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_diverged_network_is_recorded_and_leaves_the_others_untouched(optimizer):
    data = batches(60)
    g = generator(1)
    model = SequenceModel(ParallelRNN(N, 2, 8, "relu", generator=g), 1, generator=g).double()
    identity_(model.cell.W)
    calm = [only(model, 0), only(model, 2)]
    rates = torch.tensor([0.01, 1e160, 0.01], dtype=torch.float64)
    history = train(model, replay(data), mean_squared_error, steps=60, lr=rates, optimizer=optimizer)
    assert history.diverged.tolist() == [False, True, False]
    step = history.diverged_at[1].item()
    assert 1 < step < 60
    assert not history.loss[step - 1, 1].isfinite() or history.grad_norm[step - 1, 1].isnan()
    assert history.loss[step:, 1].isnan().all() and history.loss[: step - 1, 1].isfinite().all()
    assert history.loss[:, [0, 2]].isfinite().all()
    for net, alone in zip((0, 2), calm, strict=True):
        train(alone, replay(data, slice(net, net + 1)), mean_squared_error, steps=60, lr=0.01, optimizer=optimizer)
        torch.testing.assert_close(weights(model)[net], weights(alone)[0], rtol=1e-6, atol=1e-9)


def test_a_diverged_network_keeps_the_weights_it_had_before_the_bad_step():
    data = batches(3)
    data[1] = (data[1][0], data[1][1].clone())
    data[1][1][1] = 1e200  # its square overflows
    model, short = stack(), stack()
    history = train(model, replay(data), mean_squared_error, steps=3, lr=0.1)
    train(short, replay(data), mean_squared_error, steps=1, lr=0.1)
    assert history.diverged_at.tolist() == [-1, 2, -1]
    assert torch.equal(weights(model)[1], weights(short)[1])


def test_a_network_stops_when_its_mean_loss_over_the_window_is_below_the_goal():
    model = stack(ParallelGRU, hidden=16)
    rates = torch.tensor([0.02, 1e-6, 0.03])
    g = generator(4)

    def sample():
        return tuple(z.double() for z in adding_problem(6, N, 20, generator=g))

    history = train(model, sample, mean_squared_error, steps=400, lr=rates, clip=1.0, goal=0.05, window=10)
    assert history.solved.tolist() == [True, False, True]
    for net in (0, 2):
        end = history.solved_at[net].item()
        means = history.loss[:end, net].unfold(0, 10, 1).mean(-1)
        assert means[-1] < 0.05 and (means[:-1] >= 0.05).all()
        assert history.loss[end:, net].isnan().all()
    assert history.loss[:, 1].isfinite().all()


def test_training_ends_when_all_networks_have():
    history = train(stack(), replay(batches()), mean_squared_error, steps=STEPS, lr=0.1, goal=100.0, window=4)
    assert history.loss.shape == (4, N) and history.solved_at.tolist() == [4, 4, 4]


def test_curves_hold_a_solved_network_at_its_last_block_and_leave_a_gap_for_a_diverged_one():
    model = stack()
    history = train(model, replay(batches(40)), mean_squared_error, steps=40, lr=0.01)
    steps, losses = history.curves(10)
    assert steps.tolist() == [10, 20, 30, 40] and losses.shape == (N, 4)
    torch.testing.assert_close(losses[:, 1], history.loss[10:20].mean(0))
    history.loss[15:] = math.nan
    history.solved_at[0], history.diverged_at[1] = 15, 15
    _, losses = history.curves(10)
    assert (losses[0] == losses[0, 0]).all() and losses[1, 1:].isnan().all()


def test_a_slice_of_the_history_is_that_of_these_networks():
    history = train(stack(), replay(batches()), mean_squared_error, steps=STEPS, lr=0.01)
    part = history[1:3]
    assert torch.equal(part.loss, history.loss[:, 1:3]) and torch.equal(part.grad_norm, history.grad_norm[:, 1:3])
    assert part.solved_at.shape == part.diverged_at.shape == (2,)


def test_every_output_can_carry_a_loss():
    g = generator()
    model = SequenceModel(ParallelRNN(2, 5, 6, generator=g), 4, every_step=True, generator=g)
    sample = partial(copy_memory, 4, 2, 8, symbols=3, letters=2, generator=generator(1))
    history = train(model, sample, cross_entropy, steps=40, lr=torch.tensor([0.02, 0.03]), goal=1.3, window=1)
    assert history.loss[0].min() > history.loss[:, 0][history.loss[:, 0].isfinite()][-1]


def test_the_same_seeds_give_the_same_training_to_the_bit():
    runs = []
    for _ in range(2):
        g = generator(2)
        model = SequenceModel(ParallelGRU(2, 6, 8, generator=g), 4, generator=g)
        sample = partial(temporal_order, 12, 2, 6, generator=generator(3))
        runs.append((train(model, sample, cross_entropy, steps=20, lr=0.01, clip=1.0), weights(model)))
    assert torch.equal(runs[0][0].loss, runs[1][0].loss) and torch.equal(runs[0][1], runs[1][1])


def test_evaluation_measures_each_network_and_keeps_no_graph():
    model, data = stack(), batches(1)
    result = evaluate(model, replay(data), mean_squared_error)
    x, y = data[0]
    assert not result.requires_grad
    for net in range(N):
        torch.testing.assert_close(result[net], nn.functional.mse_loss(model(x)[net], y[net]).detach())


def gradients(scale=1.0, dtype=torch.float32):
    g = generator()
    return [scale * torch.randn(N, 4, 3, generator=g, dtype=dtype), scale * torch.randn(N, 5, generator=g, dtype=dtype)]


def test_clipping_is_torchs_clipping_network_by_network():
    thresholds = torch.tensor([0.5, 100.0, math.inf])
    ours, theirs = gradients(), gradients()
    norms = clip_grad_norm_(ours, thresholds)
    for net in range(N):
        parameters = [nn.Parameter(torch.zeros_like(g[net])) for g in theirs]
        for parameter, g in zip(parameters, theirs, strict=True):
            parameter.grad = g[net].clone()
        norm = nn.utils.clip_grad_norm_(parameters, thresholds[net].item())
        assert norms[net].item() == pytest.approx(norm.item(), rel=1e-6)
        for parameter, g in zip(parameters, ours, strict=True):
            torch.testing.assert_close(g[net], parameter.grad, rtol=1e-5, atol=1e-7)


def test_a_norm_that_overflows_is_clipped_where_torch_zeroes_the_gradient():
    ours = gradients(1e25)
    parameter = nn.Parameter(torch.zeros(N, 4, 3))
    parameter.grad = ours[0].clone()
    nn.utils.clip_grad_norm_([parameter], 1.0)
    assert parameter.grad.abs().max() == 0
    exact = [g.double() for g in ours]
    norm = torch.cat([g.flatten(1) for g in exact], dim=1).norm(dim=1)
    expected = [exact[0] / norm[:, None, None], exact[1] / norm[:, None]]
    clip_grad_norm_(ours, 1.0)
    for g, reference in zip(ours, expected, strict=True):
        torch.testing.assert_close(g.double(), reference, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("threshold", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_gradient_at_the_end_of_the_range_is_cut_to_the_threshold(dtype, threshold):
    """threshold / norm is subnormal here, and a subnormal factor has few digits or none."""
    gradient = torch.full((N, 10_000), 0.9 * torch.finfo(dtype).max, dtype=dtype)
    gradient[1] /= 4
    clip_grad_norm_([gradient], threshold)
    torch.testing.assert_close(gradient.double().norm(dim=1), torch.full((N,), threshold).double(), rtol=1e-5, atol=0)


@pytest.mark.parametrize("scale", [0.0, 1e-30])
def test_small_gradients_stay_as_they_are(scale):
    ours = gradients(scale)
    clip_grad_norm_(ours, 1.0)
    for g, reference in zip(ours, gradients(scale), strict=True):
        assert torch.equal(g, reference)


@pytest.mark.parametrize(
    ("settings", "argument"),
    [
        ({"steps": 0}, "steps"),
        ({"window": 0}, "window"),
        ({"lr": 0.0}, "lr"),
        ({"lr": torch.tensor([0.1, 0.1])}, "lr"),
        ({"clip": -1.0}, "clip"),
        ({"clip": torch.tensor([1.0, math.nan, 1.0])}, "clip"),
        ({"optimizer": "rmsprop"}, "optimizer"),
        ({"goal": 0.0}, "goal"),
        ({"warmup": 0}, "warmup"),
        ({"beta2": 1.0}, "beta2"),
        ({"eps": 0.0}, "eps"),
        ({"skip": -1.0}, "skip"),
    ],
)
def test_bad_arguments_are_named(settings, argument):
    settings = {"steps": 2, "lr": 0.1} | settings
    with pytest.raises(ValueError, match=f"^{argument}:"):
        train(stack(), replay(batches(2)), mean_squared_error, **settings)


def test_nan_in_the_data_is_an_error_and_not_a_divergence():
    data = batches(1)
    data[0][0][2, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match=r"^x:"):
        train(stack(), replay(data), mean_squared_error, steps=1, lr=0.1)


def test_stacks_of_different_sizes_are_an_error():
    model = stack()
    model.extra = nn.Parameter(torch.zeros(N + 1, 2))
    with pytest.raises(ValueError, match=r"^model:"):
        train(model, replay(batches(1)), mean_squared_error, steps=1, lr=0.1)


@pytest.mark.parametrize(
    ("grads", "max_norm", "argument"),
    [
        ([], 1.0, "grads"),
        ([torch.zeros(2, 3), torch.zeros(3, 3)], 1.0, "grads"),
        ([torch.tensor([[1.0], [math.inf]])], 1.0, r"grads\[0\]"),
        ([torch.zeros(2, 3)], 0.0, "max_norm"),
        ([torch.zeros(2, 3)], torch.ones(3), "max_norm"),
    ],
)
def test_clipping_names_its_bad_arguments(grads, max_norm, argument):
    with pytest.raises(ValueError, match=f"^{argument}:"):
        clip_grad_norm_(grads, max_norm)
