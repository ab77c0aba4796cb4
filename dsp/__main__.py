"""`python -m dsp FILE`: draw a picture of a recording and print a table of its frames.

WAV, AIFF, AU and CAF files need NumPy and SciPy only. Other formats need soundfile, and the picture needs matplotlib;
without it, the table is printed, unless `--output` names a picture.
All packages are imported inside the command, so that ``--help`` is fast. Exit codes: 0 success, 1 the data cannot be
used, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from dsp.report import Report


class UsageError(Exception):
    """The arguments are wrong: exit code 2."""


class DataError(Exception):
    """The file cannot be used: exit code 1."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise the error as one sentence, without the usage text."""
        raise UsageError(message)


def parser() -> argparse.ArgumentParser:
    """Describe the arguments of the command line."""
    p = _Parser(
        prog="python -m dsp",
        description="Draw one picture of a recording (waveform, spectrogram with formants, pitch, prediction "
        "gain, LPC envelope of one frame) and print a table of its frames, one every 10 ms.",
        epilog="example: python -m dsp speech.wav --at 0.52 --format csv > speech.csv",
    )
    p.add_argument(
        "file",
        metavar="FILE",
        help="recording: WAV, AIFF, AU, CAF, and with soundfile FLAC, OGG, MP3 and others; - is standard input",
    )
    p.add_argument(
        "-o", "--output", metavar="PNG", help="the picture (default: FILE's name with .png, in the current folder)"
    )
    p.add_argument("-f", "--force", action="store_true", help="overwrite an existing picture")
    p.add_argument("--no-picture", action="store_true", help="print the table only")
    p.add_argument("--format", choices=["text", "csv", "json"], default="text", help="format of the table")
    p.add_argument(
        "--order",
        type=int,
        metavar="M",
        help="order of the prediction (default: 2 + the analysis sample rate in kHz, which is at most 16)",
    )
    p.add_argument("--at", type=float, metavar="SECONDS", help="time of the envelope (default: the loudest frame)")
    ends = {"nargs": 2, "type": float, "metavar": ("LOW", "HIGH")}
    p.add_argument("--pitch", **ends, help="range of the pitch search in Hz (default: 60 600)")
    p.add_argument("--formants", **ends, help="range of the formants in Hz (default: 90 5500)")
    p.add_argument(
        "--neutral",
        type=float,
        metavar="HZ",
        help="first resonance of the speaker's neutral vocal tract, about 500 for men, 600 for women, 650 to 700 for "
        "children (default: estimated from the pitch)",
    )
    return p


def write_whole(path: Path, data: bytes) -> None:
    """Write a file completely or not at all, through a temporary file in the same folder; devices are written to."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    path = Path(os.path.realpath(path))  # a link is kept
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp creates files that only the owner can read
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def run(arguments: list[str]) -> None:
    """Run the command with the given arguments."""
    args = parser().parse_args(arguments)
    if sys.stdout is None:
        raise DataError("cannot write the table: standard output is closed")
    if args.no_picture and (args.output or args.force):
        raise UsageError("--no-picture cannot be combined with --output or --force")
    title = "standard input" if args.file == "-" else Path(args.file).name
    output = args.output or Path(title).stem + ".png"
    picture = None if args.no_picture else _picture_path(args.file, output, args.force)

    from dsp.audio_file import printable

    report, notes = _measured(args)
    for note in [*notes, *report.notes()]:
        _say(note)
    if picture is not None:
        frame = report.loudest if args.at is None else report.frame_at(args.at)
        _save_picture(picture, report, frame, printable(title), args.output is not None)

    from dsp.report_table import TABLES

    try:
        sys.stdout.writelines(TABLES[args.format](report))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard(sys.stdout)
        raise DataError(f"cannot write the table: {error.strerror}") from None


def _picture_path(source: str, output: str, force: bool) -> Path:
    """Return the path of the picture, or refuse one that must not be written."""
    picture = Path(output)
    if picture.suffix.lower() not in (".png", "") or output == "-":
        raise UsageError(f"argument --output: {output} must be a file whose name ends in .png")
    if _is_recording(source, picture):
        raise UsageError(f"argument --output: {output} is the recording, the picture needs another name")
    if os.path.lexists(picture) and not force:
        raise UsageError(f"{picture} exists, use -f to overwrite it")
    return picture


def _is_recording(source: str, picture: Path) -> bool:
    """Return whether the picture would replace the recording, which may be standard input."""
    try:
        opened = os.fstat(sys.stdin.fileno()) if source == "-" else os.stat(source)
        return os.path.samestat(opened, os.stat(picture))
    except (AttributeError, OSError, ValueError):  # closed, replaced by something else, or not there
        return False


def _measured(args: argparse.Namespace) -> tuple[Report, list[str]]:
    """Read and measure with the options of the command line; return notes on the file, too."""
    from dsp.audio_file import open_audio_file, source_name
    from dsp.report import measure_blocks

    try:
        audio = open_audio_file(args.file)
    except ValueError as error:
        raise DataError(str(error)) from None
    ranges = _checked_options(args, audio.sample_rate_hz)
    try:
        blocks = _readable(audio.blocks)
        report = measure_blocks(blocks, audio.sample_rate_hz, args.order, neutral_hz=args.neutral, **ranges)
    except ValueError as error:
        raise DataError(f"{source_name(args.file)} cannot be analysed: {_sentence(error)}") from None
    duration_s = report.n_samples / report.sample_rate_hz
    if args.at is not None and not 0 <= args.at <= duration_s:
        raise UsageError(f"argument --at: {args.at:g} s must be from 0 to {duration_s:.3f} s, the end of the file")
    return report, audio.notes


def _readable(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield the blocks of a file; errors in it name the file already."""
    try:
        yield from blocks
    except ValueError as error:
        raise DataError(str(error)) from None


