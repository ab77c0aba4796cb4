"""The released weights: that they are what they say, and meet their rate."""

from pathlib import Path

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.codec import DEFAULT, Codec
from lpcnet_cq.config import PRESETS

WEIGHTS = sorted((Path(lpcnet_cq.__file__).parent / "weights").glob("*.safetensors"))


@pytest.fixture(scope="module", params=WEIGHTS, ids=lambda path: path.stem)
def codec(request):
    return Codec(request.param)


@pytest.fixture(scope="module")
def speech():
    """Return ten seconds of syllables: gliding voices, hiss and pauses."""
    fs = 16000
    random, time = np.random.default_rng(1), np.arange(10 * fs) / fs
    phase = 2 * np.pi * np.cumsum(140 + 30 * np.sin(2 * np.pi * 0.4 * time)) / fs
    glide = 900 + 500 * np.sin(2 * np.pi * 1.3 * time)
    voiced = sum(np.sin(k * phase) * np.exp(-(((k * 140 - glide) / 400) ** 2)) for k in range(1, 30))
    hiss = np.diff(random.standard_normal(len(time)), prepend=0)
    syllable = np.clip(np.sin(2 * np.pi * 2.1 * time), 0, 1)
    fricative = np.clip(-np.sin(2 * np.pi * 2.1 * time) - 0.6, 0, 1)
    return (0.2 * syllable * voiced + 0.1 * fricative * hiss + 0.0005 * random.standard_normal(len(time))).astype("f4")


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_rate_is_met_in_bytes(codec, speech, share):
    """Within 2 % below the rate; only a lower end that this signal undershoots anyhow may come out smaller."""
    low, high = codec.bitrates_bps
    rate_bps = low + share * (high - low)
    data = codec.encode(speech, 16000, rate_bps)
    measured = 8 * len(data) / 10
    assert measured <= rate_bps * 1.001
    if share == 0.5:
        assert measured > 0.98 * rate_bps


def test_decoded_speech_resembles_the_original(codec, speech):
    """A wide mesh: level within 3 dB and spectra alike, so that weights and code fit each other."""
    y, _ = codec.decode(codec.encode(speech, 16000, sum(codec.bitrates_bps) / 2))
    assert y.shape == speech.shape
    assert abs(10 * np.log10(np.mean(y**2) / np.mean(speech**2))) < 3
    spectra = [np.log(np.abs(np.fft.rfft(v.reshape(-1, 320) * np.hanning(320))) + 1e-3) for v in (y, speech)]
    assert np.corrcoef(spectra[0].ravel(), spectra[1].ravel())[0, 1] > 0.8


def test_bytes_are_close_to_the_ideal(codec, speech):
    data = codec.encode(speech, 16000, sum(codec.bitrates_bps) / 2)
    bits = codec.info(data)["bits"]
    heads = 8 * 60  # header and segments of a short file
    assert bits["overhead"] - heads < 0.03 * (8 * len(data) - heads)


def test_stream_keeps_the_rate(codec, speech):
    rate_bps = sum(codec.bitrates_bps) / 2
    encoder, decoder = codec.encoder(rate_bps), codec.decoder()
    packets = [encoder.push(frame) for frame in speech.reshape(-1, 320)]
    assert 8 * sum(map(len, packets[100:])) / 8 == pytest.approx(rate_bps, rel=0.1)
    y = np.concatenate([decoder.push(data) for data in packets])
    assert np.isfinite(y).all() and np.std(y) > 0.3 * np.std(speech)


def test_default_is_among_them_and_as_large_as_promised():
    assert DEFAULT in [path.stem for path in WEIGHTS]
    codec = lpcnet_cq.load()
    assert codec.config == PRESETS["cq"].codec
    assert codec.n_parameters == 890540 and codec.delay_ms == 32
