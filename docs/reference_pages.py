"""The pages of the reference, from docstrings and records: written when the site is built."""

from __future__ import annotations

import argparse
import contextlib
import inspect
import io
import os
import re
import shlex
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import symdiff
from docs import reference_examples
from symdiff.cli import main, parser
from symdiff.frontend.arguments import ArrayFunction
from symdiff.frontend.calls import LanguageFunction, functions, look_up
from symdiff.functions.methods import METHODS
from symdiff.ir import graph
from symdiff.ops import FAMILIES

TOPICS = {
    "formulas": ("Formulas", "What makes functions and expressions.",
                 ["function", "expr", "symbol", "symbols", "named", "simplify", "load"]),
    "derivatives": ("Derivatives", "Each takes a Function, or anything that `function` takes, and gives a Function.",
                    ["grad", "value_and_grad", "jacobian", "hessian", "sparse_jacobian", "sparse_hessian", "jvp", "vjp",
                     "hvp", "linearize", "vmap", "derivative", "taylor", "diff", "laplacian", "operator", "check_grad",
                     "checkpoint"]),
    "programs": ("Solvers, files, other libraries", "What functions are handed to, and what they may cost.",
                 ["nlp", "emit", "limits", "define"]),
}  # fmt: skip
"""Pages of functions: a title, what they are, and their names. What stands in none is on the last."""

CLASSES = {
    "function": "functions.function.Function",
    "compiled": "functions.compiled.CompiledFunction",
    "sparse-function": "functions.sparse_function.SparseFunction",
    "expr": "frontend.expr.Expr",
    "linearization": "functions.linearize.Linearization",
    "linear-map": "functions.linearize.LinearMap",
    "nonlinear-program": "functions.nlp.NonlinearProgram",
    "picture": "pictures.picture.Picture",
    "steps": "functions.steps.Steps",
    "step": "functions.steps.Step",
    "gradient-check": "functions.checking.GradientCheck",
    "namespace": "functions.define.Namespace",
    "limits": "budget.Limits",
    "graph": "ir.graph.Graph",
}
"""Pages of classes, and where these are."""

SECTIONS = ("Parameters", "Returns", "Raises", "Attributes", "Examples", "Notes", "Yields")


def class_of(place: str) -> type:
    """The class at a place in the package."""
    module, _, name = place.rpartition(".")
    found: type = getattr(import_module(f"symdiff.{module}"), name)
    return found


def is_error(value: object) -> bool:
    """Whether a public name is a class of errors."""
    return isinstance(value, type) and issubclass(value, Exception)


def public_functions() -> list[str]:
    """The public names that are no classes."""
    return [name for name in symdiff.__all__ if not isinstance(getattr(symdiff, name), type)]


def other_functions() -> list[str]:
    """The public functions that no topic names."""
    told = {name for _, _, listed in TOPICS.values() for name in listed}
    return [name for name in public_functions() if name not in told]


def other_classes() -> dict[str, type]:
    """The public classes that `CLASSES` does not name."""
    known = {class_of(place) for place in CLASSES.values()}
    values = {name: getattr(symdiff, name) for name in symdiff.__all__}
    return {n: v for n, v in values.items() if isinstance(v, type) and not is_error(v) and v not in known}


def members(cls: type) -> list[tuple[str, Any]]:
    """The public methods and properties of a class, in the order of their files, its own first."""
    found: dict[str, Any] = {}
    for base in cls.__mro__:
        if base.__module__.startswith("symdiff.") and not base.__module__.endswith("networkx_view"):
            for name, value in vars(base).items():
                told = inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod)
                of_networkx = isinstance(value, graph.Seen | graph.Refused)
                if told and not of_networkx and not name.startswith("_") and inspect.getdoc(getattr(cls, name)):
                    found.setdefault(name, value)
    return list(found.items())


# Docstrings as Markdown


def sections(doc: str) -> Iterator[tuple[str, str]]:
    """The parts of a docstring: a title, empty for what stands first, and a text."""
    parts = re.split(rf"(?m)^({'|'.join(SECTIONS)})\n-+\n", doc)
    yield "", parts[0]
    yield from zip(parts[1::2], parts[2::2], strict=True)


