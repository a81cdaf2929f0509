"""The functions of the C library for NVIDIA's processors, which CUDA has as a module of LLVM."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from symdiff.codegen.target import PREFIXES, Target
from symdiff.errors import CompileError

LIBDEVICE = "nvvm/libdevice/libdevice.10.bc"
"""The module in CUDA's folder."""

VARIABLES = ("CUDA_HOME", "CUDA_PATH")
"""The variables of the environment that name this folder."""

USUAL = "/usr/local/cuda"
"""Where it is when none does."""


def folders() -> list[str]:
    """Where CUDA may be, in the order in which that is tried."""
    return [*filter(None, map(os.environ.get, VARIABLES)), USUAL, *packaged()]


def packaged() -> list[str]:
    """The folders of NVIDIA's packages of Python that bring libdevice."""
    spec = importlib.util.find_spec("nvidia")
    places = spec.submodule_search_locations if spec is not None else None
    found = [path for place in places or () for path in sorted(Path(place).glob(f"*/{LIBDEVICE}"))]
    return [str(path.parents[2]) for path in found]


def libdevice(target: Target, called: Sequence[str], libraries: Sequence[str]) -> bytes:
    """CUDA's functions, where some are called: from a library that is named and ends in `.bc`, or from CUDA's folder.

    Raises
    ------
    CompileError
        Where they are not there.
    """
    prefix = PREFIXES[target.family]
    needed = [name.removeprefix(prefix) for name in called if name.startswith(prefix)]
    if not needed:
        return b""
    given = [Path(name) for name in libraries if name.endswith(".bc")]
    for path in given or [Path(folder) / LIBDEVICE for folder in folders()]:
        if path.is_file():
            return path.read_bytes()
    raise CompileError(
        f"{', '.join(needed)} of CUDA's libdevice {'is' if len(needed) == 1 else 'are'} called, which is not here",
        hint='set CUDA_HOME to the folder of CUDA, or `pip install "symdiff-compiler[cuda]"`; arithmetic needs none',
    )
