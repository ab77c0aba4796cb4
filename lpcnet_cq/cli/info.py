"""The command `lpcnet-cq info`: properties of a `.cq` file, as a table or as JSON."""

import argparse
from collections.abc import Mapping

from lpcnet_cq.cli.arguments import put, say
from lpcnet_cq.cli.models import load_for, read_stream

UNITS = {"_s": "s", "_ms": "ms", "_hz": "Hz", "_bps": "bit/s", "_bits": "bit", "_bytes": "bytes"}
UNITS |= {"_percent": "%", "_packets": "packets"}


def add_info(commands) -> argparse.ArgumentParser:
    """Add `info`; return its parser."""
    info = commands.add_parser("info", help="properties of a .cq file, and the bits of its parts")
    info.add_argument("input", metavar="FILE", help=".cq file, or - for standard input")
    info.add_argument("--json", action="store_true", help="print JSON")
    info.set_defaults(run=run_info)
    return info


def run_info(args: argparse.Namespace) -> int:
    """Print the properties of a .cq file."""
    data, header = read_stream(args.input)
    import json

    from lpcnet_cq.bitstream.summary import summarise
    from lpcnet_cq.codec import installed

    known = args.model or header.model_hash in installed()
    info = load_for(header, args.model, args.backend).info(data) if known else summarise(data)
    if not known:
        say(f"the bits of each part need the weights {header.model_hash}, which are not installed")
    put(json.dumps(info, indent=1) if args.json else "\n".join(info_lines(info)))
    return 0


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