def linked(text: str) -> str:
    """A text whose mentions of pages and of public names are links."""
    text = re.sub(r"\bdocs/((?:[\w-]+/)*)([\w-]+)\.md", r"[\2](../../\1\2.md)", text)

    def link(match: re.Match[str]) -> str:
        name = match[1].removeprefix("symdiff.")
        if name in symdiff.__all__:
            return f"{{py:obj}}`{match[1]} <symdiff.{name}>`"
        return match[0]

    text = re.sub(r"``([^`\n]+)``", r"`\1`", text)
    return re.sub(r"(?<!`)`([\w.]+)`(?!`)", link, text)


def entries(text: str) -> Iterator[tuple[str, str]]:
    """What stands at the margin, and what is said of it."""
    found: list[list[str]] = []
    for line in text.strip("\n").split("\n"):
        if line and not line[0].isspace():
            found.append([line])
        elif found:
            found[-1].append(line)
    for lines in found:
        head, colon, first = lines[0].partition(" : ")
        rest = textwrap.dedent("\n".join(lines[1:])).strip()
        yield head.strip(), " ".join([first, rest]).strip() if colon else rest


def examples(text: str) -> str:
    """Prompts and what they answer as blocks; what stands between as a text."""
    return re.sub(r"(?m)(^>>> (?:.+\n?)+)", lambda m: f"```python\n{m[1].rstrip()}\n```\n", text.strip() + "\n")


def markdown(doc: str) -> list[str]:
    """A docstring as Markdown."""
    lines: list[str] = []
    for title, text in sections(doc):
        if not title:
            lines += [linked(examples(text) if ">>>" in text else text.strip()), ""]
        elif title in ("Parameters", "Attributes", "Raises", "Returns", "Yields"):
            lines += [f"**{title}**", ""]
            for name, said in entries(text):
                shown = f"{{py:obj}}`~symdiff.{name}`" if name in symdiff.__all__ else f"`{name}`"
                said = " ".join(linked(said).split())
                lines.append(f"* {shown}{': ' if said else ''}{said}")
            lines.append("")
        else:
            lines += [linked(examples(text)), ""]
    return lines


