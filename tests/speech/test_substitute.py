"""Integers for lost packets: those of the last packet, at a falling gain, then without latents."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.speech.constants import GAIN_UNIT
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.speech.substitute import FADE, gain_per_log_unit, substitute
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
M, S, D, T = CONFIG.order, CONFIG.spec.n_subframes, CONFIG.n_latents, 3


@pytest.fixture(scope="module")
def integers():
    random = np.random.default_rng(1)
    return Integers(
        random.integers(0, CONFIG.n_steps, T), random.integers(-2, 3, (T, M + S)), random.integers(-2, 3, (T, S, D))
    )


def test_concealed_packets_repeat_the_last_one_at_falling_gain(integers, speech_integers):
    floats = {"gain": {"basis": np.random.default_rng(3).standard_normal((S, S)) + 3 * np.eye(S)}}
    basis, per_log_unit = GAIN_UNIT * floats["gain"]["basis"], gain_per_log_unit(floats)
    entropy, last = SubframeModel(speech_integers, CONFIG), integers[-1:]
    for lost in (1, 2, 5):
        n = substitute(last, lost, per_log_unit, entropy, CONFIG)
        np.testing.assert_array_equal(n.side[:, :M], last.side[:, :M])
        fall = basis @ (n.side[0, M:] - last.side[0, M:])
        np.testing.assert_allclose(fall, -FADE * lost, atol=np.abs(basis).sum(axis=1).max() / 2 + 1e-5)
        np.testing.assert_array_equal(n.latents, last.latents * (lost < 3))
    none = substitute(None, 1, per_log_unit, entropy, CONFIG)
    assert none.step.tolist() == [CONFIG.nominal_step] and not none.side.any() and not none.latents.any()
