"""The commands around `.cq` files: `lpcnet-cq encode | decode | thin | info`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from lpcnet_cq.cli_arguments import UsageError, bitrate_bps, positive, say
from lpcnet_cq.cli_paths import CODED_SUFFIX, check_folder, check_output, coded_pairs, quoted
from lpcnet_cq.cli_progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from lpcnet_cq.bitstream.container import Header
    from lpcnet_cq.bitstream.packing import Mode
    from lpcnet_cq.codec import Codec

UNITS = {"_s": "s", "_ms": "ms", "_hz": "Hz", "_bps": "bit/s", "_bits": "bit", "_bytes": "bytes"}
UNITS |= {"_percent": "%", "_packets": "packets"}
MOST_EXCESS = 1.02  # ratio of bitrate to requested bitrate above which a note is printed


def add_coding(commands) -> list[argparse.ArgumentParser]:
    """Add `encode`, `decode`, `thin` and `info`; return their parsers."""
    encode = commands.add_parser("encode", help="audio file to .cq file, or a folder of them")
    encode.add_argument("input", metavar="IN", help="any audio file, - for standard input, or a folder")
    encode.add_argument("--bitrate", help="bits per second: 9k, 9.6k or 9000 (default: speech 9k, music 96k)")
    encode.add_argument("--layers", type=int, default=1, metavar="N", help="layers, which `thin` can drop (default: 1)")
    modes = encode.add_mutually_exclusive_group()
    modes.add_argument("--cap", action="store_const", dest="mode", const="capped", help="no packet above the bitrate")
    modes.add_argument("--cbr", action="store_const", dest="mode", const="constant", help="all packets of equal size")
    encode.add_argument("--no-check", action="store_true", help="do not compare decoded signal and input")
    encode.set_defaults(run=run_encode, mode="mean", writes=CODED_SUFFIX)

    decode = commands.add_parser("decode", help=".cq file to WAV file, or a folder of them")
    decode.add_argument("input", metavar="IN", help=".cq file, - for standard input, or a folder")
    decode.set_defaults(run=run_decode, writes=".wav")

    thin = commands.add_parser("thin", help="drop enhancement layers of a .cq file, without encoding again")
    thin.add_argument("input", metavar="IN", help=".cq file, or - for standard input")
    thin.add_argument("--layers", type=int, default=1, metavar="N", help="layers to keep (default: 1)")
    thin.set_defaults(run=run_thin, writes=CODED_SUFFIX)

    info = commands.add_parser("info", help="properties of a .cq file, and the bits of its parts")
    info.add_argument("input", metavar="FILE", help=".cq file, or - for standard input")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=run_info)

    for command in (encode, decode, thin):
        add_output(command)
    for command in (encode, decode):
        text = "processes for a folder (default: 1)"
        command.add_argument("--jobs", type=positive(int), default=1, metavar="N", help=text)
    return [encode, decode, thin, info]


def add_output(command: argparse.ArgumentParser) -> None:
    """Add the arguments of a command that writes a file; `output_of` reads them."""
    command.add_argument("output", metavar="OUT", nargs="?", help="file, - for standard output, or a folder")
    command.add_argument("-o", dest="out", metavar="OUT", help="same as OUT")
    command.add_argument("-f", "--force", action="store_true", help="overwrite existing files")


# ------------------------------------------------------------------------------------------------ commands


@dataclass(frozen=True)
class EncodeOptions:
    """Hold the options of encoding; if `model` is None, the default model is used."""

    model: str | None
    rate_bps: int
    layers: int
    mode: "Mode"
    check: bool


def run_encode(args: argparse.Namespace) -> int:
    """Encode an audio file, or all audio files of a folder."""
    target = output_of(args)
    check_layers(args.layers)
    folder = os.path.isdir(args.input)
    pairs = coded_pairs(args.input, target, args.writes) if folder else []
    if folder:
        check_folder(pairs, target, args.force)
    else:
        check_output(args.input, target, args.force, writes=args.writes)
    codec = loaded(args.model)
    if args.layers > codec.max_layers:
        raise UsageError(f"--layers {args.layers} must be at most {codec.max_layers} with `{codec.name}`")
    given, default_bps = args.bitrate, codec.default_bitrate_bps
    rate_bps = default_bps if given is None else allowed_bitrate_bps(given, codec.bitrates_bps)
    options = EncodeOptions(args.model, rate_bps, args.layers, args.mode, not args.no_check)
    if args.mode != "mean" and (note := size_note(codec, rate_bps)):
        say(note)
    if folder:
        from lpcnet_cq.cli_folders import code_folder

        return code_folder(pairs, partial(encode_file, options=options), args.jobs, "encoding")
    for note in encode_file(args.input, target, options):
        say(note)
    return 0


def encode_file(source: str, target: str, options: EncodeOptions) -> list[str]:
    """Encode one file and return notes on it."""
    from lpcnet_cq.audio import read_audio, replacing

    codec, rate_bps = loaded(options.model), options.rate_bps
    audio = read_audio(source, channels=codec.channels)
    notes, seconds = list(audio.notes), len(audio.x) / audio.sample_rate_hz
    if audio.sample_rate_hz != codec.sample_rate_hz:
        notes.append(f"resampled {audio.sample_rate_hz} -> {codec.sample_rate_hz} Hz")
    progress = progress_bar("encoding", seconds)
    data = codec.encode(audio.x, audio.sample_rate_hz, rate_bps, options.layers, options.mode, progress)
    if options.layers > 1 and len(audio.x) and (layers := codec.info(data)["layers"]) < options.layers:
        notes.append(f"{options.layers} layers do not fit {rate_bps} bit/s; wrote {layers}")
    if options.mode == "mean" and 8 * len(data) > MOST_EXCESS * rate_bps * seconds:
        why = "the file is short and its header counts" if seconds < 1 else "the signal needs more bits"
        notes.append(f"wrote {8 * len(data) / seconds:.0f} bit/s instead of {rate_bps}: {why}")
    if options.check:
        notes += signal_notes(codec, audio.x, audio.sample_rate_hz, data)
    with replacing(target) as file:
        file.write(data)
    return notes


def signal_notes(codec: "Codec", x: "np.ndarray", sample_rate_hz: int, data: bytes) -> list[str]:
    """Return notes on defects of the input and of the decoded signal."""
    from lpcnet_cq.signal_check import MOST_CLIPPED, clipped_share, coding_fault

    clipped = clipped_share(x)
    notes = [f"the input is clipped: {100 * clipped:.1f} % of its samples"] if clipped > MOST_CLIPPED else []
    y, _ = codec.decode(data, progress=progress_bar("checking", len(x) / sample_rate_hz))
    fault = coding_fault(x, y, sample_rate_hz)
    return notes if fault is None else [*notes, fault]


def run_decode(args: argparse.Namespace) -> int:
    """Decode a .cq file, or all .cq files of a folder."""
    target = output_of(args)
    work = partial(decode_file, model=args.model)
    if os.path.isdir(args.input):
        from lpcnet_cq.cli_folders import code_folder

        pairs = coded_pairs(args.input, target, args.writes)
        check_folder(pairs, target, args.force)
        return code_folder(pairs, work, args.jobs, "decoding")
    check_output(args.input, target, args.force, writes=args.writes)
    work(args.input, target)
    return 0


def decode_file(source: str, target: str, model: str | None) -> list[str]:
    """Decode one file; return an empty list of notes."""
    data, header = read_stream(source)
    from lpcnet_cq.audio import write_wav

    codec = load_for(header, model)
    progress = progress_bar("decoding", header.n_samples / codec.sample_rate_hz)
    y, sample_rate_hz = codec.decode(data, progress=progress)
    write_wav(target, y, sample_rate_hz)
    return []


def run_thin(args: argparse.Namespace) -> int:
    """Drop layers of a .cq file."""
    target = output_of(args)
    check_layers(args.layers)
    check_output(args.input, target, args.force, writes=args.writes)
    data, header = read_stream(args.input)
    from lpcnet_cq.audio import replacing

    data = load_for(header, args.model).thin(data, args.layers)
    with replacing(target) as file:
        file.write(data)
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Print the properties of a .cq file."""
    data, header = read_stream(args.input)
    import json

    from lpcnet_cq.bitstream.summary import summarise
    from lpcnet_cq.codec import installed

    known = args.model or header.model_hash in installed()
    info = load_for(header, args.model).info(data) if known else summarise(data)
    if not known:
        say(f"the bits of each part need the weights {header.model_hash}, which are not installed")
    print(json.dumps(info, indent=1) if args.json else "\n".join(info_lines(info)))
    return 0


