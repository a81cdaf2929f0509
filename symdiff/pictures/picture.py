"""`f.draw(…)`: the picture of a circuit, and the files that it is written to."""

from __future__ import annotations

import html
import importlib
import importlib.util
import os
import subprocess
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symdiff.errors import ArgumentError, UnknownNameError, nearest
from symdiff.functions.circuit import Numbers, circuit_numbers, point_of, read_circuit
from symdiff.functions.steps import table
from symdiff.pictures.drawing import Drafter, Outlined, path_of
from symdiff.pictures.graphviz import scene_as_dot
from symdiff.pictures.layout import Placed, is_installed, place
from symdiff.pictures.page import write_page
from symdiff.pictures.scenes import Scene
from symdiff.pictures.svg import THEMES, draw_scene, form_of
from symdiff.signature import listed_parameters

if TYPE_CHECKING:
    from symdiff.functions.function import Function


class Picture:
    """The circuit of a function, drawn; a notebook shows it.

    Attributes
    ----------
    first : what is seen at first: units, and wires between them.
    scenes : that, and a scene for each part that is folded in another.

    Examples
    --------
    >>> import symdiff as sd
    >>> picture = sd.function("q = x + y\\nf = q*z", ["x", "y", "z"]).draw(-2, 5, -4)
    >>> [unit.label for unit in picture.first.units]
    ['x', 'y', 'z', '+', '×']
    """

    def __init__(
        self, f: Function, drafter: Drafter, outline: Sequence[Outlined], title: str, layout: str | None
    ) -> None:
        self.circuit, self.numbers, self.title, self.layout = drafter.circuit, drafter.numbers, title, layout
        self._function, self._drafter, self._outline = f, drafter, outline
        self.first = drafter.scene(outline[0])
        self._placed: dict[str, Placed] = {}

    @cached_property
    def scenes(self) -> list[Scene]:
        """All scenes, the first one first."""
        return [self.first, *map(self._drafter.scene, self._outline[1:])]

    def placed(self, *scenes: Scene) -> list[Placed]:
        """Where everything is in these scenes; the library is asked once for each."""
        new = [scene for scene in scenes if scene.key not in self._placed]
        if new:
            sizes = [[form_of(unit).size for unit in scene.units] for scene in new]
            self._placed.update(zip([v.key for v in new], place(new, sizes, self.layout), strict=True))
        return [self._placed[scene.key] for scene in scenes]

    def svg(self, theme: str | None = None) -> str:
        """The first scene as SVG, for "light" or "dark" pages; None: as the reader's system prefers.

        Raises
        ------
        ArgumentError
            For another theme; where no library for the layout is installed.
        """
        if theme is not None and theme not in THEMES:
            raise ArgumentError(f"theme is {theme!r}", hint='"light", "dark" or None')
        (placed,) = self.placed(self.first)
        return draw_scene(self.first, placed, theme=theme, title=self.title)

    def html(self) -> str:
        """All of it as one page, which needs nothing else: pan, zoom, replay, and folded parts that open by a click.

        Raises
        ------
        ArgumentError
            Where no library for the layout is installed.
        """
        placed, circuit = self.placed(*self.scenes), self.circuit
        steps = table(circuit, self.numbers or Numbers({}, {}, {}))
        return write_page(self.title, str(self._function), self.scenes, placed, steps, circuit)

    def dot(self) -> str:
        """The first scene in Graphviz's language, with the texts of units and wires."""
        return scene_as_dot(self.first)

    def save(self, path: str | os.PathLike[str], theme: str | None = None) -> Path:
        """Write the picture to a file, of the kind that its name ends in: svg, html, dot, png or pdf.

        Raises
        ------
        ArgumentError
            For another ending; where a library that it takes is not installed.
        OSError
            Where the file cannot be written.
        """
        path = Path(path)
        kind = path.suffix[1:].lower()
        if kind not in KINDS:
            raise ArgumentError(f"{path.name}: no picture is of this kind", hint=f"one of .{', .'.join(KINDS)}")
        path.write_bytes(KINDS[kind](self, theme))
        return path

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        if len(self._outline) == 1:
            return f'<div style="overflow:auto">{self.svg()}</div>'
        page = html.escape(self.html())
        return f'<iframe srcdoc="{page}" style="width:100%;height:520px;border:0" title="circuit"></iframe>'

    def __repr__(self) -> str:
        count = len(self.circuit.nodes)
        return f"<Picture of {self.title}, {count} nodes>"


