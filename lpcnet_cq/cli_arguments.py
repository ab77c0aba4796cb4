"""What all commands share: parsers of values such as bitrates, usage errors, and sentences on standard error."""

import argparse
import re
import sys
from collections.abc import Callable

PROGRAM = "lpcnet-cq"


class UsageError(Exception):
    """Say what is wrong with the command line."""


def say(sentence: str) -> None:
    """Write one line to standard error, if there is one."""
    if sys.stderr is not None:  # it may be closed; `print` would write to standard output instead
        print(f"{PROGRAM}: {sentence}", file=sys.stderr)


def bitrate_bps(text: str) -> int:
    """Parse a bitrate: `9k`, `9.6k` and `9600` are all in bits per second.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is none of these.

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
    """Parse a range of bitrates, or one: the lowest and the highest.

    Raises
    ------
    argparse.ArgumentTypeError
        If the text is none of these, or the range runs backwards.

    Examples
    --------
    >>> bitrates_bps("9k-24k"), bitrates_bps("9k")
    ((9000, 24000), (9000, 9000))
    """
    low, _, high = text.partition("-")
    rates = bitrate_bps(low), bitrate_bps(high or low)
    if rates[0] > rates[1]:
        raise argparse.ArgumentTypeError(f"{text!r} runs from the higher rate to the lower")
    return rates


def positive(number: type) -> Callable[[str], float]:
    """Return a parser of positive numbers of one type."""

    def parse(text: str) -> float:
        try:
            value = number(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"{text!r} is not a positive {number.__name__}")
        return value

    return parse
