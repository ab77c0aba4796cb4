"""The released weights for speech: that they are what they say, and meet their rate."""

import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.codec import DEFAULT, Codec
from lpcnet_cq.training.presets import PRESETS

SECONDS = 6
WEIGHTS = sorted((Path(lpcnet_cq.__file__).parent / "released").glob("cq*.safetensors"))


@pytest.fixture(scope="module", params=WEIGHTS, ids=lambda path: path.stem)
def codec(request):
    return Codec(request.param)


@pytest.fixture(scope="module")
def speech():
    """Return syllables: gliding voices, hiss and pauses."""
    fs = 16000
    random, time = np.random.default_rng(1), np.arange(SECONDS * fs) / fs
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.4 * time)) / fs
    glide = 900 + 500 * np.sin(2 * np.pi * 1.3 * time)
    voiced = sum(np.sin(k * phase) * np.exp(-(((k * 140 - glide) / 400) ** 2)) for k in range(1, 30))
    hiss = np.diff(random.standard_normal(len(time)), prepend=0)
    syllable = np.clip(np.sin(2 * np.pi * 2.1 * time), 0, 1)
    fricative = np.clip(-np.sin(2 * np.pi * 2.1 * time) - 0.6, 0, 1)
    return (0.2 * syllable * voiced + 0.1 * fricative * hiss + 0.0005 * random.standard_normal(len(time))).astype("f4")


@pytest.fixture(scope="module")
def encoded(codec, speech):
    """Return a function that gives the syllables' bytes at a rate, encoded once."""
    return functools.cache(lambda rate_bps: codec.encode(speech, 16000, rate_bps))


@pytest.mark.parametrize("rate_bps", [9000, 12000, 16000, 20000, 24000])
def test_rate_is_met_in_bytes(encoded, rate_bps):
    """Within 2 % below the rate."""
    assert 0.98 * rate_bps < 8 * len(encoded(rate_bps)) / SECONDS <= rate_bps


def test_rates_beyond_are_reached_or_undershot(codec, encoded):
    for rate_bps in codec.bitrates_bps:
        assert 8 * len(encoded(rate_bps)) / SECONDS <= rate_bps


def test_more_bits_sound_better(codec, encoded, speech):
    errors = [np.mean((codec.decode(encoded(rate_bps))[0] - speech) ** 2) for rate_bps in (9000, 16000, 24000)]
    assert errors[0] > 1.3 * errors[1] > 1.3**2 * errors[2]


def test_layers_share_the_bits_of_a_file(codec, speech):
    """At 24 kbps the first of two layers is a file of half the rate or less, and sounds like one of its rate."""
    data = codec.encode(speech, 16000, 24000, layers=2)
    thin = codec.thin(data, 1)
    rate_bps = 8 * len(thin) / SECONDS
    assert codec.info(data)["layers"] == 2 and 6000 < rate_bps < 12500
    y, direct = (codec.decode(d)[0] for d in (thin, codec.encode(speech, 16000, rate_bps)))
    assert np.mean((y - speech) ** 2) < 1.5 * np.mean((direct - speech) ** 2)


@pytest.mark.parametrize("rate_bps", [9000])
def test_packets_keep_cap_and_constant_size_in_any_sound(codec, speech, rate_bps):
    random = np.random.default_rng(2)
    n = 15 * 320
    clicks = np.where(random.random(n) < 0.002, random.choice([-1.0, 1.0], n), 0)
    noise = random.standard_normal(n) * 10 ** np.repeat(random.uniform(-4, -0.5, 15), 320)
    loud = (40 * speech[:n]).clip(-1, 1)
    capped, constant = (codec.encoder(rate_bps, mode=mode) for mode in ("capped", "constant"))
    decoder = codec.decoder()
    for x in (speech[:n], clicks, noise.clip(-1, 1), loud, np.zeros(n), speech[16000 : 16000 + n]):
        for frame in x.reshape(-1, 320):
            (packet,), (filled,) = capped.push(frame), constant.push(frame)
            assert len(packet) <= rate_bps / 400
            assert filled == packet.ljust(int(rate_bps / 400), b"\0")
            assert decoder.push(filled).shape == (320,)


def test_decoded_speech_resembles_the_original(codec, encoded, speech):
    """A wide mesh: level within 3 dB and spectra alike, so that weights and code fit each other."""
    y, _ = codec.decode(encoded(sum(codec.bitrates_bps) / 2))
    assert y.shape == speech.shape
    assert abs(10 * np.log10(np.mean(y**2) / np.mean(speech**2))) < 3
    spectra = [np.log(np.abs(np.fft.rfft(v.reshape(-1, 320) * np.hanning(320))) + 1e-3) for v in (y, speech)]
    assert np.corrcoef(spectra[0].ravel(), spectra[1].ravel())[0, 1] > 0.8


def test_bytes_are_close_to_the_ideal(codec, encoded):
    data = encoded(sum(codec.bitrates_bps) / 2)
    bits = codec.info(data)["bits"]
    heads = 8 * 60  # header and segments of a short file
    assert bits["overhead"] - heads < 0.03 * (8 * len(data) - heads)


def test_stream_keeps_the_rate(codec, speech):
    rate_bps = sum(codec.bitrates_bps) / 2
    encoder, decoder = codec.encoder(rate_bps), codec.decoder()
    packets = encoder.push(speech)
    assert 8 * sum(map(len, packets[100:])) / (SECONDS - 2) == pytest.approx(rate_bps, rel=0.1)
    y = np.concatenate([decoder.push(data) for data in packets])
    assert np.isfinite(y).all() and np.std(y) > 0.3 * np.std(speech)


def test_default_is_among_them_and_as_large_as_promised():
    assert DEFAULT in [path.stem for path in WEIGHTS]
    codec = lpcnet_cq.load()
    assert codec.config == replace(PRESETS["cq"].codec, context_resets=True, concealment=True)
    assert codec.n_parameters == 887172 <= 1e6 and codec.delay_ms == 32
    low, high = codec.bitrates_bps
    assert low <= 9000 and high >= 24000
