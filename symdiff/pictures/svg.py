"""Views as SVG: the same drawing whichever library placed it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence

from symdiff.dataclass import dataclass
from symdiff.pictures.labels import text_width
from symdiff.pictures.layout import Extent, Placed, Point
from symdiff.pictures.scenes import APPENDED, BLOCK, CONSTANT, FORMULA, INPUT, OPERATION, OUTPUT, OUTSIDE, Scene, Unit

FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
NAME, GLYPH, NUMBER, SMALL = 13.0, 13.0, 11.5, 10.5
"""Sizes of the font."""
RADIUS = 15.0
STUB, GAP, PADDING, MARGIN = 10.0, 5.0, 9.0, 18.0
ABOVE, BELOW = 5.5, 13.5
"""From a wire to the foot of the text above and of that below it."""
EQUALS = 15.0
"""Between a name and its value."""
REGION, CAPTION = 12.0, 20.0

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1f2328",
    "quiet": "#6a737d",
    "wire": "#9aa4af",
    "fill": "#f3f5f8",
    "line": "#6e7781",
    "fold": "#e7f1fd",
    "foldline": "#4c8fdd",
    "value": "#117a33",
    "gradient": "#c3211f",
    "formula": "#f7f8fa",
    "appended": "#fdf4f1",
    "appendedline": "#c98d7c",
}
DARK = {
    "paper": "#0f141a",
    "ink": "#e6edf3",
    "quiet": "#9aa4b0",
    "wire": "#626d79",
    "fill": "#1b222b",
    "line": "#8b96a2",
    "fold": "#12273f",
    "foldline": "#4c8fdd",
    "value": "#56d37a",
    "gradient": "#ff8078",
    "formula": "#151b22",
    "appended": "#231917",
    "appendedline": "#a5705f",
}
THEMES = {"light": LIGHT, "dark": DARK}

RULES = """
.paper{fill:$paper}
text{fill:$ink}
.glyph{fill:$fill;stroke:$line}
.appended .glyph{stroke:$appendedline}
.block .glyph{fill:$fold;stroke:$foldline}
.wire,.stub{stroke:$wire}
.tip{fill:$wire}
.value{fill:$value}
.gradient{fill:$gradient}
.quiet,.constant text,.outside .small{fill:$quiet}
.region-formula{fill:$formula}
.region-appended{fill:$appended}
"""
SHAPES = f"""
text{{font-family:{FONT};font-size:{GLYPH}px;text-anchor:middle;font-variant-numeric:tabular-nums}}
.glyph{{stroke-width:1.3px}}
.wire,.stub{{fill:none;stroke-width:1.3px}}
.several{{stroke-width:2.4px}}
.name{{font-weight:600}}
.input .name,.output .name{{font-size:{NAME}px}}
.value,.gradient,.number{{font-size:{NUMBER}px}}
.small{{font-size:{SMALL}px}}
.faded{{opacity:.3}}
.ring{{stroke-width:1.3px;fill:none}}
"""


def style(theme: str | None) -> str:
    """The rules of a picture: of one theme, or of both, by what the reader's system prefers."""

    def colored(colors: Mapping[str, str]) -> str:
        rules = RULES
        for key in sorted(colors, key=len, reverse=True):
            rules = rules.replace(f"${key}", colors[key])
        return rules

    text = _scoped(SHAPES) + _scoped(colored(THEMES[theme or "light"]))
    if theme is None:
        text += f"@media (prefers-color-scheme: dark) {{\n{_scoped(colored(DARK))}}}\n"
    return text


def page_rules() -> str:
    """The rules of pictures in a page that has the colours as variables."""
    rules = RULES
    for key in sorted(LIGHT, key=len, reverse=True):
        rules = rules.replace(f"${key}", f"var(--{key})")
    return _scoped(SHAPES + rules)


def _scoped(rules: str) -> str:
    """Rules, one a line, that hold in our pictures only."""
    found = ""
    for line in rules.split("\n"):
        if line:
            selectors, brace, rest = line.partition("{")
            found += ",".join(f".symdiff-picture {s}" for s in selectors.split(",")) + brace + rest + "\n"
    return found


