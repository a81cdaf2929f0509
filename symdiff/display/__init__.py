"""How a graph is shown: as text that parses again, LaTeX, Python source, a drawing."""

import sys

from symdiff.guesses import NotCalled

sys.modules[__name__].__class__ = NotCalled
