"""The command `lpcnet-cq decode`: `.cq` files and live streams to WAV files, or to samples without a header."""

import argparse
from functools import partial

from lpcnet_cq.cli.arguments import add_folder_options, add_output, check_one_file, output_of, say
from lpcnet_cq.cli.models import load_for
from lpcnet_cq.cli.paths import RAW_SUFFIX, check_output, is_folder, quoted
from lpcnet_cq.cli.progress import shown


def add_decode(commands) -> argparse.ArgumentParser:
    """Add `decode`; return its parser."""
    decode = commands.add_parser("decode", help=".cq file to WAV file, or a folder of them")
    decode.add_argument("input", metavar="IN", help=".cq file, - for standard input, or a folder")
    raw = "write 16-bit PCM without a header (s16le), with the sample rate and the channels of the original"
    decode.add_argument("--raw", action="store_true", help=raw)
    decode.set_defaults(run=run_decode)
    add_output(decode, folders=True)
    add_folder_options(decode)
    return decode


def run_decode(args: argparse.Namespace) -> int:
    """Decode a .cq file, or all .cq files of a folder."""
    target = output_of(args)
    writes = RAW_SUFFIX if args.raw else ".wav"
    work = partial(decode_file, model=args.model, backend=args.backend, raw=args.raw)
    if is_folder(args.input, target):
        from lpcnet_cq.cli.folders import code_folder

        settings = {"command": "decode", "model": args.model or "", "backend": args.backend, "raw": args.raw}
        return code_folder(args, target, writes, "decoding", lambda: (work, settings))
    check_one_file(args)
    check_output(args.input, target, args.force, writes=writes)
    for note in work(args.input, target):
        say(note)
    return 0


def decode_file(source: str, target: str, model: str | None, backend: str | None, raw: bool) -> list[str]:
    """Decode one file and return notes on it."""
    from dsp.audio_file import open_source
    from lpcnet_cq.audio.writer import write_raw_blocks, write_wav_blocks
    from lpcnet_cq.bitstream.container import read_header
    from lpcnet_cq.cli.live import is_pipe

    with open_source(source, "standard input" if source == "-" else quoted(source)) as file:
        if is_pipe(source, "r"):
            import lpcnet_cq.codec  # noqa: F401  (while the header is on its way)
        header = read_header(file)
        decoding = load_for(header, model, backend).decode_blocks(file, header)
        blocks = shown(decoding.blocks, "decoding", decoding.n_samples or 0, header.sample_rate_hz)
        if raw:
            write_raw_blocks(target, blocks)
        else:
            write_wav_blocks(target, blocks, header.channels, header.sample_rate_hz, decoding.n_samples)
    return decoding.notes
