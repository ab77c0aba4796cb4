"""The command line: `lpcnet-cq encode | decode | thin | info | channel | export | bench | evaluate | train | prune`.

Exit status: 0 success, 1 error in data or machine, 2 error in the command line. Errors print one sentence to standard
error.
"""

import argparse
import sys
from collections.abc import Sequence

from lpcnet_cq.cli.about import add_about
from lpcnet_cq.cli.arguments import PROGRAM, Parser, UsageError, flush_output, say
from lpcnet_cq.cli.channel import add_channel
from lpcnet_cq.cli.decode import add_decode
from lpcnet_cq.cli.encode import add_encode
from lpcnet_cq.cli.export import add_export
from lpcnet_cq.cli.info import add_info
from lpcnet_cq.cli.paths import quoted
from lpcnet_cq.cli.thin import add_thin
from lpcnet_cq.cli.training import add_bench, add_evaluate, add_train
from lpcnet_cq.errors import BitstreamError

EXTRAS = {
    "export": "export",
    "bench": "train",
    "train": "train",
    "prune": "train,eval",
    "evaluate": "train,eval",
}  # optional dependencies of a command
CLUSTER_PACKAGES = ("ray", "pyarrow", "submitit")  # optional dependencies of options


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments without the name of the program; by default those of the process.

    Raises
    ------
    SystemExit
        From argparse: after `--help` (0), or if the arguments cannot be parsed (2).
    """
    command, args = "", argparse.Namespace()
    try:
        try:
            args = parse(argv)
            command = args.command
            return args.run(args)
        finally:
            flush_output()
    except UsageError as error:
        return fail(str(error), 2)
    except BrokenPipeError as error:
        return fail(f"{shown_name(error)} was closed before the output was complete", 1)
    except OSError as error:
        return fail(f"{shown_name(error)}: {error.strerror or error}", 1)
    except ModuleNotFoundError as error:
        name = "cluster" if error.name in CLUSTER_PACKAGES else EXTRAS.get(command)
        extra = f"; `pip install '{PROGRAM}[{name}]'` installs it" if name else ""
        return fail(f"{command} needs the package `{error.name}`{extra}", 1)
    except BitstreamError as error:
        return fail(of_input(str(error), args), 1)
    except ValueError as error:
        return fail(str(error), 1)
    except KeyboardInterrupt:
        return fail("interrupted", 130)


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse arguments; the output may stand behind options that follow the input.

    argparse of Python 3.11 takes an optional positional argument as missing if an option stands before it.
    """
    parser = build_parser()
    args, rest = parser.parse_known_args(argv)
    if len(rest) == 1 and getattr(args, "output", rest) is None and (rest == ["-"] or not rest[0].startswith("-")):
        args.output, rest = rest[0], []
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.argv = list(sys.argv[1:] if argv is None else argv)
    return args


def shown_name(error: OSError) -> str:
    """Return the name of the file of an error, for messages."""
    if not error.filename:
        return "input or output"
    return "standard output" if error.filename == "-" else quoted(error.filename)


def of_input(sentence: str, args: argparse.Namespace) -> str:
    """Return a sentence on a damaged stream with the name of the input, if the command has one."""
    source = getattr(args, "input", None)
    if source is None:
        return sentence
    return f"{'standard input' if source == '-' else quoted(source)}: {sentence}"


def fail(sentence: str, status: int) -> int:
    """Print an error message to standard error; return the exit status."""
    say(f"error: {sentence}")
    return status


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; `args.run` is the function of the command."""
    what = "Codec for speech (9 to 24 kbps, 16 kHz, mono) and music (44.1 kHz)."
    parser = Parser(PROGRAM, description=what)
    add_about(parser)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (add_encode, add_decode, add_thin, add_info, add_channel, add_bench, add_evaluate):
        command = add(commands)
        command.add_argument(
            "--model", metavar="NAME", help="name or file of the weights (default: `cq3`, or those that made the file)"
        )
        text = "library that runs the networks (default: numpy)"
        command.add_argument("--backend", choices=("numpy", "jax"), help=text)
    add_export(commands)
    add_train(commands)
    return parser
