"""The command line: `lpcnet-cq encode | decode | thin | info | bench | train | prune | evaluate`.

Each command imports what it needs when it runs, so that `--help` answers at once. Exit status: 0 done, 1 the
data or the machine are at fault, 2 the command line is; in both cases one sentence on standard error.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from lpcnet_cq.cli_arguments import bitrate_bps
from lpcnet_cq.cli_training import add_bench, add_evaluate, add_train

if TYPE_CHECKING:
    from lpcnet_cq.bitstream.container import Header
    from lpcnet_cq.codec import Codec

PROGRAM = "lpcnet-cq"
LONG_S = 30.0  # audio beyond this length gets a progress bar
UNITS = {"_s": "s", "_ms": "ms", "_hz": "Hz", "_bps": "bit/s", "_bits": "bit", "_bytes": "bytes"}
EXTRAS = {
    "bench": "dev",
    "train": "train",
    "prune": "train,eval",
    "evaluate": "train,eval",
}  # what a command needs besides the codec


class UsageError(Exception):
    """Say what is wrong with the command line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the program's name; those of the process if left out.

    Raises
    ------
    SystemExit
        From argparse: after `--help` (0), or if the arguments cannot be parsed (2).
    """
    args = build_parser().parse_args(argv)
    try:
        status = args.run(args)
        sys.stdout.flush()
        return status
    except UsageError as error:
        return fail(str(error), 2)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it exits
        return fail("standard output was closed before all was written", 1)
    except OSError as error:
        return fail(f"{error.filename or 'input or output'}: {error.strerror or error}", 1)
    except ModuleNotFoundError as error:
        extra = (
            f"; pip install '{PROGRAM}[{EXTRAS[args.command]}]' brings it" if args.command in EXTRAS else ""
        )
        return fail(f"{args.command} needs the package `{error.name}`{extra}", 1)
    except ValueError as error:
        return fail(str(error), 1)
    except KeyboardInterrupt:
        return fail("interrupted", 130)


def fail(sentence: str, status: int) -> int:
    """Say what went wrong on standard error; return the exit status."""
    print(f"{PROGRAM}: error: {sentence}", file=sys.stderr)
    return status


# ------------------------------------------------------------------------------------------------ arguments


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `args.run` is the command's function."""
    what = "Codec for speech (9 to 24 kbps, 16 kHz, mono) and music (44.1 kHz)."
    parser = argparse.ArgumentParser(PROGRAM, description=what)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    encode = commands.add_parser("encode", help="audio file to .cq file")
    encode.add_argument("input", metavar="IN", help="any audio file, or - for standard input")
    encode.add_argument("output", metavar="OUT", help=".cq file, or - for standard output")
    encode.add_argument("--bitrate", help="bits per second: 9k, 9.6k or 9000 (default: 9k of speech, 96k of music)")
    encode.add_argument("--layers", type=int, default=1, metavar="N", help="layers that `thin` can cut (default: 1)")
    encode.add_argument("--cbr", action="store_true", help="let no packet be larger than its share of the rate")
    encode.set_defaults(run=run_encode)

    decode = commands.add_parser("decode", help=".cq file to WAV file")
    decode.add_argument("input", metavar="IN", help=".cq file, or - for standard input")
    decode.add_argument("output", metavar="OUT", help="WAV file, or - for standard output")
    decode.set_defaults(run=run_decode)

    thin = commands.add_parser("thin", help="cut the packets of a .cq file to fewer layers, without coding anew")
    thin.add_argument("input", metavar="IN", help=".cq file, or - for standard input")
    thin.add_argument("output", metavar="OUT", help=".cq file, or - for standard output")
    thin.add_argument("--layers", type=int, default=1, metavar="N", help="layers to keep (default: 1)")
    thin.set_defaults(run=run_thin)

    info = commands.add_parser("info", help="what a .cq file holds, and where its bits go")
    info.add_argument("input", metavar="FILE", help=".cq file, or - for standard input")
    info.add_argument("--json", action="store_true", help="as JSON")
    info.set_defaults(run=run_info)

    for command in (encode, decode, thin):
        command.add_argument("-f", "--force", action="store_true", help="overwrite OUT")
    for command in (encode, decode, thin, info, add_bench(commands), add_evaluate(commands)):
        command.add_argument(
            "--model", metavar="NAME", help="name or file of the weights (default: those installed)"
        )
    add_train(commands)
    return parser


# ------------------------------------------------------------------------------------------------ commands


