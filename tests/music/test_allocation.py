"""Steps from energies: what they follow at the start, that they are integers, and that they can be trained."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.music.allocation import SIDE_SHARE, SLOPE, Allocation
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.step_exponents import LIMITS, PER_ENERGY, step_exponents

C = MusicConfig()
b = C.bands


def steps(E, is_short=0.0):
    return np.asarray(Allocation(C)(jnp.asarray(E, jnp.float32), jnp.full(np.shape(E)[:-2], is_short)))


def test_steps_follow_the_level_by_a_share_of_it():
    E = np.zeros((2, 2, b))
    E[1, 0] = 10
    s = steps(E)
    assert (s == np.round(s)).all()
    np.testing.assert_allclose(s[1, 0] - s[0, 0], 10 * PER_ENERGY * SLOPE, atol=1)
    np.testing.assert_allclose(s[1, 1] - s[0, 1], 10 * PER_ENERGY * SLOPE * SIDE_SHARE, atol=1)


def test_a_loud_band_raises_the_steps_beside_it_and_no_others():
    E = np.zeros((2, 2, b))
    E[1, 0, 10] = 10
    change = (steps(E)[1] - steps(E)[0])[0]
    assert change[10] > change[9] > 0 and change[11] > 0
    assert (np.delete(change, [9, 10, 11]) == 0).all()


def test_steps_stay_within_limits():
    s = steps(np.stack([np.full((2, b), -31), np.full((2, b), 31)]), 1.0)
    assert LIMITS[0] <= s.min() < s.max() <= LIMITS[1]


def test_index_adds_what_it_multiplies_steps_by():
    q = step_exponents(C)
    assert len(q) == C.n_steps and q[C.nominal_step] == 0 and q[C.nominal_step + C.layer_steps] == round(8 * np.log2(3))


def test_every_weight_of_the_kind_in_use_has_a_gradient():
    graph, params = nnx.split(Allocation(C), nnx.Param)
    E = jnp.asarray(np.random.default_rng(1).integers(-5, 15, (4, 2, b)), jnp.float32)

    def total(params):
        return jnp.sum(nnx.merge(graph, params)(E, jnp.zeros(4)))

    gradient = jax.grad(total)(params)
    long, short = np.asarray(gradient["energy_weights"][...])
    assert (np.abs(long).max(axis=(0, 1)) > 0).all() and (short == 0).all()
