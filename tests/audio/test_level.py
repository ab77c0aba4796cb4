"""Level normalisation: what is coded does not depend on the level, and the output has the level of the input."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lpcnet_cq
from lpcnet_cq.audio.level import (
    LEVEL_DB,
    NOMINAL_DB,
    RANGE_DB,
    LevelState,
    choose_level,
    level_exponents,
    scale,
    start_level,
    track_level,
)
from lpcnet_cq.bitstream.container import read_header, read_segments
from lpcnet_cq.bitstream.level import MAX_LEVEL, MIN_LEVEL

FS = 16000


def db(x):
    return 10 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-20)


@given(st.floats(-84, 3), st.integers(MIN_LEVEL, MAX_LEVEL))
def test_chosen_level_is_near_the_nominal_one(active_db, before):
    level = choose_level(10 ** (active_db / 10), before)
    assert MIN_LEVEL <= level <= MAX_LEVEL
    normalised_db = active_db - LEVEL_DB * level
    assert normalised_db <= RANGE_DB[1] + 1e-9
    assert normalised_db >= RANGE_DB[0] - 1e-9 or level == MIN_LEVEL


def test_silence_does_not_change_the_level():
    assert choose_level(0.0, 3) == 3


def test_active_level_of_a_tone_is_its_own_and_falls_slowly():
    x = 0.2 * np.sqrt(2) * np.sin(2 * np.pi * 440 / FS * np.arange(FS))
    state = track_level(LevelState(0.0, 0.0), x, FS)
    assert 10 * np.log10(state.active) == pytest.approx(20 * np.log10(0.2), abs=0.1)
    later = track_level(state, np.zeros(2 * FS), FS)
    assert 10 * np.log10(later.active / state.active) == pytest.approx(-10, abs=0.2)
    assert 10 * np.log10(start_level().active) == pytest.approx(NOMINAL_DB)


def test_the_active_level_does_not_depend_on_the_size_of_blocks():
    x = np.random.default_rng(0).standard_normal(5000) * np.linspace(0, 1, 5000)
    whole, state = track_level(start_level(), x, FS), start_level()
    for part in np.split(x, [7, 800, 801, 4000]):
        state = track_level(state, part, FS)
    np.testing.assert_allclose(state, whole, rtol=1e-9)


def test_the_decoder_undoes_what_the_encoder_did():
    """Samples that pass a codec with a delay of 64 samples and no other change."""
    levels, x = np.array([0, 0, 3, 3, -2, -2, -2]), np.random.default_rng(1).standard_normal(6 * 320)
    coded = np.pad(scale(x, -level_exponents(levels, 320, 64)), (64, 0))
    y = scale(coded[: len(x)], level_exponents(levels, 320, 64, 64))
    np.testing.assert_allclose(y[64:], x[:-64], rtol=1e-6)
    np.testing.assert_allclose(coded[64 + 640 : 64 + 960], x[640:960] / 8, rtol=1e-6)


def test_nothing_changes_at_level_zero():
    x = np.ones(640, np.float32)
    assert scale(x, level_exponents(np.zeros(3, int), 320, 64)) is x


@pytest.fixture(scope="module")
def codec():
    return lpcnet_cq.load("cq3")


def voice(level_db, seconds=3.0):
    """Return a harmonic sound in syllables at an RMS level, which no level clips."""
    t = np.arange(int(seconds * FS)) / FS
    f = 140 + 20 * np.sin(2 * np.pi * 0.7 * t)
    x = sum(np.sin(2 * np.pi * k * np.cumsum(f) / FS) / k for k in range(1, 20)) * np.abs(np.sin(2 * np.pi * 2 * t))
    return (x / np.std(x) * 10 ** (level_db / 20)).astype(np.float32)


@pytest.mark.parametrize(("mode", "noise"), [("mean", 0.0), ("capped", 1e-4)])
def test_a_long_pause_leaves_the_level_of_what_is_before_it(codec, mode, noise):
    """The level of a segment is chosen for its loudest part, here the first second of ten."""
    random = np.random.default_rng(0)
    x = voice(-22, 1.0) + np.float32(10 ** (-28 / 20)) * random.standard_normal(FS, np.float32)
    pause = noise * random.standard_normal(9 * FS)
    y, _ = codec.decode(codec.encode(np.concatenate([x, pause]), FS, 9000, mode=mode))
    assert 10 * np.log10(np.mean(y[: len(x)] ** 2) / np.mean(x**2)) == pytest.approx(0, abs=1)
    assert np.mean((y[: len(x)] - x) ** 2) < 0.7 * np.mean(x**2)


@pytest.mark.parametrize("steps", [-1, 1])
def test_files_of_other_levels_hold_the_same_packets(codec, steps):
    """The levels differ by a power of two, so that only the heads of the segments differ."""
    near = voice(-50)
    far = near * np.float32(2.0**steps)
    files = [io.BytesIO(codec.encode(x, FS, 9000)) for x in (near, far)]
    for file in files:
        read_header(file)
    (one,), (other,) = (list(read_segments(file)) for file in files)
    assert one.level < -2 and other.level == one.level + steps
    assert one.payload == other.payload
    y, y_far = (codec.decode(file.getvalue())[0] for file in files)
    np.testing.assert_allclose(y_far[320:], y[320:] * 2.0**steps, atol=1e-6)


@pytest.mark.parametrize(
    ("setting", "quiet_db"), [({}, -55), ({"mode": "constant"}, -35), ({"expected_loss": 0.2}, -35)]
)
def test_live_streams_follow_the_level(codec, setting, quiet_db):
    """Quiet, loud, quiet: after a second the level of the output is right, and streams are read as files, too."""
    fall_s = round((-14 - quiet_db) / 5)  # by 5 dB per second
    x = np.concatenate([voice(quiet_db, 2), voice(-14, 2), voice(quiet_db, fall_s + 2)])
    encoder, decoder = codec.encoder(13000, **setting), codec.decoder()
    packets = encoder.push(x) + encoder.flush()
    y = np.concatenate([decoder.push(data) for data in packets])[encoder.delay_samples + decoder.delay_samples :]
    for second in (1, 3, 5 + fall_s):
        part = slice(second * FS, (second + 1) * FS)
        assert db(y[part]) == pytest.approx(db(x[part]), abs=1.0)
    sizes = {len(data) for data in packets}
    assert sizes == {13000 // 50 // 8} or setting.get("mode") != "constant"


def test_a_live_file_is_decoded_as_its_packets(codec):
    x = np.concatenate([voice(-26, 1), voice(-14, 2)])
    file = io.BytesIO()
    codec.encode_live(file, [x], FS, 1, 9000)
    y, _ = codec.decode(file.getvalue())
    assert len(y) == len(x) and db(y[2 * FS :]) == pytest.approx(db(x[2 * FS :]), abs=1.0)
    assert codec.info(file.getvalue())["packets"] > 0


def test_losses_leave_the_level(codec):
    """Packets reset the context and name their level, so that one that is received after a loss is right."""
    x = np.concatenate([voice(-26, 1), voice(-14, 2)])
    encoder, decoder = codec.encoder(9000, expected_loss=0.1), codec.decoder()
    packets = encoder.push(x)
    lost = range(45, 75)  # the change of the level is lost, too
    y = np.concatenate([decoder.push(None if t in lost else data) for t, data in enumerate(packets)])
    assert db(y[2 * FS :]) == pytest.approx(db(x[2 * FS :]), abs=1.0)


def test_a_live_onset_does_not_click(codec):
    """After three quiet seconds, the level rises by 40 dB."""
    random = np.random.default_rng(2)
    x = np.convolve(random.standard_normal(4 * FS), np.ones(5) / 5, "same") * np.where(
        np.arange(4 * FS) < 3 * FS, 1e-3, 0.1
    )
    encoder, decoder = codec.encoder(9000), codec.decoder()
    y = np.concatenate([decoder.push(data) for data in encoder.push(x) + encoder.flush()])
    y = y[encoder.delay_samples + decoder.delay_samples :][: len(x)]
    onset = slice(3 * FS - 320, 3 * FS + 3200)
    assert np.abs(y[onset]).max() < 1.5 * np.abs(x[onset]).max()
    assert np.abs(np.diff(y[onset])).max() < 1.5 * np.abs(np.diff(x[onset])).max()


@pytest.mark.parametrize("level_db", [-50, -20])
def test_a_file_begins_without_a_click(codec, level_db):
    x = 10 ** (level_db / 20) * np.random.default_rng(0).standard_normal(8000)
    y, _ = codec.decode(codec.encode(x, FS, 12000))
    assert np.abs(y[:640]).max() < 1.3 * np.abs(x).max()
    assert db(y[:320]) == pytest.approx(db(x[:320]), abs=3.0)
