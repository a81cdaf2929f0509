"""Differentiation: walks over a graph that append the derivative's nodes to it."""

import sys

from symdiff.guesses import NotCalled

sys.modules[__name__].__class__ = NotCalled
