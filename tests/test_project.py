"""The project as a whole: layers, sizes, lint, types, import time."""

import ast
import subprocess
import sys
from pathlib import Path

import networkx
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "symdiff"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))

# The rooms in the order of the pipeline: a module imports only from its own room and those before it.
ROOMS = ["version", "dataclass", "digest", "loading", "locks", "errors", "guesses", "later", "reporting", "budget",
         "sizes", "types", "content", "native", "ops", "ir", "trees", "signature", "display", "frontend", "numeric",
         "interpret", "differentiate", "optimize", "codegen", "functions", "pictures", "ship", "interop", "cli",
         "__main__"]  # fmt: skip


def room(dotted):
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports(path, top_level_only):
    """The symdiff modules that a file imports when it is itself imported (or ever)."""
    tree = ast.parse(path.read_text())
    skipped = set()
    for node in ast.walk(tree):
        lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if (lazy and top_level_only) or typing:
            skipped.update(id(n) for n in ast.walk(node) if n is not node)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_layers(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for name in imports(path, top_level_only=True):
        if name.startswith("symdiff."):
            assert ROOMS.index(room(name)) <= ROOMS.index(own), f"{path} imports {name}"
        if name.split(".")[0] == "llvmlite":
            assert own == "codegen" or path.name == "numba.py"  # its interface is llvmlite's
        assert name.split(".")[0] not in ("scipy", "sympy"), f"{path} imports {name} at once"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_stay_small(path):
    assert len(path.read_text().splitlines()) <= 600


FRONT_ENDS = {"elaborate.py", "trace.py", "sympy_bridge.py"}
"""Where `NeedsShape` ends, which operations raise: what comes of it is a value, `Open`."""


def test_errors_about_missing_shapes_do_not_leave_the_front_ends():
    judged, used = set(), set()
    for path in MODULES:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        if any(isinstance(node, ast.Name) and node.id == "NeedsShape" for node in nodes):
            used.add(path.parent.name)
        caught = [node.type for node in nodes if isinstance(node, ast.ExceptHandler) and node.type]
        asked = [n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func) in ("isinstance", "issubclass")]
        if any("NeedsShape" in ast.unparse(node) for node in caught + asked):
            judged.add(path.name)
    assert judged == FRONT_ENDS
    assert used == {"symdiff", "frontend"}


LAZY_IMPORTS = 39
"""So many imports are within functions: what is loaded where it is used. They may become fewer."""


def all_imports():
    """For each module those that it ever imports; typing aside."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in MODULES}
    found = {}
    for name, path in names.items():
        tree = ast.parse(path.read_text())
        typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
        skipped = {id(n) for block in typing for part in block.body for n in ast.walk(part)}
        found[name] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and id(node) not in skipped:
                full = {f"{node.module}.{a.name}" for a in node.names}
                found[name] |= (full & names.keys()) or ({node.module} & names.keys())
    return found


def test_no_imports_go_in_a_circle():
    """Imports within functions count, too."""
    graph = networkx.DiGraph([(a, b) for a, others in all_imports().items() for b in others])
    assert [sorted(c) for c in networkx.strongly_connected_components(graph) if len(c) > 1] == []


def test_lazy_imports_do_not_grow():
    inner = 0
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                inner += sum(
                    isinstance(n, ast.ImportFrom) and (n.module or "").startswith("symdiff") for n in ast.walk(node)
                )
    assert inner <= LAZY_IMPORTS, inner


def run(*command):
    return subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=600)


def test_lint():
    done = run("-m", "ruff", "check", "symdiff", "tests", "examples", "docs")
    assert done.returncode == 0, done.stdout + done.stderr


def test_formatting():
    done = run("-m", "ruff", "format", "--check", "symdiff", "tests", "examples", "docs")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_tables_of_records_are_formatted_by_hand(path):
    lines = [line for line in path.read_text().splitlines() if line.endswith("# fmt: skip")]
    assert not lines or path.parent.name == "ops"
    assert all(not line.startswith(" ") for line in lines), "a statement within a function"


def test_types():
    done = run("-m", "mypy")
    assert done.returncode == 0, done.stdout + done.stderr


def loaded_by(*lines):
    """The modules that a process has loaded after some lines, in which symdiff is `sd`."""
    show = "import sys; print('\\n'.join(sys.modules))"
    done = run("-c", "; ".join(["import symdiff as sd", *lines, show]))
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


FOREIGN = {"networkx", "sympy", "scipy", "llvmlite"}


def outside(modules):
    return {name.split(".")[0] for name in modules}


def test_import_loads_what_every_formula_needs():
    """So that it takes at most half of NumPy's time again; benchmarks/test_start.py looks at the clock."""
    loaded = loaded_by()
    assert outside(loaded) & {*FOREIGN, "hashlib", "difflib", "pathlib"} == set()
    own = {name.split(".")[1] for name in loaded if name.startswith("symdiff.")}
    assert own & {"interpret", "optimize", "codegen", "pictures", "ship", "interop", "cli"} == set()
    assert len([name for name in loaded if name.startswith("symdiff.")]) <= 110


