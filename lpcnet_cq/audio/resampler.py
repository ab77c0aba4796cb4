"""Change the sample rate of a signal that is still arriving.

Place in the chain: before the live encoder and behind the live decoder; files are resampled by soxr, which works on
blocks of 1024 samples of the lower rate and would hold back 115 ms of a signal at 8 kHz. Delay: 64 samples at the
lower rate, 4 ms at 16 kHz.
"""

import math

import numpy as np

HALF_WIDTH = 64  # zero crossings of the filter on each side
CUTOFF = 0.955  # of the lower Nyquist frequency, where the gain is 1/2
KAISER_BETA = 9.0  # stopband 90 dB down, passband up to 0.91 of the lower Nyquist frequency
MOST_PHASES = 512  # whose filters are computed once
MOST_WEIGHTS = 1 << 18  # of the filters of a piece: a packet at 768 kHz has eight times as many
PLACES = np.arange(HALF_WIDTH * 512 + 1) / 512  # at which the filter is tabulated: 100 dB between them
KERNEL = np.sinc(CUTOFF * PLACES) * np.i0(KAISER_BETA * np.sqrt(1 - (PLACES / HALF_WIDTH) ** 2))


class LiveResampler:
    """Resample with a linear-phase filter that keeps the signal aligned: a windowed sinc (Smith and Gossett, 1984).

    Parameters
    ----------
    from_hz, to_hz : int
        1000..768000.
    channels : int
        1: signals are (n,). More: (n, channels).

    Examples
    --------
    >>> resampler = LiveResampler(8000, 16000)
    >>> y = np.concatenate([resampler.push(np.ones(100, np.float32)), resampler.finish()])
    >>> len(y), float(np.round(y[100], 3))
    (200, 1.0)
    """

    def __init__(self, from_hz: int, to_hz: int, channels: int = 1):
        divisor = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // divisor, from_hz // divisor
        self._scale = min(1.0, to_hz / from_hz)
        self._half = math.ceil(HALF_WIDTH / self._scale)
        self._only_one = channels == 1
        self._held = np.zeros((channels, self._half), np.float32)
        self._first = -self._half  # place of the first held sample in the signal
        self._n_in = self._n_out = 0
        self._filters = self._filter(np.arange(self._up)) if self._up <= MOST_PHASES else None

    def push(self, x: np.ndarray) -> np.ndarray:
        """Take samples, float32 (n,) or (n, channels), and return those that they complete."""
        if self._up == self._down:
            return x
        self._n_in += len(x)
        self._held = np.concatenate([self._held, x.reshape(len(x), len(self._held)).T], axis=1)
        end = self._n_in - self._half  # the last input sample that an output may stand at, excluded
        return self._until(max(-(-end * self._up // self._down), self._n_out))

    def finish(self) -> np.ndarray:
        """Return what is left, so that all outputs together are ceil(n to_hz / from_hz) samples."""
        if self._up != self._down:
            self._held = np.pad(self._held, ((0, 0), (0, self._half)))
        return self._until(-(-self._n_in * self._up // self._down))

    def _until(self, n_out: int) -> np.ndarray:
        """Return the samples from the first that was not returned to `n_out`, excluded."""
        most = max(MOST_WEIGHTS // (2 * self._half), 1)
        return np.concatenate([self._piece(end) for end in (*range(self._n_out + most, n_out, most), n_out)])

    def _piece(self, n_out: int) -> np.ndarray:
        """Do as `_until`, for samples of which all filters are computed at once."""
        if n_out == self._n_out:
            return self._held[0, :0] if self._only_one else self._held.T[:0]
        ticks = np.arange(self._n_out, n_out) * self._down
        begin = ticks // self._up - self._half + 1 - self._first
        phases = ticks % self._up
        weights = self._filter(phases) if self._filters is None else self._filters[phases]
        windows = [np.lib.stride_tricks.sliding_window_view(x, 2 * self._half)[begin] for x in self._held]
        y = [np.einsum("nk,nk->n", weights, window) for window in windows]
        self._n_out = n_out
        used = n_out * self._down // self._up - self._half + 1 - self._first
        self._held, self._first = self._held[:, used:], self._first + used
        return y[0] if self._only_one else np.stack(y, axis=1)

    def _filter(self, phases: np.ndarray) -> np.ndarray:
        """Return the filters of outputs that stand so many parts of `up` behind an input sample, (n, 2 half)."""
        distance = np.arange(1 - self._half, self._half + 1) - phases[:, None] / self._up
        h = np.interp(np.abs(distance) * self._scale, PLACES, KERNEL)
        return (h / h.sum(axis=1, keepdims=True)).astype(np.float32)
