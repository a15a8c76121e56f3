import math

import pytest
import torch

from gradflow.experiments.deep_networks.overflow import overflow_depths


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_without_noise_the_overflow_depth_is_a_logarithm(dtype):
    g = torch.Generator().manual_seed(3)
    largest = torch.randn(32, generator=g).to(dtype).abs().max().item()
    expected = math.log(torch.finfo(dtype).max / largest) / math.log(1.5)
    _, element = overflow_depths(dtype, 32, 1.5, 0.0, generator=torch.Generator().manual_seed(3))
    assert abs(element - expected) <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_norm_overflows_at_half_the_depth_of_an_element(dtype):
    norm, element = overflow_depths(dtype, generator=torch.Generator().manual_seed(42))
    assert 0.45 < norm / element < 0.5


def test_a_float16_norm_is_accumulated_wider_and_dies_only_a_few_layers_earlier():
    norm, element = overflow_depths(torch.float16, generator=torch.Generator().manual_seed(42))
    assert 1 <= element - norm <= 5


@pytest.mark.parametrize(
    ("arguments", "name"), [({"width": 0}, "width"), ({"gain": 1.0}, "gain"), ({"gain": math.inf}, "gain")]
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: expected"):
        overflow_depths(torch.float32, generator=torch.Generator(), **arguments)