# How large things are


@dataclass(frozen=True, slots=True)
class Form:
    """How a unit is drawn: its glyph at the left, then its wire with the texts above and below."""

    glyph: float
    height: float
    wire: float

    @property
    def size(self) -> Extent:
        """The room for all of it."""
        return Extent(self.glyph + self.wire, self.height)


def form_of(unit: Unit) -> Form:
    """The measures of a unit."""
    height = 2 * RADIUS
    if unit.kind == INPUT:
        glyph = text_width(unit.label, NAME, True) + GAP
    elif unit.kind in (CONSTANT, OUTSIDE):
        glyph = text_width(unit.label, SMALL) + GAP
        height = 18.0 if unit.kind == CONSTANT else height
    elif unit.kind == OUTPUT:
        glyph = text_width(unit.label, NAME, True) + 2 * GAP
    elif unit.kind == BLOCK:
        lines = (text_width(unit.label, NAME, True), text_width(unit.note, SMALL) + 16)
        glyph, height = max(*lines) + 2 * PADDING, 46.0
    else:
        glyph = max(2 * RADIUS, text_width(unit.label, GLYPH) + 2 * PADDING)
        if unit.ordered and unit.places > 2:
            height = max(height, 12.0 * unit.places)
    if unit.kind in (CONSTANT, OUTPUT):
        return Form(glyph, height, 0.0)
    above = _above_width(unit)
    below = text_width(unit.gradient, NUMBER)
    wire = max(above, below)
    if unit.gradient or unit.value or unit.name:
        height = max(height, 2 * (BELOW + 4.0))
    wire = wire + 2 * GAP if wire else STUB if unit.kind != OPERATION else STUB / 2
    return Form(glyph, height, wire + (8.0 if unit.leaves else 0.0))


def _above_width(unit: Unit) -> float:
    name = text_width(unit.name, NUMBER, True)
    joined = EQUALS if unit.name and unit.value else 0.0
    return name + joined + text_width(unit.value, NUMBER)


# Drawing


def draw_scene(scene: Scene, placed: Placed, *, theme: str | None = None, title: str = "", styled: bool = True) -> str:
    """A scene as an SVG element; with `theme` its colours are those of "light" or "dark", else both."""
    forms = [form_of(unit) for unit in scene.units]
    lefts = [c[0] - form.size.width / 2 for c, form in zip(placed.centers, forms, strict=True)]
    parts = _regions(scene, placed, forms)
    top = CAPTION + REGION if parts else 0.0
    side = REGION if parts else 0.0
    width = placed.width + 2 * (MARGIN + side)
    height = placed.height + 2 * MARGIN + top + side
    ends = _ends(scene, placed)
    wires = [_wire(scene, k, placed, forms, lefts, ends[k]) for k in range(len(scene.wires))]
    units = [
        _unit(unit, form, left, c[1])
        for unit, form, left, c in zip(scene.units, forms, lefts, placed.centers, strict=True)
    ]
    body = "\n".join([*parts, '<g class="wires">', *wires, "</g>", '<g class="units">', *units, "</g>"])
    label = html.escape(title or scene.title or "circuit")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="symdiff-picture" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{label}">\n'
        + (f"<style>\n{style(theme)}</style>\n" if styled else "")
        + f'<rect class="paper" width="100%" height="100%" rx="6"/>\n'
        f'<g transform="translate({MARGIN + side:.1f} {MARGIN + top:.1f})">\n{body}\n</g>\n</svg>\n'
    )


def _regions(scene: Scene, placed: Placed, forms: Sequence[Form]) -> list[str]:
    """The two halves of a derivative's circuit, as coloured areas with captions."""
    if not scene.has_parts:
        return []
    found = []
    captions = {FORMULA: "the formula", APPENDED: "appended by differentiation"}
    for part in (FORMULA, APPENDED):
        own = [(c, f) for u, c, f in zip(scene.units, placed.centers, forms, strict=True) if u.part == part]
        left = min(c[0] - f.size.width / 2 for c, f in own) - REGION
        right = max(c[0] + f.size.width / 2 for c, f in own) + REGION
        right = max(right, left + text_width(captions[part], SMALL) + 2 * REGION)
        top, height = -CAPTION - REGION, placed.height + CAPTION + 2 * REGION
        found.append(
            f'<rect class="region-{part}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{height:.1f}" rx="8"/>'
            f'<text class="small quiet" x="{left + REGION:.1f}" y="{top + 17:.1f}" '
            f'style="text-anchor:start">{captions[part]}</text>'
        )
    return found


