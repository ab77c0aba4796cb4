"""Rate-distortion optimised rounding, judged by its own definition and by the bits it saves."""

import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.bitstream import rdoq as rounding
from lpcnet_cq.bitstream.packet import Integers, n_bits, start
from lpcnet_cq.bitstream.rdoq import rdoq
from lpcnet_cq.speech.entropy import EntropyModel
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
SIZES = CONFIG.step_ratio ** (np.arange(CONFIG.n_steps) - CONFIG.n_steps // 2.0)


@pytest.fixture(scope="module")
def model():
    entropy = nnx.to_pure_dict(nnx.state(EntropyModel(CONFIG, rngs=nnx.Rngs(0))))
    return SubframeModel(freeze(entropy, CONFIG), CONFIG)


@pytest.fixture(scope="module")
def material(model):
    rng = np.random.default_rng(1)
    side = rng.integers(-3, 4, (40, model.K))
    return side, 1.2 * rng.standard_normal((40, model.S, model.D)), rng.integers(0, CONFIG.n_steps, 40)


def test_without_a_price_latents_go_to_the_nearest_integer(model, material):
    side, z, step = material
    n = rdoq(model, start(model), side, z, step, SIZES, price=0.0)
    np.testing.assert_array_equal(n.latents, np.rint(z / SIZES[step][:, None, None]))


def test_bits_are_saved_and_no_latent_moves_by_more_than_a_step(model, material):
    side, z, step = material
    n = rdoq(model, start(model), side, z, step, SIZES)
    scaled = z / SIZES[step][:, None, None]
    assert np.abs(n.latents - scaled).max() <= 1.5
    plain = Integers(step, side, np.rint(scaled).astype(np.int64))
    assert (n.latents != plain.latents).any()
    saved = n_bits(model, None, plain).sum() - n_bits(model, None, n).sum()
    added = ((n.latents - scaled) ** 2 - (plain.latents - scaled) ** 2).sum()
    assert added > 0
    assert rounding.PRICE * saved > added


def test_side_integers_and_steps_stay(model, material):
    side, z, step = material
    n = rdoq(model, start(model), side, z, step, SIZES)
    assert n.side is side
    assert n.step is step


def test_dearer_bits_are_fewer(model, material):
    side, z, step = material
    bits = [
        n_bits(model, None, rdoq(model, start(model), side, z, step, SIZES, price)).sum()
        for price in (0.0, 0.1, 0.4, 1.6, 25.6)
    ]
    assert (np.diff(bits) < 0).all()
