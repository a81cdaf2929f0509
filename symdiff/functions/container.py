"""The containers of functions: a head, a description in JSON and arrays of numbers, and files with one.

The head is a magic number, the format, two lengths and a digest of all the rest: SHA-256, or BLAKE2b where there is
machine code. The arrays are flat, of little-endian numbers; behind them, where there is code, is what is said of the
formula, which calls do not need, and the code.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from symdiff.content import integer, refuse
from symdiff.digest import blake2, sha256
from symdiff.errors import StorageError

MAGIC = b"\x93symdiff"
FORMAT, FORMAT_WITH_CODE = 1, 3
"""The formats that this version writes; it reads these and all before them."""

HEAD = struct.Struct("<8sIIQQ")
DIGEST = 32
DIGESTS = {1: sha256, 2: sha256, 3: blake2}
"""How each format takes its digest, of 32 bytes."""


def closed(content: dict[str, Any], data: bytes) -> bytes:
    """The container of a description and arrays."""
    if not content["definitions"]:
        del content["definitions"]
    text = written_json(content)
    written = FORMAT_WITH_CODE if "code" in content else FORMAT
    head = HEAD.pack(MAGIC, written, 0, len(text), len(data))
    return b"".join([head, DIGESTS[written](head, text, data), text, data])


def written_json(content: Any) -> bytes:
    """Data as compact JSON."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False, default=_plain).encode("ascii")


def read_json(text: memoryview) -> Any:
    """What JSON holds.

    Raises
    ------
    StorageError
        For a text that is none.
    """
    try:
        return json.loads(bytes(text))
    except (ValueError, RecursionError, MemoryError) as error:
        raise refuse(str(error)) from None


def open_container(view: memoryview) -> tuple[dict[str, Any], memoryview]:
    """The description and the arrays of a container whose digest is right."""
    start = HEAD.size + DIGEST
    if len(view) < 12 or bytes(view[:8]) != MAGIC:
        raise StorageError("this is not a function that symdiff saved", hint="sd.load reads what f.save(path) wrote")
    version = int.from_bytes(view[8:12], "little")
    if version > FORMAT_WITH_CODE:
        raise StorageError(
            f"a newer symdiff wrote this: format {version}, this one reads up to {FORMAT_WITH_CODE}",
            hint="update symdiff",
        )
    if len(view) < start:
        raise StorageError("the saved function is cut off", hint="save it again")
    _, _, flags, text, data = HEAD.unpack(view[: HEAD.size])
    if len(view) != start + text + data:
        raise StorageError("the saved function is cut off, or something follows it", hint="save it again")
    make = DIGESTS.get(version)
    if flags or make is None or make(view[: HEAD.size], view[start:]) != bytes(view[HEAD.size : start]):
        raise StorageError("the saved function is damaged: its digest does not fit", hint="save it again")
    content = read_json(view[start : start + text])
    if type(content) is not dict:
        raise refuse("its description is missing")
    return content, view[start + text :]


def _plain(value: Any) -> Any:
    if isinstance(value, np.integer):
        return int(value)
    raise TypeError(f"{type(value).__name__} is not data")


def code_parts(content: Mapping[str, Any], arrays: memoryview) -> tuple[memoryview, memoryview, memoryview]:
    """Of a container with code: the arrays of its graph, what is said of its formula, and the code.

    Raises
    ------
    StorageError
        Where there are no such parts.
    """
    if type(content["code"]) is not dict:
        raise refuse("its code is not described")
    end = len(arrays) - integer(content["code"].get("bytes"), 0, len(arrays), "the length of its code")
    kept = content.get("formula", content.get("graph"))
    start = end - integer(kept, 0, end, "the length of its formula")
    return arrays[:start], arrays[start:end], arrays[end:]


def whole(content: Mapping[str, Any], arrays: memoryview) -> dict[str, Any]:
    """The description of a container with code, together with what it says of its formula.

    Raises
    ------
    StorageError
        Where it says nothing.
    """
    found = read_json(code_parts(content, arrays)[1])
    if type(found) is not dict:
        raise refuse("its formula is not described")
    return {**content, "graph": found} if "formula" not in content else {**content, **found}