def signature(value: Any, bound: bool = False) -> str:
    """A signature without its annotations."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "()"
    parameters = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    return str(found.replace(parameters=parameters[1:] if bound else parameters, return_annotation=found.empty))


def directive(kind: str, head: str, body: list[str], depth: int = 3) -> list[str]:
    """A directive of the Python domain, between `depth` colons."""
    return [f"{':' * depth}{{py:{kind}}} {head}", "", *body, ":" * depth, ""]


def with_example(name: str, doc: str) -> list[str]:
    """The documentation of a name, with an example of the table where it has none of its own."""
    lines = markdown(doc)
    given = reference_examples.EXAMPLES.get(name)
    if ">>>" not in doc and given:
        lines += ["```python", textwrap.dedent(given).strip(), "```", ""]
    return lines


def function_entry(name: str) -> list[str]:
    """A public function."""
    value = getattr(symdiff, name)
    doc = inspect.getdoc(value) or ""
    return directive("function", f"symdiff.{name}{signature(value)}", with_example(name, doc))


def class_lines(cls: type) -> list[str]:
    """A class with its methods and properties."""
    name, body = cls.__name__, with_example(cls.__name__, inspect.getdoc(cls) or "")
    for member, value in members(cls):
        doc, full = inspect.getdoc(getattr(cls, member)) or "", f"{name}.{member}"
        if isinstance(value, property):
            body += directive("property", member, with_example(full, doc))
        elif member in METHODS and member in symdiff.__all__:
            target, told = getattr(cls, member), f"{{py:func}}`symdiff.{member}` of this function."
            body += directive("method", f"{member}{signature(target, True)}", [told])
        else:
            kind = "classmethod" if isinstance(value, classmethod) else "method"
            target = getattr(cls, member)
            bound = not isinstance(value, classmethod | staticmethod)
            body += directive(kind, f"{member}{signature(target, bound)}", with_example(full, doc))
    made = signature(cls) if "__init__" in vars(cls) and cls.__name__ in ("Namespace", "Limits") else ""
    return directive("class", f"symdiff.{name}{made}", body, 4)


def class_page(cls: type) -> str:
    """A page of one class."""
    return "\n".join([f"# {cls.__name__}", "", *class_lines(cls)])


def function_page(title: str, what: str, listed: list[str]) -> str:
    """A page of functions."""
    lines = [f"# {title}", "", linked(what), ""]
    for name in listed:
        lines += function_entry(name)
    return "\n".join(lines)


def error_page() -> str:
    """The errors: the public ones, in the order of their family."""
    found = [getattr(symdiff, name) for name in symdiff.__all__ if is_error(getattr(symdiff, name))]
    lines = ["# Errors", "", reference_examples.ERRORS.strip(), ""]
    family = {cls: [b.__name__ for b in reversed(cls.__mro__) if issubclass(b, symdiff.SymdiffError)] for cls in found}
    for cls in sorted(found, key=family.__getitem__):
        parents = [b for b in cls.__bases__ if b is not object]
        shown = ", ".join(
            f"{{py:obj}}`~symdiff.{b.__name__}`" if b.__name__ in symdiff.__all__ else f"`{b.__name__}`"
            for b in parents
        )
        body = [f"A kind of {shown}.", "", *with_example(cls.__name__, inspect.getdoc(cls) or "")]
        lines += directive("exception", f"symdiff.{cls.__name__}", body)
    return "\n".join(lines)


# Functions of the language

FUNCTIONS: dict[str, LanguageFunction] = {name: found for name in functions() if (found := look_up(name))}
"""By all their names, in the order of their files."""


POINTS = (0.5, 1.5, -0.5, 2.0, 3.0, -0.25)


ROOMS = {
    "shapes": "Shapes and places",
    "joining": "Joining",
    "composing": "Putting together and taking apart",
    "indexing": "Indices",
    "reductions": "Sums, products, extrema along axes",
    "ordering": "Order",
    "statistics": "Statistics and polynomials",
    "products": "Products",
    "linear_algebra": "Linear algebra",
    "filters": "Filters, and sums that leave out NaN",
    "creation": "Making arrays, and asking for shapes",
    "elements": "SymPy's conditions",
}
"""The modules of functions of arrays, as titles."""

AT = {"n": 2.0, "m": 0.25, "condition": True, "lo": -1.0, "hi": 1.0, "base": 2.0}
"""Values of parameters, by name, that examples are made with; of others they are tried."""


def value_of(name: str, arguments: list[Any]) -> Any:
    """What a function of each element gives, None where it is not finite."""
    with np.errstate(all="ignore"):
        try:
            found = getattr(symdiff, name)(*arguments)
        except symdiff.SymdiffError:
            return None
    return found if np.isfinite(found) else None


def element_example(name: str, entry: LanguageFunction) -> list[str]:
    """A value and a derivative of a function of each element, computed here."""
    parameters = entry.signature.parameters.values()
    required = [p.name for p in parameters if p.default is inspect.Parameter.empty]
    kinds = entry.op.kinds if entry.op is not None and isinstance(entry.op.kinds, str) else ""
    for tried in POINTS:
        arguments = [AT.get(n, tried if k == 0 else 0.75) for k, n in enumerate(required)]
        arguments = [int(v) if n == "n" else v for v, n in zip(arguments, required, strict=True)]
        arguments = [v > 0.6 if k == "c" else v for v, k in zip(arguments, kinds.ljust(len(required)), strict=False)]
        value = value_of(name, arguments)
        if value is not None:
            break
    else:
        return []
    lines = ["```python", f">>> sd.{name}({', '.join(map(repr, arguments))})", repr(value)]
    by = [n for n, v in zip(required, arguments, strict=True) if isinstance(v, float)]
    written = ", ".join(repr(v) if n not in by else n for n, v in zip(required, arguments, strict=True))
    if by and isinstance(value, float) and entry.op is not None and entry.op.partials:
        formula = f"f({', '.join(by)}) = {name}({written})"
        try:
            derivative = str(symdiff.grad(formula, by[0]))
        except symdiff.SymdiffError:
            derivative = ""
        if derivative:
            lines += [f">>> print(sd.grad({formula!r}, {by[0]!r}))".replace("'", '"'), derivative]
    return [*lines, "```", ""]


def array_example(name: str) -> list[str]:
    """A call of a function of arrays, from the table, and its value."""
    text = reference_examples.CALLS.get(name)
    if text is None:
        return []
    call = f"sd.{name}({text})"
    value = eval(call, {"sd": symdiff, "np": np})  # of our own table
    return ["```python", f">>> {call}", repr(value), "```", ""]


def language_entry(called: list[str]) -> list[str]:
    """A function of the language, with all its names."""
    chief = next((n for n in called if n in reference_examples.CALLS), getattr(FUNCTIONS[called[0]].op, "name", ""))
    name, *others = sorted(called, key=lambda n: (n != chief, n))
    entry = FUNCTIONS[name]
    example = array_example(name) if isinstance(entry, ArrayFunction) else element_example(name, entry)
    body = [entry.documentation.strip(), ""]
    if others:
        body += ["Also called " + ", ".join(f"`{n}`" for n in others) + ".", ""]
    lines = directive("function", f"symdiff.{name}{entry.signature}", [*body, *example])
    for other in others:
        told = [f"Another name of {{py:func}}`~symdiff.{name}`."]
        lines += directive("function", f"symdiff.{other}{FUNCTIONS[other].signature}", told)
    return lines


def element_pages() -> dict[str, Callable[[], str]]:
    """A page for each family of operations on elements, and one for what is spelled with them."""
    groups: dict[str, list[list[str]]] = {}
    rest: list[list[str]] = []
    by_op: dict[str, list[str]] = {}
    for name, entry in FUNCTIONS.items():
        if name in symdiff.__all__ or isinstance(entry, ArrayFunction):
            continue
        if entry.op is None:
            rest.append([name])
        else:
            by_op.setdefault(entry.op.name, []).append(name)
    for title, module in FAMILIES.items():
        text = Path(str(module.__file__)).read_text(encoding="utf-8")
        for op in list(by_op):
            if re.search(rf'\b(Op|_compare)\(\s*"{op}"', text):
                groups.setdefault(title, []).append(by_op.pop(op))
    rest += by_op.values()

    def page(title: str, listed: list[list[str]]) -> str:
        return "\n".join([f"# {title}", "", *(line for called in listed for line in language_entry(called))])

    made = {f"elements-{re.sub(r'[^a-z]+', '-', t.lower())}": partial(page, t, g) for t, g in groups.items()}
    made["elements-written-with-others"] = partial(page, "Written with others", rest)
    arrays: dict[str, dict[Any, list[str]]] = {}
    for name, entry in FUNCTIONS.items():
        if isinstance(entry, ArrayFunction) and name not in symdiff.__all__:
            room = entry.build.__module__.rpartition(".")[2]
            arrays.setdefault(room, {}).setdefault(entry.build, []).append(name)
    for room in sorted(arrays, key=lambda r: list(ROOMS).index(r) if r in ROOMS else len(ROOMS)):
        title = ROOMS.get(room, room.replace("_", " ").capitalize())
        made[f"arrays-{room.replace('_', '-')}"] = partial(page, title, list(arrays[room].values()))
    return made


# The command line

MACHINES = ("cache", "doctor", "bench", "completion", "draw", "plot")
"""Commands whose answers are those of a machine."""


def answer_of(line: str) -> str:
    """What a command line prints: `symdiff …`, or what `echo "…"` gives to it."""
    words = shlex.split(line.replace("$ ", "", 1))
    given = ""
    if "|" in words:
        at = words.index("|")
        given, words = " ".join(words[1:at]) + "\n", words[at + 1 :]
    said, kept, here = io.StringIO(), sys.stdin, Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "formulas.txt").write_text("rosenbrock(x, y) = (1 - x)**2 + 100*(y - x**2)**2\n", encoding="utf-8")
        sys.stdin = io.StringIO(given)
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(said):
                status = main(words[1:])
        finally:
            sys.stdin = kept
            os.chdir(here)
    assert status == 0, line
    return said.getvalue().rstrip()


def commands() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """The commands, what each does, and its parser."""
    (action,) = (a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
    return {name: (helps.get(name, ""), found) for name, found in action.choices.items()}


def command_examples(name: str) -> list[str]:
    """The lines of the command's help that show a command."""
    lines = [line.strip() for line in (parser().epilog or "").split("\n")]
    return [line for line in lines if re.match(rf'(?:echo ".*" \| )?symdiff {name}\b', line)]


