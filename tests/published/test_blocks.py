"""Blocks against SciPy's correlation and NumPy, and their counts of multiplications against XLA's own shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.signal import correlate

from lpcnet_cq.published.blocks import Bottleneck, Conv, Gated, Residual, Separable, Unit, leaky, shuffle


def signal(L=32, C=3, F=2):
    return np.random.default_rng(0).standard_normal((F, L, C)).astype(np.float32)


def convolved(x, conv, dilation=1):
    """Return the "same" convolution of one frame (L, cin), by SciPy."""
    kernel = np.asarray(conv.kernel[...])
    wide = np.zeros(((len(kernel) - 1) * dilation + 1, *kernel.shape[1:]))
    wide[::dilation] = kernel
    y = [sum(correlate(x[:, i], wide[:, i, o], "same") for i in range(x.shape[1])) for o in range(wide.shape[2])]
    return np.stack(y, axis=1) + np.asarray(conv.bias[...])


@pytest.mark.parametrize("k, dilation", [(9, 1), (9, 4), (15, 2), (1, 1)])
def test_convolution_is_scipys_correlation(k, dilation):
    conv, x = Conv(3, 2, k, dilation=dilation, rngs=nnx.Rngs(0)), signal(80)
    conv.bias[...] = jnp.array([0.5, -1.0])
    np.testing.assert_allclose(conv(x)[1], convolved(x[1], conv, dilation), atol=1e-4)


def test_stride_takes_every_second_sample():
    conv, x = Conv(3, 2, 9, stride=2, rngs=nnx.Rngs(0)), signal()
    full = convolved(x[0], conv)
    np.testing.assert_allclose(conv(x)[0], full[1::2], atol=1e-4)  # zeros: three before the frame, four behind it


def test_weights_start_as_he():
    kernel = Conv(64, 64, 9, rngs=nnx.Rngs(0)).kernel[...]
    assert float(kernel.std()) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)


def test_shuffle_interleaves_channels():
    x = jnp.arange(8.0).reshape(1, 2, 4)
    assert shuffle(x, 2).tolist() == [[[0, 1], [2, 3], [4, 5], [6, 7]]]


def test_unit_has_a_slope_per_channel():
    unit, x = Unit(3, 2, rngs=nnx.Rngs(0)), signal()
    unit.slope[...] = jnp.array([0.3, -1.0])
    y = convolved(x[0], unit.conv)
    np.testing.assert_allclose(unit(x)[0], np.where(y > 0, y, [0.3, -1.0] * y), atol=1e-4)


def test_residual_keeps_x_where_it_can_and_changes_shape_where_it_must(awake):
    x = signal()
    block = awake(Residual(3, 3, dilation=2, rngs=nnx.Rngs(0)))
    assert block.shortcut is None
    np.testing.assert_allclose(block(x), x + block.second(block.first(x)), atol=1e-5)
    assert Residual(3, 5, rngs=nnx.Rngs(0))(x).shape == (2, 32, 5)
    assert Residual(3, 3, stride=2, rngs=nnx.Rngs(0))(x).shape == (2, 16, 3)
    assert Residual(3, 3, up=2, rngs=nnx.Rngs(0))(x).shape == (2, 64, 3)


@pytest.mark.parametrize("flat", [False, True])
def test_bottleneck_adds_to_x(flat, awake):
    block, x = awake(Bottleneck(3, 3, 2, 2, flat, rngs=nnx.Rngs(0))), signal()
    h = x[0]
    for conv, dilation in zip(block.convs, (1, 2, 1), strict=True):
        h = convolved(h, conv, dilation)
        h = h if conv is block.convs[2] else np.maximum(h, 0.2 * h)
    y = x[0] + h
    np.testing.assert_allclose(block(x)[0], y if flat else np.maximum(y, 0.2 * y), atol=1e-4)


def test_gate_multiplies_and_a_single_channel_is_added_to_all(awake):
    block, x = awake(Gated(1, 4, 2, 2, True, rngs=nnx.Rngs(0))), signal(60, C=1)
    h = np.maximum(n := convolved(x[0], block.narrow), 0.2 * n)
    gated = convolved(h, block.signal, 2) * np.tanh(convolved(h, block.gate, 2))
    np.testing.assert_allclose(block(x)[0], x[0] + convolved(gated, block.wide), atol=1e-4)


@pytest.mark.parametrize(
    "block",
    [
        lambda r: Residual(3, 3, dilation=2, rngs=r),
        lambda r: Bottleneck(3, 3, 2, 2, True, rngs=r),
        lambda r: Gated(3, 3, 2, 2, True, rngs=r),
    ],
)
def test_new_residual_branches_are_silent(block):
    np.testing.assert_array_equal(block(nnx.Rngs(0))(signal()), signal())


def test_separable_is_a_convolution_per_channel_and_a_mixture():
    block, x = Separable(4, 2, rngs=nnx.Rngs(0)), signal(C=4)
    each = np.stack([correlate(x[0, :, i], block.taps[:, i], "same") for i in range(4)], axis=1)
    mixed = leaky(convolved(each, block.mix)).reshape(64, 2)
    np.testing.assert_allclose(block(x)[0], mixed, atol=1e-4)


def convolution_macs(f, *args):
    """Count from the shapes of the convolutions that XLA is given."""
    equations = jax.make_jaxpr(f)(*args).jaxpr.eqns
    convs = [e for e in equations if e.primitive.name == "conv_general_dilated"]
    return sum(e.outvars[0].aval.size * np.prod(e.invars[1].aval.shape[:-1]) for e in convs)


@pytest.mark.parametrize(
    "block, cin",
    [
        (lambda r: Conv(3, 4, 9, stride=2, rngs=r), 3),
        (lambda r: Conv(4, 4, 9, up=2, rngs=r), 4),
        (lambda r: Residual(3, 5, stride=2, rngs=r), 3),
        (lambda r: Residual(4, 4, up=2, rngs=r), 4),
        (lambda r: Bottleneck(4, 4, 2, 2, True, rngs=r), 4),
        (lambda r: Gated(1, 4, 2, 2, False, rngs=r), 1),
    ],
)
def test_multiplications_are_those_of_xla(block, cin):
    layer, x = block(nnx.Rngs(0)), signal(C=cin, F=1)
    assert layer.macs(32) == (convolution_macs(layer, x), layer(x).shape[1])


def test_separable_counts_its_channels_too():
    assert Separable(4, 2, rngs=nnx.Rngs(0)).macs(32) == (32 * (9 * 4 + 4 * 4), 64)
