"""`symdiff cache`: the machine code kept on disk, how large it is, and how to be rid of it."""

from __future__ import annotations

import argparse

from symdiff.cli.command import Command, add_output, give
from symdiff.codegen.cache import cache_clear, cache_info


def _add(parser: argparse.ArgumentParser) -> None:
    told = "info (default): where it is and how large; clear: remove it"
    parser.add_argument("action", nargs="?", choices=("clear", "info"), default="info", help=told)
    add_output(parser)


def _run(options: argparse.Namespace) -> int:
    if options.action == "clear":
        removed = cache_clear()
        give(options, {"removed": removed}, f"removed {removed} {'entry' if removed == 1 else 'entries'}")
    else:
        info = cache_info()
        data = {"directory": info.directory, "entries": info.entries, "bytes": info.size, "limit": info.limit}
        give(options, data, "\n".join(f"{key}: {value}" for key, value in data.items()))
    return 0


COMMAND = Command(_add, _run)
