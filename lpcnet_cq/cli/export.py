"""The command `lpcnet-cq export`: weights to files for other runtimes."""

import argparse
import os
from pathlib import Path

from lpcnet_cq.cli.arguments import UsageError, put
from lpcnet_cq.cli.paths import quoted


def add_export(commands) -> None:
    """Add `export`."""
    export = commands.add_parser("export", help="write coding steps as ONNX files, for other languages")
    text = "folder for the files, see docs/onnx.md"
    export.add_argument("--onnx", metavar="FOLDER", type=Path, required=True, help=text)
    export.add_argument("--model", metavar="NAME", default="cq3", help="name or file of the weights (default: cq3)")
    export.add_argument("-f", "--force", action="store_true", help="overwrite existing files")
    export.set_defaults(run=run_export)


def run_export(args: argparse.Namespace) -> int:
    """Write ONNX files and print their paths."""
    from lpcnet_cq.export.write import onnx_files
    from lpcnet_cq.output import replacing

    if args.onnx.exists() and not args.onnx.is_dir():
        raise UsageError(f"--onnx {quoted(args.onnx)} must be a folder")
    files = {args.onnx / name: content for name, content in onnx_files(args.model).items()}
    existing = [path for path in files if os.path.lexists(path)]
    if existing and not args.force:
        raise UsageError(f"{quoted(existing[0])} exists; -f overwrites it")
    args.onnx.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        with replacing(path) as file:
            file.write(content)
        put(str(path))
    return 0
