"""Coders under test: what turns a recording into its decoded copy and a bitrate, ours and those of other codecs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.evaluation.tables import mean_kbps

FULL_SCALE = 32768.0
Code = Callable[[np.ndarray], tuple[np.ndarray, float]]  # samples (n,) or (n, 2) to decoded samples and kbps


@dataclass(frozen=True)
class Peer:
    """Hold another codec.

    Attributes
    ----------
    title : str
        Name in tables.
    rates : tuple
        Bitrates to compare at, kbps.
    load : callable
        Loads what the codec needs; raises OSError, ImportError or RuntimeError with the reason if it cannot run.
    steerable : bool
        Takes any rate, and its mean rate only comes near it.
    """

    title: str
    rates: tuple[float, ...]
    load: Callable[[], object]
    steerable: bool = field(default=False, kw_only=True)

    def missing(self) -> str | None:
        """Return why the codec cannot run here; None if it can."""
        try:
            self.load()
        except (OSError, ImportError, RuntimeError) as error:
            return str(error)
        return None

    def code(self, x: np.ndarray, sample_rate_hz: int, kbps: float) -> tuple[np.ndarray, float]:
        """Return the decoded copy of a recording, aligned with it, and the measured bitrate in kbps."""
        raise NotImplementedError

    def measured_kbps(self, x: np.ndarray, sample_rate_hz: int, kbps: float) -> float:
        """Return the measured bitrate of a recording in kbps."""
        return self.code(x, sample_rate_hz, kbps)[1]


def own_code(codec, kbps: float) -> Code:
    """Return what codes a recording with our codec: whole files, headers counted. It can be sent to other processes."""
    return partial(code_own, codec, kbps)


def code_own(codec, kbps: float, x: np.ndarray) -> tuple[np.ndarray, float]:
    """Code a recording with our codec; return its decoded copy and the measured bitrate in kbps."""
    data = codec.encode(x, codec.sample_rate_hz, bitrate_bps=1000 * kbps)
    return codec.decode(data)[0], 8 * len(data) / (len(x) / codec.sample_rate_hz) / 1000


def to_ask(measure: Callable[[float], float], kbps: float, accepted: tuple[float, float]) -> float:
    """Return the rate to request so that a codec comes out at `kbps`.

    Parameters
    ----------
    measure : callable
        Requested to measured rate, kbps.
    kbps : float
    accepted : tuple
        If the share of the requested rate that comes out is within these limits, nothing is corrected.

    Examples
    --------
    >>> round(to_ask(lambda asked: 0.9 * asked, 9.0, (0.97, np.inf)), 6)
    10.0
    >>> to_ask(lambda asked: 0.98 * asked, 9.0, (0.97, np.inf))
    9.0
    """
    got = measure(kbps)
    if accepted[0] <= got / kbps <= accepted[1]:
        return kbps
    asked = kbps * kbps / got
    return asked * kbps / measure(asked)


def steer(
    peer: Peer, recordings: Iterable[tuple[np.ndarray, int]], kbps: float, accepted: tuple[float, float]
) -> float:
    """Return the one rate to request for all recordings, samples and sample rate, so that together they have `kbps`.

    `accepted` as for `to_ask`. The rate of a codec that is not steerable is returned as it is.
    """
    if not peer.steerable:
        return kbps
    known = list(recordings)

    def measure(asked):
        rates = [(peer.measured_kbps(x, fs, asked), len(x) / fs) for x, fs in known]
        return mean_kbps([{"kbps": rate, "seconds": seconds} for rate, seconds in rates])

    return to_ask(measure, kbps, accepted)


def align(x: np.ndarray, y: np.ndarray, lags: Sequence[int]) -> np.ndarray:
    """Return y moved forward by the lag at which it correlates best with x, and as long as x; (n,) or (n, 2).

    Examples
    --------
    >>> align(np.array([1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, 2.0, 3.0]), range(-1, 4))
    array([1., 2., 3.])
    """
    return shifted(y, best_lag(x, y, lags), len(x))


def best_lag(x: np.ndarray, y: np.ndarray, lags: Sequence[int]) -> int:
    """Return the lag of y at which it correlates best with x, (n,) or (n, 2)."""
    a, b = (v.reshape(len(v), -1).mean(axis=1) for v in (x, y))
    n = 2 * max(len(a), len(b))
    correlation = np.fft.irfft(np.fft.rfft(b, n) * np.conj(np.fft.rfft(a, n)), n)
    return max(lags, key=lambda lag: correlation[lag % n])


def shifted(y: np.ndarray, lag: int, n: int) -> np.ndarray:
    """Return y moved forward by a lag, n samples long; (n,) or (n, 2).

    Examples
    --------
    >>> shifted(np.array([1.0, 2.0, 3.0]), 1, 3), shifted(np.array([1.0, 2.0]), -1, 3)
    (array([2., 3., 0.]), array([0., 1., 2.]))
    """
    channels = [(0, 0)] * (y.ndim - 1)
    y = y[lag:] if lag >= 0 else np.pad(y, [(-lag, 0), *channels])
    return np.pad(y, [(0, max(0, n - len(y))), *channels])[:n]


def as_pcm16(x: np.ndarray) -> np.ndarray:
    """Return samples rounded to 16 bits, full scale 1."""
    return to_pcm16(x) / FULL_SCALE
