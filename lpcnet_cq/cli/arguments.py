"""Common parts of all commands: parsers of values such as bitrates, usage errors, standard output and error."""

import argparse
import errno
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TextIO

PROGRAM = "lpcnet-cq"
DEFAULT_OFFSET, MOST_OFFSET = 2, 8  # packets from a packet to the one that carries its copy


class UsageError(Exception):
    """Error in the command line."""


class Parser(argparse.ArgumentParser):
    """Parse arguments, and say what cannot be written.

    If standard error is closed, argparse would write its messages to standard output; it ignores that help cannot be
    written.
    """

    def print_help(self, file: Any = None) -> None:
        """Write the help to a file, by default to standard output as `put` does."""
        if file is None:
            put(self.format_help().rstrip("\n"))
        else:
            super().print_help(file)

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and exit with status 2."""
        if sys.stderr is None:
            raise SystemExit(2)
        super().error(message)


def say(sentence: str) -> None:
    """Write one line to standard error, unless it is closed or full."""
    if sys.stderr is not None:  # if it is closed, `print` would write to standard output
        try:
            print(f"{PROGRAM}: {sentence}", file=sys.stderr)
        except OSError:
            discard(sys.stderr)


def put(text: str) -> None:
    """Write text and a line feed to standard output.

    Raises
    ------
    OSError
        If it is closed or cannot be written.
    """
    if sys.stdout is None:
        raise OSError(errno.EBADF, "it is closed", "-")
    try:
        print(text)
    except OSError as error:  # at once if Python does not buffer standard output
        discard(sys.stdout)
        raise OSError(error.errno, error.strerror, "-") from error
    flush_output()


def flush_output() -> None:
    """Write what Python holds of standard output and error.

    Raises
    ------
    OSError
        If standard output cannot be written.
    """
    if sys.stderr is not None:
        try:
            sys.stderr.flush()
        except OSError:
            discard(sys.stderr)
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as error:
            discard(sys.stdout)
            raise OSError(error.errno, error.strerror, "-") from error


def discard(stream: TextIO) -> None:
    """Redirect a standard stream to nowhere, so that Python does not fail again when it flushes the stream at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def bitrate_bps(text: str) -> int:
    """Parse a bitrate in bits per second, such as `9k`, `9.6k` or `9600`.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is not a bitrate.

    Examples
    --------
    >>> [bitrate_bps(text) for text in ("9k", "9.6k", "9000")]
    [9000, 9600, 9000]
    """
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(k?)", text, re.ASCII | re.IGNORECASE)
    value = round(float(match[1]) * (1000 if match[2] else 1)) if match else 0
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not a bitrate such as 9k, 9.6k or 9000")
    return value


def bitrates_bps(text: str) -> tuple[int, int]:
    """Parse a bitrate or a range of bitrates; return the lowest and the highest.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is not a bitrate or a range, or the first bitrate of a range is higher than the second.

    Examples
    --------
    >>> bitrates_bps("9k-24k"), bitrates_bps("9k")
    ((9000, 24000), (9000, 9000))
    """
    low, _, high = text.partition("-")
    rates = bitrate_bps(low), bitrate_bps(high or low)
    if rates[0] > rates[1]:
        raise argparse.ArgumentTypeError(f"{text!r} must name the lower bitrate first")
    return rates


def percent(text: str) -> float:
    """Parse a number of percent, 0 to 100.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is none.

    Examples
    --------
    >>> percent("5"), percent("0.5")
    (5.0, 0.5)
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of percent, 0 to 100")
    return value


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers in a range.

    Examples
    --------
    >>> whole_number(1, 8)("8")
    8
    """

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return int(text)

    return parse


def positive(number: type) -> Callable[[str], float]:
    """Return a parser of positive numbers of the given type."""

    def parse(text: str) -> float:
        try:
            value = number(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a positive {number.__name__}")
        return value

    return parse


def add_output(command: argparse.ArgumentParser, folders: bool = False) -> None:
    """Add the arguments of a command that writes a file, or also folders; `output_of` reads them."""
    text = "file, - for standard output, or a folder" if folders else "file, or - for standard output"
    command.add_argument("output", metavar="OUT", nargs="?", help=text)
    command.add_argument("-o", dest="out", metavar="OUT", help="same as OUT")
    command.add_argument("-f", "--force", action="store_true", help="overwrite existing files")


def add_copy_offset(command: argparse.ArgumentParser) -> None:
    """Add the offset of copies of a command that codes live."""
    text = f"packets from one to that which carries its copy, if there are copies (default: {DEFAULT_OFFSET})"
    command.add_argument("--copy-offset", type=whole_number(1, MOST_OFFSET), metavar="N", help=text)


def add_jobs(command: argparse.ArgumentParser) -> None:
    """Add where a command works that may run on many files at the same time."""
    text = "processes for a folder, or units of work on a cluster (default: 1, or the cores of the cluster)"
    command.add_argument("--jobs", type=positive(int), metavar="N", help=text)
    text = "work on a Ray cluster: its address, or `local` for one on this machine"
    command.add_argument("--cluster", metavar="ADDRESS", help=text)


def add_folder_options(command: argparse.ArgumentParser) -> None:
    """Add the options of a command that codes folders."""
    add_jobs(command)
    text = "write a table of the files of a folder; files that it lists as done are not coded again"
    command.add_argument("--manifest", metavar="FILE.parquet", help=text)
    text = "write tar shards of N files each; if the folder has tar shards, they are coded, and keep their sizes"
    command.add_argument("--tar", type=whole_number(1, 10**6), metavar="N", help=text)


def check_one_file(args: argparse.Namespace) -> None:
    """Raise `UsageError` if an option for folders is given, and the input is not a folder."""
    given = {"--cluster": args.cluster, "--manifest": args.manifest, "--tar": args.tar}
    for option in (option for option, value in given.items() if value is not None):
        raise UsageError(f"{option} is for folders, `{args.input}` is a file")


def output_of(args: argparse.Namespace) -> str:
    """Return the output path, which is given as OUT or as -o OUT."""
    given = [path for path in (args.output, args.out) if path is not None]
    if len(given) != 1:
        raise UsageError(f"{args.command} needs one output, as OUT or as -o OUT; {len(given) or 'none'} given")
    return given[0]