# ------------------------------------------------------------------------------------------------ their parts


def output_of(args: argparse.Namespace) -> str:
    """Return the output path, which is given as OUT or as -o OUT."""
    given = [path for path in (args.output, args.out) if path is not None]
    if len(given) != 1:
        raise UsageError(f"{args.command} needs one output, as OUT or as -o OUT; {len(given) or 'none'} given")
    return given[0]


def size_note(codec: "Codec", rate_bps: int) -> str | None:
    """Return a note on the bitrate of packets of whole bytes, or None if it is the requested one."""
    n_bytes = codec.packet_bytes(rate_bps)
    real_bps = 8 * n_bytes * codec.sample_rate_hz / codec.config.spec.hop
    return None if round(real_bps) == rate_bps else f"packets of {n_bytes} bytes are {real_bps:.0f} bit/s"


def check_layers(layers: int) -> None:
    """Raise `UsageError` if packets cannot have this number of layers."""
    from lpcnet_cq.bitstream.container import MAX_ENHANCEMENTS

    if not 1 <= layers <= 1 + MAX_ENHANCEMENTS:
        raise UsageError(f"--layers {layers} must be from 1 to {1 + MAX_ENHANCEMENTS}")


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


def read_stream(source: str) -> tuple[bytes, "Header"]:
    """Return the bytes of a .cq file and its header; the header is checked before the rest is read."""
    from lpcnet_cq.audio import opened
    from lpcnet_cq.bitstream.container import read_header

    with opened(source, "standard input" if source == "-" else quoted(source)) as file:
        header = read_header(file)
        file.seek(0)
        return file.read(), header


