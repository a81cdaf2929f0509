"""The containers of functions: a head, a description in JSON and arrays of numbers, and files with one.

The head is a magic number, the format, two lengths and a digest of all the rest: SHA-256, or BLAKE2b where there is
machine code. The arrays are flat, of little-endian numbers; the code is behind them.
"""

from __future__ import annotations

import json
import os
import struct
from typing import Any

import numpy as np

from symdiff.content import refuse
from symdiff.digest import blake2, sha256
from symdiff.errors import StorageError, SymdiffError
from symdiff.functions.ready import ready_function
from symdiff.loading import load_module

MAGIC = b"\x93symdiff"
FORMAT, FORMAT_WITH_CODE = 1, 3
"""The formats that this version writes; it reads these and all before them."""

LARGEST_FILE, CHUNK, SMALLEST_CHUNK = 2**32, 2**24, 2**16
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


def load(path: str | os.PathLike[str], *, code: bool = False) -> Any:
    """The Function, or CompiledFunction, that `save` wrote to a file. Only data is read; nothing in it is run.

    Parameters
    ----------
    code : use the machine code that `save(path, code=True)` put into the file, where it is for this machine; elsewhere
        it is compiled again. Whoever wrote the file could have put any code into it: say so only for files of your own.

    Raises
    ------
    StorageError
        For a file that is damaged, cut off, of a newer symdiff, or not of symdiff at all.
    OSError
        Where the file cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import symdiff as sd
    >>> path = os.path.join(tempfile.mkdtemp(), "f.symdiff")
    >>> sd.grad("x**2*y", ["x", "y"]).save(path)
    >>> sd.load(path)(3.0, 2.0)
    array([12.,  9.])
    """
    chunks, size = [], 0
    with open(path, "rb", buffering=0) as stream:
        while chunk := stream.read(min(max(size, SMALLEST_CHUNK), CHUNK)):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_FILE:
                raise StorageError(f"a file of more than {LARGEST_FILE:,} bytes")
    data = b"".join(chunks)
    try:
        found = ready_function(*open_container(memoryview(data))) if code else None
        return load_module("symdiff.functions.storage").from_bytes(data, code=code) if found is None else found
    except SymdiffError as error:
        error.add_note(f"in {os.fspath(path)}")
        raise
