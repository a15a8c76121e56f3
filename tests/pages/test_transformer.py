"""The claims of the page on transformers, at a smaller size."""

from __future__ import annotations

import math

import pytest
import torch

from gradflow.experiments.transformer import residuals
from gradflow.experiments.transformer.memory import gradient_by_lag, sensitivity
from gradflow.experiments.transformer.signals import SCHEMES, collapse, make, signals, spread
from gradflow.experiments.transformer.spikes import CURES, count_spikes, spikes
from gradflow.experiments.transformer.training import ROWS, largest_logits, learn, output_spread, reversal, skipping
from gradflow.transformer import ParallelBlock, softmax_jacobian

SIZE = {"size": 8, "length": 6, "width": 32, "heads": 2}


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def new(scheme: str, depth: int, nets: int = 3) -> tuple[torch.nn.Module, torch.Tensor, torch.Generator]:
    g = seeded(0)
    model = make(scheme, depth, nets, **SIZE, generator=g)
    return model, reversal(6, nets, 8, generator=g)[0], g


def test_a_gap_of_twenty_leaves_weight_and_slope_alike_tiny() -> None:
    p = torch.tensor([20.0, 0.0], dtype=torch.float64).softmax(0)
    J = softmax_jacobian(p)
    assert p[1].item() == pytest.approx(math.exp(-20), rel=1e-8)
    assert J[0, 0].item() == pytest.approx(p[1].item(), rel=1e-6)


def test_undivided_logits_leave_a_mean_slope_of_a_power_and_a_median_of_an_exponential() -> None:
    for d in (16, 256):
        g = seeded(d)
        gap = math.sqrt(d) * (torch.randn(40_000, generator=g) - torch.randn(40_000, generator=g))
        slope = (gap.sigmoid() * (-gap).sigmoid()).double()
        m = torch.tensor(0.6745 * math.sqrt(2 * d), dtype=torch.float64)
        predicted = (m.sigmoid() * (-m).sigmoid()).item()
        assert slope.mean() < 1.03 / (2 * math.sqrt(math.pi * d))
        assert slope.mean() > 0.8 / (2 * math.sqrt(math.pi * d))
        assert abs(math.log(slope.median() / predicted)) < 0.3 and predicted < math.exp(-m)


def test_averaging_contracts_the_spread_of_every_direction_whatever_the_values() -> None:
    g = seeded(0)
    X, product = torch.randn(6, 4, generator=g, dtype=torch.float64), 1.0
    start, maps = X, torch.eye(4, dtype=torch.float64)
    for _ in range(5):
        z = 2 * torch.rand(6, 6, generator=g, dtype=torch.float64)
        P, M = z.softmax(1), torch.randn(4, 4, generator=g, dtype=torch.float64)
        tau = 0.5 * (P.unsqueeze(0) - P.unsqueeze(1)).abs().sum(-1).max().item()
        assert tau <= 1 - math.exp(-(z.max() - z.min()).item())
        X, maps, product = P @ X @ M, maps @ M, product * tau
    u = torch.randn(4, 20, generator=g, dtype=torch.float64)
    osc = lambda y: y.amax(0) - y.amin(0)  # noqa: E731
    assert (osc(X @ u) <= product * osc(start @ maps @ u) * (1 + 1e-9)).all()


def test_only_what_goes_around_keeps_tokens_apart() -> None:
    end = {name: collapse(name, depth=12, nets=3, tokens=8, width=32)[:, -1].median() for name in LAYER_NAMES}
    assert end["одно внимание"] < 1e-10 and end["внимание и вторая ветвь, без обхода"] < 1e-6
    assert end["внимание с обходом"] > 0.1 and end["целый блок, pre-LN"] > 0.2
    assert end["целый блок, post-LN"] < 0.5 * end["целый блок, pre-LN"]


LAYER_NAMES = (
    "одно внимание", "внимание и вторая ветвь, без обхода", "внимание с обходом", "целый блок, pre-LN",
    "целый блок, post-LN",
)  # fmt: skip # a table


def test_equal_tokens_give_queries_and_keys_no_gradient() -> None:
    block = ParallelBlock(1, 8, 2, generator=seeded(0)).double()
    token = torch.randn(1, 1, 1, 8, generator=seeded(1), dtype=torch.float64)
    block.attention(token.expand(1, 1, 5, 8).contiguous()).square().sum().backward()
    grad = block.W_QKV.grad
    assert grad[:, :16].abs().max() < 1e-12 * grad[:, 16:].abs().max()


def test_post_ln_keeps_the_error_signal_and_loses_the_gradient_of_queries() -> None:
    fall = {}
    for scheme in ("pre-LN", "post-LN"):
        model, x, g = new(scheme, 16)
        found = signals(model, x, generator=g)
        fall[scheme] = (found.queries[:, 0] / found.queries[:, -1]).median()
        backward = (found.backward[:, 0] / found.backward[:, -1]).median()
        assert 0.2 < backward < 12
    assert fall["post-LN"] > 30 and fall["pre-LN"] < 60


def test_signals_are_those_of_autograd() -> None:
    model, x, _ = new("pre-LN", 2, nets=1)
    found = signals(model, x, generator=seeded(3))
    h = model.states(x)[-1].detach().requires_grad_()
    direction = torch.randn(h.shape, generator=seeded(3)) / math.sqrt(h[0].numel())
    (torch.layer_norm(h, (32,)) * direction).sum().backward()
    assert found.backward[0, -1].item() == pytest.approx(h.grad.norm().item(), rel=1e-5)
    block = model.blocks[1]
    total = sum(W.grad.square().sum() for W in (block.W_QKV, block.W_O, block.W_1, block.W_2)).sqrt()
    assert found.weights[0, 1].item() == pytest.approx(total.item(), rel=1e-5)
    assert found.queries[0, 1].item() == pytest.approx(block.W_QKV.grad[:, :64].norm().item(), rel=1e-5)