def run_encode(args: argparse.Namespace) -> int:
    """Encode an audio file."""
    check_output(args)
    check_layers(args.layers)
    import lpcnet_cq
    from lpcnet_cq.audio import read_audio, replacing

    codec = lpcnet_cq.load(args.model)
    if args.layers > codec.max_layers:
        raise UsageError(f"--layers {args.layers} must be at most {codec.max_layers} with `{codec.name}`")
    given, default_bps = args.bitrate, codec.default_bitrate_bps
    rate_bps = default_bps if given is None else allowed_bitrate_bps(given, codec.bitrates_bps)
    audio = read_audio(args.input, channels=codec.channels)
    coding_hz = codec.sample_rate_hz
    notes = (
        [f"resampled {audio.sample_rate_hz} -> {coding_hz} Hz"] if audio.sample_rate_hz != coding_hz else []
    )
    for note in audio.notes + notes:
        print(f"{PROGRAM}: {note}", file=sys.stderr)
    progress = progress_bar("encoding", len(audio.x) / audio.sample_rate_hz)
    data = codec.encode(audio.x, audio.sample_rate_hz, rate_bps, args.layers, args.cbr, progress)
    if args.layers > 1 and len(audio.x) and (layers := codec.info(data)["layers"]) < args.layers:
        print(f"{PROGRAM}: {args.layers} layers do not fit {rate_bps} bit/s, wrote {layers}", file=sys.stderr)
    with replacing(args.output) as file:
        file.write(data)
    return 0


def run_decode(args: argparse.Namespace) -> int:
    """Decode a .cq file."""
    check_output(args)
    if os.path.splitext(args.output)[1].lower() in (".flac", ".ogg", ".mp3", ".cq"):
        raise UsageError(f"`{args.output}` must be named .wav, which is what decode writes")
    data, header = read_stream(args.input)
    from lpcnet_cq.audio import write_wav

    codec = load_for(header, args.model)
    progress = progress_bar("decoding", header.n_samples / codec.sample_rate_hz)
    y, sample_rate_hz = codec.decode(data, progress=progress)
    write_wav(args.output, y, sample_rate_hz)
    return 0


def run_thin(args: argparse.Namespace) -> int:
    """Cut a .cq file to fewer layers."""
    check_output(args)
    check_layers(args.layers)
    data, header = read_stream(args.input)
    from lpcnet_cq.audio import replacing

    data = load_for(header, args.model).thin(data, args.layers)
    with replacing(args.output) as file:
        file.write(data)
    return 0


def run_info(args: argparse.Namespace) -> int:
    """Print what a .cq file holds."""
    data, header = read_stream(args.input)
    import json

    from lpcnet_cq.bitstream.summary import summarise
    from lpcnet_cq.codec import installed

    known = args.model or header.model_hash in installed()
    info = load_for(header, args.model).info(data) if known else summarise(data)
    if not known:
        print(f"{PROGRAM}: bits per part need the weights {header.model_hash}, which are missing", file=sys.stderr)
    print(json.dumps(info, indent=1) if args.json else "\n".join(info_lines(info)))
    return 0


# ------------------------------------------------------------------------------------------------ their parts


def check_output(args: argparse.Namespace) -> None:
    """Refuse to overwrite a file unless told to."""
    if args.output != "-" and os.path.isfile(args.output) and not args.force:
        raise UsageError(f"`{args.output}` exists; -f overwrites it")


def check_layers(layers: int) -> None:
    """Refuse numbers of layers that packets cannot have."""
    from lpcnet_cq.bitstream.container import MAX_ENHANCEMENTS

    if not 1 <= layers <= 1 + MAX_ENHANCEMENTS:
        raise UsageError(f"--layers {layers} must be from 1 to {1 + MAX_ENHANCEMENTS}")


def allowed_bitrate_bps(text: str, bitrates_bps: tuple[int, int]) -> int:
    """Parse a bitrate that a model with these limits can write.

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
    """Return the bytes of a .cq file and its header, which is looked at before reading on."""
    from lpcnet_cq.audio import opened
    from lpcnet_cq.bitstream.container import read_header

    with opened(source, "standard input" if source == "-" else f"`{source}`") as file:
        header = read_header(file)
        file.seek(0)
        return file.read(), header


def load_for(header: "Header", name: str | None) -> "Codec":
    """Load the model named, or else the installed one that made the stream.

    Without either the default model is loaded: its refusal names the stream's model and those installed.
    """
    import lpcnet_cq
    from lpcnet_cq.codec import installed

    return lpcnet_cq.load(name or installed().get(header.model_hash))


def progress_bar(verb: str, seconds: float) -> Callable[[float], None] | None:
    """Return a function that shows a fraction 0..1 and the time left; None where nobody waits or watches."""
    if seconds <= LONG_S or not sys.stderr.isatty():
        return None
    began = time.monotonic()

    def show(fraction: float) -> None:
        if fraction >= 1:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        elif fraction > 0:
            left = round((time.monotonic() - began) * (1 / fraction - 1))
            text = f"\r{verb} {100 * fraction:3.0f} %, {left // 60}:{left % 60:02d} left\x1b[K"
            print(text, end="", file=sys.stderr, flush=True)

    return show


def info_lines(info: Mapping) -> list[str]:
    r"""Lay out names, values and units; parts of a whole with their shares.

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