def _checked_options(args: argparse.Namespace, sample_rate_hz: int) -> dict[str, tuple[float, float]]:
    """Check the numbers of the command line; return the ranges of the measurement."""
    from dsp import report as reports

    if args.order is not None and not 2 <= args.order <= 64:
        raise UsageError(f"argument --order: {args.order} must be from 2 to 64")
    low, high = reports.NEUTRAL_LIMITS_HZ
    if args.neutral is not None and not low <= args.neutral <= high:
        raise UsageError(f"argument --neutral: {args.neutral:g} must be from {low:g} to {high:g}")
    ranges = {}
    for option, most in (("pitch", reports.highest_pitch_hz(sample_rate_hz)), ("formants", reports.HIGHEST_FORMANT_HZ)):
        ends = getattr(args, option)
        least = reports.LOWEST_PITCH_HZ if option == "pitch" else 0.0
        if ends is not None:
            if not least <= ends[0] < ends[1] <= most:
                allowed = f"{least:g} <= LOW < HIGH <= {most:g}"
                raise UsageError(f"argument --{option}: {ends[0]:g} {ends[1]:g} must fulfil {allowed}")
            ranges[f"{option.removesuffix('s')}_range_hz"] = tuple(ends)
    return ranges


def _save_picture(path: Path, report: Report, frame: int, title: str, is_needed: bool) -> None:
    """Draw and write the picture; where the package for it is missing, only say so, unless it `is_needed`."""
    from dsp.picture import draw

    try:
        png = draw(report, frame, title)
    except ModuleNotFoundError as error:
        message = f"the picture needs the package {error.name}, install it or use --no-picture"
        if is_needed:
            raise DataError(message) from None
        _say(message)
        return
    try:
        write_whole(path, png)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None
    _say(f"wrote {path}")


def _say(text: str) -> None:
    """Print to standard error. If it is closed, print nothing, because `print` would use standard output."""
    if sys.stderr is not None:
        try:
            print("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text), file=sys.stderr)
        except OSError:  # it is full
            _discard(sys.stderr)


def _flush_output() -> None:
    """Write what Python holds of standard output, such as the text of `--help`."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard(sys.stdout)
        raise DataError(f"cannot write to standard output: {error.strerror}") from None


def _discard(stream: TextIO) -> None:
    """Redirect a standard stream to nowhere, so that Python does not fail again when it flushes the stream at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _sentence(error: BaseException) -> str:
    """Return the first line of an error message, without the full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        try:
            run(sys.argv[1:] if arguments is None else arguments)
        finally:
            _flush_output()
    except (UsageError, DataError) as error:
        _say(f"dsp: {error}")
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:  # the program that reads the output has closed the pipe
        _discard(sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
