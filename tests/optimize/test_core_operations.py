"""Engines name operations by object, in few tables: each operation is in them, or becomes others before."""

import ast
from pathlib import Path

import pytest

import symdiff
from symdiff.ops import OPS, core
from symdiff.ops.base import Expand, Fold, MatrixRoutine, ScalarRoutine
from symdiff.optimize.planning import forms
from symdiff.optimize.rewrite import TRANSPARENT

PACKAGE = Path(symdiff.__file__).parent
MEMORY = (core.INPUT, core.SCATTER_ADD, core.AS_INDEX)
"""What is in memory from the start, a step of its own, and an elementwise operation that gives integers."""

ENGINES = [
    p for room in ("optimize/planning", "differentiate/structured") for p in sorted((PACKAGE / room).glob("*.py"))
]


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_every_operation_can_be_planned(op):
    ways = [
        isinstance(op.routine, ScalarRoutine),  # a step of a loop's body
        isinstance(op.routine, Expand | Fold) or op in TRANSPARENT or op.lower is not None,  # becomes others before
        op in forms._FORMS or op in forms.REDUCES or op in forms.SCANS or op in MEMORY,
        isinstance(op.routine, MatrixRoutine) and op.lower is None,  # a call of a library
    ]
    assert sum(ways) == 1 or (op in MEMORY and sum(ways) == 2), ways


@pytest.mark.parametrize("path", ENGINES, ids=lambda p: p.name)
def test_engines_look_up_no_operation_by_a_string(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "OPS":
            assert not isinstance(node.slice, ast.Constant), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith("op.name"):
            raise AssertionError(f"{path.name}:{node.lineno}: compare the operation")
