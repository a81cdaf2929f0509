"""A picture as one page of HTML: pan, zoom, replay, folded parts that open, the table of all steps."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from symdiff.functions.circuit import Circuit
from symdiff.functions.steps import Steps
from symdiff.pictures.layout import Placed
from symdiff.pictures.scenes import Scene
from symdiff.pictures.svg import DARK, LIGHT, draw_scene, page_rules

CHROME = {"light": {"rule": "#d8dee4", "link": "#0a61c9"}, "dark": {"rule": "#2d3640", "link": "#6cb2ff"}}

ICONS = {
    "start": "M1 1h2v12h-2zM13 1v12l-9-6z",
    "back": "M11 1v12l-9-6z",
    "play": "M3 1v12l10-6z",
    "pause": "M2 1h4v12h-4zM8 1h4v12h-4z",
    "next": "M3 1v12l9-6z",
    "end": "M11 1h2v12h-2zM1 1v12l9-6z",
    "theme": "M7 0a7 7 0 1 0 0 14a7 7 0 1 0 0-14zM7 2v10a5 5 0 0 1 0-10z",
}
"""Outlines of what stands on buttons, in squares of 14."""
BUTTONS = {
    "replay": {
        "start": "start (Home)",
        "back": "one step back (←)",
        "play": "play or pause (space)",
        "next": "one step on (→)",
        "end": "all (End)",
    },
    "zoom": {"closer": "closer (+)", "farther": "farther (-)", "fit": "all of it (0)"},
    "more": {"table": "show or hide the table (s)", "theme": "light or dark (t)"},
}
"""The buttons in groups, with what each is for."""
WORDS = {"closer": "+", "farther": "−"}


@cache
def asset(name: str) -> str:
    """A text that lies beside this module."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def write_page(
    title: str,
    text: str,
    scenes: Sequence[Scene],
    placed: Sequence[Placed],
    steps: Steps,
    circuit: Circuit,
) -> str:
    """The page.

    Parameters
    ----------
    text : the formula.
    steps : the rows of the table, one for each node of the circuit.
    """
    script = asset("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    data = {
        "first": scenes[0].key,
        "scenes": {scene.key: {"title": scene.title, "parent": scene.parent} for scene in scenes},
        "backward": "gradient" in steps.columns,
        "output": next(iter(circuit.outputs)),
    }
    told = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    templates = [
        f'<template data-scene="{scene.key}">{draw_scene(scene, at, styled=False, title=title)}</template>'
        for scene, at in zip(scenes, placed, strict=True)
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>{html.escape(title)}</title>",
            f"<style>\n{_style()}</style></head>",
            f"<body><header><h1>{html.escape(title)}</h1><nav hidden></nav>{_bar(len(steps.columns) > 2)}</header>",
            '<main><div class="stage"><div class="told" aria-live="polite"></div></div>',
            f"{_table(steps, circuit)}</main>",
            f"<pre>{html.escape(text)}</pre>",
            *templates,
            f'<script type="application/json" id="data">{told}</script>',
            f"<script>{script}</script></body></html>",
            "",
        ]
    )


def _style() -> str:
    def variables(name: str, colors: dict[str, str]) -> str:
        return ";".join(f"--{key}:{color}" for key, color in {**colors, **CHROME[name]}.items())

    light, dark = variables("light", LIGHT), variables("dark", DARK)
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media (prefers-color-scheme: dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
        f"{page_rules()}{asset('page.css')}"
    )


def _bar(has_numbers: bool) -> str:
    groups = ""
    for name, buttons in BUTTONS.items():
        if name == "replay" and not has_numbers:
            continue
        inner = "".join(
            f'<button id="{key}" title="{told}" aria-label="{told}">{_face(key)}</button>'
            for key, told in buttons.items()
        )
        groups += f'<div class="group">{inner}</div>'
    return f'<div class="bar">{groups}</div>'


def _face(key: str) -> str:
    """What stands on a button."""
    if key not in ICONS:
        return WORDS.get(key, key)
    faces = [key, "pause"] if key == "play" else [key]
    return "".join(
        f'<svg viewBox="0 0 14 14" class="{face}" aria-hidden="true">'
        f'<path fill-rule="evenodd" d="{ICONS[face]}"/></svg>'
        for face in faces
    )


def _table(steps: Steps, circuit: Circuit) -> str:
    head = "".join(f"<th>{column}</th>" for column in steps.columns)
    rows = []
    for node, row in zip(circuit.nodes, steps.cells(), strict=True):
        cells = "".join(
            f'<td class="{c}" title="{html.escape(t)}">{html.escape(t)}</td>'
            for c, t in zip(steps.columns, row, strict=True)
        )
        kind = ' class="appended"' if circuit.is_appended(node) else ""
        rows.append(f'<tr data-node="n{node}"{kind}>{cells}</tr>')
    body = "\n".join(rows)
    return f"<aside><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></aside>"
