"""The command `lpcnet-cq encode`: audio files or live signals to `.cq` streams.

Modules for coding are imported when the command runs, so that `--help` answers at once.
"""

import argparse
import shutil
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import BinaryIO, cast

from lpcnet_cq.cli.arguments import (
    DEFAULT_OFFSET,
    UsageError,
    add_copy_offset,
    add_folder_options,
    add_output,
    check_one_file,
    output_of,
    percent,
    say,
    whole_number,
)
from lpcnet_cq.cli.models import check_dtx, check_layers, chosen_bitrate_bps, loaded
from lpcnet_cq.cli.notes import EncodeOptions, SignalMeter, copies_notes, file_notes, size_note
from lpcnet_cq.cli.paths import CODED_SUFFIX, check_output, is_folder, quoted
from lpcnet_cq.cli.progress import progress_bar
from lpcnet_cq.cli.tables import check_table, write_table

SPOOL_BYTES = 1 << 24  # of a coded file, beyond which it waits on disk until it is whole


def add_encode(commands) -> argparse.ArgumentParser:
    """Add `encode`; return its parser."""
    encode = commands.add_parser("encode", help="audio file to .cq file, or a folder of them")
    encode.add_argument("input", metavar="IN", help="any audio file, - for standard input, or a folder")
    encode.add_argument("--bitrate", help="bits per second: 9k, 9.6k or 9000 (default: speech 9k, music 96k)")
    encode.add_argument("--layers", type=int, default=1, metavar="N", help="layers, which `thin` can drop (default: 1)")
    modes = encode.add_mutually_exclusive_group()
    modes.add_argument("--cap", action="store_const", dest="mode", const="capped", help="no packet above the bitrate")
    modes.add_argument("--cbr", action="store_const", dest="mode", const="constant", help="all packets of equal size")
    stats = "also write a table of packets: bytes, and bits of their parts (files only)"
    encode.add_argument("--stats", metavar="FILE.csv", help=stats)
    encode.add_argument("--no-check", action="store_true", help="do not compare decoded signal and input")
    live = "write each packet at once (default: if input and output are pipes)"
    encode.add_argument("--live", action=argparse.BooleanOptionalAction, help=live)
    loss = "packets that the channel will lose, in percent (default: 0; live only)"
    encode.add_argument("--expected-loss", type=percent, metavar="PERCENT", help=loss)
    add_copy_offset(encode)
    raw = "the input is 16-bit PCM without a header (s16le) at this sample rate"
    encode.add_argument("--raw", type=whole_number(1000, 768000), metavar="HZ", help=raw)
    channels = "channels of --raw, one sample of each after the other (default: 1)"
    encode.add_argument("--raw-channels", type=whole_number(1, 8), metavar="N", help=channels)
    encode.add_argument("--dtx", action="store_true", help="send no packets in pauses, except their noise (live only)")
    encode.set_defaults(run=run_encode, mode="mean", writes=CODED_SUFFIX)
    add_output(encode, folders=True)
    add_folder_options(encode)
    return encode


def run_encode(args: argparse.Namespace) -> int:
    """Encode an audio file, or all audio files of a folder."""
    target = output_of(args)
    check_options(args)
    if is_folder(args.input, target):
        if args.raw:
            raise UsageError(f"--raw is for one signal, {quoted(args.input)} is a folder")
        if args.live or live_option(args):
            raise UsageError(f"a live stream is one signal, {quoted(args.input)} is a folder")
        if args.stats:
            raise UsageError(f"--stats is the table of one file, {quoted(args.input)} is a folder")
        from lpcnet_cq.cli.folders import code_folder

        return code_folder(args, target, args.writes, "encoding", partial(folder_coding, args))
    check_one_file(args)
    check_output(args.input, target, args.force, writes=args.writes)
    if args.stats:
        check_table(args.stats, target, args.force)
    from lpcnet_cq.cli.live import encode_live, is_pipe, reading_ahead

    arrives = is_pipe(args.input, "r")
    if args.live or (args.live is None and arrives and is_pipe(target, "w")):
        if args.stats:
            raise UsageError("--stats is for files, the output is a live stream: --no-live writes a file")
        with reading_ahead(args.input) if arrives else nullcontext(args.input) as source:
            options, loss = encode_options(args), (args.expected_loss or 0.0) / 100
            protection = loss, args.copy_offset or DEFAULT_OFFSET
            coding = options.rate_bps, options.layers, options.mode, *protection, args.dtx
            for note in copies_notes(args.copy_offset, loss, options.rate_bps, options.layers, options.mode):
                say(note)
            notes = encode_live(loaded(args.model, args.backend), source, target, *coding, options.raw)
    elif option := live_option(args):
        raise UsageError(f"{option} is for live streams: --live writes one")
    else:
        notes = encode_file(args.input, target, encode_options(args), args.stats)
    for note in notes:
        say(note)
    return 0


