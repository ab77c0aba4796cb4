"""Weights and streams of the commands: which weights a command uses, and what these support.

Modules for coding are imported when a command runs, so that `--help` answers at once.
"""

import argparse
from functools import cache
from typing import TYPE_CHECKING

from lpcnet_cq.cli.arguments import UsageError, bitrate_bps
from lpcnet_cq.cli.paths import quoted

if TYPE_CHECKING:
    from pathlib import Path

    from lpcnet_cq.bitstream.container import Header
    from lpcnet_cq.codec import Codec


@cache
def loaded(name: "str | Path | None", backend: str | None) -> "Codec":
    """Load weights once per process."""
    import lpcnet_cq

    return lpcnet_cq.load(name, backend)


def load_for(header: "Header", name: str | None, backend: str | None) -> "Codec":
    """Load the model `name`, or the installed model that made the stream.

    If there is neither, load the default model; its error message names the model of the stream and those installed.
    """
    from lpcnet_cq.codec import installed

    return loaded(name or installed().get(header.model_hash), backend)


def read_stream(source: str) -> tuple[bytes, "Header"]:
    """Return the bytes of a .cq file and its header; the header is checked before the rest is read."""
    from lpcnet_cq.audio.reader import opened
    from lpcnet_cq.bitstream.container import read_header

    with opened(source, "standard input" if source == "-" else quoted(source)) as file:
        header = read_header(file)
        file.seek(0)
        return file.read(), header


def chosen_bitrate_bps(text: str | None, codec: "Codec") -> int:
    """Return the bitrate that `--bitrate` asks for, or the default of the model if it is not given."""
    return codec.default_bitrate_bps if text is None else allowed_bitrate_bps(text, codec.bitrates_bps)


def allowed_bitrate_bps(text: str, bitrates_bps: tuple[int, int]) -> int:
    """Parse a bitrate and check that it lies in the supported range of a model.

    Examples
    --------
    >>> allowed_bitrate_bps("9.6k", (9000, 24000))
    9600
    """
    low, high = bitrates_bps
    try:
        value = bitrate_bps(text)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"--bitrate: {error}, from {low} to {high} bit/s") from error
    if not low <= value <= high:
        raise UsageError(f"--bitrate {text} must be from {low} to {high} bit/s with this model")
    return value


def check_dtx(dtx: bool, codec: "Codec") -> None:
    """Raise `UsageError` if pauses shall be left out by a codec that finds none."""
    if dtx and not codec.supports_dtx:
        raise UsageError(f"--dtx is for speech, `{codec.name}` codes music")


def check_layers(layers: int) -> None:
    """Raise `UsageError` if packets cannot have this number of layers."""
    from lpcnet_cq.bitstream.container import MAX_ENHANCEMENTS

    if not 1 <= layers <= 1 + MAX_ENHANCEMENTS:
        raise UsageError(f"--layers {layers} must be from 1 to {1 + MAX_ENHANCEMENTS}")
