"""Checks of signals for the user: clipped input, and decoded signals that differ from the input.

Place in the chain: beside the encoder; the checks do not change the stream. They need NumPy only. Bands that the
high-pass filter of an encoder reaches are not compared: those below 80 Hz for speech, none for music.
"""

from itertools import pairwise

import numpy as np

MOST_CLIPPED = 1e-3  # share of clipped samples above which clipping is reported
CLIPPED_RUN = 3  # number of consecutive samples at the largest magnitude that count as clipped
PEAK_TOLERANCE = 1e-4  # relative difference of samples that count as equal to the peak
FULL_SCALE_FROM = 0.5  # signals with a smaller maximum do not count as clipped
LEAST_RANGE = 0.01  # between the largest and the smallest sample of a channel that can be clipped: others are offsets

SECTION_S = 0.5
WINDOW_S = 0.032
EDGES_HZ = (0, 80, 200, 400, 630, 920, 1270, 1720, 2320, 3150, 4400, 6400, 9500, 13500, 20000)
LEAST_RATIO = 0.3  # of energy in bands that are compared to that in those below, in a section: windows leak
LEAST_S = 0.25  # shorter signals are not compared: their first and last packets count too much
FLOOR_DB, LOWEST_FLOOR_DB = -75.0, -90.0  # relative to full scale; sections with a lower level are not compared
FLOOR_BELOW_LOUDEST_DB = 30.0  # the floor of faint signals
MOST_ERROR_DB = 3.5  # largest mean over bands, weighted by energy; normal coding at the lowest bitrate has less
MOST_TONE_ERROR_DB = 1.5  # of tones, which receivers of signals measure
TONE_SHARE = 0.99  # of the energy in two bands makes a section a tone; 0.3 % of the sections of speech have more
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
    meter = ClippingMeter()
    meter.push(np.asarray(x))
    return meter.share()


def by_channel(x: np.ndarray) -> np.ndarray:
    """Return a signal (n,) or (n, channels) as (n, channels)."""
    return x if x.ndim == 2 else x[:, None]


class ClippingMeter:
    """Measure `clipped_share` of a signal that comes in blocks."""

    def __init__(self):
        self._peak, self._n = 0.0, 0
        self._n_within, self._range = np.zeros(1, int), np.zeros((2, 1))  # of each channel
        self._held: np.ndarray | None = None  # magnitudes around the first one that is not yet judged
        self._judged = 0  # of those held

    def push(self, x: np.ndarray, last: bool = False) -> None:
        """Take samples (n,) or (n, channels)."""
        x = by_channel(x)
        if self._n == 0:
            self._range = np.array([[np.inf], [-np.inf]]) * np.ones(x.shape[1])
        ends = np.min(x, axis=0, initial=np.inf), np.max(x, axis=0, initial=-np.inf)
        self._range = np.array([np.minimum(self._range[0], ends[0]), np.maximum(self._range[1], ends[1])])
        x = np.abs(x)
        peak = float(x.max(initial=0))
        if peak > self._peak * (1 + PEAK_TOLERANCE):
            self._n_within = np.zeros(x.shape[1], int)  # what was there before is below this peak
        self._peak, self._n = max(peak, self._peak), self._n + x.size
        x = x if self._held is None else np.concatenate([self._held, x])
        at_peak = np.asarray(x >= self._peak * (1 - PEAK_TOLERANCE))
        within = np.zeros_like(at_peak)
        if len(x) >= CLIPPED_RUN:
            runs = at_peak[:-2] & at_peak[1:-1] & at_peak[2:]
            for k in range(CLIPPED_RUN):
                within[k : k + len(runs)] |= runs
        end = len(x) if last else max(len(x) - CLIPPED_RUN + 1, self._judged)  # of runs that may go on
        self._n_within = self._n_within + np.count_nonzero(within[self._judged : end], axis=0)
        keep = max(end - CLIPPED_RUN + 1, 0)
        self._held, self._judged = x[keep:], end - keep

    def share(self) -> float:
        """Return the share at the end of the signal."""
        if self._held is None or self._peak < FULL_SCALE_FROM:
            return 0.0
        self.push(self._held[:0], last=True)
        return float(self._n_within[self._range[1] - self._range[0] >= LEAST_RANGE].sum()) / self._n


