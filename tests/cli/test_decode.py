"""`lpcnet-cq decode` around a stand-in codec, and streams that cannot be decoded."""

import os

import numpy as np
import pytest
import soundfile

from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


def test_there_and_back(wav, capsys):
    assert main(["encode", wav, "a.cq"]) == 0
    assert main(["decode", "a.cq", "b.wav"]) == 0
    x, y = soundfile.read(wav)[0], soundfile.read("b.wav")[0]
    np.testing.assert_array_equal(x, y)
    assert capsys.readouterr() == ("", "")
    assert sorted(os.listdir()) == ["a.cq", "b.wav", "in.wav"]


@pytest.mark.parametrize("command", [["decode", "a.cq", "b.wav"], ["info", "a.cq"]])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the .cq file is empty"),
        (b"RIFF....WAVE", "this is not a .cq file"),
        (b"\xcfcq\n\x01", "truncated"),
    ],
)
def test_foreign_streams_are_named_before_a_model_is_loaded(error, codec, command, data, sentence):
    with open("a.cq", "wb") as file:
        file.write(data)
    assert main(command) == 1
    assert sentence in error()
    assert codec.asked == [] and not os.path.exists("b.wav")


def test_a_model_that_is_not_installed_is_named(wav, error, codec):
    codec.model_hash = "feedfeedfeedfeed"
    main(["encode", wav, "a.cq", "--no-check"])
    assert main(["decode", "a.cq", "b.wav"]) == 1
    assert error() == f"`a.cq`: model feedfeedfeedfeed is not installed, only {codec.installed}"
    assert not os.path.exists("b.wav")


def test_decode_writes_wav_only(wav, error):
    main(["encode", wav, "a.cq"])
    assert main(["decode", "a.cq", "b.flac"]) == 2
    assert error() == "`b.flac` must have the suffix .wav, .wave or none, the format that is written"
