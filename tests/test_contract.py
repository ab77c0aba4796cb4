"""The contract of codecs: a third one, 8-bit PCM in blocks, made here and coded by the same classes as the others."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
from flax import nnx

import lpcnet_cq
from dsp.frames import FrameSpec
from lpcnet_cq import registry
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.bitstream.fixed_point import SUM_BITS
from lpcnet_cq.bitstream.frequency_tables import expected, frequency_tables
from lpcnet_cq.bitstream.integer_model import IntegerModel, Triangle
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.bitstream.vector_sums import TriangleSums, rounded_down, triangle_terms
from lpcnet_cq.checkpoint.training_files import save_weights
from lpcnet_cq.checkpoint.weights import load_weights
from lpcnet_cq.contract import JAX_READER, NUMPY_READER, Backend, CodecRecord
from lpcnet_cq.registry import kinds, record_named, record_of, register

# ------------------------------------------------------------------------------------------------ the codec


@dataclass(frozen=True)
class PcmConfig(CodecConfig):
    spec: FrameSpec = field(default_factory=lambda: FrameSpec(8000, window=160, hop=160, look_ahead=0, subframe=160))
    kind: ClassVar[str] = "pcm"
    channels, segment_packets, context, decoder_delay = 1, 50, 1, 0
    n_side, n_vectors, n_latents, side_parts = 1, 1, 160, {"marker": [0]}


class FlatModel(IntegerModel):
    """Expect 0, with a scale that the step index tells, whatever was before; side integers have the scale 1/16."""

    latent_context = property(lambda self: Triangle(self.tri["latent_tri_none"], self.tri["latent_tri_none"], 1))

    def side_context(self, known):
        return Triangle(self.tri["side_tri_none"], self.tri["side_tri_none"], 1)

    def side(self, before, known):
        return 0 * before[..., 0, :], 0 * before[..., 0, :]

    def packet_context(self, before, side, step, known):
        return self.b["scale"][step][..., None, None]

    def latent(self, context, before):
        return 0 * before[..., 0, :], 0 * before[..., 0, :] + context

    def expected_side(self, before, n, known):
        return expected(0 * n, 0 * n)

    def side_sums(self, before, known):
        return self.sums_of(self.side(before, known), "side_tri_none")

    def latent_sums(self, context, i, before):
        return self.sums_of(self.latent(context[i], before), "latent_tri_none")

    def sums_of(self, state, name):
        return TriangleSums(rounded_down(np.array(state)), triangle_terms(self.tri[name], self.tri[name], 1))


class PcmSignal:
    def __init__(self, floats, entropy, config):
        self.hop, self.gain, self.sizes = config.spec.hop, floats["gain"], config.step_ratio ** (np.arange(17) - 8.0)

    def start_encoder(self, ahead):
        return None

    def analyse(self, state, x, T):
        x = np.pad(x, (0, T * self.hop - len(x)))
        return state, np.zeros((T, 1), np.int64), self.gain * x.reshape(T, 1, self.hop)

    def steady(self, state):
        return {}

    def start_decoder(self):
        return None

    def synthesise(self, state, n):
        return state, (n.latents[:, 0] * self.sizes[n.step][:, None] / self.gain).astype(np.float32).ravel()

    def conceal(self, state, last, lost, next_packet=None, distance=1):
        silence = Integers(np.array([8]), np.zeros((1, 1), np.int64), np.zeros((1, 1, self.hop), np.int64))
        return self.synthesise(state, silence)


def freeze(floats, config):
    none, index = np.zeros((160, 160), np.int64), 50 + 8 - np.arange(17)  # eighths of an octave
    scale = index << SUM_BITS
    return {"side_tri_none": none[:1, :1], "latent_tri_none": none, "scale": scale, "tables": frequency_tables()}


READERS = {"numpy": NUMPY_READER, "jax": JAX_READER}
BACKENDS = {name: Backend(f"{__name__}:PcmSignal", reader) for name, reader in READERS.items()}
PCM = CodecRecord("pcm", PcmConfig, BACKENDS, FlatModel, freeze, lambda n, c: {}, 40000, (30000, 60000))

# ------------------------------------------------------------------------------------------------ its tests

NOTES = {"steps": [0, 17], "mean_rates_bps": [54000 - 1600 * q for q in range(17)], "supported_bps": [20000, 64000]}


@pytest.fixture(scope="module", params=["numpy", "jax"])
def codec(request, tmp_path_factory):
    register(PCM)
    path = tmp_path_factory.mktemp("pcm") / "pcm.safetensors"
    params = nnx.State({"gain": nnx.Param(np.float32(30))})
    save_weights(path, params, freeze({}, PcmConfig()), PcmConfig(), NOTES)
    yield lpcnet_cq.load(path, request.param)
    registry._records.pop("pcm")


@pytest.fixture(scope="module")
def x():
    time = np.arange(8000 + 77) / 8000
    return (0.4 * np.sin(2 * np.pi * 330 * time) * np.sin(2 * np.pi * 3 * time)).astype(np.float32)


def test_the_third_codec_codes_files(codec, x):
    data = codec.encode(x, 8000)
    y, rate_hz = codec.decode(data)
    assert (rate_hz, y.shape) == (8000, x.shape)
    assert 10 * np.log10(np.sum(x**2) / np.sum((x - y) ** 2)) > 20
    assert 0.95 * codec.default_bitrate_bps < 8 * len(data) / (len(x) / 8000) <= codec.default_bitrate_bps == 40000
    info = codec.info(data)
    assert set(info["bits"]) == {"step", "marker", "latents", "overhead"} and info["packets"] == 51


def test_the_third_codec_codes_live_streams(codec, x):
    encoder, decoder = codec.encoder(), codec.decoder()
    assert (encoder.frame_size, encoder.sample_rate_hz, encoder.channels) == (160, 8000, 1)
    assert encoder.delay_samples == decoder.delay_samples == 0
    packets = encoder.push(x[:8000])
    assert encoder.flush() == []
    y = np.concatenate([decoder.push(None if t == 30 else data) for t, data in enumerate(packets)]).reshape(-1, 160)
    assert not y[30:50].any(), "concealed by silence up to the context reset"
    known = np.r_[0:30, 50]
    frames = x[:8000].reshape(-1, 160)
    assert np.mean((y - frames)[known[:-1]] ** 2) < 0.01 * np.mean(frames**2)


def test_weights_name_their_codec(codec, monkeypatch):
    weights = load_weights(codec._parts.path)
    assert type(weights.config) is PcmConfig and record_of(weights.config) is PCM is codec.record
    monkeypatch.delitem(registry._records, "pcm")
    with pytest.raises(ValueError, match="no codec of the kind `pcm`, known are: speech, music"):
        load_weights(codec._parts.path)


def test_layers_are_refused_by_the_record(codec, x):
    with pytest.raises(ValueError, match="`layers` is 2, it must be a whole number, 1 for pcm"):
        codec.encode(x, 8000, layers=2)


def test_registered_codecs_are_those_that_exist():
    assert kinds()[:2] == ("speech", "music")
    for kind in ("speech", "music"):
        record = record_named(kind)
        assert record_of(record.config()) is record and record.task and record.complexity and record.metrics
        assert lpcnet_cq.load(record.weights).default_bitrate_bps == record.default_bitrate_bps
    assert (record_named("music").channels, record_named("music").sample_rate_hz) == (2, 44100)
    with pytest.raises(ValueError, match="another codec"):
        register(CodecRecord("speech", record_named("speech").config, *[None] * 4, 1, (1, 1)))
    with pytest.raises(ValueError, match="of kind `new`, its configuration of `speech`"):
        register(CodecRecord("new", record_named("speech").config, *[None] * 4, 1, (1, 1)))
    with pytest.raises(ValueError, match="has no task"):
        _ = PCM.task
