"""The memory for reading a file is in proportion to its data, whatever its header says."""

import os
import subprocess
import sys

import numpy as np
import pytest

LIMIT_BYTES = 300 << 20
LIMITED = f"""
import resource, sys
import numpy, soundfile
from dsp.audio_file import read_audio_file
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + {LIMIT_BYTES},) * 2)
try:
    found = read_audio_file(sys.argv[1])
    print(len(found.x) / found.sample_rate_hz)
except ValueError as error:
    print("refused:", error)
"""


def two_minutes(files):
    return np.tile(files.PCM, 30)


def half_a_minute_of_ogg(files):
    return files.encoded(("OGG", "VORBIS"), two_minutes(files)[: files.N * 8])


def with_chunk_of_4_gb(wav):
    return wav[:12] + b"JUNK\xff\xff\xff\xff" + wav[12:]


def of_2_gb(aiff):
    return aiff.replace(b"SSND\x00\x01\xf4\x08", b"SSND\x7f\xff\xff\xff")


LARGE = {  # name: maker of the file, and the seconds that must be read; None if the file must be refused
    "wav": (lambda files: files.encoded(("WAV", "PCM_16"), two_minutes(files)), 120),
    "wav of unknown length": (lambda files: files.wav(two_minutes(files) * 32768, 0xFFFFFFFF), 120),
    "wav with a chunk of 4 GB": (lambda files: with_chunk_of_4_gb(files.wav(files.SMALL)), None),
    "wav of 65535 channels": (lambda files: files.wav(np.zeros(2 * 65535), channels=65535, width="u1"), None),
    "flac of unknown length": (lambda files: files.flac_with_total(0), 4),
    "flac of 2^36 - 1 samples": (lambda files: files.flac_with_total(2**36 - 1), 4),
    "chained ogg": (lambda files: half_a_minute_of_ogg(files) * 4, 128),
    "ogg cut and chained": (lambda files: half_a_minute_of_ogg(files)[:50000] + half_a_minute_of_ogg(files), 48.55),
    "mp3 of 2^32 - 1 frames": (lambda files: files.mp3_with(2**32 - 1), 4),
    "mp3 without a length": (lambda files: files.mp3_with(None), 4),
    "aiff of 2 GB": (lambda files: of_2_gb(files.encoded(("AIFF", "PCM_16"))), 4),
}


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux to know the memory in use")
@pytest.mark.parametrize("name", LARGE)
def test_memory_is_in_proportion_to_what_was_read(audio_files, tmp_path, name):
    make, seconds = LARGE[name]
    (tmp_path / "a").write_bytes(make(audio_files))
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "a")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused: ") if seconds is None else abs(float(done.stdout) - seconds) < 0.2
