"""The entropy model for lines: what its inputs are, and that it looks at decoded integers only."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.music import entropy, line_features
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.training.music_objective import line_bits
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec
D, b, T = C.n_latents, C.bands, 5


def test_surroundings_are_weighted_sums_of_magnitudes():
    n = np.zeros((1, 20), int)
    n[0, 10] = -3
    near, wide = line_features.neighbour_sums(np, n)
    assert near[0, 8:13].tolist() == [0, 3, 6, 3, 0]
    assert (wide[0] == 3 * (np.abs(np.arange(20) - 10) <= 4)).all()
    dense = np.random.default_rng(1).integers(-9, 9, (2, 3, 40))
    near, wide = line_features.neighbour_sums(np, dense)
    for got, kernel in ((near, [1, 2, 1]), (wide, np.ones(9))):
        judged = [np.convolve(np.abs(row), kernel, "same") for row in dense.reshape(-1, 40)]
        np.testing.assert_array_equal(got.reshape(-1, 40), judged)


def test_logarithms_are_eighths_of_octaves():
    got = np.asarray(entropy.log8(jnp.asarray([0.0, 1, 2, 3, 1024])))
    assert got.tolist() == [line_features.LOG8_ZERO, 0, 8, 13, 80]
    assert np.asarray(entropy.log8_plus(jnp.asarray([0.0, -1, 3]))).tolist() == [0, 8, 16]


def test_parts_of_the_side_information():
    c = MusicConfig()
    side = np.arange(c.n_side)[None] % 30
    is_short, E, A = line_features.unpack_side(np, side, c.bands)
    assert is_short[0] == 0 and E.shape == (1, 2, c.bands) and A.shape == (1, c.bands)
    np.testing.assert_array_equal(np.concatenate([is_short, E[0, 0], A[0], E[0, 1]]), side[0])
    named = c.side_parts
    assert sorted(named["energy"] + named["prediction"]) == list(range(c.n_side))
    np.testing.assert_array_equal(side[0, named["prediction"]], A[0])


@pytest.fixture(scope="module")
def bits(perturbed):
    model, _ = perturbed
    return jax.jit(lambda side, n, step: line_bits(model, side, n, step)[0])


def test_a_line_hangs_on_nothing_that_is_decoded_after_it(bits):
    """Changing a line changes the cost of itself and of later ones only: packets, then channels, then frequency."""
    random = np.random.default_rng(2)
    side = jnp.asarray(random.integers(-3, 9, (1, T, C.n_side)), jnp.float32).at[0, :, 0].set(jnp.arange(float(T)) % 2)
    n, step = random.integers(-3, 4, (1, T, 2, D)), jnp.full((1, T), C.nominal_step, jnp.int32)
    base = np.asarray(bits(side, jnp.asarray(n, jnp.float32), step))
    order = np.arange(T * 2 * D).reshape(T, 2, D)
    for t, channel, k in ((1, 0, 30), (2, 1, 0), (2, 0, D - 1)):
        other = n.copy()
        other[0, t, channel, k] += 20
        changed = np.asarray(bits(side, jnp.asarray(other, jnp.float32), step)) != base
        assert changed[t, channel, k] and not changed[order < order[t, channel, k]].any()
        assert changed[order > order[t, channel, k]].any()


def test_loud_surroundings_make_loud_lines_cheaper(music_model):
    """Before training already: the scale follows the band's energy."""
    model = nnx.merge(*music_model)
    side = jnp.zeros((1, 1, C.n_side))
    n = jnp.full((1, 1, 2, D), 2.0)
    step = jnp.full((1, 1), C.nominal_step, jnp.int32)
    cost = jax.jit(lambda E: line_bits(model, side.at[..., 1:].set(E), n, step).mean())
    costs = [float(cost(E)) for E in (0.0, 10.0)]
    assert costs[1] < 0.7 * costs[0]
