"""Mel filter banks: triangles of height 1 whose centres are evenly spaced on a mel scale.

Place in the chain: used by the spectral losses of training, which multiply power spectra by a bank. Every bank is
computed once. `librosa` has the same banks and is the reference in the tests. Training does not use it, because its
import takes seconds and needs a compiler and a machine-learning library.

Letters: W window length, n bands.
"""

from functools import lru_cache
from typing import Literal

import numpy as np

Scale = Literal["slaney", "htk"]


def edges_hz(n: int, top_hz: float, scale: Scale) -> np.ndarray:
    """Return the n + 2 corner frequencies of n triangles from 0 to `top_hz` (at least 1000).

    References
    ----------
    M. Slaney, "Auditory Toolbox", Interval Research (1998): linear to 1 kHz, then 27 bands per factor of 6.4;
    S. Young et al., "The HTK Book" (2006), eq. 5.13.

    Examples
    --------
    >>> edges_hz(2, 8000, "slaney").round(1).tolist()
    [0.0, 1005.6, 2836.4, 8000.0]
    """
    if scale == "htk":
        mel = np.linspace(0, 2595 * np.log10(1 + top_hz / 700), n + 2)
        return 700 * (10 ** (mel / 2595) - 1)
    octave = np.log(6.4) / 27
    mel = np.linspace(0, 15 + np.log(top_hz / 1000) / octave, n + 2)
    return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(octave * (mel - 15)))


@lru_cache
def mel_bank(n: int, W: int, sample_rate_hz: int, scale: Scale = "slaney") -> np.ndarray:
    """Return n triangular filters from 0 to half the sample rate, float32, shape (W/2+1, n).

    Examples
    --------
    >>> mel_bank(2, 8, 4000, "htk").astype(float).round(2).tolist()
    [[0.0, 0.0], [0.84, 0.16], [0.03, 0.97], [0.0, 0.51], [0.0, 0.0]]
    """
    edges = edges_hz(n, sample_rate_hz / 2, scale)
    f = np.fft.rfftfreq(W, 1 / sample_rate_hz)[:, None]
    rise, fall = (f - edges[:-2]) / np.diff(edges[:-1]), (edges[2:] - f) / np.diff(edges[1:])
    bank = np.maximum(0, np.minimum(rise, fall)).astype(np.float32)
    bank.flags.writeable = False  # because all callers share the array
    return bank
