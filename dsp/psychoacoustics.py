"""Masking thresholds by psychoacoustic model 1 of MPEG-1, layer 1, and the audible part of an error.

The chain, one function each, in the order of ISO/IEC 11172-3:1993, annex D.1::

    frames --> power_spectrum_db --> find_maskers --> decimate_maskers --> global_threshold_db

`masking` runs all of it over a signal, `noise_to_mask_ratio_db` compares an error with the result.

Notation: N = 512 samples per frame, K = N/2 + 1 spectral lines k, T frames, B critical bands, z in Bark,
X in dB SPL. Levels are absolute: `full_scale_db` is the sound pressure level of a full-scale sinusoid, the
same for loud and quiet frames. Powers of a frame's lines add up to the power of the frame.

Not handled: the 12 dB that the standard takes off the threshold in quiet at high rates, the grouping of
lines in 32 subbands with their scale factors, masking over time, and stereo.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from dsp.psychoacoustics_hearing import hz_to_bark, spreading_db, threshold_in_quiet_db
from dsp.psychoacoustics_maskers import (
    N_FFT,
    SAMPLE_RATES_HZ,
    decimate_maskers,
    find_maskers,
    masker_pair,
    spectral_lines,
)

__all__ = [
    "N_FFT",
    "SAMPLE_RATES_HZ",
    "Masking",
    "decimate_maskers",
    "find_maskers",
    "global_threshold_db",
    "hz_to_bark",
    "masking",
    "noise_to_mask_ratio_db",
    "power_spectrum_db",
    "spreading_db",
    "threshold_in_quiet_db",
]

_FLOOR_DB = -200.0  # level of a line of digital silence
_BLOCK_MASKERS = 512  # maskers per step, which bounds the memory for long signals


@dataclass(frozen=True)
class Masking:
    """Levels, maskers and thresholds of T frames, all in dB SPL and of shape (..., T, K).

    Attributes
    ----------
    level_db : ndarray
        Power spectrum.
    tonal_db, noise_db : ndarray
        Maskers left after decimation, at their lines; -inf where there is none.
    threshold_db : ndarray
        Global masking threshold: the level below which a narrow sound at this line is not heard.
    frequency_hz : ndarray, shape (K,)
        Frequencies of the lines.
    """

    level_db: np.ndarray
    tonal_db: np.ndarray
    noise_db: np.ndarray
    threshold_db: np.ndarray
    frequency_hz: np.ndarray


def power_spectrum_db(frames: ArrayLike, full_scale_db: float = 96.0) -> np.ndarray:
    """Hann-windowed power spectrum in dB SPL, on a scale that is the same for every frame.

    Parameters
    ----------
    frames : array_like, shape (..., 512)
        Samples; full scale is 1.
    full_scale_db : float
        Level of a sinusoid of amplitude 1, in dB SPL.

    Returns
    -------
    ndarray, shape (..., 257)
        Levels X(k). A sinusoid of level L on a line shows L - 1.76 dB there and L - 7.78 dB on both sides:
        in sum L. Digital silence shows -200 dB.

    Raises
    ------
    ValueError
        If `frames` is not 512 samples long or holds NaN or infinity, or `full_scale_db` is not finite.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1, step 1 (which levels each spectrum to its own maximum; this does not).

    Examples
    --------
    >>> tone = 0.1 * np.sin(2 * np.pi * 40 / 512 * np.arange(512))
    >>> power_spectrum_db(tone)[38:43].round(2).tolist()
    [-200.0, 68.22, 74.24, 68.22, -200.0]
    """
    s = _samples(frames, "frames")
    if s.ndim == 0 or s.shape[-1] != N_FFT:
        raise ValueError(f"`frames` has shape {s.shape}, its last axis must be {N_FFT} samples")
    if not np.isfinite(full_scale_db):
        raise ValueError(f"`full_scale_db` is {full_scale_db}, it must be finite")
    h = np.sqrt(8 / 3) * 0.5 * (1 - np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT))
    S = np.fft.rfft(h * s) / N_FFT
    # |S|^2 of both signs of frequency is 2 |S|^2; a sinusoid of amplitude 1 has the power 1/2.
    power = 4 * (S.real**2 + S.imag**2)
    power[..., [0, -1]] /= 2  # DC and Nyquist have one sign only
    return _decibel(power, full_scale_db)


def global_threshold_db(tonal_db: ArrayLike, noise_db: ArrayLike, sample_rate_hz: int) -> np.ndarray:
    """Sum of the powers that every masker hides at a line, and of the threshold in quiet.

    Parameters
    ----------
    tonal_db, noise_db : array_like, shape (..., 257)
        Maskers in dB SPL, from `decimate_maskers`; -inf where there is none.
    sample_rate_hz : int
        One of `SAMPLE_RATES_HZ`.

    Returns
    -------
    ndarray, shape (..., 257)
        Thresholds LT_g in dB SPL at every line (the standard computes about every second), never below
        `threshold_in_quiet_db`.

    Raises
    ------
    ValueError
        If the shapes differ or do not end in 257, on NaN, or if the sample rate is not one of the four.

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
    """Masking thresholds of a signal, frame by frame.

    Parameters
    ----------
    x : array_like, shape (..., n_samples)
        Signal; full scale is 1.
    sample_rate_hz : int
        One of `SAMPLE_RATES_HZ`.
    full_scale_db : float
        Level of a sinusoid of amplitude 1, in dB SPL: 96 is loud listening to a 16-bit recording.
    hop : int
        Samples from frame to frame, 1 or more. Frame t is centred on sample t * hop, over zeros before
        the start and after the end; there are 1 + n_samples // hop of them.

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
    maskers = decimate_maskers(*find_maskers(level_db, sample_rate_hz), sample_rate_hz)
    threshold_db = global_threshold_db(*maskers, sample_rate_hz)
    return Masking(level_db, *maskers, threshold_db, spectral_lines(sample_rate_hz).frequency_hz)


def noise_to_mask_ratio_db(
    reference: ArrayLike,
    degraded: ArrayLike,
    sample_rate_hz: int,
    full_scale_db: float = 96.0,
    hop: int = 256,
) -> np.ndarray:
    """Level of an error above what the reference hides, per frame and critical band.

    The error's power at each line is divided by the threshold there, and these shares are summed over the
    critical band, as the ear sums powers. Error and threshold are measured on one absolute scale.

    Parameters
    ----------
    reference, degraded : array_like, shape (..., n_samples)
        Signals of the same shape, aligned in time and level; full scale is 1.
    sample_rate_hz : int
        One of `SAMPLE_RATES_HZ`.
    full_scale_db : float
        Level of a sinusoid of amplitude 1, in dB SPL.
    hop : int
        Samples from frame to frame, as in `masking`.

    Returns
    -------
    ndarray, shape (..., T, B)
        Ratios in dB: below 0 the error is masked. B is 22 at 16 kHz and 24 or 25 above.

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
    x, y = _samples(reference, "reference"), _samples(degraded, "degraded")
    if x.shape != y.shape:
        raise ValueError(f"`degraded` has shape {y.shape}, it must be that of `reference`, {x.shape}")
    lines = spectral_lines(sample_rate_hz)
    mask_db = masking(x, sample_rate_hz, full_scale_db, hop).threshold_db
    noise_db = power_spectrum_db(_frames(y - x, hop, "degraded"), full_scale_db)
    share = 10 ** ((noise_db - mask_db) / 10)
    return 10 * np.log10(np.add.reduceat(share, lines.band_start, axis=-1))


