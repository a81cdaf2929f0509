"""Digests of optimized programs, plans and machine code, so that a change can show that it changes none of them.

    python -m tests.replay write before.txt FORMULAS.jsonl … --texts 2000 --programs 200
    python -m tests.replay write after.txt FORMULAS.jsonl … --texts 2000 --programs 200
    python -m tests.replay compare before.txt after.txt

Formulas are JSON lines with `expr`, `vars` and `points`; beside those of files the whole-array functions of the
benchmarks, functions with open sizes, random texts and random programs are replayed. Machine code is that of one
processor and one LLVM: both files are written on the same machine. The exit status of `compare` is 1 where anything
differs.
"""

import argparse
import sys
from pathlib import Path

from tests.replay.cases import all_cases

PARTS = ("program", "plan", "code")


def read(path):
    """The digests of a file by case."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return {title: tuple(rest) for title, *rest in (line.split("\t") for line in lines)}


def compare(before, after):
    """The differences of two files, a line each."""
    old, new = read(before), read(after)
    lines = [f"{title}: only in {before if title in old else after}" for title in sorted(old.keys() ^ new.keys())]
    for title in (t for t in old if t in new and old[t] != new[t]):
        parts = [p for p, a, b in zip(PARTS, old[title], new[title], strict=True) if a != b]
        lines.append(f"{title}: another {', '.join(parts)}")
    return lines


def main():
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.replay", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    write = commands.add_parser("write", help="write the digests of all cases")
    write.add_argument("file", type=Path)
    write.add_argument("formulas", nargs="*")
    write.add_argument("--texts", type=int, default=60)
    write.add_argument("--programs", type=int, default=8)
    write.add_argument("--small", action="store_true", help="few of the other cases, too")
    differ = commands.add_parser("compare", help="what differs between two files")
    differ.add_argument("before", type=Path)
    differ.add_argument("after", type=Path)
    options = parser.parse_args()
    if options.command == "write":
        with options.file.open("w", encoding="utf-8") as out:
            for title, digests in all_cases(options.formulas, options.texts, options.programs, options.small):
                print(title, *digests, sep="\t", file=out, flush=True)
        return 0
    lines = compare(options.before, options.after)
    print("\n".join([*lines, f"{len(lines)} of {len(read(options.after))} cases differ"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
