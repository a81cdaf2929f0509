"""The pictures that are kept in the repository, for README: `python docs/images.py` writes them again.

Graphviz places what is in them, so that the same version gives the same files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import symdiff as sd

FOLDER = Path(__file__).resolve().parent / "images"

NEURON = sd.function(
    """a = w0*x0
       b = w1*x1
       c = a + b + w2
       f = 1/(1 + exp(-c))""",
    ["w0", "x0", "w1", "x1", "w2"],
)
POINT = (2, -1, -3, -2, -3)

IMAGES: dict[str, Callable[[], Any]] = {
    "neuron": lambda: NEURON.draw(*POINT),
    "neuron-gradient": lambda: sd.grad(NEURON).draw(*POINT),
}


def write_images(folder: Path = FOLDER) -> list[Path]:
    """Write all pictures; they show light or dark colours as the reader's system prefers."""
    return [make().save(folder / f"{name}.svg") for name, make in IMAGES.items()]


if __name__ == "__main__":
    for path in write_images():
        print(path)
