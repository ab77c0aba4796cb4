"""The codec for music from end to end: training in small, files, channels, rates, damage; one face with speech."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from flax import nnx

from lpcnet_cq.checkpoint.weights import load_weights
from lpcnet_cq.codec import Codec
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.evaluation import bench
from lpcnet_cq.evaluation.evaluate import evaluate
from lpcnet_cq.evaluation.metrics import METRICS, metrics_for
from lpcnet_cq.evaluation.plots import read_metrics
from lpcnet_cq.training import loop
from lpcnet_cq.training.data import Clip, open_corpus
from lpcnet_cq.training.music_task import MUSIC
from lpcnet_cq.training.presets import PRESETS
from lpcnet_cq.training.speech_task import SPEECH
from lpcnet_cq.training.tasks import task_of
from lpcnet_cq.training.train import train

pytestmark = pytest.mark.usefixtures("little_memory")
FS = PRESETS["audio-tiny"].codec.spec.sample_rate_hz
STEPS = 24


def settings(folder):
    return replace(PRESETS["audio-tiny"], data=str(folder / "data"), steps=STEPS, warmup_steps=3, annealing=0.01)


def train_some(folder, plucked):
    """Train some steps on plucked chords in a folder."""
    (folder / "data/audio/train/notes").mkdir(parents=True)
    for i in range(4):
        sound = np.interp(np.arange(0, len(plucked), 1 + i / 7), np.arange(len(plucked)), plucked[:, 0])
        soundfile.write(folder / f"data/audio/train/notes/{i}.wav", sound, FS)
    (folder / "data/index.csv").write_text(
        "path,split\n" + "".join(f"audio/train/notes/{i}.wav,train\n" for i in range(4))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LPCNET_CQ_CACHE", str(folder / "cache"))
        patch.setattr(loop, "LOG_EVERY", 4)
        train(settings(folder), folder / "run", quiet=True)


@pytest.fixture(scope="module")
def run(made_once, plucked):
    """Train some steps on plucked chords; return configuration, batches and the run's folder."""
    folder = made_once("music", lambda folder: train_some(folder, plucked))
    t = settings(folder)
    clips = [clip for clip in open_corpus(folder / "data", "audio/") if clip.split == "train"]
    material = MUSIC.material(clips, folder / "cache" / "shards", t.codec.spec)
    return t, MUSIC.batches(material, t), folder / "run"


@pytest.fixture(scope="module")
def codec(run):
    return Codec(run[2] / "weights.safetensors")


def test_training_lowers_the_loss(run):
    """Judged on a batch of its own, at one step size: distortion and bits together."""
    t, batches, folder = run
    assert np.isfinite(read_metrics(folder / "metrics.jsonl")["loss"]).all()
    graph, start = nnx.split(MUSIC.model(t, None), nnx.Param)
    end = jax.tree.map(lambda p: p, start)
    nnx.replace_by_pure_dict(end, jax.tree.map(jnp.asarray, load_weights(folder / "weights.safetensors").floats))
    batch = batches.batch(1000)
    step = jnp.full(MUSIC.shape(batch), t.codec.nominal_step, jnp.int32)
    one = jnp.float32(1)
    loss = jax.jit(lambda p: MUSIC.objective(nnx.merge(graph, p), t.loss, batch, step, one, jnp.float32(0.05), one)[0])
    assert float(loss(end)) < 0.97 * float(loss(start))


def test_two_channels_and_one_come_back(codec, plucked):
    high = codec.bitrates_bps[1]
    for x in (plucked, plucked[:, 0]):
        data = codec.encode(x, FS, high)
        y, fs = codec.decode(data)
        assert fs == FS and y.shape == x.shape and y.dtype == np.float32
        assert np.sum((y - x) ** 2) < 0.2 * np.sum(x**2)
        assert 8 * len(data) / (len(x) / FS) <= high


def test_bits_are_named_and_add_up(codec, plucked):
    data = codec.encode(plucked, FS, codec.bitrates_bps[1])
    info = codec.info(data)
    assert set(info["bits"]) == {"step", "energy", "prediction", "latents", "overhead"}
    assert sum(info["bits"].values()) == pytest.approx(8 * len(data), abs=1)


def test_decoding_hangs_on_the_bytes_alone(run, codec, plucked):
    data = codec.encode(plucked, FS, codec.bitrates_bps[1])
    np.testing.assert_array_equal(codec.decode(data)[0], Codec(run[2] / "weights.safetensors").decode(data)[0])


def test_other_rates_lengths_and_silence(codec, plucked):
    low = codec.bitrates_bps[0]
    for x, fs in ((plucked[:1], FS), (plucked[:1000], 48000), (np.zeros((3000, 2), np.float32), 22050)):
        y, got = codec.decode(codec.encode(x, fs, low))
        assert got == fs and y.shape == x.shape
    assert np.abs(y).max() < 1e-3
    assert codec.decode(codec.encode(plucked[:0], FS, low))[0].size == 0


def test_damage_is_an_error(codec, plucked):
    data = bytearray(codec.encode(plucked, FS, codec.bitrates_bps[1]))
    data[len(data) // 2] ^= 1
    with pytest.raises(BitstreamError):
        codec.decode(bytes(data))


def test_layers_are_for_speech(codec, plucked):
    for use in (lambda: codec.encode(plucked, FS, layers=2), lambda: codec.encoder(layers=2), lambda: codec.decoder(2)):
        with pytest.raises(ValueError, match="`layers` is 2, it must be a whole number, 1 for music"):
            use()


def test_capped_packets_stay_under_their_cap(codec, plucked):
    rate_bps = codec.bitrates_bps[1]
    data = codec.encode(plucked, FS, rate_bps, mode="capped")
    assert len(data) <= codec._parts.packet_bytes(rate_bps) * codec.info(data)["packets"] + 60
    assert codec.decode(data)[0].shape == plucked.shape


def test_evaluation_measures_what_music_is_measured_by(codec, plucked, tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "visqol_audio", METRICS["visqol_audio"]._replace(score=lambda x, y, fs: 4.0))
    soundfile.write(tmp_path / "a.wav", np.tile(plucked, (3, 1)), FS)
    row = evaluate(codec, [Clip(tmp_path / "a.wav", "a", "dev", "a")], codec.bitrates_bps[1], tmp_path / "out")[0]
    assert set(metrics_for(codec)) <= set(row) and row["visqol_audio"] == 4.0 and np.isfinite(row["nmr_db"])
    assert "NMR, dB" in (tmp_path / "out" / "evaluation.md").read_text()


def test_configurations_tell_speech_and_music_apart():
    assert task_of(PRESETS["audio"].codec) is MUSIC and task_of(PRESETS["cq"].codec) is SPEECH


def test_speed_is_measured_as_of_speech(codec, run, monkeypatch):
    monkeypatch.setattr(bench, "SECONDS", 0.05)
    monkeypatch.setattr(bench, "RUNS", 1)
    monkeypatch.setattr(bench, "cold_rows", lambda *_: [])
    monkeypatch.setattr("lpcnet_cq.load", lambda model, backend: codec)  # what it needs is compiled already
    rows = dict(bench.codec_rows(str(run[2] / "weights.safetensors")))
    assert rows["parameters"] == f"{codec.n_parameters:,}"
    rates = {name.partition(" at ")[2] for name in rows if "real-time factor" in name}
    assert sum("real-time factor" in name for name in rows) == 2 * len(rates) and rates