def command_page() -> str:
    """The command line: each command with its options and what it answers."""
    status = next((line for line in (parser().epilog or "").split("\n") if line.startswith("exit status")), "")
    what = "`symdiff COMMAND`; `symdiff COMMAND --help` says the same as this page."
    lines = ["# The command line", "", what, "", f"{status[:1].upper()}{status[1:]}.", ""]
    for name, (what, found) in commands().items():
        lines += [
            f"## `symdiff {name}`",
            "",
            f"{what[:1].upper()}{what[1:]}.",
            "",
            "| argument | meaning |",
            "| --- | --- |",
        ]
        for option in found._actions:
            if isinstance(option, argparse._HelpAction):
                continue
            given = option.metavar or ("|".join(map(str, option.choices)) if option.choices else option.dest.upper())
            takes = "" if option.nargs == 0 else f" {given}"
            shown = ", ".join(option.option_strings) + takes if option.option_strings else str(given)
            shown = shown.replace("|", "\\|")
            meaning = (option.help or "").replace("|", "\\|")
            lines.append(f"| `{shown}` | {meaning} |")
        lines.append("")
        for line in command_examples(name):
            said = "" if name in MACHINES else answer_of(line)
            lines += ["```console", f"$ {line}", *([said] if said else []), "```", ""]
    return "\n".join(lines)