def _ends(scene: Scene, placed: Placed) -> list[float]:
    """How far above or below the middle of its target each wire ends.

    In the order of the operands where that matters, else in that in which the wires arrive.
    """
    found = [0.0] * len(scene.wires)
    arriving: dict[int, list[int]] = {}
    for k, wire in enumerate(scene.wires):
        arriving.setdefault(wire.target, []).append(k)
    for target, wires in arriving.items():
        unit = scene.units[target]
        if unit.kind == BLOCK or len(wires) < 2:
            continue
        if unit.ordered:
            wires.sort(key=lambda k: scene.wires[k].place)
        else:
            wires.sort(key=lambda k: (placed.courses[k][-2][1], placed.centers[scene.wires[k].source][1]))
        step = min(14.0, 2 * (form_of(unit).height / 2 - 5.0) / max(len(wires) - 1, 1))
        for i, k in enumerate(wires):
            found[k] = (i - (len(wires) - 1) / 2) * step
    return found


def _wire(scene: Scene, k: int, placed: Placed, forms: Sequence[Form], lefts: Sequence[float], shift: float) -> str:
    wire, course = scene.wires[k], list(placed.courses[k])
    source, target = scene.units[wire.source], scene.units[wire.target]
    start = (lefts[wire.source] + forms[wire.source].size.width, placed.centers[wire.source][1])
    y = placed.centers[wire.target][1] + shift
    x = lefts[wire.target] + _indent(target, forms[wire.target], shift)
    course[0] = start
    before, level = len(course) - 1, course[-1][1]
    while before > 1 and abs(course[before][1] - level) < 0.1:  # what comes in level stays so
        course[before] = (course[before][0], y)
        before -= 1
    course[-1] = (lefts[wire.target], y)
    if before == len(course) - 2 and abs(course[-2][1] - y) < 20:
        course[-2] = (course[-2][0], y)
    text = f"M{_xy(course[0])}"
    for i in range(1, len(course) - 2, 3):
        text += f"C{_xy(course[i])} {_xy(course[i + 1])} {_xy(course[i + 2])}"
    text += f"H{x:.1f}"
    classes = "wire" + " several" * (wire.count > 1) + " faded" * wire.faded
    note = f"<title>{wire.count} values</title>" if wire.count > 1 else ""
    ends = f'data-from="{html.escape(source.key)}" data-to="{html.escape(target.key)}"'
    return f'<path class="{classes}" {ends} d="{text}">{note}</path>'


def _indent(unit: Unit, form: Form, shift: float) -> float:
    """How far from the left end of a unit a wire meets its outline."""
    radius = min(RADIUS, form.glyph / 2)
    if unit.kind != OPERATION:
        return 0.0
    if form.glyph <= 2 * RADIUS and form.height <= 2 * (BELOW + 4.0):
        return radius - math.sqrt(max(radius**2 - shift**2, 0.0))
    return 0.0


