"""A published system as a codec, with weights that nobody trained: what is written is what is decoded."""

import io
import subprocess
import sys

import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.bitstream.container import Header, write_header, write_segment
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.published import model as blocks
from lpcnet_cq.published.codec import PublishedCodec
from lpcnet_cq.published.front import analyse_lsf, level_gain, level_index
from lpcnet_cq.published.model import Model
from lpcnet_cq.published.packet import frequency_tables
from lpcnet_cq.published.weights import save_system

LOUDER = 10 ** (20 * 0.25 / 20)  # twenty steps of the level


@pytest.fixture(scope="module", params=[{}, {"lpc": "trained"}, {"lpc": "trained", "zero_state": True}])
def codec(request, tiny, awake, tmp_path_factory):
    c = tiny(n_modules=2, level=1.0, **request.param)
    random = np.random.default_rng(0)
    s = np.concatenate([random.integers(0, 32, (300, c.n_lsf)), random.integers(0, 8, (300, 2 * c.n_code))], axis=1)
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    params = nnx.state(awake(Model(c, rngs=nnx.Rngs(0))), nnx.Param)
    save_system(path, params, frequency_tables(s, c), c, {"bitrate_bps": 9000.0})
    return PublishedCodec(path)


def whole(codec, awake, x):
    """Encode and decode in one piece without bytes, by the model alone: hard symbols only."""
    c = codec.config
    T = c.spec.n_frames(len(x) + c.spec.look_ahead)
    gain = np.float32(level_gain(level_index(x, c), c))
    scaled = np.pad(gain * x, (0, T * c.spec.hop - len(x)))
    model = awake(Model(c, rngs=nnx.Rngs(0)))
    lsf = analyse_lsf(scaled, c)[None] if c.n_lsf else None
    _, s = blocks.encode(model, blocks.start_encoder(c, 1), scaled[None], lsf)
    _, y = blocks.decode(model, blocks.start_decoder(c, 1), s)
    V = c.spec.look_ahead
    return np.asarray(s[0]), np.clip(np.asarray(y[0])[V : V + len(x)] / gain, -1, 1)


def test_bytes_hold_the_hard_symbols_and_nothing_else_is_decoded(codec, awake, vowel):
    x = vowel(seconds=0.6)
    data = codec.encode(x, 16000)
    s, expected = whole(codec, awake, x)
    np.testing.assert_array_equal(codec.read(data)[2], s)
    y, rate_hz = codec.decode(data)
    assert rate_hz == 16000 and y.dtype == np.float32 and len(y) == len(x)
    np.testing.assert_allclose(y, expected, atol=1e-3)


@pytest.mark.parametrize("n", [0, 1, 111, 112, 113, 5000])
def test_every_length_comes_back(codec, n, vowel):
    y, _ = codec.decode(codec.encode(vowel()[:n], 16000, codec.bitrates_bps[0]))
    assert len(y) == n and np.isfinite(y).all()


def test_level_is_one_byte_and_changes_nothing_else(codec, vowel):
    x = 0.2 * vowel(seconds=0.3)
    a, b = codec.read(codec.encode(x, 16000)), codec.read(codec.encode(LOUDER * x, 16000))
    assert a[1] - b[1] == 20
    assert (a[2] == b[2]).mean() > 0.99


def test_other_sample_rates_come_back(codec, vowel):
    x = vowel(seconds=0.2, sample_rate_hz=44100)
    y, rate_hz = codec.decode(codec.encode(x, 44100))
    assert rate_hz == 44100 and abs(len(y) - len(x)) <= 3


def test_info_accounts_for_every_bit(codec, vowel):
    data = codec.encode(vowel(), 16000)
    info = codec.info(data)
    assert sum(info["bits"].values()) == pytest.approx(8 * len(data), abs=0.2)
    assert info["bitrate_bps"] == 8 * len(data) and info["bits"]["gain"] == 8
    assert (info["bits"]["lsf"] > 0) == (codec.config.n_lsf > 0)
    container = 8 * (27 + 8)
    assert container < info["bits"]["overhead"] < container + 9 * info["packets"]


def test_long_files_have_several_segments(codec, vowel):
    x = vowel(seconds=2.0)
    data = codec.encode(x, 16000)
    assert codec.info(data)["packets"] > 250 and len(codec.decode(data)[0]) == len(x)


def test_soft_recoding_has_the_length_and_level_of_the_signal(codec, vowel):
    y = codec.recode_soft(vowel(seconds=0.3), 16000)
    assert len(y) == 4800 and np.isfinite(y).all()


@pytest.mark.parametrize("position", [0, 5, 20, 30, 60, -1])
def test_a_flipped_bit_is_noticed(codec, vowel, position):
    data = bytearray(codec.encode(vowel(seconds=0.2), 16000))
    data[position] ^= 4
    with pytest.raises(BitstreamError):
        codec.decode(bytes(data))


@pytest.mark.parametrize("n", [0, 10, 27, 34, 50])
def test_a_cut_file_is_noticed(codec, vowel, n):
    with pytest.raises(BitstreamError):
        codec.decode(codec.encode(vowel(seconds=0.2), 16000)[:n])


@pytest.mark.parametrize("packets", [[], [b"\x00"], [b""]])
def test_missing_frames_are_noticed(codec, packets):
    file = io.BytesIO()
    write_header(file, Header(1000, 16000, 9000, codec.sha256))
    write_segment(file, packets, last=True)
    with pytest.raises(BitstreamError):
        codec.decode(file.getvalue())


def test_another_models_file_is_refused(codec, vowel):
    file = io.BytesIO()
    write_header(file, Header(0, 16000, 9000, 64 * "0"))
    write_segment(file, [b"\x00"], last=True)
    with pytest.raises(BitstreamError, match="made with weights 0000"):
        codec.decode(file.getvalue())


@pytest.mark.parametrize("x", [np.zeros((10, 2, 2)), np.zeros(10, np.int64), np.array([np.nan])])
def test_bad_signals_are_one_sentence(codec, x):
    with pytest.raises(ValueError, match=r"^`x` (has shape|is of type|holds NaN)"):
        codec.encode(x, 16000)


def test_another_rate_is_one_sentence(codec):
    with pytest.raises(ValueError, match="must be 9000"):
        codec.encode(np.zeros(100), 16000, 24000)


def test_channels_are_mixed_down(codec, vowel):
    x, rate_bps = vowel(seconds=0.3), codec.bitrates_bps[0]
    assert codec.encode(np.stack([x, 0 * x], axis=1), 16000, rate_bps) == codec.encode(0.5 * x, 16000, rate_bps)


def test_coding_needs_no_package_of_training():
    code = "import lpcnet_cq.published.codec, sys; print(*{m.partition('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"tqdm", "librosa", "matplotlib", "av"}.isdisjoint(done.stdout.split())
