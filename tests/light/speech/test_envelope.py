"""Filters and noise shapes in double precision: against `dsp`, `scipy` and the JAX functions; chunks are the whole."""

import numpy as np
import pytest
from scipy.signal import freqz

from dsp.lsf import lsf_to_lpc
from lpcnet_cq.light.speech.envelope import Envelope, order_lsf
from lpcnet_cq.speech import envelope as judge
from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import GAMMA, MIN_DISTANCE

CONFIG = SpeechConfig()
M, D, T = CONFIG.order, CONFIG.n_latents, 6
SPREAD = np.linspace(0, np.pi, M + 2)[1:-1]


@pytest.fixture(scope="module")
def lsf():
    """Return LSF vectors, not all in order and some too close."""
    return SPREAD + 0.15 * np.random.default_rng(3).standard_normal((T, M))


def test_order_is_that_of_jax(lsf):
    wild = np.concatenate([lsf, 3 * lsf - 2, np.zeros((1, M)), np.full((1, M), 9.0)])
    found = order_lsf(wild)
    np.testing.assert_allclose(found, judge.order_lsf(np.float32(wild)), atol=2e-6)
    assert np.diff(found, prepend=0, append=np.pi).min() > MIN_DISTANCE - 1e-12


def test_filters_and_shapes_are_those_of_exact_judges(lsf):
    before, sub, a, shape = Envelope(CONFIG)(SPREAD, lsf)
    expected = judge.interpolate_lsf(np.float32(SPREAD)[None], np.float32(before)[None], CONFIG.spec)[0]
    np.testing.assert_allclose(sub, expected, atol=1e-6)
    plain = lsf_to_lpc(sub)
    np.testing.assert_allclose(a, [np.convolve(row, [1, -PREEMPHASIS]) for row in plain], atol=1e-10)
    w = np.pi / D * (np.arange(D) + 0.5)
    for row, found in zip(plain, shape, strict=True):
        weighted, power, emphasis = (
            np.abs(freqz(b, worN=w)[1]) ** 2 for b in (row * GAMMA ** np.arange(M + 1), row, [1, -PREEMPHASIS])
        )
        expected = 0.5 * np.log((weighted + 1e-6) / (power + 1e-6) / emphasis)
        np.testing.assert_allclose(found, expected.clip(-3, 3), atol=1e-8)


def test_one_packet_at_a_time_gives_the_same_filters(lsf):
    envelope, before, parts = Envelope(CONFIG), SPREAD, []
    whole = envelope(SPREAD, lsf)
    for t in range(T):
        part = envelope(before, lsf[t : t + 1])
        before = part[0][-1]
        parts.append(part)
    for found, expected in zip(zip(*parts, strict=True), whole, strict=True):
        np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=1e-11)
