"""Lines in decoded white noise: whether a decoder repeats something in every subframe, at levels from -70 to -20 dB.

Place in the chain: none; used by `evaluate`, by the benchmark and by tests of released weights. In speech such lines
are heard as a buzz in pauses; white noise shows them at every level, and needs no recording.
"""

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from dsp.line_excess import line_excess_db
from lpcnet_cq.evaluation.tables import markdown

LEVELS_DB = (-70, -60, -50, -40, -30, -20)  # RMS of the noise, relative to full scale
SECONDS = 5.0
START_S = 0.5  # at the start a decoder adapts: not measured

Code = Callable[[np.ndarray], np.ndarray]  # samples (n,) or (n, channels) to their decoded copy


def white_noise(level_db: float, sample_rate_hz: int, channels: int = 1) -> np.ndarray:
    """Return white Gaussian noise, float32 (n,), or (n, channels) with independent channels.

    >>> bool(abs(20 * np.log10(np.std(white_noise(-30, 16000))) + 30) < 0.1)
    True
    """
    n = round(SECONDS * sample_rate_hz)
    x = np.random.default_rng(0).standard_normal((n, channels) if channels > 1 else n)
    return (10 ** (level_db / 20) * x).astype(np.float32)


def noise_line_excess_db(code: Code, level_db: float, sample_rate_hz: int, step_hz: float, channels: int = 1) -> float:
    """Return the `line_excess_db` of decoded white noise at multiples of `step_hz`, the mean of all channels.

    The noise itself has 0 dB within 0.3 dB.
    """
    y = np.asarray(code(white_noise(level_db, sample_rate_hz, channels)), np.float64)
    return float(np.mean(line_excess_db(y[round(START_S * sample_rate_hz) :].T, sample_rate_hz, step_hz)))


def subframe_rate_hz(codec) -> float:
    """Return the rate of subframes of a codec for speech, or of blocks of a codec for music, in Hz."""
    return codec.sample_rate_hz / codec.config.spec.subframe


def codec_noise_lines(codec, bitrate_bps: float, levels_db: Iterable[float] = LEVELS_DB) -> dict[float, float]:
    """Return by level the `noise_line_excess_db` of a loaded codec, of bytes decoded from whole files."""
    fs, step_hz = codec.sample_rate_hz, subframe_rate_hz(codec)

    def code(x: np.ndarray) -> np.ndarray:
        return codec.decode(codec.encode(x, fs, bitrate_bps=bitrate_bps))[0]

    return {level: noise_line_excess_db(code, level, fs, step_hz, codec.channels) for level in levels_db}


def noise_table(excess_db: Mapping[float, float], step_hz: float) -> str:
    """Return a row of line excesses by level as Markdown, with its caption.

    >>> print(noise_table({-60: 1.25, -40: 0.5}, 250.0))
    Lines in decoded white noise at multiples of 250 Hz, dB, by the level of the noise:
    <BLANKLINE>
    | -60 dB | -40 dB |
    | ---: | ---: |
    | 1.2 | 0.5 |
    <BLANKLINE>
    """
    caption = f"Lines in decoded white noise at multiples of {step_hz:.4g} Hz, dB, by the level of the noise:\n\n"
    return caption + markdown([f"{level:g} dB" for level in excess_db], [[f"{v:.1f}" for v in excess_db.values()]], 0)
