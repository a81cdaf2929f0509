"""symdiff: a formula in, fast native code for its value and its derivatives of any order out."""

__version__ = "0.1.0"
