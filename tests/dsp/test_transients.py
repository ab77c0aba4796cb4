"""Attacks: clicks and onsets by construction, and sounds that have none."""

import numpy as np
import pytest

from dsp.transients import attacks, next_attacks, start_attacks

FS, FRAME = 44100, 1024


@pytest.mark.parametrize("onset", [3 * FRAME + 5, 4 * FRAME - 200, 5 * FRAME + 511])
def test_an_onset_is_found_in_its_frame_only(onset):
    random = np.random.default_rng(onset)
    x = 0.01 * random.standard_normal(12 * FRAME)
    x[onset:] += 0.3 * random.standard_normal(len(x) - onset)
    assert np.flatnonzero(attacks(x, FRAME)).tolist() == [onset // FRAME]


@pytest.mark.parametrize("level", [1.0, 0.01])
def test_steady_sounds_have_none_at_any_level(level):
    time = np.arange(40 * FRAME) / FS
    noise = np.random.default_rng(1).standard_normal(len(time))
    for x in (np.sin(2 * np.pi * 440 * time), noise, noise * (1 + 0.5 * np.sin(2 * np.pi * 5 * time))):
        assert not attacks(level * x, FRAME)[1:].any()


def test_decay_and_whispers_have_none():
    time = np.arange(40 * FRAME) / FS
    decay = np.exp(-8 * time) * np.random.default_rng(2).standard_normal(len(time))
    assert not attacks(decay, FRAME)[1:].any()
    whisper = np.zeros(8 * FRAME)
    whisper[5000:] = 2e-5 * np.sin(np.arange(len(whisper) - 5000))
    assert not attacks(whisper, FRAME).any()


def test_channels_are_apart_and_wrong_arguments_refused():
    x = np.zeros((2, 4 * FRAME))
    x[1, 2 * FRAME + 100 :] = np.sin(np.arange(2 * FRAME - 100))
    assert attacks(x, FRAME).tolist() == [[False] * 4, [False, False, True, False]]
    with pytest.raises(ValueError, match="frame"):
        attacks(x, 1023)
    with pytest.raises(ValueError, match=r"^`x` has shape \(\), it must have at least 1 axes$"):
        attacks(0.0, FRAME)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.full(FRAME, np.nan)}, "`x` holds NaN or infinity, it must be finite"),
        ({"x": np.zeros(FRAME, complex)}, "`x` is of type complex128, it must be an array of real numbers"),
        ({"frame": None}, "`frame` is None, it must be a whole number of at least 8"),
        ({"frame": 320.0}, "`frame` is 320.0, it must be a whole number of at least 8"),
        ({"frame": 0}, "`frame` is 0, it must be a whole number of at least 8"),
        ({"frame": 12}, "`frame` is 12, it must be a multiple of 8"),
        ({"rise_db": "a"}, "`rise_db` is 'a', it must be a number of at least 0"),
        ({"floor": np.nan}, "`floor` is nan, it must be a number of at least 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    given = {"x": np.zeros(FRAME), "frame": FRAME} | arguments
    for call in (attacks, lambda **given: next_attacks(start_attacks(), **given)):
        with pytest.raises(ValueError) as error:
            call(**given)
        assert str(error.value) == message


def test_signals_of_another_shape_than_the_state_are_refused():
    with pytest.raises(ValueError, match=r"^`x` has leading axes \(\), they must be those of `state`, \(2,\)$"):
        next_attacks(start_attacks((2,)), np.zeros(FRAME), FRAME)
    with pytest.raises(ValueError, match=r"^`state` is of type NoneType"):
        next_attacks(None, np.zeros(FRAME), FRAME)  # pyright: ignore[reportArgumentType]


def test_chunks_of_frames_give_what_the_whole_signal_gives():
    random = np.random.default_rng(3)
    x = random.standard_normal((2, 40 * FRAME)) * np.repeat(10 ** random.uniform(-3, 0, (2, 160)), FRAME // 4, axis=1)
    state, found, start = start_attacks((2,)), [], 0
    for frames in (1, 0, 5, 2, 31, 1):
        state, part = next_attacks(state, x[:, start : start + frames * FRAME], FRAME)
        found.append(part)
        start += frames * FRAME
    whole = attacks(x, FRAME)
    assert 10 < whole.sum() < whole.size
    np.testing.assert_array_equal(np.concatenate(found, axis=1), whole)
    with pytest.raises(ValueError, match="a multiple of `frame`, 1024"):
        next_attacks(state, x[:, :1000], FRAME)
