"""Where units and wires are: a library says it, Graphviz's `dot` where it is installed, else grandalf."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, SymdiffError
from symdiff.pictures.scenes import APPENDED, BLOCK, FORMULA, Scene

BETWEEN_COLUMNS, BETWEEN_ROWS = 34.0, 16.0
INCH = 72.0
ROUNDS = 6
"""In which grandalf looks for fewer crossings."""
SECONDS = 120.0
"""After so long `dot` is stopped."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Extent:
    """The room that a unit takes, with its wire and texts."""

    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Placed:
    """Where everything is: y grows downwards, the corner is at (0, 0).

    Attributes
    ----------
    centers : of the units.
    courses : of each wire the control points of cubic curves, 3 n + 1 of them.
    """

    width: float
    height: float
    centers: tuple[Point, ...]
    courses: tuple[tuple[Point, ...], ...]


def place(scenes: Sequence[Scene], sizes: Sequence[Sequence[Extent]], engine: str | None = None) -> list[Placed]:
    """The scenes laid out by a library, from left to right; `engine` is "dot" or "grandalf", None the first there is.

    Raises
    ------
    ArgumentError
        For another engine, and where there is none.
    """
    if engine is not None and engine not in ENGINES:
        raise ArgumentError(f"layout is {engine!r}", hint=f"one of {', '.join(map(repr, ENGINES))}, or None")
    names = [engine] if engine is not None else [n for n in ENGINES if is_installed(n)]
    if not names or not is_installed(names[0]):
        what = f"no library for the layout of pictures is installed{f': {engine}' if engine else ''}"
        raise ArgumentError(what, hint='pip install "symdiff-compiler[draw]", or Graphviz from your system')
    return ENGINES[names[0]](scenes, sizes)


def is_installed(engine: str) -> bool:
    """Whether a library for layouts can be used here."""
    if engine == "dot":
        return shutil.which("dot") is not None
    return importlib.util.find_spec(engine) is not None


def _barrier(scene: Scene) -> tuple[list[int], list[int]]:
    """The units of the formula that are last in it, and those that differentiation appended that are first."""
    if not scene.has_parts:
        return [], []
    parts = [unit.part for unit in scene.units]
    inner = [w for w in scene.wires if parts[w.source] == parts[w.target]]
    last = {k for k, p in enumerate(parts) if p == FORMULA} - {w.source for w in inner}
    first = {k for k, p in enumerate(parts) if p == APPENDED} - {w.target for w in inner}
    return sorted(last), sorted(first)