FIRST = {
    "of a formula": ["f = sd.function('f(x, y) = x**2*y')", "f(1.0, 2.0)"],
    "of a gradient": ["g = sd.grad('f(x, y) = x**2*y')", "g(1.0, 2.0)"],
}


@pytest.mark.parametrize("lines", FIRST.values(), ids=FIRST)
def test_a_first_answer_loads_the_compiler_alone(lines):
    loaded = loaded_by(*lines)
    assert outside(loaded) & FOREIGN == {"llvmlite"}
    own = {name.split(".")[1] for name in loaded if name.startswith("symdiff.")}
    assert own & {"pictures", "ship", "interop", "cli"} == set()


def test_a_name_is_loaded_when_it_is_asked_for():
    assert "symdiff.functions.transforms" not in loaded_by()
    assert "symdiff.functions.transforms" in loaded_by("sd.grad")
    assert "symdiff.functions.checking" in loaded_by("from symdiff import check_grad")


REGISTERED = {
    "a function of the language": "from symdiff.frontend.calls import is_function; assert is_function('median')",
    "NumPy's function": "from symdiff.frontend.symbols import symbol; import numpy as np; np.sin(symbol('x'))",
    "a method of arrays": "from symdiff.frontend.symbols import symbol; symbol('x', 3).sum()",
    "a text": "from symdiff.frontend.parser import read_text; read_text('sin(x)')",
    "saving": "from symdiff.functions.build import function as f; import pickle; pickle.loads(pickle.dumps(f('x')))",
    "a transform": "from symdiff.functions.record import transform_named; assert transform_named('grad')",
}


@pytest.mark.parametrize("line", REGISTERED.values(), ids=REGISTERED)
def test_what_registers_itself_is_there_whoever_asks(line):
    loaded_by(line)


def test_every_transform_that_is_recorded_is_found_again():
    from symdiff.functions import laplacians, products, record, series, transforms

    found = {name: t.__module__ for name, t in record.TRANSFORMS.items()}
    assert {m.__name__ for m in (laplacians, products, series, transforms)} <= set(found.values())
    assert found == {name: f"symdiff.functions.{module}" for name, module in record.MODULES.items()}


def test_the_public_names_are_known_to_type_checkers():
    """The table that loads them, and the imports that only type checkers see, say the same."""
    import symdiff

    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    typing = next(n for n in tree.body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test))
    named = {
        alias.asname: node.module.removeprefix("symdiff.")
        for node in typing.body
        for alias in node.names
        if alias.asname
    }
    assert named == symdiff.PUBLIC
    assert sorted(symdiff.__all__) == sorted(symdiff.PUBLIC)


def test_modules_of_the_package_are_attributes():
    import symdiff
    from symdiff.frontend.calls import functions

    there = {p.stem for p in PACKAGE.glob("*.py")} | {p.parent.name for p in PACKAGE.glob("*/__init__.py")}
    assert there - {"__init__", "__main__"} == symdiff._MODULES
    assert symdiff._MODULES.isdisjoint(symdiff.PUBLIC)
    assert symdiff._MODULES.isdisjoint(functions())
    loaded_by("sd.errors.ParseError", "from symdiff import *", "vmap(grad('x**2'))", "assert 'sin' in dir(sd)")


def test_the_public_names_exist():
    import symdiff

    for name in symdiff.__all__:
        assert getattr(symdiff, name).__doc__, name
    assert {"sin", "where", "maximum"} <= set(dir(symdiff))
    with pytest.raises(AttributeError):
        symdiff.no_such_name  # noqa: B018
