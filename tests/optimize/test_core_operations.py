"""Engines name operations by object, in few tables: each operation is in them, or becomes others before."""

import ast
from pathlib import Path

import pytest

import symdiff
from symdiff.codegen.tensors import lapack
from symdiff.codegen.tensors.reductions import IDENTITY
from symdiff.display import lines, text
from symdiff.display.array_code import STRUCTURE
from symdiff.ir import batching
from symdiff.ops import OPS, core
from symdiff.ops.base import Expand, Fold, MatrixRoutine, ScalarRoutine
from symdiff.optimize.planning import forms
from symdiff.optimize.rewrite import TRANSPARENT

PACKAGE = Path(symdiff.__file__).parent
MEMORY = (core.INPUT, core.SCATTER_ADD, core.AS_INDEX)
"""What is in memory from the start, a step of its own, and an elementwise operation that gives integers."""

TABLES = {
    "batching": lambda op: batching.rule_of(op) is not None or op in batching.REFUSED or op in batching.LEAVES,
    "text": lambda op: op in text.WRITTEN or op in lines.CHANGED or op is core.CALL or not op.hidden or op.kinds,
    "NumPy code": lambda op: op.numpy or op in STRUCTURE or op.kinds or isinstance(op.routine, Fold) or op in OWN_CODE,
    "code for matrices": lambda op: (
        not isinstance(op.routine, MatrixRoutine)
        or op.lower is not None
        or op in lapack.WRITERS
        or op in STEPS_OF_THEIR_OWN
    ),
}
"""For each engine whether it knows an operation; elementwise ones are known by what their records say."""

STEPS_OF_THEIR_OWN = (core.ARGSORT, core.FOREIGN)

OWN_CODE = (core.INPUT, core.CONSTANT, core.SIZE, core.CUSTOM, core.FOREIGN, core.CALL)
"""What is written before statements: a parameter, a number; or opened."""

ENGINES = [
    p for room in ("optimize/planning", "differentiate/structured") for p in sorted((PACKAGE / room).glob("*.py"))
]


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_every_operation_can_be_planned(op):
    ways = [
        isinstance(op.routine, ScalarRoutine),  # a step of a loop's body
        isinstance(op.routine, Expand | Fold) or op in (*TRANSPARENT, core.CALL) or op.lower is not None,  # others
        op in forms._FORMS or op in forms.REDUCES or op in forms.SCANS or op in MEMORY,
        isinstance(op.routine, MatrixRoutine) and op.lower is None,  # a call of a library
    ]
    assert sum(ways) == 1 or (op in MEMORY and sum(ways) == 2), ways


@pytest.mark.parametrize("table", TABLES)
def test_every_operation_is_known_to_every_engine(table):
    assert [op.name for op in OPS.values() if not TABLES[table](op)] == []


def test_core_has_operations_by_their_names():
    assert [name for name in core.__all__ if getattr(core, name).name != name.lower()] == []
    families = [op for op in OPS.values() if op.kinds is None and not isinstance(op.routine, Fold)]
    assert [op.name for op in families if getattr(core, op.name.upper(), None) is not op] == []


def test_reductions_have_code():
    assert set(IDENTITY) == forms.REDUCES


@pytest.mark.parametrize("path", ENGINES, ids=lambda p: p.name)
def test_engines_look_up_no_operation_by_a_string(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "OPS":
            assert not isinstance(node.slice, ast.Constant), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith("op.name"):
            raise AssertionError(f"{path.name}:{node.lineno}: compare the operation")
