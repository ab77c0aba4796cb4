"""Quality metrics: every score of decoded audio.

Place in the chain: none; used by `evaluate` and by the experiments. Every function takes the original x, the decoded
signal y (both (n,), or (n, 2) where stated) and their sample rate in Hz, and returns one number. The result is NaN if
the metric is not defined, for example for a clip without speech. The record of a codec lists its metrics
(`CodecRecord.metrics`).
"""

import functools
import importlib
import importlib.util
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import soxr

from dsp.band_levels import band_level_differences_db
from dsp.frames import FrameSpec
from dsp.line_excess import pause_line_excess_db
from dsp.modulation import modulation_distance_db
from dsp.psychoacoustics import N_FFT, noise_to_mask_ratio_db
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.constants import FULL_SCALE_DB
from lpcnet_cq.registry import record_named

METRIC_RATE_HZ = 16000  # PESQ-WB, ESTOI, DNSMOS and the speech mode of ViSQOL score signals of this rate only
VISQOL_AUDIO_RATE_HZ = 48000  # of ViSQOL's audio mode
VISQOL_AUDIO_MIN_S = 1.2  # shorter signals have no score in audio mode
DNSMOS_S = 9.01  # input length of the DNSMOS network
LEAST_S = 1.1  # shorter signals have no line excess and no modulation spectrum
BAND_EDGES_HZ = (100, 1000, 2000, 4000, 7000, 16000)  # of the levels; codecs for speech have the first four bands


class Metric(NamedTuple):
    """Describe a metric.

    Attributes
    ----------
    title : str
        In tables.
    score : callable
        (x, y, sample_rate_hz) to a number.
    modules : tuple of str
        Packages that it needs.
    decimals : int
        In tables.
    of_speech : bool
        Whether it scores one channel of `METRIC_RATE_HZ` only.
    """

    title: str
    score: Callable[[np.ndarray, np.ndarray, int], float]
    modules: tuple[str, ...] = ()
    decimals: int = 2
    of_speech: bool = False


def channels(x: np.ndarray) -> np.ndarray:
    """Return the channels (1 or 2, n) of a signal (n,) or (n, 2)."""
    return x[None] if x.ndim == 1 else x.T


def mid(x: np.ndarray) -> np.ndarray:
    """Return the mid channel (n,) of a signal (n,) or (n, 2): the mean of its channels."""
    return channels(x).mean(axis=0)


def snr_db(x: np.ndarray, y: np.ndarray) -> float:
    """Return the signal-to-noise ratio of y in dB, (n,) or (n, 2).

    >>> round(snr_db(np.array([1.0, -1.0]), np.array([1.1, -1.1])), 6)
    20.0
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)))


def si_sdr_db(x: np.ndarray, y: np.ndarray) -> float:
    """Return the scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019, eq. 3), means removed."""
    x, y = x - x.mean(), y - y.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        return snr_db((y @ x) / (x @ x) * x, y)


def pesq_wb(x: np.ndarray, y: np.ndarray, sample_rate_hz: int = METRIC_RATE_HZ) -> float:
    """Return wideband PESQ, 1.04 to 4.64 (ITU-T P.862.2, 2007; without its second corrigendum, as in most papers)."""
    from pesq import PesqError, pesq

    check_rate("PESQ-WB", sample_rate_hz)
    try:
        return float(pesq(sample_rate_hz, x, y, "wb"))
    except PesqError:  # no speech detected
        return float("nan")


def estoi(x: np.ndarray, y: np.ndarray, sample_rate_hz: int = METRIC_RATE_HZ) -> float:
    """Return ESTOI, extended short-time objective intelligibility (Jensen and Taal, 2016), at most 1."""
    from pystoi import stoi

    check_rate("ESTOI", sample_rate_hz)
    with warnings.catch_warnings():  # with less than 0.4 s of speech, pystoi warns and returns 1e-5
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(x, y, sample_rate_hz, extended=True))
        except (RuntimeWarning, np.exceptions.AxisError):  # the latter where there is not a single frame
            return float("nan")


def visqol_speech(x: np.ndarray, y: np.ndarray, sample_rate_hz: int = METRIC_RATE_HZ) -> float:
    """Return ViSQOL in speech mode with the lattice mapping of its version 3 (Chinen et al., 2020), 1 to 5."""
    check_rate("ViSQOL in speech mode", sample_rate_hz)
    try:
        return float(_visqol("speech").measure_from_arrays(x, y, sample_rate_hz).moslqo)
    except (IndexError, ValueError):  # less than a patch of 0.6 s
        return float("nan")


def visqol_audio(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return ViSQOL in audio mode (Chinen et al., 2020) of the mid channels of (n,) or (n, 2), 1 to 4.75."""
    if len(x) < VISQOL_AUDIO_MIN_S * sample_rate_hz:
        return float("nan")
    a, b = (soxr.resample(mid(v).astype(np.float64), sample_rate_hz, VISQOL_AUDIO_RATE_HZ) for v in (x, y))
    return float(_visqol("audio").measure_from_arrays(a, b, VISQOL_AUDIO_RATE_HZ).moslqo)


@functools.cache
def _visqol(mode: str):
    """Load ViSQOL in speech or audio mode."""
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode=mode, use_lattice_model=mode == "speech")
    return api


