"""Modules that are loaded by their names, when something of them is first needed."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import Any


def load_module(name: str) -> Any:
    """The module of a name; while it is loaded Python does not look for garbage, a sixth of the time."""
    if name in sys.modules or not gc.isenabled():
        return import_module(name)
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.enable()