@lru_cache(maxsize=len(SAMPLE_RATES_HZ))
def _spreading_between_lines(sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Spreading from line j to line i, vf = vf_0[j, i] + X vf_slope[j, i], as it is linear in X."""
    z = spectral_lines(sample_rate_hz).bark
    dz = z - z[:, None]
    vf_0, vf_1 = spreading_db(dz, 0.0), spreading_db(dz, 1.0)
    reached = np.isfinite(vf_0)
    return vf_0, np.where(reached, vf_1, 0.0) - np.where(reached, vf_0, 0.0)


def _frames(x: ArrayLike, hop: int, name: str) -> np.ndarray:
    """Frames centred on every multiple of hop, (..., T, 512)."""
    s = _samples(x, name)
    if s.ndim == 0 or s.shape[-1] == 0:
        raise ValueError(f"`{name}` has shape {s.shape}, it must hold at least one sample")
    if hop != int(hop) or hop < 1:
        raise ValueError(f"`hop` is {hop}, it must be a whole number of samples, 1 or more")
    padded = np.pad(s, [(0, 0)] * (s.ndim - 1) + [(N_FFT // 2, N_FFT // 2)])
    return np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=-1)[..., :: int(hop), :]


def _decibel(power: np.ndarray, full_scale_db: float) -> np.ndarray:
    """Levels of powers relative to full scale, not below the floor."""
    return 10 * np.log10(np.maximum(power, 10 ** ((_FLOOR_DB - full_scale_db) / 10))) + full_scale_db


def _samples(x: ArrayLike, name: str) -> np.ndarray:
    s = np.asarray(x)
    if s.dtype.kind not in "fiu":
        raise ValueError(f"`{name}` has dtype {s.dtype}, it must hold real numbers")
    if not np.isfinite(s).all():
        raise ValueError(f"`{name}` holds NaN or infinity, all samples must be finite")
    return s.astype(float)
