"""Sizes that are computed when the code runs: from the sizes by name that a call has, as 64-bit integers.

A size is written into the lines of a function as the name of a value (`str` of a `Size`). What a function uses is
computed at its entry, from an array of the sizes by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from symdiff.sizes import Sizes, is_open

NAME = re.compile(r'%"[^"]*"')


def computed(sizes: Sizes | None, lines: Sequence[str], array: str, first: int = 0) -> list[str]:
    """Lines that compute the sizes which `lines` use; those by name are in an array, from its element `first` on."""
    if sizes is None:
        return []
    writer = _Writer(sizes, array, first)
    for name in dict.fromkeys(name for line in lines for name in NAME.findall(line)):
        writer.write(sizes.shown[name])
    return writer.lines


class _Writer:
    def __init__(self, sizes: Sizes, array: str, first: int) -> None:
        self.sizes, self.array = sizes, array
        self.places = {name: first + k for k, name in enumerate(sizes.values)}
        self.lines: list[str] = []
        self._known: set[str] = set()

    def write(self, size: Any) -> str:
        """The value of a size."""
        name = str(size)
        if not is_open(size) or name in self._known:
            return name
        self._known.add(name)
        total = "0"
        for k, (names, count) in enumerate(size.terms):
            value = str(count)
            for j, part in enumerate(names):
                value = self._step(name, f"{k}.{j}", "mul", value, self._named(part))
            total = self._step(name, f"{k}", "add", total, value)
        self.lines.append(f"{name} = add i64 {total}, 0")
        return name

    def _step(self, name: str, suffix: str, operation: str, a: str, b: str) -> str:
        if (operation, a) in (("mul", "1"), ("add", "0")):
            return b
        made = f'{name[:-1]}@{suffix}"'
        self.lines.append(f"{made} = {operation} i64 {a}, {b}")
        return made

    def _named(self, name: str) -> str:
        """The value of a size by name, or of a quotient."""
        value = f'%"[{name}]"'
        if value in self._known:
            return value
        self._known.add(value)
        if name in self.places:
            self.lines += [
                f'%"{name}@p" = getelementptr i64, ptr {self.array}, i64 {self.places[name]}',
                f'{value} = load i64, ptr %"{name}@p"',
            ]
            return value
        a, b = (self.write(part) for part in self.sizes.quotients[name])
        if b.isdigit() and int(b) & (int(b) - 1) == 0:
            self.lines.append(f"{value} = ashr i64 {a}, {int(b).bit_length() - 1}")
            return value
        # rounded down: one less than what is rounded towards 0 where a rest has not the sign of the divisor
        q, r, s, t, u, v = (f'%"{name}@{letter}"' for letter in "qrstuv")
        self.lines += [
            f"{q} = sdiv i64 {a}, {b}",
            f"{r} = srem i64 {a}, {b}",
            f"{s} = icmp ne i64 {r}, 0",
            f"{t} = xor i64 {r}, {b}",
            f"{u} = icmp slt i64 {t}, 0",
            f"{v} = and i1 {s}, {u}",
            f'%"{name}@w" = sext i1 {v} to i64',
            f'{value} = add i64 {q}, %"{name}@w"',
        ]
        return value


def room(name: str, count: Any, type_: str) -> str:
    """The line that sets aside so many elements on the stack."""
    if is_open(count):
        return f"{name} = alloca {type_}, i64 {count}, align 64"
    return f"{name} = alloca [{count} x {type_}], align 64"
