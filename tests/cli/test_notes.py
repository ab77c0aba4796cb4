"""What `lpcnet-cq encode` says about a file, around a stand-in codec."""

import numpy as np
import pytest
import soundfile

from lpcnet_cq.bitstream.container import Header
from lpcnet_cq.cli import main

pytestmark = pytest.mark.usefixtures("codec")


def test_changes_are_said(capsys, header, codec):
    stereo = np.stack([np.linspace(-1, 1, 44100), np.zeros(44100)], axis=1)
    soundfile.write("s.wav", stereo, 44100)
    assert main(["encode", "s.wav", "a.cq"]) == 0
    said = capsys.readouterr().err
    assert said == "lpcnet-cq: mixed 2 channels to mono\nlpcnet-cq: resampled 44100 -> 16000 Hz\n"
    assert header() == Header(16000, 44100, 9000, codec.installed)
    assert main(["decode", "a.cq", "b.wav"]) == 0
    assert soundfile.info("b.wav").samplerate == 44100


def test_layers_that_do_not_fit_are_said(wav, capsys):
    assert main(["encode", wav, "a.cq", "--layers", "2"]) == 0
    assert capsys.readouterr().err == "lpcnet-cq: 2 layers do not fit 9000 bit/s; wrote 1\n"


def test_rates_that_are_not_met_are_said(codec, capsys):
    soundfile.write("long.wav", 0.3 * np.sin(np.arange(32000) / 7), 16000)
    codec.n_bytes = 2500
    assert main(["encode", "long.wav", "a.cq"]) == 0
    assert capsys.readouterr().err == "lpcnet-cq: wrote 10000 bit/s instead of 9000: the signal needs more bits\n"
    assert main(["encode", "long.wav", "b.cq", "--cbr", "--bitrate", "16k"]) == 0
    assert capsys.readouterr().err == ""
    soundfile.write("short.wav", 0.3 * np.sin(np.arange(800) / 7), 16000)
    main(["encode", "short.wav", "c.cq"])
    said = "lpcnet-cq: the file is short; with its header it has 400000 bit/s instead of 9000\n"
    assert capsys.readouterr().err == said


def test_clipped_input_and_failed_coding_are_noted(codec, capsys):
    soundfile.write("loud.wav", np.clip(3 * np.sin(np.arange(32000) / 7), -1, 1), 16000)
    assert main(["encode", "loud.wav", "a.cq"]) == 0
    assert "the input is clipped: 7" in capsys.readouterr().err
    codec.gain = 0.1
    assert main(["encode", "loud.wav", "b.cq"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("lpcnet-cq: coding failed: the band levels of the decoded signal are wrong by 20 dB")
    assert main(["encode", "loud.wav", "c.cq", "--no-check"]) == 0
    assert capsys.readouterr().err == ""
