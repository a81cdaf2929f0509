"""Digests of a few bytes without loading OpenSSL, which takes longer than a first formula is read in."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

blake2b: Any = None
with suppress(ImportError):
    from _blake2 import blake2b  # all that `hashlib` has of it

SMALL = 2**16
"""Bytes up to which Python's own code, which has a fifth of the speed, takes no time that anybody would notice."""

_OWN = "_sha2" if sys.version_info >= (3, 12) else "_sha256"
"""Python's own, which `random` uses, too; it may be missing."""


def sha256(*parts: Any) -> bytes:
    """The digest of some bytes one after the other."""
    name = "hashlib"
    if "hashlib" not in sys.modules and sum(map(len, parts)) <= SMALL:
        try:
            import_module(_OWN)
            name = _OWN
        except ImportError:
            pass
    digest = import_module(name).sha256()
    for part in parts:
        digest.update(part)
    made: bytes = digest.digest()
    return made


def blake2(*parts: Any) -> bytes:
    """The BLAKE2b digest of 32 bytes (RFC 7693) of some bytes one after the other: a third of SHA-256's time."""
    digest = (blake2b or import_module("hashlib").blake2b)(digest_size=32)
    for part in parts:
        digest.update(part)
    made: bytes = digest.digest()
    return made
