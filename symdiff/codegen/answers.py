"""Functions in LLVM IR that give constants: what a library tells about its functions.

The tables hold no addresses, so that nothing has to be relocated where the code is loaded.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

ANSWER = "#0 {"


def give_number(name: str, value: int, bits: int = 64) -> list[str]:
    """`int64_t name(void)`."""
    return [f"define i{bits} @{name}() {ANSWER}", f"ret i{bits} {value}", "}"]


def give_numbers(name: str, values: Sequence[int]) -> list[str]:
    """`const int64_t *name(void)`."""
    return [_integers(f"{name}.data", values), f"define ptr @{name}() {ANSWER}", f"ret ptr @{name}.data", "}"]


def give_rows(name: str, rows: Sequence[Sequence[int]]) -> list[str]:
    """`const int64_t *name(int64_t k)`: row k, null where there is none."""
    starts = list(itertools.accumulate(map(len, rows), initial=0))
    flat = [value for row in rows for value in row]
    data = [_integers(f"{name}.data", flat), _integers(f"{name}.starts", starts)]
    return [*data, *_chosen(name, len(rows), "i64")]


def give_one_of(name: str, values: Sequence[int]) -> list[str]:
    """`int64_t name(int64_t k)`: number k, -1 where there is none."""
    return [
        _integers(f"{name}.data", values),
        f"define i64 @{name}(i64 %k) {ANSWER}",
        "entry:",
        f"%known = icmp ult i64 %k, {len(values)}",
        "br i1 %known, label %found, label %none",
        "none:",
        "ret i64 -1",
        "found:",
        f"%place = getelementptr i64, ptr @{name}.data, i64 %k",
        "%value = load i64, ptr %place, align 8",
        "ret i64 %value",
        "}",
    ]


def give_texts(name: str, texts: Sequence[str]) -> list[str]:
    """`const char *name(int64_t k)`: text k in UTF-8, null where there is none."""
    parts = [text.encode() + b"\0" for text in texts]
    starts = list(itertools.accumulate(map(len, parts), initial=0))
    flat = b"".join(parts)
    data = f"@{name}.data = private unnamed_addr constant [{len(flat)} x i8] {written_bytes(flat)}, align 1"
    return [data, _integers(f"{name}.starts", starts), *_chosen(name, len(texts), "i8")]


def written_bytes(data: bytes) -> str:
    """Bytes as LLVM writes them."""
    if not any(data):
        return "zeroinitializer"
    return 'c"' + "".join([f"\\{byte:02X}" for byte in data]) + '"'


def _integers(name: str, values: Sequence[int]) -> str:
    listed = ", ".join([f"i64 {value}" for value in values])
    return f"@{name} = private unnamed_addr constant [{len(values)} x i64] [{listed}], align 8"


def _chosen(name: str, count: int, element: str) -> list[str]:
    return [
        f"define ptr @{name}(i64 %k) {ANSWER}",
        "entry:",
        f"%known = icmp ult i64 %k, {count}",
        "br i1 %known, label %found, label %none",
        "none:",
        "ret ptr null",
        "found:",
        f"%place = getelementptr i64, ptr @{name}.starts, i64 %k",
        "%start = load i64, ptr %place, align 8",
        f"%row = getelementptr {element}, ptr @{name}.data, i64 %start",
        "ret ptr %row",
        "}",
    ]
