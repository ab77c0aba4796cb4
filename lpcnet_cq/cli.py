"""The command line: `lpcnet-cq encode | decode | thin | info | bench | train | prune | evaluate`.

Exit status: 0 done, 1 the data or the machine are at fault, 2 the command line is; in both cases one sentence on
standard error.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from lpcnet_cq import __version__
from lpcnet_cq.cli_arguments import PROGRAM, UsageError, say
from lpcnet_cq.cli_coding import add_coding
from lpcnet_cq.cli_paths import quoted
from lpcnet_cq.cli_training import add_bench, add_evaluate, add_train

EXTRAS = {
    "bench": "dev",
    "train": "train",
    "prune": "train,eval",
    "evaluate": "train,eval",
}  # what a command needs besides the codec


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
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except UsageError as error:
        return fail(str(error), 2)
    except BrokenPipeError:
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it exits
        return fail("standard output was closed before all was written", 1)
    except OSError as error:
        name = quoted(error.filename) if error.filename else "input or output"
        return fail(f"{name}: {error.strerror or error}", 1)
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
    say(f"error: {sentence}")
    return status


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `args.run` is the command's function."""
    what = "Codec for speech (9 to 24 kbps, 16 kHz, mono) and music (44.1 kHz)."
    parser = argparse.ArgumentParser(PROGRAM, description=what)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    coding = add_coding(commands)
    for command in (*coding, add_bench(commands), add_evaluate(commands)):
        command.add_argument(
            "--model", metavar="NAME", help="name or file of the weights (default: those installed)"
        )
    add_train(commands)
    return parser
