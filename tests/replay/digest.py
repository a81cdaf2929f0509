"""Digests of programs, plans and machine code: equal where nothing about them differs but the names of values."""

import contextlib
import dataclasses
import hashlib
import re

import numpy as np

from symdiff.codegen import jit
from symdiff.ir.graph import Graph
from symdiff.ir.listing import listing
from symdiff.ops.base import Op

OWN = re.compile(r"^define [^\n]*@(k|body)\(", re.MULTILINE)
"""What the module of a function defines."""


def digest(thing):
    """Sixteen digits for any value that programs and plans are made of."""
    found = hashlib.sha256()
    for part in _parts(thing):
        found.update(part.encode() if isinstance(part, str) else part)
        found.update(b"\0")
    return found.hexdigest()[:16]


def _parts(thing):
    """What a value consists of, in order, as texts and bytes."""
    stack = [thing]
    while stack:
        item = stack.pop()
        if isinstance(item, Graph):
            yield listing(item, list(range(len(item))))
            stack += [p for p in item.payloads if isinstance(p, np.ndarray)]  # a listing shows a few elements
        elif isinstance(item, Op):
            yield item.name
        elif isinstance(item, np.ndarray):
            yield f"{item.dtype} {item.shape}"
            yield item.tobytes()
        elif dataclasses.is_dataclass(item):
            yield type(item).__name__
            stack += [getattr(item, f.name) for f in reversed(dataclasses.fields(item))]
        elif isinstance(item, dict):
            yield f"dict {len(item)}"
            stack += [x for pair in reversed(item.items()) for x in reversed(pair)]
        elif isinstance(item, list | tuple):
            yield f"{len(item)} items"
            stack += reversed(item)
        elif isinstance(item, set | frozenset):
            yield f"set {sorted(map(str, item))}"
        else:
            yield f"{type(item).__name__} {item!r}"


@contextlib.contextmanager
def recorded():
    """A block in which the machine code of every function that is compiled goes into the list that it gives.

    What all functions share, and is compiled once in a process, is left out.
    """
    objects, compiled = [], jit._object_code

    def record(ir, opt, verify):
        code = compiled(ir, opt, verify)
        if OWN.search(ir) is not None:
            objects.append(code)
        return code

    jit._object_code = record
    try:
        yield objects
    finally:
        jit._object_code = compiled
