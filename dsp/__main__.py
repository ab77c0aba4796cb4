"""`python -m dsp FILE`: one picture of a recording, and a table of its frames.

WAV files need NumPy and SciPy alone, other formats soundfile, the picture matplotlib. All are imported inside
the command, so that ``--help`` answers at once. Exit codes: 0 done, 1 the data cannot be used, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import numpy as np

    from dsp.report import Report

_WAV_MARKS = (b"RIFF", b"RIFX", b"RF64")


class UsageError(Exception):
    """What the caller asked for cannot be done: exit code 2."""


class DataError(Exception):
    """The file cannot be used: exit code 1."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say it in one sentence, without repeating the usage."""
        raise UsageError(message)


def parser() -> argparse.ArgumentParser:
    """Describe the arguments of the command line."""
    p = _Parser(
        prog="python -m dsp",
        description="Draw one picture of a recording (waveform, spectrogram with formants, pitch, prediction "
        "gain, LPC envelope of one frame) and print a table of its frames, one every 10 ms.",
        epilog="example: python -m dsp speech.wav --at 0.52 --format csv > speech.csv",
    )
    p.add_argument("file", metavar="FILE", help="recording: WAV, or with soundfile FLAC, OGG, MP3 and others")
    p.add_argument("-o", "--output", metavar="PNG", help="the picture (default: FILE's name with .png, here)")
    p.add_argument("-f", "--force", action="store_true", help="overwrite an existing picture")
    p.add_argument("--no-picture", action="store_true", help="print the table only")
    p.add_argument("--format", choices=["text", "csv", "json"], default="text", help="of the table")
    p.add_argument("--order", type=int, metavar="M", help="of the prediction (default: 2 + kHz, at most 32)")
    p.add_argument("--at", type=float, metavar="SECONDS", help="frame of the envelope (default: the loudest)")
    return p


def read_audio(path: str) -> tuple[np.ndarray, int, int]:
    """Read a file as one channel, full scale 1, its sample rate in Hz and how many channels were mixed."""
    import numpy as np

    try:
        with open(path, "rb") as file:
            mark = file.read(4)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    x, sample_rate_hz = _read_wav(path) if mark in _WAV_MARKS else _read_other(path)
    if x.size == 0:
        raise DataError(f"{path} holds no samples")
    if not np.isfinite(x).all():
        raise DataError(f"{path} holds NaN or infinity")
    return x.mean(axis=1), sample_rate_hz, x.shape[1]


def _read_wav(path: str) -> tuple[np.ndarray, int]:
    import warnings

    import numpy as np
    from scipy.io import wavfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)  # unknown chunks do not matter
            sample_rate_hz, x = wavfile.read(path)
    except Exception as error:  # SciPy raises ValueError, struct.error and others on damaged headers
        raise DataError(f"{path} is not a WAV file that SciPy can read: {_sentence(error)}") from None
    if x.dtype.kind == "u":  # 8 bits, offset binary
        y = (x.astype(np.float64) - 128) / 128
    elif x.dtype.kind == "i":
        y = x / float(-np.iinfo(x.dtype).min)
    else:
        y = x.astype(np.float64)
    return y.reshape(len(x), -1) if x.size else np.zeros((0, 1)), int(sample_rate_hz)


def _read_other(path: str) -> tuple[np.ndarray, int]:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the package is there, its library is not
        raise DataError(f"{path} is not a WAV file, and other formats need the package soundfile") from None
    try:
        return soundfile.read(path, always_2d=True)
    except (RuntimeError, TypeError) as error:  # TypeError: no known format and no header at all
        raise DataError(f"{path} is not an audio file that soundfile can read: {_sentence(error)}") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that either all of it is there or nothing, by way of a temporary one beside it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp makes files that only their owner reads
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def run(arguments: list[str]) -> None:
    """Do what the command line says."""
    args = parser().parse_args(arguments)
    picture = None if args.no_picture else Path(args.output or Path(args.file).stem + ".png")
    if args.no_picture and (args.output or args.force):
        raise UsageError("--no-picture leaves nothing to do for --output or --force")
    if picture is not None and picture.exists() and not args.force:
        raise UsageError(f"{picture} exists, use -f to overwrite it")
    x, sample_rate_hz, n_channels = read_audio(args.file)
    if n_channels > 1:
        print(f"mixed {n_channels} channels into one", file=sys.stderr)

    from dsp import report as reports

    order = reports.default_order(sample_rate_hz) if args.order is None else args.order
    if not 2 <= order <= 64:
        raise UsageError(f"argument --order: {order} is not 2 to 64")
    duration_s = len(x) / sample_rate_hz
    if args.at is not None and not 0 <= args.at <= duration_s:
        raise UsageError(f"argument --at: {args.at:g} s is not within the file's 0 to {duration_s:.3f} s")
    try:
        report = reports.measure(x, sample_rate_hz, order)
    except ValueError as error:
        raise DataError(f"{args.file} cannot be analysed: {_sentence(error)}") from None
    if picture is not None:
        frame = report.loudest if args.at is None else report.frame_at(args.at)
        _save_picture(picture, report, frame, Path(args.file).name)
    sys.stdout.write(reports.TABLES[args.format](report))
    sys.stdout.flush()


def _save_picture(path: Path, report: Report, frame: int, title: str) -> None:
    from dsp.picture import draw

    try:
        png = draw(report, frame, title)
    except ModuleNotFoundError as error:
        message = f"the picture needs the package {error.name}: install it or use --no-picture"
        raise DataError(message) from None
    try:
        write_whole(path, png)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None
    print(f"wrote {path}", file=sys.stderr)


def _sentence(error: BaseException) -> str:
    """First line of a message, without the full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        run(sys.argv[1:] if arguments is None else arguments)
    except (UsageError, DataError) as error:
        print(f"dsp: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:  # the reader of the table has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
