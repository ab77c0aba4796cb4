"""A stand-in for the codec, for tests of the command line; and what they share."""

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

import lpcnet_cq
from lpcnet_cq.audio.reader import resample
from lpcnet_cq.audio.writer import to_pcm16
from lpcnet_cq.bitstream.container import Header, read_header, read_segments, write_header, write_segment
from lpcnet_cq.cli import models, notes
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.files.decoder import Decoding

INSTALLED = "0123456789abcdef"


class StandIn:
    """Behave as a codec does at its border; carry 16-bit PCM in segments, one packet per 50 samples."""

    kind, bitrates_bps = "speech", (9000, 24000)
    default_bitrate_bps, max_layers = 9000, 2
    sample_rate_hz, channels, name = 16000, 1, "stand-in"
    config = SimpleNamespace(spec=SimpleNamespace(hop=320))
    installed, gain, live, supports_dtx = INSTALLED, 1.0, False, True

    def __init__(self, model_hash=INSTALLED):
        self.model_hash = model_hash

    def encode_blocks(
        self, file, blocks, sample_rate_hz, bitrate_bps, layers, mode, progress=None, n_samples=None, heard=None
    ):
        self.mode, x = mode, np.concatenate(list(blocks))
        pcm = to_pcm16(resample(x, sample_rate_hz, 16000)).tobytes()
        write_header(file, Header(len(pcm) // 2, sample_rate_hz, bitrate_bps, self.model_hash))
        packets = [pcm[i : i + 100] for i in range(0, len(pcm), 100)]
        groups = [packets[i : i + 500] for i in range(0, len(packets), 500)] or [[]]
        for i, group in enumerate(groups):
            write_segment(file, group, last=i == len(groups) - 1)
            if progress:
                progress((i + 1) / len(groups))
        if heard:
            heard(self.gain * resample(np.frombuffer(pcm, "<i2") / np.float32(32768), 16000, sample_rate_hz))

    def packet_bytes(self, bitrate_bps):
        return int(bitrate_bps * 0.02 / 8)

    def encode_live(self, file, blocks, sample_rate_hz, channels, bitrate_bps, layers, mode, loss, copy_offset, dtx):
        self.live, self.expected_loss, self.copy_offset, self.dtx = True, loss, copy_offset, dtx
        self.encode_blocks(file, blocks, sample_rate_hz, bitrate_bps, layers, mode)

    def decode_blocks(self, file, header=None):
        header = header or read_header(file)
        if header.model_hash != INSTALLED:
            raise BitstreamError(f"model {header.model_hash} is not installed, only {INSTALLED}")
        pcm = b"".join(segment.payload for segment in read_segments(file))
        y = np.frombuffer(pcm, "<i2").astype(np.float32) / 32768
        y = resample(self.gain * y, 16000, header.sample_rate_hz)
        return Decoding(header, iter(np.array_split(y, 3)), len(y))

    def info(self, data):
        header = read_header(io.BytesIO(data))
        bits = {"lsf": 300, "latents": 900}
        found = {"duration_s": header.n_samples / 16000, "bitrate_bps": 9012, "bits": bits, "model": INSTALLED}
        return found | {"layers": 1}

    def packet_table(self, data):
        return [{"packet": "headers", "bytes": 44}, {"packet": 0, "bytes": len(data) - 44}]

    def thin(self, data, layers):
        return data[:-1] + bytes([layers])


@pytest.fixture
def codec(monkeypatch, tmp_path):
    """Stand in for the real codec, in an empty folder; `codec.asked` are the names of models asked for."""
    monkeypatch.chdir(tmp_path)
    models.loaded.cache_clear()
    standin = StandIn()
    standin.asked, standin.n_bytes = [], None
    monkeypatch.setattr(notes, "size_bytes", lambda file: standin.n_bytes or 0)  # PCM is more than any rate
    known = {INSTALLED: "the weights that made it"}
    monkeypatch.setitem(sys.modules, "lpcnet_cq.codec", SimpleNamespace(installed=lambda: known))
    load = lambda name=None, backend=None: standin.asked.append(name) or standin  # noqa: E731
    monkeypatch.setattr(lpcnet_cq, "load", load, raising=False)
    yield standin
    models.loaded.cache_clear()


@pytest.fixture
def wav(tmp_path):
    soundfile.write(tmp_path / "in.wav", 0.3 * np.sin(np.arange(8000) / 7), 16000)
    return str(tmp_path / "in.wav")


@pytest.fixture
def header():
    """Return a function that reads the header of a `.cq` file."""

    def read(path="a.cq"):
        with open(path, "rb") as file:
            return read_header(file)

    return read


@pytest.fixture
def error(capsys):
    """Return a function for the sentence on standard error, which must be one line and no traceback."""

    def read():
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("lpcnet-cq: error: ")
        return lines[0].removeprefix("lpcnet-cq: error: ")

    return read


@pytest.fixture
def environment():
    """Return the environment with this project importable, for processes of their own."""
    root = str(Path(__file__).parents[2])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
