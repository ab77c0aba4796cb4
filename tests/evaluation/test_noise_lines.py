"""Lines in decoded white noise: known codings, levels, channels and rates of subframes."""

import doctest
from types import SimpleNamespace

import numpy as np
import pytest

from dsp.frames import FrameSpec
from dsp.line_excess import line_excess_db
from lpcnet_cq.evaluation import noise_lines
from lpcnet_cq.music.config import MusicConfig

RATE_HZ, STEP_HZ = 16000, 250.0


class Buzzing:
    """A codec of four bytes a sample, whose decoder adds a pulse to every subframe at 24 kbps or less."""

    config, sample_rate_hz, channels = SimpleNamespace(spec=FrameSpec()), RATE_HZ, 1

    def encode(self, x, sample_rate_hz, bitrate_bps):
        assert sample_rate_hz == RATE_HZ
        pulse = 0.05 * (bitrate_bps <= 24000)
        return (x + pulse * (np.arange(len(x)) % 64 == 0)).astype("<f4").tobytes()

    def decode(self, data):
        return np.frombuffer(data, "<f4"), RATE_HZ


def test_examples():
    assert doctest.testmod(noise_lines).failed == 0


@pytest.mark.parametrize("level_db", noise_lines.LEVELS_DB)
def test_noise_has_its_level_and_no_lines(level_db):
    x = noise_lines.white_noise(level_db, RATE_HZ)
    assert 20 * np.log10(x.std()) == pytest.approx(level_db, abs=0.1)
    assert abs(noise_lines.noise_line_excess_db(lambda x: x, level_db, RATE_HZ, STEP_HZ)) < 0.5


def test_the_start_is_not_measured():
    def code(x):
        y = x.copy()
        y[: RATE_HZ // 2 : 64] += 1
        return y

    assert noise_lines.noise_line_excess_db(code, -40, RATE_HZ, STEP_HZ) < 0.5


def test_lines_of_a_codec_stand_out_of_quiet_noise():
    found = noise_lines.codec_noise_lines(Buzzing(), 24000)
    assert list(found) == list(noise_lines.LEVELS_DB)
    values = list(found.values())
    assert values == sorted(values, reverse=True) and values[0] > 25 and values[-1] < 1
    y = noise_lines.white_noise(-40, RATE_HZ) + 0.05 * (np.arange(80000) % 64 == 0)
    assert found[-40] == pytest.approx(float(line_excess_db(y[8000:], RATE_HZ, STEP_HZ)), abs=1e-3)
    assert noise_lines.codec_noise_lines(Buzzing(), 25000, [-40])[-40] < 0.5


def test_channels_are_independent_and_averaged():
    x = noise_lines.white_noise(-30, 44100, 2)
    assert x.shape == (220500, 2) and abs(np.corrcoef(x.T)[0, 1]) < 0.01
    step_hz = 44100 / 1024
    pulses = np.stack([np.arange(len(x)) % 1024 == 0, np.zeros(len(x))], axis=1)
    one = noise_lines.noise_line_excess_db(lambda x: x + 2 * pulses, -30, 44100, step_hz, 2)
    both = noise_lines.noise_line_excess_db(lambda x: x + 2 * pulses[:, :1], -30, 44100, step_hz, 2)
    assert both > 5 and one == pytest.approx(both / 2, abs=0.3)


def test_steps_are_subframes_of_speech_and_blocks_of_music():
    assert noise_lines.subframe_rate_hz(Buzzing()) == 250
    music = SimpleNamespace(sample_rate_hz=44100, config=MusicConfig())
    assert noise_lines.subframe_rate_hz(music) == pytest.approx(43.07, abs=0.01)
