"""What Python's libraries of arrays call the functions of NumPy and SciPy, and which of these they lack."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError
from symdiff.types import FLOAT32


@dataclass(frozen=True, slots=True)
class PythonLibrary:
    """A library for which statements are written.

    Attributes
    ----------
    name : as a user gives it.
    alias : what stands before its functions.
    head, special_head : the imports.
    special : SciPy's special functions, by their names there; None: all of them, as they are.
    renamed : functions of NumPy that it calls otherwise; where there are braces, expressions in the operands.
    lacks : functions of NumPy that it lacks, or that mean something else.
    spelled : patterns in statements of NumPy, and what is written for them.
    types : the types of elements.
    tensors : whether functions take its own arrays alone, so that numbers have to be put into such.
    outside : whether functions of Python on numbers can be called.
    converts : the function that makes arrays of what a caller gives.
    """

    name: str
    alias: str
    head: str
    special_head: str = ""
    special: Mapping[str, str] | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    spelled: tuple[tuple[str, str], ...] = ()
    types: Mapping[str, str] = field(default_factory=dict)
    tensors: bool = False
    outside: bool = False
    converts: str = "asarray"

    def function(self, name: str) -> str | None:
        """What `np.…` or `special.…` is called; None where there is no such function."""
        module, _, own = name.partition(".")
        if module == "special":
            return name if self.special is None else self.special.get(own)
        return None if own in self.lacks else self.renamed.get(own, f"{self.alias}.{own}")

    def statement(self, text: str) -> str:
        """A statement of NumPy in the words of this library."""
        for pattern, made in self.spelled:
            text = re.sub(pattern, made, text)
        return text

    def number_type(self, dtype: str) -> str:
        """The type of numbers, as converting functions take it."""
        return self.types["float32"] if dtype == FLOAT32 else self.types["float64"]


_AS_IN_SCIPY = (
    "betainc dawsn erf erfc erfcx erfinv exp1 expi expit gamma gammainc gammaincc gammaln i0 i0e i1 i1e log_ndtr ndtri"
    " poch polygamma xlogy"
)
_TORCH_SPECIAL = "erf erfc erfcx erfinv expit gammainc gammaincc gammaln i0 i0e i1 i1e log_ndtr ndtri polygamma xlogy"
_TORCH_BESSEL = {
    "j0": "bessel_j0",
    "j1": "bessel_j1",
    "k0": "modified_bessel_k0",
    "k0e": "scaled_modified_bessel_k0",
    "k1": "modified_bessel_k1",
    "k1e": "scaled_modified_bessel_k1",
    "psi": "digamma",
    "y0": "bessel_y0",
    "y1": "bessel_y1",
}

NUMPY = PythonLibrary(
    "numpy",
    "np",
    "import numpy as np",
    "from scipy import special",
    types={"float64": "float", "float32": "np.float32", "int64": "'int64'", "bool": "bool"},
    lacks=frozenset(("sinc",)),  # its own is not 0 at whole numbers, and NaN at large ones
    outside=True,
)

JAX = PythonLibrary(
    "jax.numpy",
    "jnp",
    "import jax.numpy as jnp",
    "from jax.scipy import special",
    special={**{name: f"special.{name}" for name in _AS_IN_SCIPY.split()}, "psi": "special.digamma"},
    spelled=(
        (r"kind='stable'", "stable=True"),
        (r"\brcond=", "rtol="),
        (r"\.astype\(np\.int64\)", ".astype(int)"),
        (r"\bnp\.", "jnp."),
    ),
    types={"float64": "float", "float32": "jnp.float32", "int64": "int", "bool": "bool"},
)

TORCH = PythonLibrary(
    "torch",
    "torch",
    "import torch",
    special={
        **{name: f"torch.special.{name}" for name in _TORCH_SPECIAL.split()},
        **{name: f"torch.special.{own}" for name, own in _TORCH_BESSEL.items()},
    },
    renamed={
        "power": "torch.pow",
        "rint": "torch.round",
        "fabs": "torch.abs",
        "mod": "torch.remainder",
        "cbrt": "torch.copysign(torch.pow(torch.abs({0}), 1/3), {0})",
    },
    lacks=frozenset(("sign", "heaviside")),
    spelled=(
        (r", kind='stable'", ", stable=True"),
        (r"\bnp\.(max|min)\(", r"np.a\1("),
        (r"\bnp\.rint\(", "np.round("),
        (r"\bnp\.array\(", "np.tensor("),
        (r"\.astype\(np\.int64\)", ".to(torch.int64)"),
        (r"\.astype\(float\)", ".to(torch.float64)"),
        (r"\.astype\(", ".to("),
        (r"\bnp\.broadcast_arrays\(", "np.broadcast_tensors("),
        (r"\bnp\.concatenate\(", "np.cat("),
        (r"\bnp\.transpose\(", "np.permute("),
        (r"\bnp\.take_along_axis\(", "np.take_along_dim("),
        (r"\.copy\(\)", ".clone()"),
        (r"\baxis=", "dim="),
        (r"\baxes=", "dims="),
        (r"\bnp\.", "torch."),
    ),
    types={"float64": "torch.float64", "float32": "torch.float32", "int64": "torch.int64", "bool": "torch.bool"},
    tensors=True,
    converts="as_tensor",
)

LIBRARIES = {library.name: library for library in (NUMPY, JAX, TORCH)}
"""The libraries by the names that users give."""


def python_library(name: str) -> PythonLibrary:
    """The library of a name.

    Raises
    ------
    ArgumentError
        Where it is none of them.
    """
    if name not in LIBRARIES:
        raise ArgumentError(f"xp is {name!r}", hint=f"there are {', '.join(LIBRARIES)}")
    return LIBRARIES[name]
