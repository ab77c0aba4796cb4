"""Options of the program itself: `--version`, and completion of commands in shells."""

import argparse

from lpcnet_cq import __version__
from lpcnet_cq.cli.arguments import PROGRAM, put

SHELLS = ("bash", "zsh", "fish")


class Version(argparse.Action):
    """Print the versions of the package, of the formats that it reads, and of the released weights."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Print them and exit."""
        from lpcnet_cq.bitstream.container import LIVE_VERSION, VERSION
        from lpcnet_cq.checkpoint.weights import installed

        put(f"{PROGRAM} {__version__}")
        put(f"bitstream {VERSION} (files), {LIVE_VERSION} (live streams)")
        for model_hash, path in installed().items():
            put(f"weights {path.stem} {model_hash}")
        parser.exit()


class Completion(argparse.Action):
    """Print a script that completes commands, options and file names in a shell."""

    def __call__(self, parser, namespace, values, option_string=None):
        """Print the script and exit."""
        import shtab

        for action in all_actions(parser):
            if action.metavar in ("IN", "OUT", "FILE", "FILE.csv", "FILE.parquet", "OUT.wav"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar == "FOLDER":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        put(shtab.complete(parser, shell=str(values)))
        parser.exit()


def all_actions(parser: argparse.ArgumentParser):
    """Yield the actions of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from all_actions(command)


def add_about(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--version", action=Version, nargs=0, help="versions of program, bitstream and weights")
    text = "print a script for completion in a shell: `source <(lpcnet-cq --print-completion bash)`"
    parser.add_argument("--print-completion", action=Completion, choices=SHELLS, help=text)
