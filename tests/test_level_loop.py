"""The loop that keeps the level of steady sounds: a decoder that is too loud or too quiet, and the released codec."""

from types import SimpleNamespace

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.level_loop import MAX_GAIN, SETTLED, LevelLoop

HOP, DELAY, FS = 160, 40, 16000
SINE = np.sin(2 * np.pi * 0.05 * np.arange(200 * HOP + DELAY))


class Decoder:
    """Give a sine whose amplitude is the first latent times a factor; its state is the position."""

    def __init__(self, factor):
        self.factor = factor

    def start_decoder(self):
        return 0

    def synthesise(self, state, n):
        assert len(n.step) == 1
        y = n.latents[0, 0, 0] / 1000 * self.factor * np.roll(SINE, DELAY)[state * HOP : (state + 1) * HOP]
        return state + 1, y.astype(np.float32)


def looped(factor):
    """Return a loop around a decoder."""
    return LevelLoop(SimpleNamespace(signal=Decoder(factor), config=SimpleNamespace(decoder_delay=DELAY)))


def reference(t):
    return SINE[t * HOP : (t + 1) * HOP].astype(np.float32)


def run(loop, T, begin=0):
    """Return the loop after T packets, and the gain of each."""
    gains = []
    for t in range(begin, begin + T):
        z = loop.scaled(np.full((1, 1, 1), 1000.0, np.float32), reference(t))
        gains.append(float(z[0, 0, 0]) / 1000)
        loop = loop.follow(Integers(np.zeros(1, int), np.zeros((1, 0), int), np.rint(z).astype(int)), reference(t))
    return loop, gains


@pytest.mark.parametrize("factor", [0.4, 0.8, 1.0, 2.5])
def test_the_gain_becomes_the_inverse_of_the_error(factor):
    _, gains = run(looped(factor), 60)
    assert gains[:SETTLED] == [1.0] * SETTLED
    assert abs(20 * np.log10(gains[SETTLED + 8] * factor)) < 1
    assert abs(20 * np.log10(gains[-1] * factor)) < 0.1


@pytest.mark.parametrize(("factor", "limit"), [(0.01, MAX_GAIN), (100.0, 1 / MAX_GAIN)])
def test_the_gain_has_limits(factor, limit):
    assert run(looped(factor), 60)[1][-1] == pytest.approx(limit, rel=1e-2)


def test_a_packet_that_is_not_steady_ends_the_run():
    start = looped(0.5)
    loop, gains = run(start, 20)
    z = np.full((1, 1, 1), 1000.0, np.float32)
    assert gains[-1] > 1.5 and loop.scaled(z, None) is z
    ended = loop.follow(Integers(np.zeros(1, int), np.zeros((1, 0), int), np.zeros((1, 1, 1), int)), None)
    assert run(ended, 20)[1] == gains
    assert run(start, 20)[1] == gains, "a loop does not change"


def test_silence_leaves_the_gain():
    loop = looped(0.0)
    assert run(loop, 10)[1] == [1.0] * 10


SOUNDS = {
    "7000 Hz": lambda t: 0.02 * np.sin(2 * np.pi * 7000 * t),  # -7 dB without the loop
    "6500 Hz": lambda t: 5e-4 * np.sin(2 * np.pi * 6500 * t),
    "DTMF": lambda t: 0.1 * (np.sin(2 * np.pi * 852 * t) + np.sin(2 * np.pi * 1477 * t)),
    "pulses": lambda t: 0.1 * (np.rint(t * FS) % 10 == 0) - 0.01,
}


@pytest.mark.parametrize("name", SOUNDS)
def test_files_and_live_streams_keep_the_level(name):
    """Within 1 dB from a quarter of a second on, at the lowest bitrate."""
    codec, x = lpcnet_cq.load(), SOUNDS[name](np.arange(FS) / FS).astype(np.float32)
    encoder, decoder = codec.encoder(9000), codec.decoder()
    live = np.concatenate([decoder.push(data) for data in encoder.push(x) + encoder.flush()])
    data = codec.encode(x, FS, 9000)
    assert 8 * len(data) <= 9000
    for y in (codec.decode(data)[0], live):
        error_db = 10 * np.log10(np.mean(y[4000:15000] ** 2) / np.mean(x[4000:15000] ** 2))
        assert abs(error_db) < 1


@pytest.mark.parametrize(
    ("mode", "layers", "rate_bps"), [("capped", 1, 12000), ("constant", 1, 16000), ("mean", 2, 24000)]
)
def test_other_modes_keep_the_level(mode, layers, rate_bps):
    codec, x = lpcnet_cq.load(), SOUNDS["7000 Hz"](np.arange(FS) / FS).astype(np.float32)
    y = codec.decode(codec.encode(x, FS, rate_bps, layers, mode))[0]
    assert abs(10 * np.log10(np.mean(y[4000:15000] ** 2) / np.mean(x[4000:15000] ** 2))) < 1


def test_both_backends_keep_the_level():
    x = SOUNDS["7000 Hz"](np.arange(FS // 2) / FS).astype(np.float32)
    codec = lpcnet_cq.load(backend="jax")
    y = codec.decode(codec.encode(x, FS, 9000))[0]
    assert abs(10 * np.log10(np.mean(y[4000:7500] ** 2) / np.mean(x[4000:7500] ** 2))) < 1