def nmr_db(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return the total noise-to-mask ratio of y in dB, (n,) or (n, 2); below 0 the noise is masked on average.

    The mean is taken over the powers of all channels, frames and critical bands, so that the most audible noise has
    the largest weight.

    References
    ----------
    ITU-R BS.1387-1 (2001), annex 2, 4.5: Total NMR, with the thresholds of `dsp.psychoacoustics`.
    """
    ratio_db = noise_to_mask_ratio_db(channels(x), channels(y), sample_rate_hz, FULL_SCALE_DB, N_FFT)
    return float(10 * np.log10(np.mean(10 ** (ratio_db / 10))))


def dnsmos(x: np.ndarray, y: np.ndarray, sample_rate_hz: int = METRIC_RATE_HZ) -> float:
    """Return DNSMOS OVRL (Reddy et al., 2022) of the first 9.01 s of y, 1 to 5; a shorter y is repeated."""
    network = importlib.import_module("speechmos.dnsmos")
    check_rate("DNSMOS", sample_rate_hz)
    window = np.resize(y, round(DNSMOS_S * sample_rate_hz)).clip(-1, 1).astype(np.float32)
    return float(network.run(window, sr=sample_rate_hz)["ovrl_mos"])


def pause_lines_db(x: np.ndarray, y: np.ndarray, sample_rate_hz: int, step_hz: float) -> float:
    """Return the lines at multiples of `step_hz` that a codec adds in pauses, in dB, (n,) or (n, 2).

    It is the `pause_line_excess_db` of y, less that of x, whose hum is no error of the codec.
    """
    if len(x) < LEAST_S * sample_rate_hz:
        return float("nan")
    a, b = (pause_line_excess_db(channels(x), channels(v), sample_rate_hz, step_hz) for v in (x, y))
    return float(np.mean(b - a))


def band_level_db(x: np.ndarray, y: np.ndarray, sample_rate_hz: int, band: tuple[float, float]) -> float:
    """Return by how many dB the level of y within a band of frequencies exceeds that of x, (n,) or (n, 2)."""
    if len(x) < LEAST_S * sample_rate_hz:
        return float("nan")
    return float(np.mean(band_level_differences_db(channels(x), channels(y), sample_rate_hz, band)))


def modulation_db(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return the `modulation_distance_db` of y, (n,) or (n, 2), the mean of all channels."""
    if len(x) < LEAST_S * sample_rate_hz:
        return float("nan")
    return float(np.mean(modulation_distance_db(channels(x), channels(y), sample_rate_hz)))


def check_rate(name: str, sample_rate_hz: int) -> None:
    """Raise a ValueError unless a metric is given signals of the one rate that it scores."""
    if sample_rate_hz != METRIC_RATE_HZ:
        raise ValueError(f"`sample_rate_hz` is {sample_rate_hz}, for {name} it must be {METRIC_RATE_HZ}")


def _step_hz(spec: FrameSpec) -> float:
    """Return the rate of subframes in Hz."""
    return spec.sample_rate_hz / spec.subframe


METRICS: dict[str, Metric] = {
    "pesq": Metric("PESQ-WB", pesq_wb, ("pesq",), of_speech=True),
    "estoi": Metric("ESTOI", estoi, ("pystoi",), 3, of_speech=True),
    # Without LiteRT, ViSQOL uses another mapping and gives no warning.
    "visqol": Metric("ViSQOL", visqol_speech, ("visqol", "ai_edge_litert"), of_speech=True),
    "visqol_audio": Metric("ViSQOL audio", visqol_audio, ("visqol",)),
    "nmr_db": Metric("NMR, dB", nmr_db),
    "si_sdr_db": Metric("SI-SDR, dB", lambda x, y, _: si_sdr_db(x, y), decimals=1),
    "snr_db": Metric("SNR, dB", lambda x, y, _: snr_db(x, y), decimals=1),
    "dnsmos": Metric("DNSMOS", dnsmos, ("speechmos", "onnxruntime", "librosa"), of_speech=True),
    "pause_lines_db": Metric("lines in pauses, dB", partial(pause_lines_db, step_hz=_step_hz(FrameSpec())), decimals=1),
    "block_lines_db": Metric(
        "lines in quiet parts, dB", partial(pause_lines_db, step_hz=_step_hz(MusicConfig().spec)), decimals=1
    ),
    **{
        f"level_{low}_hz_db": Metric(
            f"level {low / 1000:g}-{high / 1000:g} kHz, dB", partial(band_level_db, band=(low, high)), decimals=1
        )
        for low, high in pairwise(BAND_EDGES_HZ)
    },
    "modulation_db": Metric("modulation, dB", modulation_db, decimals=1),
}


def metrics_for(codec) -> dict[str, Metric]:
    """Return by name the metrics for a codec, which depend on its `kind`."""
    return {name: METRICS[name] for name in record_named(codec.kind).metrics}


def measurable(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Return by name the metrics whose packages are installed."""
    missing = missing_modules(metrics)
    return {name: metric for name, metric in metrics.items() if name not in missing}


def missing_modules(metrics: Mapping[str, Metric]) -> dict[str, str]:
    """Return by name the metrics that cannot be computed, each with its first missing package."""
    lacks = {k: [m for m in metric.modules if importlib.util.find_spec(m) is None] for k, metric in metrics.items()}
    return {k: modules[0] for k, modules in lacks.items() if modules}
