"""The claims of the page on half precision, at a smaller size."""

from __future__ import annotations

import math

import pytest
import torch

from gradflow.experiments.precision import STORAGES, error_signals, stochastic_round, train_rounded, train_with_scaler

SMALL = {"depth": 20, "width": 32, "batch": 8}


def test_signals_of_float64_are_those_of_autograd() -> None:
    signals = error_signals(0.9, torch.float64, depth=3, width=8, batch=2)
    g = torch.Generator().manual_seed(0)
    W = (torch.randn(3, 8, 8, generator=g) * (0.9 / 8**0.5)).double()
    x, direction = torch.randn(2, 2, 8, generator=g).double()
    a, h = [], x
    for matrix in W:
        a.append((h @ matrix.T).requires_grad_() if not a else h @ matrix.T)
        a[-1].retain_grad()
        h = torch.tanh(a[-1])
    (h * direction / 16).sum().backward()
    torch.testing.assert_close(signals, torch.stack([t.grad for t in a]), rtol=1e-6, atol=0)


def test_a_power_of_two_moves_the_signals_to_the_bit_inside_the_normal_range() -> None:
    exact = error_signals(1.0, torch.float64, depth=4, width=32, batch=8).abs()
    low, high = (error_signals(1.0, torch.float16, 2.0**k, depth=4, width=32, batch=8) for k in (16, 18))
    inside = exact > 2.0**-26
    assert inside.double().mean() > 0.99
    assert (low == high)[inside].double().mean() > 0.999
    assert not torch.equal(low, error_signals(1.0, torch.float16, 3.0 * 2**15, depth=4, width=32, batch=8))


def test_a_scale_saves_a_narrow_gradient_and_cannot_save_a_wide_one() -> None:
    def lost(gain: float) -> list[float]:
        shares = []
        for k in range(0, 41, 4):
            signals = error_signals(gain, torch.float16, 2.0**k, depth=40, width=32, batch=8)
            shares.append(((signals == 0) | ~signals.isfinite()).double().mean().item())
        return shares

    assert min(lost(0.9)) == 0 < lost(0.9)[0]
    assert min(lost(0.4)) > 0.01


def test_float16_kills_whole_layers_where_bfloat16_keeps_them() -> None:
    dead = {
        dtype: (error_signals(0.4, dtype, depth=40, width=32, batch=8).abs().flatten(1).amax(1) == 0).sum()
        for dtype in (torch.float16, torch.bfloat16)
    }
    assert dead[torch.float16] > 5 and dead[torch.bfloat16] == 0


def test_scaler_doubles_until_it_overflows_and_skips_few_steps() -> None:
    log = train_with_scaler(steps=160, growth_interval=10)
    assert log.scale.max() > 2**16 and 1 <= log.skipped.sum() < 40
    after = log.scale[1:][log.skipped[:-1]]
    assert torch.equal(after, log.scale[:-1][log.skipped[:-1]] / 2)
    assert log.loss[-1] < log.loss[0]


def test_only_rounding_to_nearest_stops_the_training() -> None:
    runs = {storage: train_rounded(storage, nets=3, steps=1200) for storage in STORAGES}
    final = {storage: run.loss[-1] for storage, run in runs.items()}
    assert all((final["к ближайшему"] > 1.5 * final[other]).all() for other in list(STORAGES)[1:])
    assert (final["по Кэхэну"] / final["копия в float32"]).log().abs().max() < 0.1
    assert runs["к ближайшему"].stuck.mean() > runs["стохастически"].stuck.mean() > 0.5


def test_stochastic_rounding_is_unbiased_and_moves_as_a_binomial() -> None:
    step, u, n = 2.0**-7, 2.0**-7 / 20, 100
    w, g = torch.full((4000,), 1.5, dtype=torch.bfloat16), torch.Generator().manual_seed(0)
    for _ in range(n):
        w = stochastic_round(w.float() + u, generator=g)
    moved = (w.float() - 1.5) / step
    assert moved.mean().item() == pytest.approx(n / 20, rel=0.05)
    assert moved.std().item() == pytest.approx(math.sqrt(n / 20 * 19 / 20), rel=0.05)
    assert (moved == 0).double().mean().item() == pytest.approx((19 / 20) ** n, abs=0.01)


@pytest.mark.parametrize("value", [1.0, -1.5, 0.0, 2.0**-120])
def test_stochastic_rounding_keeps_what_bfloat16_holds(value: float) -> None:
    x = torch.full((100,), value)
    assert torch.equal(stochastic_round(x, generator=torch.Generator().manual_seed(0)).float(), x)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"^storage:"):
        train_rounded("никак")
    with pytest.raises(ValueError, match=r"^x:"):
        stochastic_round(torch.ones(2, dtype=torch.float64), generator=torch.Generator())
    with pytest.raises(ValueError, match=r"^scale:"):
        error_signals(1.0, torch.float16, scale=0.0)
