"""From a graph of tensors and functions to the few scalar operations that native code is made of."""

import sys

from symdiff.guesses import NotCalled

sys.modules[__name__].__class__ = NotCalled