def draw(
    f: Function,
    *point: Any,
    highlight: str | None = None,
    fold: bool | None = None,
    layout: str | None = None,
    **keywords: Any,
) -> Picture:
    """The function as a picture of its circuit: operations, with the values between them on wires.

    At a point the value is above each wire and the derivative of the output by it is below, where the output is one
    number. Arrays are told by shape and norm. Of a derivative, what differentiation appended stands apart, with its
    values below the wires, since these are gradients.

    Parameters
    ----------
    point : values of the inputs, as for a call; without them there are no numbers.
    highlight : an input or named line: what its adjoint is put together from stands out.
    fold : whether named lines are folded. None: where there are many nodes; then parts of parts, by named lines, or by
        levels of the circuit where there are none.
    layout : the library that says where everything is: "dot" (Graphviz, the program) or "grandalf" (a package). None:
        the first that is installed.

    Raises
    ------
    ArgumentError
        Where the circuit is too large to look at.
    ShapeError
        Without a point, where shapes are known at each call only.
    UnknownNameError
        Where `highlight` names what the function has not.

    Examples
    --------
    >>> import symdiff as sd
    >>> f = sd.function("q = x + y\\nf = q*z", ["x", "y", "z"])
    >>> f.draw(-2, 5, -4, highlight="q")
    <Picture of f(x, y, z), 5 nodes>
    """
    given = bool(point or keywords) or not f.arguments
    if f._cases is not None and given:
        f = f.specialize(*point, **keywords)
    circuit = read_circuit(f)
    found = circuit_numbers(circuit, point_of(f, point, keywords)) if given else None
    path = None
    if highlight is not None:
        if highlight not in circuit.names:
            what = f"highlight: {highlight!r} is no input or named line of {f.__name__}"
            raise UnknownNameError(what, hint=nearest(highlight, circuit.names))
        path = path_of(circuit, circuit.shown(circuit.names[highlight]))
    drafter = Drafter(circuit, found, path)
    title = f"{f.__name__}({listed_parameters(f.arguments)})"
    return Picture(f, drafter, drafter.outline(fold), title, layout)


def _as_svg(picture: Picture, theme: str | None) -> bytes:
    return picture.svg(theme).encode()


def _as_html(picture: Picture, theme: str | None) -> bytes:
    page = picture.html()
    if theme is not None:
        page = page.replace('<html lang="en">', f'<html lang="en" data-theme="{theme}">', 1)
    return page.encode()


def _as_dot(picture: Picture, theme: str | None) -> bytes:
    return picture.dot().encode()


def _rendered(kind: str) -> Callable[[Picture, str | None], bytes]:
    """By cairosvg the picture; where there is only Graphviz, what that makes of its text."""

    def render(picture: Picture, theme: str | None) -> bytes:
        if importlib.util.find_spec("cairosvg") is not None:
            converter = getattr(importlib.import_module("cairosvg"), f"svg2{kind}")
            drawn: bytes = converter(
                bytestring=picture.svg(theme or "light").encode(), **({"scale": 2} if kind == "png" else {})
            )
            return drawn
        if is_installed("dot"):
            command = ["dot", f"-T{kind}"]
            return subprocess.run(command, input=picture.dot().encode(), capture_output=True, check=True).stdout
        raise ArgumentError(f"no library that writes .{kind} is installed", hint='pip install "symdiff-compiler[draw]"')

    return render


KINDS: dict[str, Callable[[Picture, str | None], bytes]] = {
    "svg": _as_svg,
    "html": _as_html,
    "dot": _as_dot,
    "png": _rendered("png"),
    "pdf": _rendered("pdf"),
}
"""What writes files of each kind."""
