"""Files that ffmpeg wrote: the reader and ffmpeg decode them to the same samples."""

import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from dsp._audio_packets import ogg_parts
from dsp.audio_file import read_audio_file

RATE_HZ = 16000
FFMPEG = shutil.which("ffmpeg")
FFMPEG_FORMATS = {
    "wav": ["-f", "wav"],
    "wav alaw": ["-c:a", "pcm_alaw", "-f", "wav"],
    "wav adpcm": ["-c:a", "adpcm_ima_wav", "-f", "wav"],
    "rf64": ["-rf64", "always", "-f", "wav"],
    "w64": ["-f", "w64"],
    "aiff": ["-f", "aiff"],
    "au": ["-f", "au"],
    "caf": ["-f", "caf"],
    "flac": ["-f", "flac"],
    "ogg vorbis": ["-c:a", "libvorbis", "-f", "ogg"],
    "ogg flac": ["-c:a", "flac", "-f", "ogg"],
    "mp3": ["-b:a", "32k", "-f", "mp3"],
    "mp3 vbr without a tag": ["-q:a", "7", "-write_xing", "0", "-f", "mp3"],
    "mp2": ["-c:a", "mp2", "-f", "mp2"],
    "voc": ["-c:a", "pcm_s16le", "-f", "voc"],
    "voc alaw": ["-c:a", "pcm_alaw", "-f", "voc"],
    "wav mp2": ["-c:a", "mp2", "-f", "wav"],
}
SEEKS_BACK = {"rf64", "w64", "aiff", "caf"}  # formats that ffmpeg cannot write completely to a pipe


def ffmpeg(arguments, data=None):
    return subprocess.run([FFMPEG, "-v", "error", *arguments], input=data, capture_output=True, check=data is None)


def by_ffmpeg(path):
    """Return the samples as ffmpeg decodes them, one channel at 16 kHz."""
    out = ffmpeg(["-i", str(path), "-f", "f32le", "-ac", "1", "-ar", str(RATE_HZ), "-"], b"").stdout
    return np.frombuffer(out, np.float32)


@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg, the reference of this test, is not installed")
@pytest.mark.parametrize("damage", ["whole", "piped", "cut", "middle"])
@pytest.mark.parametrize("format", FFMPEG_FORMATS)
def test_agrees_with_ffmpeg(audio_files, tmp_path, format, damage):
    soundfile.write(tmp_path / "in.wav", audio_files.PCM, RATE_HZ)
    path = tmp_path / "out"
    arguments = ["-i", str(tmp_path / "in.wav"), *FFMPEG_FORMATS[format]]
    if damage == "piped" and format not in SEEKS_BACK:
        path.write_bytes(ffmpeg([*arguments, "-"]).stdout)
    else:
        ffmpeg([*arguments, "-y", str(path)])
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[: len(data) * 2 // 3])
    elif damage == "middle":
        at = len(data) // 2
        path.write_bytes(data[:at] + np.random.default_rng(2).bytes(200) + data[at + 200 :])
    found, judge = read_audio_file(path), by_ffmpeg(path)
    assert found.sample_rate_hz == RATE_HZ
    # The reader puts silence where samples are lost; ffmpeg leaves them out of Ogg files, here the first
    # half of the signal, so that the ends of both belong together.
    slack, length = {"cut": (1152, len(judge)), "middle": (4 * 4608, len(audio_files.PCM))}.get(damage, (0, len(judge)))
    assert abs(len(found.x) - length) <= slack
    n = min(len(found.x), len(judge)) * 2 // 5
    part = slice(-n, None) if damage == "middle" and format.startswith("ogg") else slice(n)
    np.testing.assert_allclose(found.x[part], judge[part], atol=2e-3 if "adpcm" in format else 4e-5)
    told = damage in ("cut", "middle") and format in ("flac", "ogg vorbis", "mp3")
    assert found.notes or not told


@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("frame", [192, 576, 4096])
def test_one_wrong_bit_of_flac_costs_its_frame_alone(tmp_path, frame):
    pcm = np.round(3000 * np.random.default_rng(0).standard_normal(20 * RATE_HZ)) / 32768
    soundfile.write(tmp_path / "a.wav", pcm, RATE_HZ)
    ffmpeg(["-i", str(tmp_path / "a.wav"), "-frame_size", str(frame), str(tmp_path / "a.flac")])
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[len(data) * 7 // 10] ^= 16
    (tmp_path / "a.flac").write_bytes(data)
    found = read_audio_file(tmp_path / "a.flac")
    wrong = np.flatnonzero(found.x != pcm.astype(np.float32))
    assert len(found.x) == len(pcm) and 0 < len(wrong) <= wrong[-1] - wrong[0] + 1 <= frame


@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
def test_flac_in_ogg_says_what_its_pages_lack(audio_files, tmp_path):
    soundfile.write(tmp_path / "a.wav", audio_files.PCM, RATE_HZ)
    data = ffmpeg(["-i", str(tmp_path / "a.wav"), "-c:a", "flac", "-f", "ogg", "-"], b"").stdout
    pages = ogg_parts(data, 0)[0].pages
    assert audio_files.read(data).notes == []
    assert audio_files.read(data[: pages[4].end - 1]).notes == ["the recording is cut off"]
    assert audio_files.read(data[: pages[3].start] + data[pages[3].end :]).notes == [
        "a part of the recording is damaged"
    ]
    with pytest.raises(ValueError, match="holds no samples: the recording is cut off"):
        audio_files.read(data[: pages[2].end - 1])


@pytest.mark.skipif(FFMPEG is None, reason="ffmpeg is not installed")
def test_mp3_in_mp4_is_not_called_cut_off_because_of_the_box_behind_it(audio_files, tmp_path):
    soundfile.write(tmp_path / "a.wav", audio_files.PCM, RATE_HZ)
    ffmpeg(["-i", str(tmp_path / "a.wav"), "-c:a", "libmp3lame", "-f", "mp4", str(tmp_path / "a.m4a")])
    data = (tmp_path / "a.m4a").read_bytes()
    assert audio_files.read(data).notes == []
    assert audio_files.read(data[: data.rfind(b"moov") - 100]).notes == ["the recording is cut off"]