def band_levels_db(x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Return band levels of sections of half a second, (sections, bands), in dB relative to full scale.

    The first band is below 80 Hz, without an offset. The last band ends at 0.48 of the sample rate.

    Parameters
    ----------
    x : float array (n,) or (n, channels)
    sample_rate_hz : int
    """
    meter = BandMeter(sample_rate_hz)
    meter.push(x)
    return meter.levels_db()


class BandMeter:
    """Measure `band_levels_db` of a signal that comes in blocks."""

    def __init__(self, sample_rate_hz: int):
        n = 2 * round(WINDOW_S * sample_rate_hz / 2)
        self._section = max(1, round(SECTION_S * sample_rate_hz / n)), n
        self._window = np.hanning(n)[:, None]
        hz = np.arange(n // 2 + 1) * sample_rate_hz / n
        end_hz = 0.48 * sample_rate_hz
        self._edges = np.searchsorted(hz, [*(edge for edge in EDGES_HZ if edge < end_hz), end_hz])
        self._held: np.ndarray | None = None  # the last whole section and what follows it
        self._measured = 0  # samples of those held that are in `_levels`
        self._n, self.sample_rate_hz = 0, sample_rate_hz
        self._levels: list[list[float]] = []

    def push(self, x: np.ndarray) -> None:
        """Take samples (n,) or (n, channels)."""
        x = by_channel(np.asarray(x, np.float64))
        self._n += len(x)
        x = x if self._held is None else np.concatenate([self._held, x])
        size, done = self._section[0] * self._section[1], self._measured
        while len(x) - done >= size:  # one section at a time limits the memory
            self._levels.append(self._powers(x[done : done + size]))
            x, done = x[done:], size
        self._held, self._measured = x, done

    @property
    def seconds(self) -> float:
        """Return the duration of what was pushed."""
        return self._n / self.sample_rate_hz

    def levels_db(self) -> np.ndarray:
        """Return the levels at the end of the signal; the last section overlaps the one before, or is padded."""
        levels = list(self._levels)
        if self._held is not None and (len(self._held) > self._measured or not levels):
            size = self._section[0] * self._section[1]
            missing = max(size - len(self._held), 0)
            levels.append(self._powers(np.pad(self._held[-size:], [(0, missing), (0, 0)])))
        return 10 * np.log10(np.array(levels).reshape(len(levels), -1) + 1e-12)

    def _powers(self, section: np.ndarray) -> list[float]:
        n = len(self._window)
        frames, weights = section.reshape(*self._section, -1), self._window / self._window.sum()
        frames = frames - (frames * weights).sum(axis=1, keepdims=True)  # so that an offset does not leak
        spectrum = np.fft.rfft(frames * self._window, axis=1)
        power = (np.abs(spectrum) ** 2 / (n * np.sum(self._window**2) / 2)).mean(axis=(0, 2))
        return [power[a:b].sum() for a, b in pairwise(self._edges)]


def coding_fault(x: np.ndarray, y: np.ndarray, sample_rate_hz: int, highpass_hz: float) -> str | None:
    """Compare decoded with original band levels; return a sentence on failed sections, or None.

    A section fails if the mean error of its band levels exceeds `MOST_ERROR_DB`, or that of a tone
    `MOST_TONE_ERROR_DB`; the weight of a band is its energy in both signals. The result is a sentence if more than one
    section in ten fails. Pauses below `FLOOR_DB` are not compared, but faint signals are, down to `LOWEST_FLOOR_DB`.
    Bands that begin below `highpass_hz`, sections with most energy there, and signals shorter than `LEAST_S`, are not
    compared.

    Parameters
    ----------
    x, y : float arrays (n,) or (n, channels)
        Original and decoded signal, aligned.
    sample_rate_hz : int
    highpass_hz : float
        Cutoff of the encoder's high-pass filter, 0 if it has none.

    Examples
    --------
    >>> t = np.arange(32000) / 16000
    >>> tone = np.sin(2 * np.pi * 6000 * t)
    >>> coding_fault(tone, 0.2 * tone, 16000, 50.0)
    'coding failed: the band levels of the decoded signal are wrong by 14 dB in 4 of 4 half-seconds, first at 0.0 s'
    """
    if np.ndim(y) < np.ndim(x):
        x = np.mean(x, axis=1)
    meters = BandMeter(sample_rate_hz), BandMeter(sample_rate_hz)
    for meter, signal in zip(meters, (x, y), strict=True):
        meter.push(signal)
    return level_fault(*meters, highpass_hz)


def level_fault(original: BandMeter, decoded: BandMeter, highpass_hz: float) -> str | None:
    """Compare signals that two meters have measured, as `coding_fault` does."""
    if original.seconds < LEAST_S or original.sample_rate_hz < 2 * EDGES_HZ[3]:
        return None
    first = int(np.searchsorted(EDGES_HZ, highpass_hz))
    powers, b = 10 ** (original.levels_db() / 10), 10 ** (decoded.levels_db()[:, first:] / 10)
    removed, a = powers[:, :first].sum(axis=1), powers[:, first:]
    level_db = 10 * np.log10(a.sum(axis=1))
    active = (a.sum(axis=1) > LEAST_RATIO * removed) & (
        level_db > np.clip(level_db.max() - FLOOR_BELOW_LOUDEST_DB, LOWEST_FLOOR_DB, FLOOR_DB)
    )
    weights = (a + b) / (a + b).sum(axis=1, keepdims=True)
    error_db = (weights * np.abs(10 * np.log10(b / a))).sum(axis=1)
    is_tone = np.sort(a, axis=1)[:, -2:].sum(axis=1) > TONE_SHARE * a.sum(axis=1)
    failed = active & (error_db > np.where(is_tone, MOST_TONE_ERROR_DB, MOST_ERROR_DB))
    if failed.sum() <= MOST_FAILED * active.sum():
        return None
    share = f"{failed.sum()} of {active.sum()} half-seconds, first at {SECTION_S * np.argmax(failed):.1f} s"
    error = f"{error_db[failed].mean():.0f} dB"
    return f"coding failed: the band levels of the decoded signal are wrong by {error} in {share}"
