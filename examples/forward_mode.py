"""Forward mode on x1*x2 + sin(x1): tangents flow from an input to the output, beside the values."""

import math

import symdiff as sd

f = sd.function(
    """v1 = x1*x2
       v2 = sin(x1)
       y = v1 + v2""",
    ["x1", "x2"],
)
# The tangent of every line for the seed dx1 = 1, dx2 = 0: one forward sweep for several outputs.
lines = sd.function(f, outputs=("v1", "v2", "y"))
tangents = sd.jacobian(lines, "x1", mode="forward")
print(tangents)
print(tangents.explain())
dv1, dv2, dy = tangents(2.0, 3.0)
print(f"dv1 = {dv1}, dv2 = {dv2:.6f}, dy = {dy:.6f}")
assert dv1 == 3.0
assert math.isclose(dy, 3.0 + math.cos(2.0))
