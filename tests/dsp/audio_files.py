"""Make audio files in memory for tests of the reader: with known samples, or with wrong lengths in their headers."""

import io
import struct

import numpy as np
import soundfile

from dsp.audio_file import read_audio_file

RATE_HZ = 16000
N = 4 * RATE_HZ
T = np.arange(N) / RATE_HZ
SWEEP = 0.4 * np.sin(2 * np.pi * (100 * T + 200 * T**2)) * np.abs(np.sin(2 * np.pi * 1.5 * T))
PCM = np.round((SWEEP + 1e-3 * np.random.default_rng(0).normal(size=N)) * 32768) / 32768
SMALL = np.array([1, -32768, 32767, 300], np.int16)


def encoded(kind, x=PCM):
    """Return a file of this format and encoding in memory."""
    file = io.BytesIO()
    soundfile.write(file, x, RATE_HZ, kind[1], format=kind[0])
    return file.getvalue()


def decoded(data):
    """Return the samples as libsndfile reads them, mixed to one channel; the reference for complete files."""
    return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].mean(axis=1, dtype=np.float64)


def read(data):
    """Return what the reader under test makes of a file in memory."""
    return read_audio_file(io.BytesIO(data))


def wav(x, claimed=None, riff=0, tail=b"", width="<i2", tag=1, rate_hz=RATE_HZ, channels=1):
    """Return a WAV file with any lengths and any format code in its header."""
    data = np.asarray(x).astype(width).tobytes()
    size = np.dtype(width).itemsize
    form = (tag, channels, rate_hz, size * channels * rate_hz, min(size * channels, 65535), 8 * size)
    head = struct.pack("<4sI8sIHHIIHH", b"RIFF", riff, b"WAVEfmt ", 16, *form)
    return head + b"data" + struct.pack("<I", len(data) if claimed is None else claimed) + data + tail


def flac_with_total(total):
    """Return a FLAC file whose header gives another total number of samples."""
    data = bytearray(encoded(("FLAC", "PCM_16")))
    data[21] = data[21] & 0xF0 | total >> 32
    data[22:26] = (total & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(data)


def mp3_with(frames):
    """Return an MP3 file whose header gives another number of frames; with None it has no header."""
    data = bytearray(encoded(("MP3", "MPEG_LAYER_III")))
    at = max(data.find(b"Xing", 0, 500), data.find(b"Info", 0, 500))
    assert at > 0 and data[at + 7] & 1
    if frames is None:
        data[at : at + 4] = bytes(4)
    else:
        data[at + 8 : at + 12] = struct.pack(">I", frames)
    return bytes(data)
