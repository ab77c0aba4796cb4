"""Filters from zero in every frame, against SciPy frame by frame; what they lose even unquantised."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

from lpcnet_cq.published.front import analyse_lsf
from lpcnet_cq.published.model import analyse, filters_of, start_decoder, start_encoder, synthesise
from lpcnet_cq.published.zero_state import segments

T, MU = 6, 0.68


@pytest.fixture(scope="module")
def system(tiny):
    return tiny(lpc="trained", level=1.0, zero_state=True)


@pytest.fixture(scope="module")
def speech(system, vowel):
    x = np.stack([vowel(f0_hz)[: T * system.spec.hop] for f0_hz in (130, 200)])
    return x, np.asarray(filters_of(system, np.stack([analyse_lsf(row, system) for row in x])))


def hann(n):
    return np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2


def test_residual_is_scipys_in_every_piece(system, speech):
    """Seven pieces of a quarter of the frame, each filtered by itself, the outer halves of the outer ones flat."""
    x, a = speech
    V, W, hop = system.spec.look_ahead, system.spec.window, system.spec.hop
    _, frames = analyse(system, start_encoder(system, 2), x, a)
    for b, row in enumerate(x):
        emphasised = np.concatenate([np.zeros(V), lfilter([1, -MU], [1], row)])
        for t in range(T):
            expected = np.zeros(W)
            for p in range(7):
                window = hann(W // 4)
                window[: W // 8] = 1 if p == 0 else window[: W // 8]
                window[W // 8 :] = 1 if p == 6 else window[W // 8 :]
                piece = slice(p * W // 8, p * W // 8 + W // 4)
                expected[piece] += window * lfilter(a[b, t], [1], emphasised[t * hop :][piece])
            np.testing.assert_allclose(frames[b, t], expected, atol=1e-5)


def test_synthesis_is_scipys_in_every_frame(system, speech):
    """1/A(z) from zero over each frame, a fade of the overlap, de-emphasis over all of the speech."""
    a = speech[1]
    V, W, hop = system.spec.look_ahead, system.spec.window, system.spec.hop
    frames = np.random.default_rng(0).standard_normal((2, T, W)).astype(np.float32)
    _, y = synthesise(system, start_decoder(system, 2), frames, a)
    faded = np.ones(W)
    faded[:V], faded[-V:] = hann(2 * V)[:V], hann(2 * V)[V:]
    for b in range(2):
        total = np.zeros(T * hop + V)
        for t in range(T):
            total[t * hop : t * hop + W] += faded * lfilter([1], a[b, t], frames[b, t])
        np.testing.assert_allclose(y[b], lfilter([1], [1, -MU], total)[: T * hop], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("W", [128, 512])
def test_windows_of_the_pieces_add_up_to_one(W):
    spec, windows = segments(W)
    total = np.zeros(W)
    for p, window in enumerate(windows):
        total[p * spec.hop : p * spec.hop + spec.window] += window
    np.testing.assert_allclose(total, 1, atol=1e-6)


def unquantised_snr_db(c, x, lsf):
    a = filters_of(c, lsf)
    _, frames = analyse(c, start_encoder(c, 1), x[None], a)
    y = np.asarray(synthesise(c, start_decoder(c, 1), frames, a)[1])[0, c.spec.look_ahead :]
    x = x[: len(y)]
    return 10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2))


def test_even_unquantised_frames_do_not_give_the_speech_back(system, vowel):
    """The loss that has no bits to note_fault: filters with state stand at the rounding of floats."""
    x = vowel(130)[: T * system.spec.hop]
    lsf = analyse_lsf(x, system)[None]
    assert unquantised_snr_db(system, x, lsf) < 40
    assert unquantised_snr_db(replace(system, zero_state=False), x, lsf) > 60


@pytest.mark.parametrize("changes", [{"lpc": "none"}, {"window_at": "analysis"}])
def test_they_need_lpc_and_frames_faded_at_synthesis(system, changes):
    with pytest.raises(ValueError, match="zero_state"):
        replace(system, **changes)
