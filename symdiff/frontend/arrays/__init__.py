"""Functions of arrays, with NumPy's names and arguments."""
