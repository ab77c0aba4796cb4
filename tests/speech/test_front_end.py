"""The front end of the encoder: chunks are the whole, and windows and look-ahead lie where they should."""

import numpy as np
import pytest

from lpcnet_cq.speech import front_end
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.highpass import highpass, start_highpass

CONFIG = SpeechConfig()
SPEC, T = CONFIG.spec, 6
X = (0.1 * np.random.default_rng(1).standard_normal(T * SPEC.hop + SPEC.look_ahead)).astype(np.float32)


def pushed(chunks, x=X):
    """Return the samples of each chunk, and the LSFs of all packets."""
    state, at, samples, lsf = front_end.start(x[: SPEC.look_ahead], CONFIG), SPEC.look_ahead, [], []
    for n in chunks:
        state, part, vectors = front_end.push(state, x[at : at + n * SPEC.hop], n, CONFIG)
        at += n * SPEC.hop
        samples.append(part)
        lsf.append(vectors)
    return samples, np.concatenate(lsf)


def test_packets_and_look_ahead_are_the_filtered_signal():
    (samples,), lsf = pushed([T])
    _, filtered = highpass(start_highpass(), X, SPEC.sample_rate_hz)
    np.testing.assert_allclose(samples, filtered, atol=1e-7)
    np.testing.assert_allclose(lsf, analyse_lsf(filtered, SPEC, CONFIG.order)[:T], atol=1e-6)


@pytest.mark.parametrize("chunks", [[1] * T, [4, 2]])
def test_chunks_are_the_whole(chunks):
    (whole,), expected = pushed([T])
    samples, lsf = pushed(chunks)
    at = 0
    for n, part in zip(chunks, samples, strict=True):
        np.testing.assert_allclose(part, whole[at : at + n * SPEC.hop + SPEC.look_ahead], atol=1e-7)
        at += n * SPEC.hop
    np.testing.assert_allclose(lsf, expected, atol=1e-6)


def test_a_signal_that_ends_is_continued_by_silence():
    (samples,), lsf = pushed([T], X[:700])
    assert len(samples) == T * SPEC.hop + SPEC.look_ahead and not samples[700:].any() and samples[:700].any()
    assert lsf.shape == (T, CONFIG.order) and np.isfinite(lsf).all()


def test_steady_packets_are_named_with_their_samples():
    """In each call by their index in it; the samples are those of the packets, without the look-ahead."""
    x = (0.1 * np.sin(2 * np.pi * 1000 / SPEC.sample_rate_hz * np.arange(len(X) + 6 * SPEC.hop))).astype(np.float32)
    state, at, found = front_end.start(x[: SPEC.look_ahead], CONFIG), SPEC.look_ahead, []
    for n in (7, 5):
        state, samples, _ = front_end.push(state, x[at : at + n * SPEC.hop], n, CONFIG)
        at += n * SPEC.hop
        found.append(list(state.steady))
        for t, packet in state.steady.items():
            np.testing.assert_array_equal(packet, samples[t * SPEC.hop : (t + 1) * SPEC.hop])
    assert found == [[5, 6], list(range(5))]
    assert not front_end.push(front_end.start(X[: SPEC.look_ahead], CONFIG), X[SPEC.look_ahead :], T, CONFIG)[0].steady
