"""A module of Python for a shared library, which needs NumPy and neither symdiff nor a compiler."""

from __future__ import annotations

import builtins
import itertools
import keyword
from collections.abc import Sequence
from pathlib import Path

from symdiff.ship import loaded
from symdiff.ship.header import which
from symdiff.ship.interface import Exported
from symdiff.ship.package import Package
from symdiff.version import VERSION

LONGEST_DOC = 4000
"""Characters of a formula in a module; of a longer one the first are there."""


def write_python_module(package: Package, library: str) -> str:
    """The text of the module; `library` is the file beside it that it loads."""
    assert loaded.__file__ is not None
    same = Path(loaded.__file__).read_text(encoding="utf-8").partition('"""\n\n')[2]
    imported, _, rest = same.partition("import numpy as np\n")
    imported = imported.replace("import ctypes\n", "import ctypes\nimport pathlib\n")
    names = _names([f.name for f in package.functions])
    parts = [
        f'"""The functions of {library}, compiled by symdiff {VERSION}: {", ".join(names)}."""\n\n',
        imported,
        "import numpy as np\n",
        rest,
        f"\n\n_LIBRARY = ctypes.CDLL(str(pathlib.Path(__file__).resolve().with_name({library!r})))\n",
        *(f"{name} = {_loaded(f)}\n" for name, f in zip(names, package.functions, strict=True)),
    ]
    return "".join(parts)


def _names(names: Sequence[str]) -> list[str]:
    """The names in Python: with `_` where the language or the module itself has something of that name."""
    own = {*dir(builtins), *keyword.kwlist, *vars(loaded), "pathlib"}
    used = {name for name in names if name not in own}
    found = []
    for name in names:
        if name in own:
            name = next(wanted for k in itertools.count(1) if (wanted := name + "_" * k) not in used)
            used.add(name)
        found.append(name)
    return found


def _loaded(function: Exported) -> str:
    doc = function.formula if len(function.formula) <= LONGEST_DOC else function.formula[:LONGEST_DOC] + " ..."
    doc = "\n".join([*which(function), doc, "", *function.described()])
    return f"LoadedFunction(_LIBRARY, {function.name!r}, {function.dtype!r}, {doc!r})"
