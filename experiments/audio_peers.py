"""The codecs for music ours is measured against, by the programs `lame` and `ffmpeg`.

Rates are those of the packets that carry the signal, as `ffprobe` lists them: no container is counted. Codecs that
only average near a rate are asked for what makes all recordings together come out at it.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

PLAY = 4096  # samples by which a decoder's output may be late


@dataclass(frozen=True)
class AudioPeer:
    """One codec: the command that encodes IN to OUT at a rate in kbps, the ending of its files, and its rates."""

    title: str
    command: Callable[[float], Sequence[str]]
    suffix: str
    rates: tuple[float, ...]
    steerable: bool = True


def ffmpeg(codec: str) -> Callable[[float], Sequence[str]]:
    return lambda kbps: ("ffmpeg", "-y", "-i", "IN", "-c:a", codec, "-b:a", f"{1000 * kbps:.0f}", "OUT")


AUDIO_PEERS = {
    "mp3-lame": AudioPeer(
        "MP3 (LAME)", lambda k: ("lame", "-b", f"{k:.0f}", "IN", "OUT"), "mp3", (64, 80, 96, 112, 128), False
    ),
    "aac-ffmpeg": AudioPeer("AAC (ffmpeg)", ffmpeg("aac"), "m4a", (64, 96)),
    "vorbis": AudioPeer("Vorbis", ffmpeg("libvorbis"), "ogg", (64, 96)),
    "opus": AudioPeer("Opus", ffmpeg("libopus"), "opus", (64, 96)),
}


def missing(peer: AudioPeer) -> str | None:
    """Say which program a peer lacks here; None if it can run."""
    programs = [peer.command(64)[0], "ffmpeg", "ffprobe"]
    return next((f"{program} is not installed" for program in programs if not shutil.which(program)), None)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout


def code(peer: AudioPeer, x: np.ndarray, sample_rate_hz: int, kbps: float) -> tuple[np.ndarray, float]:
    """Return what a recording, (n,) or (n, 2), becomes, and its rate in kbps."""
    with tempfile.TemporaryDirectory() as folder:
        wav, coded, decoded = (str(Path(folder) / name) for name in ("x.wav", f"y.{peer.suffix}", "y.wav"))
        soundfile.write(wav, x, sample_rate_hz)
        run(*(part.replace("IN", wav).replace("OUT", coded) for part in peer.command(kbps)))
        packets = run("ffprobe", "-v", "error", "-show_entries", "packet=size", "-of", "csv=p=0", coded).split()
        run("ffmpeg", "-y", "-i", coded, "-ar", str(sample_rate_hz), "-c:a", "pcm_f32le", decoded)
        y, _ = soundfile.read(decoded)
        n_bytes = sum(int(size.strip(",")) for size in packets)
    return align(x, y), 8 * n_bytes / (len(x) / sample_rate_hz) / 1000


def align(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return y shifted by the lag at which it resembles x most, and as long as x."""
    a, b = (v.reshape(len(v), -1).mean(axis=1) for v in (x, y))
    n = 2 * max(len(a), len(b))
    similarity = np.fft.irfft(np.fft.rfft(b, n) * np.conj(np.fft.rfft(a, n)), n)
    lag = int(np.argmax(np.r_[similarity[-PLAY:], similarity[:PLAY]])) - PLAY
    widths = [(0, 0)] * (y.ndim - 1)
    y = y[lag:] if lag >= 0 else np.pad(y, [(-lag, 0), *widths])
    return np.pad(y, [(0, max(0, len(x) - len(y))), *widths])[: len(x)]


def steer(peer: AudioPeer, recordings: Sequence[tuple[np.ndarray, int]], kbps: float) -> float:
    """Return the rate to ask for so that all recordings together come out at `kbps`."""
    if not peer.steerable:
        return kbps
    asked = kbps
    for _ in range(2):
        seconds = np.array([len(x) / fs for x, fs in recordings])
        got = np.array([code(peer, x, fs, asked)[1] for x, fs in recordings])
        asked *= kbps / float(got @ seconds / seconds.sum())
    return asked
