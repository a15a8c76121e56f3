"""The block against ``torch.nn.TransformerEncoderLayer``; softmax against autograd; what the options promise."""

import math

import pytest
import torch
from torch import nn

from gradflow.transformer import ParallelBlock, ParallelTransformer, softmax_jacobian

N, B, T, D, HEADS = 3, 2, 5, 8, 2


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def tokens(seed=0):
    return torch.randn(N, B, T, D, generator=generator(seed), dtype=torch.float64)


def torch_layer(block, net):
    """One network of the block as torch's own layer."""
    layer = nn.TransformerEncoderLayer(
        D, HEADS, 4 * D, dropout=0.0, batch_first=True, norm_first=block.layer_norm == "pre", bias=False
    ).double()
    parts = {
        "self_attn.in_proj_weight": block.W_QKV, "self_attn.out_proj.weight": block.W_O,
        "linear1.weight": block.W_1, "linear2.weight": block.W_2,
        "norm1.weight": block.gain[:, 0], "norm2.weight": block.gain[:, 1],
    }  # fmt: skip # a table
    layer.load_state_dict({name: tensor[net].detach() for name, tensor in parts.items()})
    return layer, parts


@pytest.mark.parametrize("layer_norm", ["pre", "post"])
def test_block_is_the_encoder_layer_of_torch_forward_and_backward(layer_norm):
    block = ParallelBlock(N, D, HEADS, layer_norm, generator=generator()).double()
    with torch.no_grad():
        block.gain += 0.1 * torch.randn(block.gain.shape, generator=generator(1))
    h, direction = tokens().requires_grad_(), tokens(2)
    out = block(h)
    (out * direction).sum().backward()
    for net in range(N):
        layer, parts = torch_layer(block, net)
        x = h.detach()[net].requires_grad_()
        expected = layer(x)
        (expected * direction[net]).sum().backward()
        torch.testing.assert_close(out[net], expected)
        torch.testing.assert_close(h.grad[net], x.grad)
        for name, parameter in layer.named_parameters():
            ours = parts[name]
            grad = ours.grad if ours.is_leaf else block.gain.grad[:, int(name[4]) - 1]
            torch.testing.assert_close(grad[net], parameter.grad)


def test_jacobian_of_softmax_is_that_of_autograd():
    z = torch.randn(6, generator=generator(), dtype=torch.float64)
    exact = torch.autograd.functional.jacobian(lambda v: v.softmax(0), z)
    torch.testing.assert_close(softmax_jacobian(z.softmax(0)), exact)


def test_norm_of_the_jacobian_lies_between_its_bounds_and_reaches_one_half():
    p = (3 * torch.randn(500, 7, generator=generator(), dtype=torch.float64)).softmax(-1)
    norms = torch.linalg.matrix_norm(softmax_jacobian(p), 2)
    largest = (p * (1 - p)).amax(-1)
    assert (norms >= largest - 1e-12).all() and (norms <= 2 * largest + 1e-12).all() and (norms <= 0.5).all()
    half = torch.tensor([0.5, 0.5, 0.0], dtype=torch.float64)
    assert torch.linalg.matrix_norm(softmax_jacobian(half), 2).item() == pytest.approx(0.5)


def test_networks_of_a_stack_do_not_see_one_another():
    model = ParallelTransformer(N, 4, 3, length=T, width=D, heads=HEADS, depth=2, generator=generator())
    x = torch.randn(T, N, B, 4, generator=generator(1))
    other = x.clone()
    other[:, 1] += 1
    same = (model(x) == model(other)).flatten(2).all(-1).all(0)
    assert same.tolist() == [True, False, True]


def test_logits_are_those_that_the_block_uses():
    block = ParallelBlock(N, D, HEADS, generator=generator()).double()
    h = tokens()
    z = block.logits(h)
    assert z.shape == (N, B, HEADS, T, T)
    q, k, v = (
        (nn.functional.layer_norm(h, (D,)) @ W.mT.unsqueeze(1)).unflatten(-1, (HEADS, -1)).transpose(2, 3)
        for W in block.W_QKV.split(D, dim=1)
    )
    torch.testing.assert_close(z, q @ k.mT / math.sqrt(D // HEADS))
    expected = nn.functional.scaled_dot_product_attention(q, k, v)
    torch.testing.assert_close(z.softmax(-1) @ v, expected)


@pytest.mark.parametrize(("options", "bound"), [({"qk_norm": True}, math.sqrt(D // HEADS)), ({"logit_cap": 3.0}, 3.0)])
def test_normalized_queries_and_a_cap_bound_the_logits(options, bound):
    free, bounded = (ParallelBlock(N, D, HEADS, generator=generator(), **o) for o in ({}, options))
    for block in (free, bounded):
        with torch.no_grad():
            block.W_QKV *= 30
    h = tokens().float()
    assert free.logits(h).abs().max() > 100
    assert bounded.logits(h).abs().max() <= bound * (1 + 1e-5)


@pytest.mark.parametrize("shape", [(2, 1), (2, D)])
def test_branches_with_a_learned_zero_in_front_are_the_identity_and_learn(shape):
    block = ParallelBlock(N, D, HEADS, None, scale=torch.zeros(shape), generator=generator())
    h = tokens().float()
    out = block(h)
    assert torch.equal(out, h) and block.scale.shape == (N, *shape)
    out.square().sum().backward()
    assert (block.scale.grad != 0).all() and (block.W_2.grad == 0).all()


def test_skip_multiplies_what_goes_around():
    block = ParallelBlock(N, D, HEADS, None, skip=2.0, scale=torch.zeros(2, 1), generator=generator())
    h = tokens().float()
    torch.testing.assert_close(block(h), 4 * h)


def test_matrices_start_with_the_promised_variances():
    block = ParallelBlock(8, 64, 4, generator=generator())
    for matrix, variance in ((block.W_QKV, 1 / 64), (block.W_O, 1 / 64), (block.W_1, 2 / 64), (block.W_2, 1 / 256)):
        assert matrix.var().item() == pytest.approx(variance, rel=0.03)


def test_states_are_what_enters_and_leaves_the_blocks():
    model = ParallelTransformer(
        N, 4, 3, length=T, width=D, heads=HEADS, depth=2, layer_norm="post", generator=generator()
    )
    x = torch.randn(T, N, B, 4, generator=generator(1))
    states = model.states(x)
    assert len(states) == 3
    torch.testing.assert_close(model.blocks[1](states[1]), states[2])
    torch.testing.assert_close(model(x), torch.einsum("nbtd,nod->tnbo", states[2], model.readout))