def test_ways_to_start_do_what_they_say() -> None:
    stream = {}
    for scheme in SCHEMES:
        model, x, _ = new(scheme, 16)
        states = model.states(x)
        stream[scheme] = (states[-1].std() / states[0].std()).item()
    assert stream["нули"] == stream["ReZero"] == 1
    assert stream["pre-LN"] > 3 and stream["GPT-2"] < 1.6 and stream["LayerScale"] < 1.3
    post, deep = (
        spread(new(scheme, 16)[0].states(new(scheme, 16)[1])[-1]).median() for scheme in ("post-LN", "DeepNorm")
    )
    assert post < 0.5 * deep
    plain, scaled = make("pre-LN", 8, 1, **SIZE, generator=seeded(0)), make("GPT-2", 8, 1, **SIZE, generator=seeded(0))
    torch.testing.assert_close(scaled.blocks[3].W_2, plain.blocks[3].W_2 / 4)


def test_warmup_and_not_the_length_of_the_way_lets_post_ln_learn() -> None:
    steps, rate, ramp = 150, 1e-2, 75
    equal = rate * (steps - (ramp - 1) / 2) / steps
    cold, warm, same = (
        learn("post-LN", 6, [rate, rate, equal], warmup=[1, ramp, 1], steps=steps, nets=3).loss.median(1).values
    )
    assert cold > 1.7 and same > 1.7 and warm < cold - 0.1


def test_first_steps_without_warmup_make_all_outputs_alike() -> None:
    before, after = (
        output_spread("post-LN", 6, [1e-2, 1e-2], warmup=[1, 100], steps=k, nets=3).median(1).values for k in (0, 10)
    )
    assert after[0] < 0.05 * before[0] and after[1] > 0.3 * before[1]


def test_logits_grow_with_the_rate_unless_bounded() -> None:
    free, normed = (largest_logits([3e-3, 1e-1], qk_norm=qk, steps=60, nets=2) for qk in (False, True))
    assert (free.largest[1] > 20 * free.largest[0]).all() and (normed.largest <= 4.01).all()
    assert (normed.loss[1] < free.loss[1]).all()


def test_the_record_is_complete_and_a_part_of_it_comes_out_again() -> None:
    found = residuals.record()
    assert found["torch"] and found["device"] and found["recorded"]
    assert residuals.depths() == [4, 8, 16, 32, 64]
    best = residuals.best("ReZero", 4)
    steps = learn("ReZero", 4, [best.rate], steps=100).solved_at.double().median()
    assert best.learned == 5 and steps == pytest.approx(best.steps, rel=0.25)
    assert residuals.best("post-LN", 16).learned == 0 and residuals.best("post-LN", 16).steps == math.inf
    assert set(ROWS) == {run["row"] for run in found["runs"]}


def test_last_blocks_of_pre_ln_cost_less_than_those_of_post_ln() -> None:
    pre, post = (skipping(scheme, nets=3).median(1).values for scheme in ("pre-LN", "post-LN"))
    assert pre[0] > 1 and post[2:].min() > 2 * pre[2:].max()


def test_spikes_are_counted_after_the_task_was_learned() -> None:
    loss = torch.tensor([[2.0, 2.0], [0.4, 2.0], [0.01, 2.0], [0.5, 2.0], [0.6, 2.0], [0.01, 2.0], [0.9, 2.0]])
    found = count_spikes(loss)
    assert found.learned_at.tolist() == [3, -1] and found.number.tolist() == [2, 0]


def test_a_rate_that_is_too_high_spikes_and_normalized_queries_do_not() -> None:
    free, normed = (spikes(cure, steps=200) for cure in ("ничего", "нормировка запросов и ключей"))
    assert free.number.sum() >= 3 and normed.number.sum() <= free.number.sum() / 2
    assert (spikes("пропуск батчей с нормой больше 2", steps=60).learned_at < 0).any()
    assert len(CURES) == 8


def test_attention_has_no_distance_and_a_recurrence_has() -> None:
    attention = gradient_by_lag("внимание", length=100, seeds=3, width=32)
    assert abs(attention[:, 1:40].median() - attention[:, 60:].median()) < 0.3
    assert gradient_by_lag("рекуррентная сеть", length=100, seeds=3)[:, -1].median() < -15
    assert gradient_by_lag("диагональная, 0,99", length=100)[0, -1].item() == pytest.approx(99 * math.log10(0.99))


def test_sensitivity_is_that_of_the_formulas() -> None:
    decay = 0.95
    h, by_decay, y_by_decay, y_by_nu = sensitivity(decay, steps=600, draws=4000)
    gap = 1 - decay**2
    assert h == pytest.approx(gap**-0.5, rel=0.05)
    assert by_decay == pytest.approx(math.sqrt((1 + decay**2) / gap**3), rel=0.05)
    assert y_by_decay == pytest.approx(1 / gap, rel=0.05)
    assert y_by_nu == pytest.approx(-decay * math.log(decay) / gap, rel=0.05) and y_by_nu < 0.53


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"^scheme:"):
        make("никак", 2, 1, **SIZE, generator=seeded(0))
    with pytest.raises(ValueError, match=r"^layer:"):
        collapse("никак")
    with pytest.raises(ValueError, match=r"^decay:"):
        sensitivity(1.0)
    with pytest.raises(ValueError, match=r"^cure:"):
        spikes("никак")
    with pytest.raises(ValueError, match=r"^reader:"):
        gradient_by_lag("никак")
    with pytest.raises(ValueError, match=r"^depth:"):
        residuals.best("pre-LN", 5)
