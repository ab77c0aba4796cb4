"""The command `lpcnet-cq thin`: drop enhancement layers of a `.cq` file."""

import argparse

from lpcnet_cq.cli.arguments import add_output, output_of, say
from lpcnet_cq.cli.models import check_layers, load_for, read_stream
from lpcnet_cq.cli.paths import CODED_SUFFIX, check_output


def add_thin(commands) -> argparse.ArgumentParser:
    """Add `thin`; return its parser."""
    thin = commands.add_parser("thin", help="drop enhancement layers of a .cq file, without encoding again")
    thin.add_argument("input", metavar="IN", help=".cq file, or - for standard input")
    thin.add_argument("--layers", type=int, default=1, metavar="N", help="layers to keep (default: 1)")
    thin.set_defaults(run=run_thin, writes=CODED_SUFFIX)
    add_output(thin)
    return thin


def run_thin(args: argparse.Namespace) -> int:
    """Drop layers of a .cq file."""
    target = output_of(args)
    check_layers(args.layers)
    check_output(args.input, target, args.force, writes=args.writes)
    data, header = read_stream(args.input)
    from lpcnet_cq.output import replacing

    thinned = load_for(header, args.model, args.backend).thin(data, args.layers)
    with replacing(target) as file:
        file.write(thinned)
    if thinned == data:
        most = "one layer" if args.layers == 1 else f"at most {args.layers} layers"
        say(f"the packets have {most}, there is nothing to drop")
    return 0
