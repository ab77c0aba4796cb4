"""The music codecs ours is compared with, run by the programs `lame` and `ffmpeg`.

Rates are those of the packets that carry the signal, as `ffprobe` lists them: no container is counted.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from coders import Peer, align

LARGEST_LAG = 4096  # samples by which a decoder's output may be late or early


@dataclass(frozen=True)
class CommandPeer(Peer):
    """Hold a codec that is run by commands.

    Attributes
    ----------
    command : callable
        Bitrate in kbps to the command that encodes the file IN to the file OUT.
    suffix : str
        Of encoded files.
    """

    command: Callable[[float], Sequence[str]]
    suffix: str

    def code(self, x: np.ndarray, sample_rate_hz: int, kbps: float) -> tuple[np.ndarray, float]:
        """Return the decoded copy of a recording, (n,) or (n, 2), aligned with it, and its bitrate in kbps."""
        with tempfile.TemporaryDirectory() as folder:
            wav, coded, decoded = (str(Path(folder) / name) for name in ("x.wav", f"y.{self.suffix}", "y.wav"))
            soundfile.write(wav, x, sample_rate_hz)
            run(*(part.replace("IN", wav).replace("OUT", coded) for part in self.command(kbps)))
            packets = run("ffprobe", "-v", "error", "-show_entries", "packet=size", "-of", "csv=p=0", coded).split()
            run("ffmpeg", "-y", "-i", coded, "-ar", str(sample_rate_hz), "-c:a", "pcm_f32le", decoded)
            y, _ = soundfile.read(decoded)
        n_bytes = sum(int(size.strip(",")) for size in packets)
        return align(x, y, range(-LARGEST_LAG, LARGEST_LAG)), 8 * n_bytes / (len(x) / sample_rate_hz) / 1000


def run(*command: str) -> str:
    """Run a command and return its output; RuntimeError with its last line if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout


def programs(*names: str) -> Callable[[], None]:
    """Return a check that programs are installed; it raises OSError with the name of one that is not."""

    def load():
        for name in (*names, "ffmpeg", "ffprobe"):
            if not shutil.which(name):
                raise OSError(f"{name} is not installed")

    return load


def by_lame(kbps: float) -> Sequence[str]:
    return "lame", "-b", f"{kbps:.0f}", "IN", "OUT"


def by_ffmpeg(codec: str) -> Callable[[float], Sequence[str]]:
    return lambda kbps: ("ffmpeg", "-y", "-i", "IN", "-c:a", codec, "-b:a", f"{1000 * kbps:.0f}", "OUT")


AUDIO_PEERS = {
    "mp3-lame": CommandPeer("MP3 (LAME)", (64, 80, 96, 112, 128), programs("lame"), by_lame, "mp3"),
    "aac-ffmpeg": CommandPeer("AAC (ffmpeg)", (64, 96), programs(), by_ffmpeg("aac"), "m4a", steerable=True),
    "vorbis": CommandPeer("Vorbis", (64, 96), programs(), by_ffmpeg("libvorbis"), "ogg", steerable=True),
    "opus": CommandPeer("Opus", (64, 96), programs(), by_ffmpeg("libopus"), "opus", steerable=True),
}
