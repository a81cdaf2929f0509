"""Functions as source texts of other languages, and what was chosen on the way to their programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from symdiff.display.code import python_source
from symdiff.errors import ArgumentError, CompileError
from symdiff.functions.c_sources import Emitted, c_source
from symdiff.functions.texts import formula_lines
from symdiff.optimize.planning.listing import describe_plan
from symdiff.optimize.program import TensorProgram

if TYPE_CHECKING:
    from symdiff.functions.function import Function
    from symdiff.functions.sparse_function import SparseFunction


def explanation(f: Function, memory: int | None = None) -> str:
    """What was chosen on the way, and why; the plan with so many bytes for intermediate arrays (see `compile`)."""
    if f._cases is not None:
        return f._cases.explain(f.__name__)
    program = f._known.program_within(f.arguments, "contract", f.__name__, memory)
    steps = describe_plan(program.plan) if isinstance(program, TensorProgram) else ()
    return "\n".join((*f._known.notes, *steps)) or "nothing had to be chosen"


def python_text(f: Function, xp: str = "numpy") -> str:
    """A Python module with this function, for NumPy (and SciPy, where NumPy lacks what it calls) or another `xp`.

    That is "jax.numpy" or "torch", whose arrays the function then takes and gives. See docs/sources.md.
    """
    outputs, told = dict(f._output_pairs()), formula_lines(f)
    return python_source(f.graph, f.__name__, f.arguments, outputs, f._structure, xp, told=told)


def sparse_python_text(f: SparseFunction, xp: str) -> str:
    """A Python module with a function of a sparse matrix.

    Raises
    ------
    CompileError
        For another library than NumPy.
    """
    if xp != "numpy":
        hint = f'{f.__name__}.values.python("{xp}") has the entries'
        raise CompileError(f"{f.__name__} gives a matrix of SciPy's, which {xp} has not", hint=hint)
    values = cast("Function", f.values)
    pattern, kind = f.layout.pattern, f"{f.format}_array"
    starts = pattern.starts if f.format != "coo" else pattern.rows
    places = f"{pattern.columns.tolist()}, {starts.tolist()}"
    matrix = f"(data, {places})" if f.format != "coo" else f"(data, ({starts.tolist()}, {pattern.columns.tolist()}))"
    source = python_source(
        values.graph,
        f.__name__,
        values.arguments,
        dict(values._output_pairs()),
        values._structure,
        xp,
        ("sparse", "data"),
    )
    head, _, result = source.rpartition("    return ")
    head = head.replace("import numpy as np\n", "import numpy as np\nfrom scipy import sparse\n", 1)
    return f"{head}    data = {result}    return sparse.{kind}({matrix}, shape={f.shape})\n"


def c_text(
    f: Any, *others: Any, names: Sequence[str] | None = None, fp: str = "contract", dtype: str | None = None
) -> str:
    """A C99 file with this function and others, which needs `math.h` only; see docs/sources.md.

    Parameters
    ----------
    others : functions for the same file: derivatives, sparse ones too.
    names : what they are called there, in order.
    fp : as for `compile`; with "contract" the code has the operations of native code, `fma` among them, with
        "strict" none of these.
    dtype : "float32" writes a function of floats, which calls `sinf` for `sin`. Default: as the functions are.

    Raises
    ------
    ArgumentError
        For an unknown option, and where there are more or fewer names than functions.
    CompileError
        For operations that `math.h` does not have, and for arrays that take loops or BLAS.
    """
    functions = [f, *others]
    if names is not None and len(names) != len(functions):
        raise ArgumentError(f"{len(names)} names for {len(functions)} functions", hint="names has one for each")
    titles = names if names is not None else [one.__name__ for one in functions]
    return c_source([Emitted.of(title, one) for title, one in zip(titles, functions, strict=True)], fp, dtype)