def _xy(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _unit(unit: Unit, form: Form, left: float, y: float) -> str:
    escape = html.escape
    middle = left + form.glyph / 2
    classes = f"unit {unit.kind} {unit.part}" + " faded" * unit.faded
    pieces = [f"<title>{escape(unit.note)}</title>"] if unit.note else []
    if unit.kind == OPERATION:
        pieces.append(_outline(form, left, y))
        pieces.append(f'<text class="label" x="{middle:.1f}" y="{y + 4.6:.1f}">{escape(unit.label)}</text>')
    elif unit.kind == BLOCK:
        for k in (4.0, 0.0):  # two sheets: there is more below
            pieces.append(
                f'<rect class="glyph" x="{left + k:.1f}" y="{y - 21 - k + 2:.1f}" width="{form.glyph - 4:.1f}" '
                f'height="40" rx="7"/>'
            )
        pieces.append(f'<text class="name" x="{middle - 2:.1f}" y="{y - 2:.1f}">{escape(unit.label)}</text>')
        pieces.append(f'<text class="small quiet" x="{middle - 2:.1f}" y="{y + 12:.1f}">{escape(unit.note)} ▸</text>')
    elif unit.kind == OUTPUT:
        pieces.append(f'<path class="tip" d="M{left:.1f},{y - 4:.1f}l7,4l-7,4z"/>')
        pieces.append(
            f'<text class="name" x="{left + 2 * GAP + 1:.1f}" y="{y + 4.5:.1f}" style="text-anchor:start">'
            f"{escape(unit.label)}</text>"
        )
    else:
        kind = "name" if unit.kind == INPUT else "small"
        place = left + form.glyph - GAP
        pieces.append(
            f'<text class="{kind}" x="{place:.1f}" y="{y + 4.3:.1f}" style="text-anchor:end">'
            f"{escape(unit.label)}</text>"
        )
    if form.wire:
        pieces += _own_wire(unit, left + form.glyph, left + form.size.width, y)
    more = f' data-opens="{unit.opens}"' if unit.opens else ""
    more += f' data-node="n{unit.node}"' if unit.node >= 0 else ""
    key = escape(unit.key)
    return f'<g class="{classes}" data-unit="{key}" data-order="{unit.order}"{more}>{"".join(pieces)}</g>'


def _outline(form: Form, left: float, y: float) -> str:
    if form.glyph <= 2 * RADIUS and form.height <= 2 * (BELOW + 4.0):
        return f'<circle class="glyph" cx="{left + RADIUS:.1f}" cy="{y:.1f}" r="{RADIUS:.0f}"/>'
    height = max(2 * RADIUS - 4, form.height) if form.height > 2 * (BELOW + 4.0) else 2 * RADIUS - 4
    return (
        f'<rect class="glyph" x="{left:.1f}" y="{y - height / 2:.1f}" width="{form.glyph:.1f}" '
        f'height="{height:.1f}" rx="{min(height / 2, 13):.0f}"/>'
    )


def _own_wire(unit: Unit, start: float, end: float, y: float) -> list[str]:
    escape = html.escape
    middle = (start + end - (8.0 if unit.leaves else 0.0)) / 2
    pieces = [f'<path class="stub" d="M{start:.1f},{y:.1f}H{end - (6.0 if unit.leaves else 0.0):.1f}"/>']
    if unit.leaves == "result":
        pieces.append(f'<path class="tip" d="M{end - 7:.1f},{y - 4:.1f}l7,4l-7,4z"/>')
    elif unit.leaves:
        pieces.append(f'<circle class="stub ring leaves" cx="{end - 3.5:.1f}" cy="{y:.1f}" r="3"/>')
    if unit.name and unit.value:  # apart, so that each stands where it should in any font
        sign = middle + (text_width(unit.name, NUMBER, True) - text_width(unit.value, NUMBER)) / 2
        for kind, x, anchor, text in (
            ("name", sign - EQUALS / 2, "end", unit.name),
            ("quiet", sign, "middle", "="),
            ("value", sign + EQUALS / 2, "start", unit.value),
        ):
            pieces.append(
                f'<text class="number {kind}" x="{x:.1f}" y="{y - ABOVE:.1f}" style="text-anchor:{anchor}">'
                f"{escape(text)}</text>"
            )
    elif unit.name or unit.value:
        kind = "name" if unit.name else "value"
        text = escape(unit.name or unit.value)
        pieces.append(f'<text class="number {kind}" x="{middle:.1f}" y="{y - ABOVE:.1f}">{text}</text>')
    if unit.gradient:
        pieces.append(f'<text class="gradient" x="{middle:.1f}" y="{y + BELOW:.1f}">{escape(unit.gradient)}</text>')
    return pieces
