"""Dimensions that no codec can have are refused, as a damaged weights file may state them."""

import pytest

from dsp.frames import FrameSpec
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.speech.config import SpeechConfig


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"n_steps": 1}, "`n_steps` is 1, it must be from 2"),
        ({"n_steps": 17.0}, "`n_steps` is 17.0, it must be of type int"),
        ({"n_steps": False}, "`n_steps` is False"),
        ({"n_steps": 60000}, "step sizes must differ"),
        ({"step_ratio": 1.0}, "`step_ratio` is 1.0"),
        ({"step_ratio": "2"}, "`step_ratio` is '2'"),
        ({"step_ratio": float("nan")}, "`step_ratio` is nan"),
        ({"spec": FrameSpec(look_ahead=1 << 20)}, "`look_ahead` of the frames is 1048576"),
        ({"spec": FrameSpec(sample_rate_hz=10)}, "`sample_rate_hz` of the frames is 10"),
        ({"spec": None}, "`spec` is None"),
    ],
)
def test_impossible_dimensions_are_refused(values, text):
    with pytest.raises(ValueError, match=text):
        CodecConfig(**values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"order": 15}, "`order` is 15"),
        ({"order": 1000}, "`order` is 1000"),
        ({"step": 10}, "`step` is 10, it must divide `subframe`"),
        ({"fine_blocks": 3}, "`fine_blocks` is 3"),
        ({"coarse_blocks": -1}, "`coarse_blocks` is -1, it must be from 0"),
        ({"concealment": 1}, "`concealment` is 1, it must be of type bool"),
    ],
)
def test_impossible_dimensions_of_speech_are_refused(values, text):
    with pytest.raises(ValueError, match=text):
        SpeechConfig(**values)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"spec": FrameSpec(44100, 2048, 1024, 512, 1024)}, "`hop` is 1024, `window` must be twice"),
        ({"short_blocks": 6}, "`short_blocks` is 6"),
        ({"n_latents": 1032}, "`short_blocks` is 8, it must divide 1032"),
        ({"bands": 30}, "`bands` is 30"),
        ({"bands": 800}, "`bands` is 800, it must be a multiple of 4, at most 464"),
    ],
)
def test_impossible_dimensions_of_music_are_refused(values, text):
    with pytest.raises(ValueError, match=text):
        MusicConfig(**values)
