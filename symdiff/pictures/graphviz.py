"""A scene in the language of Graphviz, for those who style it themselves."""

from __future__ import annotations

from symdiff.display.draw import quoted
from symdiff.pictures.scenes import BLOCK, CONSTANT, INPUT, OPERATION, OUTPUT, OUTSIDE, Scene

SHAPES = {
    INPUT: "plaintext",
    CONSTANT: "plaintext",
    OUTSIDE: "plaintext",
    OUTPUT: "plaintext",
    OPERATION: "ellipse",
    BLOCK: "box",
}


def scene_as_dot(scene: Scene) -> str:
    """Units as nodes, wires as edges that say the name, the value and the gradient; the same scene, the same text."""
    lines = [
        "digraph {",
        "  rankdir=LR;",
        '  node [fontname="Helvetica"];',
        '  edge [fontname="Helvetica", fontsize=10];',
    ]
    for k, unit in enumerate(scene.units):
        label = unit.label if unit.kind != BLOCK else f"{unit.label}\n{unit.note}"
        lines.append(f"  n{k} [label={quoted(label)}, shape={SHAPES[unit.kind]}];")
    for wire in scene.wires:
        source = scene.units[wire.source]
        told = " = ".join(filter(None, (source.name, source.value)))
        text = "\n".join(filter(None, (told, source.gradient)))
        label = f" [label={quoted(text)}]" if text else ""
        lines.append(f"  n{wire.source} -> n{wire.target}{label};")
    for k, unit in enumerate(scene.units):
        if unit.leaves == "result":
            told = " = ".join(filter(None, (unit.name, unit.value)))
            text = "\n".join(filter(None, (told, unit.gradient)))
            lines.append(f"  r{k} [label={quoted(text)}, shape=plaintext];")
            lines.append(f"  n{k} -> r{k};")
    return "\n".join([*lines, "}"]) + "\n"
