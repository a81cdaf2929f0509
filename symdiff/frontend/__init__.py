"""The ways in which a formula comes in: text, Python expressions, traced functions, SymPy."""
