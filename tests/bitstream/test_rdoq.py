"""Rate-distortion optimised quantisation, judged by its own definition and by the bits it saves."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.contexts import Contexts, start
from lpcnet_cq.bitstream.packet import Integers, n_bits
from lpcnet_cq.bitstream.rdoq import MULTIPLIER, rdoq
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
SIZES = CONFIG.step_ratio ** (np.arange(CONFIG.n_steps) - CONFIG.n_steps // 2.0)


@pytest.fixture(scope="module")
def model(speech_integers):
    return SubframeModel(speech_integers, CONFIG)


@pytest.fixture(scope="module")
def material(model):
    rng = np.random.default_rng(1)
    side = rng.integers(-3, 4, (40, model.K))
    return side, 1.2 * rng.standard_normal((40, model.S, model.D)), rng.integers(0, CONFIG.n_steps, 40)


def round_all(model, side, z, step, multiplier=MULTIPLIER):
    return rdoq(Contexts(model, start(model), side, step), z, SIZES, multiplier)


def test_multiplier_of_zero_gives_the_nearest_integers(model, material):
    side, z, step = material
    n = round_all(model, side, z, step, 0.0)
    np.testing.assert_array_equal(n.latents, np.rint(z / SIZES[step][:, None, None]))


def test_bits_are_saved_and_no_latent_moves_by_more_than_a_step(model, material):
    side, z, step = material
    n = round_all(model, side, z, step)
    scaled = z / SIZES[step][:, None, None]
    assert np.abs(n.latents - scaled).max() <= 1.5
    plain = Integers(step, side, np.rint(scaled).astype(np.int64))
    assert (n.latents != plain.latents).any()
    saved = n_bits(model, None, plain).sum() - n_bits(model, None, n).sum()
    added = ((n.latents - scaled) ** 2 - (plain.latents - scaled) ** 2).sum()
    assert added > 0
    assert MULTIPLIER * saved > added


def test_side_integers_and_steps_stay(model, material):
    side, z, step = material
    n = round_all(model, side, z, step)
    assert n.side is side
    assert n.step is step


def test_bits_fall_with_the_multiplier(model, material):
    side, z, step = material
    bits = [
        n_bits(model, None, round_all(model, side, z, step, multiplier)).sum()
        for multiplier in (0.0, 0.1, 0.4, 1.6, 25.6)
    ]
    assert (np.diff(bits) < 0).all()


def test_every_packet_may_have_its_own_multiplier(model, material):
    """Those with the usual one are as they would be alone, those with a larger one have fewer bits."""
    side, z, step = material
    usual = round_all(model, side, z, step)
    last = np.where(np.arange(40) < 39, MULTIPLIER, 25.6)
    mixed = round_all(model, side, z, step, last)
    np.testing.assert_array_equal(mixed.latents[:39], usual.latents[:39])
    assert n_bits(model, None, mixed).sum(1)[39] < n_bits(model, None, usual).sum(1)[39]


def test_a_huge_multiplier_gives_the_cheapest_packet(model, material):
    """Cheaper than that of zeros alone: what the entropy model expects is a candidate, too."""
    side, z, step = material
    n = round_all(model, side, z, step, 1e9)
    zeros = Integers(step, side, np.zeros_like(n.latents))
    assert n_bits(model, None, n).sum() <= 1.01 * n_bits(model, None, zeros).sum()
