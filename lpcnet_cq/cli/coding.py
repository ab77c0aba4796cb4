"""The commands around `.cq` files: `lpcnet-cq encode | decode | thin | info`.

Each command imports what it needs when it runs, so that `--help` answers at once.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, BinaryIO, cast

from lpcnet_cq.cli.arguments import UsageError, bitrate_bps, percent, positive, say
from lpcnet_cq.cli.paths import CODED_SUFFIX, check_folder, check_output, coded_pairs, quoted
from lpcnet_cq.cli.progress import progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from lpcnet_cq.bitstream.container import Header
    from lpcnet_cq.bitstream.packing import Mode
    from lpcnet_cq.codec import Codec

UNITS = {"_s": "s", "_ms": "ms", "_hz": "Hz", "_bps": "bit/s", "_bits": "bit", "_bytes": "bytes"}
SPOOL_BYTES = 1 << 24  # of a coded file, beyond which it waits on disk until it is whole
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
    live = "write each packet at once (default: if input and output are pipes)"
    encode.add_argument("--live", action=argparse.BooleanOptionalAction, help=live)
    loss = "packets that the channel will lose, in percent (default: 0; live only)"
    encode.add_argument("--expected-loss", type=percent, metavar="PERCENT", help=loss)
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
    if os.path.isdir(args.input):
        if args.live or args.expected_loss is not None:
            raise UsageError(f"a live stream is one signal, {quoted(args.input)} is a folder")
        pairs = coded_pairs(args.input, target, args.writes)
        check_folder(pairs, target, args.force)
        from lpcnet_cq.cli.folders import code_folder

        options = encode_options(args)
        return code_folder(pairs, partial(encode_file, options=options), args.jobs, "encoding")
    check_output(args.input, target, args.force, writes=args.writes)
    from lpcnet_cq.cli.live import encode_live, is_pipe, reading_ahead

    arrives = is_pipe(args.input, "r")
    if args.live or (args.live is None and arrives and is_pipe(target, "w")):
        with reading_ahead(args.input) if arrives else nullcontext(args.input) as source:
            options, loss = encode_options(args), (args.expected_loss or 0.0) / 100
            coding = options.rate_bps, options.layers, options.mode, loss
            notes = encode_live(loaded(args.model), source, target, *coding)
    elif args.expected_loss is not None:
        raise UsageError("--expected-loss is for live streams: --live writes one")
    else:
        notes = encode_file(args.input, target, encode_options(args))
    for note in notes:
        say(note)
    return 0


def encode_options(args: argparse.Namespace) -> EncodeOptions:
    """Check options against the weights, which are loaded, and say what whole bytes make of the rate."""
    codec = loaded(args.model)
    if args.layers > codec.max_layers:
        raise UsageError(f"--layers {args.layers} must be at most {codec.max_layers} with `{codec.name}`")
    given, default_bps = args.bitrate, codec.default_bitrate_bps
    rate_bps = default_bps if given is None else allowed_bitrate_bps(given, codec.bitrates_bps)
    options = EncodeOptions(args.model, rate_bps, args.layers, args.mode, not args.no_check)
    if args.mode != "mean" and (note := size_note(codec, rate_bps)):
        say(note)
    return options


def encode_file(source: str, target: str, options: EncodeOptions) -> list[str]:
    """Encode one file and return notes on it."""
    from lpcnet_cq.audio import replacing
    from lpcnet_cq.audio_blocks import open_audio

    codec, rate_bps = loaded(options.model), options.rate_bps
    audio = open_audio(source, codec.channels)
    meter, original_hz = SignalMeter(audio.blocks, audio.sample_rate_hz, options.check), audio.sample_rate_hz
    progress = progress_bar("encoding", (audio.expected_samples or 0) / original_hz)
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as file:
        coding = rate_bps, options.layers, options.mode, progress, audio.expected_samples
        codec.encode_blocks(cast(BinaryIO, file), meter, original_hz, *coding)
        seconds, n_bytes = meter.n_samples / original_hz, size_bytes(file)
        notes = list(audio.notes)
        if original_hz != codec.sample_rate_hz:
            notes.append(f"resampled {original_hz} -> {codec.sample_rate_hz} Hz")
        if options.layers > 1 and (layers := layers_of(file)) < options.layers:
            notes.append(f"{options.layers} layers do not fit {rate_bps} bit/s; wrote {layers}")
        if options.mode == "mean" and 8 * n_bytes > MOST_EXCESS * rate_bps * seconds:
            why = "the file is short and its header counts" if seconds < 1 else "the signal needs more bits"
            notes.append(f"wrote {8 * n_bytes / seconds:.0f} bit/s instead of {rate_bps}: {why}")
        if options.check:
            notes += signal_notes(codec, meter, file)
        file.seek(0)
        with replacing(target) as out:
            shutil.copyfileobj(file, out)
    return notes


class SignalMeter:
    """Pass blocks on, and measure what `signal_check` compares with the decoded sound."""

    def __init__(self, blocks: Iterable["np.ndarray"], sample_rate_hz: int, check: bool):
        from lpcnet_cq.signal_check import BandMeter, ClippingMeter

        self._blocks, self.n_samples, self.sample_rate_hz = blocks, 0, sample_rate_hz
        self.bands, self.clipping = BandMeter(sample_rate_hz), ClippingMeter()
        self._meters = (self.bands, self.clipping) if check else ()

    def __iter__(self) -> Iterator["np.ndarray"]:
        for block in self._blocks:
            self.n_samples += len(block)
            for meter in self._meters:
                meter.push(block)
            yield block


def size_bytes(file) -> int:
    """Return the size of an open file."""
    return file.seek(0, os.SEEK_END)


def layers_of(file) -> int:
    """Return the layers of the packets of a .cq file."""
    from lpcnet_cq.bitstream.container import read_header, read_segments

    file.seek(0)
    read_header(file)
    return 1 + max(segment.enhancements for segment in read_segments(file))


def signal_notes(codec: "Codec", meter: SignalMeter, file) -> list[str]:
    """Return notes on defects of the input and of the decoded signal."""
    from lpcnet_cq.signal_check import MOST_CLIPPED, BandMeter, level_fault

    clipped = meter.clipping.share()
    notes = [f"the input is clipped: {100 * clipped:.1f} % of its samples"] if clipped > MOST_CLIPPED else []
    file.seek(0)
    decoding, bands = codec.decode_blocks(file), BandMeter(meter.sample_rate_hz)
    for y in shown(decoding.blocks, "checking", meter.n_samples, meter.sample_rate_hz):
        bands.push(y)
    fault = level_fault(meter.bands.levels_db(), bands.levels_db())
    return notes if fault is None else [*notes, fault]


def shown(blocks: Iterable["np.ndarray"], verb: str, n_samples: int, sample_rate_hz: int) -> Iterator["np.ndarray"]:
    """Yield blocks and show which part of so many samples they are."""
    progress, n_done = progress_bar(verb, n_samples / sample_rate_hz), 0
    for block in blocks:
        yield block
        n_done += len(block)
        if progress is not None:
            progress(n_done / n_samples)


def run_decode(args: argparse.Namespace) -> int:
    """Decode a .cq file, or all .cq files of a folder."""
    target = output_of(args)
    work = partial(decode_file, model=args.model)
    if os.path.isdir(args.input):
        from lpcnet_cq.cli.folders import code_folder

        pairs = coded_pairs(args.input, target, args.writes)
        check_folder(pairs, target, args.force)
        return code_folder(pairs, work, args.jobs, "decoding")
    check_output(args.input, target, args.force, writes=args.writes)
    for note in work(args.input, target):
        say(note)
    return 0


def decode_file(source: str, target: str, model: str | None) -> list[str]:
    """Decode one file and return notes on it."""
    from dsp.audio_file import open_source
    from lpcnet_cq.audio import write_wav_blocks
    from lpcnet_cq.bitstream.container import read_header
    from lpcnet_cq.cli.live import is_pipe

    with open_source(source, "standard input" if source == "-" else quoted(source)) as file:
        if is_pipe(source, "r"):
            import lpcnet_cq.codec  # noqa: F401  (which takes seconds, while the header is on its way)
        header = read_header(file)
        decoding = load_for(header, model).decode_blocks(file, header)
        blocks = shown(decoding.blocks, "decoding", decoding.n_samples or 0, header.sample_rate_hz)
        write_wav_blocks(target, blocks, header.channels, header.sample_rate_hz, decoding.n_samples)
    return decoding.notes


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