def load_for(header: "Header", name: str | None) -> "Codec":
    """Load the model `name`, or the installed model that made the stream.

    If there is neither, load the default model; its error message names the model of the stream and those installed.
    """
    from lpcnet_cq.codec import installed

    return loaded(name or installed().get(header.model_hash))


@cache
def loaded(name: "str | Path | None") -> "Codec":
    """Load weights once per process."""
    import lpcnet_cq

    return lpcnet_cq.load(name)


def info_lines(info: Mapping) -> list[str]:
    r"""Return lines of names, values and units; parts of a sum get a column of percentages.

    Examples
    --------
    >>> print(*info_lines({"duration_s": 3.0, "bits": {"lsf": 300.4, "latents": 900.6}}), sep="\n")
    duration           3.00 s
    bits               1201
      lsf               300   25.0 %
      latents           901   75.0 %
    """
    lines = []
    for key, value in info.items():
        suffix = next((s for s in UNITS if key.endswith(s)), "")
        label, unit = key.removesuffix(suffix).replace("_", " "), UNITS.get(suffix, "")
        if isinstance(value, Mapping):
            total = sum(value.values())
            lines.append(f"{label:<12} {total:>10.0f} {unit}".rstrip())
            for part, n in value.items():
                lines.append(f"  {part:<10} {n:>10.0f} {100 * n / total if total else 0.0:6.1f} %")
        else:
            text = f"{value:.2f}" if isinstance(value, float) else "unknown" if value is None else str(value)
            lines.append(f"{label:<12} {text:>10} {unit}".rstrip())
    return lines
