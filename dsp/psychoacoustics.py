"""Masking thresholds by psychoacoustic model 1 of MPEG-1, layer 1, and noise-to-mask ratios.

The model has one function per step, in the order of ISO/IEC 11172-3:1993, annex D.1::

    frames --> power_spectrum_db --> find_maskers --> decimate --> global_threshold_db

`masking` applies all steps to a signal; `noise_to_mask_ratio_db` compares an error with the thresholds.

Notation: N = 512 samples per frame, K = N/2 + 1 spectral lines k, T frames, B critical bands, z in Bark,
X in dB SPL. Levels are absolute: `full_scale_db` is the sound pressure level of a full-scale sinusoid, the same for all
frames. The powers of all lines of a frame add up to the power of the frame.

Not implemented: the reduction of the threshold in quiet by 12 dB at high bitrates, the 32 subbands with their scale
factors, temporal masking, and stereo.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, number_in
from dsp.psychoacoustics_hearing import hz_to_bark, spreading_db, threshold_in_quiet_db
from dsp.psychoacoustics_maskers import (
    N_FFT,
    SAMPLE_RATES_HZ,
    decimate,
    find_maskers,
    masker_pair,
    spectral_lines,
)

__all__ = [
    "N_FFT",
    "SAMPLE_RATES_HZ",
    "Masking",
    "decimate",
    "find_maskers",
    "global_threshold_db",
    "hz_to_bark",
    "masking",
    "noise_to_mask_ratio_db",
    "power_spectrum_db",
    "spreading_db",
    "threshold_in_quiet_db",
]

_MAX_LEVEL_DB = 1000.0
_FLOOR_DB = -200.0  # level of a spectral line for digital silence
_BLOCK_MASKERS = 512  # maskers per step, which bounds the memory for long signals


@dataclass(frozen=True)
class Masking:
    """Hold levels, maskers and thresholds of T frames, all in dB SPL with shape (..., T, K).

    Attributes
    ----------
    level_db : ndarray
        Power spectrum.
    tonal_db, noise_db : ndarray
        Maskers that remain after decimation, at their lines; -inf at other lines.
    threshold_db : ndarray
        Global masking threshold: narrow-band sounds below this level are not audible.
    frequency_hz : ndarray, shape (K,)
        Frequencies of the lines.
    """

    level_db: np.ndarray
    tonal_db: np.ndarray
    noise_db: np.ndarray
    threshold_db: np.ndarray
    frequency_hz: np.ndarray


def power_spectrum_db(frames: ArrayLike, full_scale_db: float = 96.0) -> np.ndarray:
    """Return the power spectrum in dB SPL of frames with a Hann window, on the same absolute scale for every frame.

    Parameters
    ----------
    frames : array_like, shape (..., 512)
        Samples; full scale is 1.
    full_scale_db : float
        Level of a sinusoid of amplitude 1, in dB SPL.

    Returns
    -------
    ndarray, shape (..., 257)
        Levels X(k). A sinusoid of level L at the frequency of a line gives L - 1.76 dB at this line and L - 7.78 dB at
        both neighbours, with a sum of L. Digital silence gives -200 dB.

    Raises
    ------
    ValueError
        If `frames` does not have 512 samples or holds NaN or infinity, or `full_scale_db` is not finite.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1, step 1 (without its normalisation of each spectrum to a fixed maximum).

    Examples
    --------
    >>> tone = 0.1 * np.sin(2 * np.pi * 40 / 512 * np.arange(512))
    >>> power_spectrum_db(tone)[38:43].round(2).tolist()
    [-200.0, 68.22, 74.24, 68.22, -200.0]
    """
    s = finite("frames", frames, min_ndim=0)
    if s.ndim == 0 or s.shape[-1] != N_FFT:
        raise ValueError(f"`frames` has shape {s.shape}, its last axis must be {N_FFT} samples")
    full_scale_db = number_in("full_scale_db", full_scale_db, -_MAX_LEVEL_DB, _MAX_LEVEL_DB)
    h = np.sqrt(8 / 3) * 0.5 * (1 - np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT))
    S = np.fft.rfft(h * s) / N_FFT
    # Positive and negative frequencies together give 2 |S|^2; a sinusoid of amplitude 1 has the power 1/2.
    power = 4 * (S.real**2 + S.imag**2)
    power[..., [0, -1]] /= 2  # DC and Nyquist frequency exist only once
    return _decibel(power, full_scale_db)


def global_threshold_db(tonal_db: ArrayLike, noise_db: ArrayLike, sample_rate_hz: int) -> np.ndarray:
    """Return the global masking threshold: the power sum of the masking thresholds of all maskers and of that in quiet.

    Parameters
    ----------
    tonal_db, noise_db : array_like, shape (..., 257)
        Maskers in dB SPL, from `decimate`; -inf at other lines.
    sample_rate_hz : int
        One of `SAMPLE_RATES_HZ`.

    Returns
    -------
    ndarray, shape (..., 257)
        Thresholds LT_g in dB SPL at every line (the standard computes about every second line), never below
        `threshold_in_quiet_db`.

    Raises
    ------
    ValueError
        If shapes differ or do not end with 257, a level is NaN, or the sample rate is not in `SAMPLE_RATES_HZ`.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1, steps 6 and 7.

    Examples
    --------
    >>> tonal_db, noise_db = np.full((2, 257), -np.inf)
    >>> tonal_db[100] = 60.0
    >>> global_threshold_db(tonal_db, noise_db, 16000)[[20, 100, 140]].round(2)
    array([ 5.21, 49.62, 25.19])
    """
    tonal, noise = masker_pair(tonal_db, noise_db)
    lines = spectral_lines(sample_rate_hz)
    z = lines.bark
    n_lines = z.size
    total = np.broadcast_to(10 ** (lines.quiet_db / 10), tonal.shape).reshape(-1, n_lines).copy()
    vf_0, vf_slope = _spreading_between_lines(sample_rate_hz)
    # Masking indices: av_tm = -1.525 - 0.275 z - 4.5 and av_nm = -1.525 - 0.175 z - 0.5.
    for maskers_db, av in ((tonal, -6.025 - 0.275 * z), (noise, -2.025 - 0.175 * z)):
        flat = maskers_db.reshape(-1, n_lines)
        frame, line = np.nonzero(np.isfinite(flat))
        for start in range(0, frame.size, _BLOCK_MASKERS):
            t, j = frame[start : start + _BLOCK_MASKERS], line[start : start + _BLOCK_MASKERS]
            X = flat[t, j][:, None]
            LT = vf_slope[j] * X + vf_0[j] + (X + av[j, None])
            first = np.flatnonzero(np.diff(t, prepend=-1))  # maskers are sorted by frame
            total[t[first]] += np.add.reduceat(np.exp(np.log(10) / 10 * LT), first, axis=0)
    return (10 * np.log10(total)).reshape(tonal.shape)


def masking(x: ArrayLike, sample_rate_hz: int, full_scale_db: float = 96.0, hop: int = 256) -> Masking:
    """Return levels, maskers and masking thresholds of a signal, frame by frame.

    Parameters
    ----------
    x : array_like, shape (..., n_samples)
        Signal; full scale is 1.
    sample_rate_hz : int
        One of `SAMPLE_RATES_HZ`.
    full_scale_db : float
        Level of a sinusoid of amplitude 1, in dB SPL; 96 stands for a loud playback level.
    hop : int
        Samples from frame to frame, at least 1. The centre of frame t is sample t * hop; the signal is padded with
        zeros. There are 1 + n_samples // hop frames.

    Returns
    -------
    Masking
        Levels, maskers and thresholds in dB SPL, (..., T, 257) each.

    Raises
    ------
    ValueError
        If `x` is empty or holds NaN or infinity, or another argument is outside its range.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1; ISO/IEC 13818-3:1998 for 16 kHz.

    Examples
    --------
    >>> x = 0.1 * np.sin(2 * np.pi * 1250 / 16000 * np.arange(16000))
    >>> m = masking(x, 16000)
    >>> m.threshold_db.shape, m.tonal_db[30, 40].round(3).item(), m.threshold_db[30, 40].round(2).item()
    ((63, 257), 76.0, 67.23)
    """
    level_db = power_spectrum_db(_frames(x, hop, "x"), full_scale_db)
    maskers = decimate(*find_maskers(level_db, sample_rate_hz), sample_rate_hz)
    threshold_db = global_threshold_db(*maskers, sample_rate_hz)
    return Masking(level_db, *maskers, threshold_db, spectral_lines(sample_rate_hz).frequency_hz)


def noise_to_mask_ratio_db(
    reference: ArrayLike,
    degraded: ArrayLike,
    sample_rate_hz: int,
    full_scale_db: float = 96.0,
    hop: int = 256,
) -> np.ndarray:
    """Return the ratio of an error to the masking threshold of the reference, per frame and critical band.

    The power of the error at each line is divided by the threshold at this line. These ratios are summed over the
    critical band, because hearing sums powers within a band. Error and threshold have the same absolute scale.

    Parameters
    ----------
    reference, degraded : array_like, shape (..., n_samples)
        Signals of equal shape, aligned in time and level; full scale is 1.
    sample_rate_hz : int
        One of `SAMPLE_RATES_HZ`.
    full_scale_db : float
        Level of a sinusoid of amplitude 1, in dB SPL.
    hop : int
        Samples from frame to frame, as in `masking`.

    Returns
    -------
    ndarray, shape (..., T, B)
        Ratios in dB; the error is masked below 0. B is 22 at 16 kHz and 24 or 25 at higher rates.

    Raises
    ------
    ValueError
        If the signals differ in shape, are empty or hold NaN, or another argument is outside its range.

    References
    ----------
    K. Brandenburg, T. Sporer, "NMR and masking flag: evaluation of quality using perceptual criteria",
    AES 11th Int. Conf., 1992.

    Examples
    --------
    >>> x = 0.1 * np.sin(2 * np.pi * 1250 / 16000 * np.arange(16000))
    >>> noise_to_mask_ratio_db(x, 0.9 * x, 16000)[30, 9].round(2).item()
    -9.92
    """
    x, y = finite("reference", reference, min_ndim=0), finite("degraded", degraded, min_ndim=0)
    if x.shape != y.shape:
        raise ValueError(f"`degraded` has shape {y.shape}, it must have the shape of `reference`, {x.shape}")
    lines = spectral_lines(sample_rate_hz)
    mask_db = masking(x, sample_rate_hz, full_scale_db, hop).threshold_db
    noise_db = power_spectrum_db(_frames(y - x, hop, "degraded"), full_scale_db)
    ratio = 10 ** ((noise_db - mask_db) / 10)
    return 10 * np.log10(np.add.reduceat(ratio, lines.band_start, axis=-1))


@lru_cache(maxsize=len(SAMPLE_RATES_HZ))
def _spreading_between_lines(sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vf_0 and vf_slope of the spreading from line j to line i, vf = vf_0[j, i] + X vf_slope[j, i]."""
    z = spectral_lines(sample_rate_hz).bark
    dz = z - z[:, None]
    vf_0, vf_1 = spreading_db(dz, 0.0), spreading_db(dz, 1.0)
    masked = np.isfinite(vf_0)
    return vf_0, np.where(masked, vf_1, 0.0) - np.where(masked, vf_0, 0.0)


def _frames(x: ArrayLike, hop: int, name: str) -> np.ndarray:
    """Return frames (..., T, 512) whose centres are the multiples of hop."""
    s = finite(name, x, min_ndim=0)
    if s.ndim == 0 or s.shape[-1] == 0:
        raise ValueError(f"`{name}` has shape {s.shape}, it must hold at least one sample")
    hop = integer_in("hop", hop, 1)
    padded = np.pad(s, [(0, 0)] * (s.ndim - 1) + [(N_FFT // 2, N_FFT // 2)])
    return np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=-1)[..., ::hop, :]


def _decibel(power: np.ndarray, full_scale_db: float) -> np.ndarray:
    """Return powers relative to full scale as levels in dB SPL, limited to a minimum."""
    return 10 * np.log10(np.maximum(power, 10 ** ((_FLOOR_DB - full_scale_db) / 10))) + full_scale_db