def index_page(title: str, what: str, prefix: str) -> str:
    """A page that lists those whose names begin with `prefix`, and what is on each."""
    listed = {key: make() for key, make in PAGES.items() if key.startswith(prefix)}
    lines = [
        f"# {title}",
        "",
        what,
        "",
        "```{toctree}",
        ":hidden:",
        *listed,
        "```",
        "",
        "| page | names |",
        "| --- | --- |",
    ]
    for key, text in listed.items():
        found = re.findall(r"\{py:(?:function|class|method|property|classmethod)\} (?:symdiff\.)?(\w+)", text)
        heading = text.partition("\n")[0].removeprefix("# ")
        if prefix == "class-":
            owner, *rest = found
            names = [f"{{py:obj}}`{n} <symdiff.{owner}.{n}>`" for n in rest]
        else:
            names = [f"{{py:obj}}`{n} <symdiff.{n}>`" for n in found]
        lines.append(f"| [{heading}]({key}.md) | {', '.join(names)} |")
    return "\n".join(lines) + "\n"


INDEXES = {
    "classes": ("Classes", "What the functions of symdiff give and take.", "class-"),
    "elements": ("Functions of numbers", "Each is a function of texts, of an `Expr`, of numbers and of arrays, element "
                 "by element, and has derivatives of every order.", "elements-"),
    "arrays": ("Functions of arrays", "Each is a function of texts, of an `Expr` and of arrays, by NumPy's rules.",
               "arrays-"),
}  # fmt: skip


def names() -> list[str]:
    """The names of the files."""
    return [f"{name}.md" for name in (*PAGES, *INDEXES)]


def write(folder: Path) -> None:
    """All pages into a folder, and nothing else there."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {f"{name}.md": make() for name, make in PAGES.items()}
    pages |= {f"{name}.md": index_page(*told) for name, told in INDEXES.items()}
    for path in folder.glob("*.md"):
        if path.name not in pages:
            path.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def pages() -> dict[str, Callable[[], str]]:
    """What makes each page."""
    made: dict[str, Callable[[], str]] = {}
    for key, (title, what, listed) in TOPICS.items():
        made[key] = partial(function_page, title, what, listed + (other_functions() if key == "programs" else []))
    for key, place in CLASSES.items():
        made[f"class-{key}"] = partial(class_page, class_of(place))
    for name, cls in other_classes().items():
        made[f"class-{name.lower()}"] = partial(class_page, cls)
    made["errors"] = error_page
    made["command-line"] = command_page
    made.update(element_pages())
    return made


PAGES = pages()