def _by_dot(scenes: Sequence[Scene], sizes: Sequence[Sequence[Extent]]) -> list[Placed]:
    text = "\n".join(map(_dot_input, scenes, sizes))
    try:
        done = subprocess.run(
            ["dot", "-Tjson"], input=text, capture_output=True, text=True, timeout=SECONDS, check=True, encoding="utf-8"
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SymdiffError(f"Graphviz could not place the picture: {error}", hint='layout="grandalf"') from error
    decoder, at, found = json.JSONDecoder(), 0, []
    for scene in scenes:
        answer, at = decoder.raw_decode(done.stdout, at)
        while at < len(done.stdout) and done.stdout[at].isspace():
            at += 1
        found.append(_dot_output(answer, scene))
    return found


def _dot_input(scene: Scene, sizes: Sequence[Extent]) -> str:
    """The scene in Graphviz's language; units are numbers there, so that no text of a formula gets into it."""
    lines = [
        f"digraph {{ rankdir=LR; nodesep={BETWEEN_ROWS / INCH:.3f}; ranksep={BETWEEN_COLUMNS / INCH:.3f};",
        'node [shape=box, fixedsize=true, label="", margin=0]; edge [arrowhead=none];',
    ]
    for k, (unit, size) in enumerate(zip(scene.units, sizes, strict=True)):
        ports = ""
        if unit.ordered and unit.places > 1:
            ports = ', shape=record, label="' + "|".join(f"<p{i}>" for i in range(unit.places)) + '"'
        lines.append(f"{k} [width={size.width / INCH:.4f}, height={size.height / INCH:.4f}{ports}];")
    for k, wire in enumerate(scene.wires):
        target = scene.units[wire.target]
        port = f":p{wire.place}:w" if target.ordered and target.places > 1 else ":w"
        straight = ", weight=8" if scene.units[wire.source].kind == BLOCK else ""
        lines.append(f"{wire.source}:e -> {wire.target}{port} [wire={k}{straight}];")
    last, first = _barrier(scene)
    if first:
        lines.append("b [shape=point, width=0.01, style=invis];")
        lines += [f"{k} -> b [style=invis];" for k in last]
        lines += [f"b -> {k} [style=invis, weight=0];" for k in first]
    return "\n".join([*lines, "}"])


def _dot_output(answer: Mapping[str, Any], scene: Scene) -> Placed:
    left, bottom, right, top = map(float, answer["bb"].split(","))
    centers: list[Point] = [(0.0, 0.0)] * len(scene.units)
    for found in answer.get("objects", []):
        if found["name"] != "b":
            x, y = map(float, found["pos"].split(","))
            centers[int(found["name"])] = (x - left, top - y)
    courses: list[tuple[Point, ...]] = [()] * len(scene.wires)
    for found in answer.get("edges", []):
        if "wire" in found:
            points = [tuple(map(float, p.split(","))) for p in found["pos"].split() if p[0] not in "es"]
            courses[int(found["wire"])] = tuple((x - left, top - y) for x, y in points)
    return Placed(right - left, top - bottom, tuple(centers), tuple(courses))


def _by_grandalf(scenes: Sequence[Scene], sizes: Sequence[Sequence[Extent]]) -> list[Placed]:
    return [_sugiyama(scene, own) for scene, own in zip(scenes, sizes, strict=True)]


class _Box:
    """A unit as grandalf wants it: layers go downwards there, so width and height change places."""

    def __init__(self, size: Extent) -> None:
        self.w, self.h = size.height, size.width
        self.xy = (0.0, 0.0)


class _Course:
    """A wire as grandalf wants it: it says through which places in the layers between."""

    def __init__(self) -> None:
        self.through: list[Point] = []

    def setpath(self, points: Sequence[Point]) -> None:
        """The centers of its ends, and the places between."""
        self.through = list(points[1:-1])


def _sugiyama(scene: Scene, sizes: Sequence[Extent]) -> Placed:
    from grandalf.graphs import Edge, Graph, Vertex
    from grandalf.layouts import SugiyamaLayout

    count = len(scene.units)
    pairs = dict.fromkeys((w.source, w.target) for w in scene.wires)
    last, first = _barrier(scene)
    boxes = [*map(_Box, sizes), *([_Box(Extent(1.0, 1.0))] if first else [])]
    pairs.update(dict.fromkeys([*((k, count) for k in last if first), *((count, k) for k in first)]))
    vertices = [Vertex(k) for k in range(len(boxes))]
    for vertex, box in zip(vertices, boxes, strict=True):
        vertex.view = box
    edges = []
    courses = {pair: _Course() for pair in pairs}
    for pair, course in courses.items():
        edges.append(Edge(vertices[pair[0]], vertices[pair[1]]))
        edges[-1].view = course
    columns: dict[float, float] = {}
    bottom = 0.0
    for component in Graph(vertices, edges).C:
        layout = SugiyamaLayout(component)
        layout.xspace, layout.yspace = BETWEEN_ROWS, BETWEEN_COLUMNS
        layout.init_all(inverted_edges=[])
        layout.draw(ROUNDS)
        placed = [v.view for layer in layout.layers for v in layer]
        for layer in layout.layers:
            columns[layer[0].view.xy[1]] = max(v.view.h for v in layer) / 2
        top = min(v.xy[0] - v.w / 2 for v in placed)
        lowest = max(v.xy[0] + v.w / 2 for v in placed)
        shift, bottom = bottom - top, bottom + lowest - top + BETWEEN_ROWS
        for v in component.sV:
            v.view.xy = (v.view.xy[0] + shift, v.view.xy[1])
        for e in component.sE:
            e.view.through = [(x + shift, y) for x, y in e.view.through]
    centers = tuple([(box.xy[1], box.xy[0]) for box in boxes[:count]])
    lines = []
    for wire in scene.wires:
        course = courses[wire.source, wire.target]
        start, end = centers[wire.source], centers[wire.target]
        # straight through columns, so that it passes beside what is there
        points = [(start[0] + sizes[wire.source].width / 2, start[1]), (start[0] + columns[start[0]], start[1])]
        for y, x in course.through:
            points += [(x - columns[x], y), (x + columns[x], y)]
        points += [(end[0] - columns[end[0]], end[1]), (end[0] - sizes[wire.target].width / 2, end[1])]
        lines.append(_smooth(points))
    width = max((c[0] + s.width / 2 for c, s in zip(centers, sizes, strict=True)), default=0.0)
    return Placed(width, max(bottom - BETWEEN_ROWS, 0.0), centers, tuple(lines))


def _smooth(points: Sequence[Point]) -> tuple[Point, ...]:
    """A curve through points that is horizontal at each."""
    course = [points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        course += [(middle, y0), (middle, y1), (x1, y1)]
    return tuple(course)


ENGINES: dict[str, Callable[[Sequence[Scene], Sequence[Sequence[Extent]]], list[Placed]]] = {
    "dot": _by_dot,
    "grandalf": _by_grandalf,
}
