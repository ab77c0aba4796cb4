"""Discriminators: convolution against SciPy, shapes, closed forms of the losses, and that they can be trained."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.signal import correlate

from lpcnet_cq.training.discriminator import (
    WINDOWS,
    Conv,
    Discriminators,
    SpectralDiscriminator,
    adversarial_loss,
    discriminator_loss,
    feature_loss,
)


@pytest.mark.parametrize(("kernel", "stride"), [((3, 5), (1, 2)), ((3, 3), (2, 1))])
def test_convolution(kernel, stride):
    """Correlation with zeros around the input, at the first of each stride, as SciPy has it."""
    random = np.random.default_rng(0)
    layer = Conv(2, 3, kernel, stride, rngs=nnx.Rngs(0))
    x = random.standard_normal((1, 7, 9, 2)).astype(np.float32)
    y = np.asarray(layer(x))[0]
    w = np.asarray(layer.kernel[...])
    padded = np.pad(x[0], ((kernel[0] // 2,) * 2, (kernel[1] // 2,) * 2, (0, 0)))
    for c in range(3):
        whole = correlate(padded, w[..., c], "valid")[..., 0]
        np.testing.assert_allclose(y[..., c], whole[:: stride[0], :: stride[1]], atol=1e-5)


def test_shapes():
    outputs = SpectralDiscriminator(256, rngs=nnx.Rngs(0))(jnp.ones((2, 2560)))
    assert [output.shape for output in outputs] == [
        (2, 37, 65, 16),
        (2, 19, 33, 24),
        (2, 19, 17, 32),
        (2, 19, 17, 32),
        (2, 19, 17, 1),
    ]


def test_losses_in_closed_form():
    real, decoded = [[jnp.full((1, 2), 4.0), jnp.ones((1, 3))]], [[jnp.full((1, 2), 3.0), jnp.full((1, 3), 0.5)]]
    assert discriminator_loss(real, decoded) == pytest.approx(0.25)
    assert adversarial_loss(decoded) == pytest.approx(0.25)
    assert feature_loss(real, decoded) == pytest.approx(0.25)
    assert discriminator_loss(real, [[real[0][0], jnp.zeros((1, 3))]]) == adversarial_loss(real) == 0.0


def test_noise_and_tones_are_told_apart_after_some_steps():
    random = np.random.default_rng(1)
    noise = jnp.asarray(random.standard_normal((1, 1280)), jnp.float32)
    tone = jnp.asarray(2**0.5 * np.sin(0.3 * np.arange(1280))[None], jnp.float32)
    graph, params = nnx.split(SpectralDiscriminator(WINDOWS[0], rngs=nnx.Rngs(0)), nnx.Param)

    @jax.jit
    def step(params):
        def loss(params):
            judge = nnx.merge(graph, params)
            return discriminator_loss([judge(noise)], [judge(tone)])

        value, gradient = jax.value_and_grad(loss)(params)
        return jax.tree.map(lambda p, g: p - 0.003 * g, params, gradient), value

    values = []
    for _ in range(30):
        params, value = step(params)
        values.append(float(value))
    assert values[-1] < 0.7 * values[0]


def test_there_is_one_discriminator_per_window_length():
    judges = nnx.eval_shape(lambda: Discriminators(rngs=nnx.Rngs(0)))
    assert [part.W for part in judges.parts] == list(WINDOWS)
