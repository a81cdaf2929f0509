"""Python functions of a module, which pickles refer to by name."""


def product(x, y):
    """x*y, refused for a negative x."""
    if x < 0:
        raise ArithmeticError(f"x is {x}")
    return x * y


def times(a, x):
    """A @ x."""
    return a @ x
