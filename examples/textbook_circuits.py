"""Backpropagation on the two circuits of every textbook: the gradient of every intermediate value."""

import symdiff as sd

circuit = sd.function(
    """q = x + y
       f = q*z""",
    ["x", "y", "z"],
)
print(circuit.steps(-2, 5, -4))
assert sd.grad(circuit)(-2, 5, -4).tolist() == [-4.0, -4.0, 3.0]
assert sd.grad(circuit, "q")(-2, 5, -4) == -4.0

neuron = sd.function(
    """a = w0*x0
       b = w1*x1
       c = a + b + w2
       f = 1/(1 + exp(-c))""",
    ["w0", "x0", "w1", "x1", "w2"],
)
point = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
print()
print(neuron.steps(**point))
assert round(neuron(**point), 4) == 0.7311
assert round(sd.grad(neuron, "c")(**point), 4) == 0.1966
