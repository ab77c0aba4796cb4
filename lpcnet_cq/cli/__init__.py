"""The command line `lpcnet-cq`: one module for each group of commands, and what they share."""

from lpcnet_cq.cli.program import main

__all__ = ["main"]
