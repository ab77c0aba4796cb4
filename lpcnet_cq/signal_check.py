"""Checks of signals for the user: clipped input, and decoded signals that differ from the input.

Place in the chain: beside the encoder; the checks do not change the stream. They need NumPy only.
"""

from itertools import pairwise

import numpy as np

MOST_CLIPPED = 1e-3  # share of clipped samples above which clipping is reported
CLIPPED_RUN = 3  # number of consecutive samples at the largest magnitude that count as clipped
FULL_SCALE_FROM = 0.5  # signals with a smaller maximum do not count as clipped

SECTION_S = 0.5
WINDOW_S = 0.032
EDGES_HZ = (80, 200, 400, 630, 920, 1270, 1720, 2320, 3150, 4400, 6400, 9500, 13500, 20000)
FLOOR_DB = -75.0  # level relative to full scale; sections with a lower level are not compared
MOST_ERROR_DB = 3.5  # largest mean over bands, weighted by energy; normal coding at the lowest bitrate has less
MOST_FAILED = 0.1  # largest share of failed sections


def clipped_share(x: np.ndarray) -> float:
    """Return the share of samples in runs at the largest magnitude of the signal, 0..1.

    Parameters
    ----------
    x : float array (n,) or (n, channels)
        Full scale is 1.

    Examples
    --------
    >>> clipped_share(np.clip(2 * np.sin(np.arange(1000) / 20), -1, 1)) > 0.6
    True
    >>> clipped_share(np.sin(np.arange(1000) / 20))
    0.0
    """
    x = np.abs(np.asarray(x))
    peak = x.max(initial=0)
    if peak < FULL_SCALE_FROM or len(x) < CLIPPED_RUN:
        return 0.0
    x = x.reshape(len(x), -1)
    at_peak = np.asarray(x >= peak * (1 - 1e-4))
    runs = at_peak[:-2] & at_peak[1:-1] & at_peak[2:]
    within = np.zeros_like(at_peak)
    for k in range(CLIPPED_RUN):
        within[k : k + len(runs)] |= runs
    return float(within.mean())


def band_levels_db(x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Return band levels of sections of half a second, (sections, bands), in dB relative to full scale.

    Parameters
    ----------
    x : float array (n,) or (n, channels)
    sample_rate_hz : int
    """
    n = 2 * round(WINDOW_S * sample_rate_hz / 2)
    per_section = max(1, round(SECTION_S * sample_rate_hz / n))
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    sections = max(1, len(x) // (n * per_section))
    x = np.pad(x, [(0, max(0, sections * per_section * n - len(x))), (0, 0)])[: sections * per_section * n]
    window = np.hanning(n)[:, None]
    hz = np.arange(n // 2 + 1) * sample_rate_hz / n
    edges = np.searchsorted(hz, [edge for edge in EDGES_HZ if edge < 0.48 * sample_rate_hz])
    levels = []
    for section in x.reshape(sections, per_section, n, -1):  # one section at a time limits the memory for long signals
        power = np.abs(np.fft.rfft(section * window, axis=1)) ** 2 / (n * np.sum(window**2) / 2)
        power = power.mean(axis=(0, 2))
        levels.append([power[a:b].sum() for a, b in pairwise(edges)])
    return 10 * np.log10(np.array(levels).reshape(sections, -1) + 1e-12)


def coding_fault(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> str | None:
    """Compare decoded with original band levels; return a sentence on failed sections, or None.

    A section fails if the mean error of its band levels exceeds `MOST_ERROR_DB`; the weight of a band is its energy in
    both signals. The result is a sentence if more than one section in ten fails.

    Parameters
    ----------
    x, y : float arrays (n,) or (n, channels)
        Original and decoded signal, aligned.
    sample_rate_hz : int

    Examples
    --------
    >>> t = np.arange(32000) / 16000
    >>> tone = np.sin(2 * np.pi * 6000 * t)
    >>> coding_fault(tone, 0.2 * tone, 16000)
    'coding failed: the band levels of the decoded signal are wrong by 14 dB in 3 of 3 half-seconds, first at 0.0 s'
    """
    if not len(x) or sample_rate_hz < 2 * EDGES_HZ[2]:
        return None
    if np.ndim(y) < np.ndim(x):
        x = np.mean(x, axis=1)
    a, b = (10 ** (band_levels_db(v, sample_rate_hz) / 10) for v in (x, y))
    active = 10 * np.log10(a.sum(axis=1)) > FLOOR_DB
    weights = (a + b) / (a + b).sum(axis=1, keepdims=True)
    error_db = (weights * np.abs(10 * np.log10(b / a))).sum(axis=1)
    failed = active & (error_db > MOST_ERROR_DB)
    if failed.sum() <= MOST_FAILED * active.sum():
        return None
    share = f"{failed.sum()} of {active.sum()} half-seconds, first at {SECTION_S * np.argmax(failed):.1f} s"
    error = f"{error_db[failed].mean():.0f} dB"
    return f"coding failed: the band levels of the decoded signal are wrong by {error} in {share}"
