"""Settings for all tests: examples are the same in every run; HYPOTHESIS_PROFILE=explore looks for new ones."""

import gc
import os
import sys

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# gmpy2 is there for mpmath; SymPy stays as users have it.
os.environ.setdefault("SYMPY_GROUND_TYPES", "python")

# Many tests start processes of Python, which would each compile the package anew where no bytecode may be kept.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """The tests themselves, tens of thousands of objects, are nothing that the garbage collector need look at."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()