def folder_coding(args: argparse.Namespace) -> tuple[Callable[[str, str], list[str]], dict]:
    """Return what encodes a file of a folder, and the settings that its output depends on."""
    options = encode_options(args)
    codec = loaded(options.model, options.backend)
    names = "backend", "rate_bps", "layers", "mode"
    settings = {"command": "encode", "model": codec.sha256[:16]} | {name: getattr(options, name) for name in names}
    return partial(encode_file, options=options), settings


def check_options(args: argparse.Namespace) -> None:
    """Raise `UsageError` if options contradict each other, whatever the input is."""
    check_layers(args.layers)
    if args.dtx and args.mode == "constant":
        raise UsageError("--dtx leaves out packets, which --cbr does not allow")
    if args.dtx and args.layers > 1:
        raise UsageError(f"--dtx needs packets of one layer, --layers is {args.layers}")
    if args.raw_channels and not args.raw:
        raise UsageError("--raw-channels is for --raw, which gives the sample rate")


def live_option(args: argparse.Namespace) -> str:
    """Return an option given that is for live streams only; an empty string if there is none."""
    given = {"--dtx": args.dtx, "--expected-loss": args.expected_loss is not None, "--copy-offset": args.copy_offset}
    return next((option for option, value in given.items() if value), "")


def encode_options(args: argparse.Namespace) -> EncodeOptions:
    """Check options against the weights, which are loaded, and say what whole bytes make of the rate."""
    codec = loaded(args.model, args.backend)
    if args.layers > codec.max_layers:
        raise UsageError(f"--layers {args.layers} must be at most {codec.max_layers} with `{codec.name}`")
    check_dtx(args.dtx, codec)
    rate_bps = chosen_bitrate_bps(args.bitrate, codec)
    raw = (args.raw, args.raw_channels or 1) if args.raw else None
    options = EncodeOptions(args.model, args.backend, rate_bps, args.layers, args.mode, not args.no_check, raw)
    if args.mode != "mean" and (note := size_note(codec, rate_bps)):
        say(note)
    return options


def encode_file(source: str, target: str, options: EncodeOptions, stats: str | None = None) -> list[str]:
    """Encode one file, write its table of packets to `stats`, and return notes on it."""
    from lpcnet_cq.audio.blocks import open_audio
    from lpcnet_cq.output import replacing

    codec, rate_bps = loaded(options.model, options.backend), options.rate_bps
    audio = open_audio(source, codec.channels, raw=options.raw)
    meter, original_hz = SignalMeter(audio.blocks, audio.sample_rate_hz, options.check), audio.sample_rate_hz
    progress = progress_bar("encoding", (audio.expected_samples or 0) / original_hz)
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as file:
        coding = rate_bps, options.layers, options.mode, progress, audio.expected_samples
        codec.encode_blocks(cast(BinaryIO, file), meter, original_hz, *coding, meter.heard)
        notes = [*audio.notes, *file_notes(codec, options, meter, cast(BinaryIO, file))]
        file.seek(0)
        with replacing(target) as out:
            shutil.copyfileobj(file, out)
        if stats:
            file.seek(0)
            write_table(stats, codec.packet_table(file.read()))
    return notes
