"""Sums, products, quotients, powers and roots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff.ops import movement
from symdiff.ops.base import INFINITY, Expand, Infix, Instruction, Intrinsic, Library, Op, register

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

POSITIVE = (0.0, INFINITY)
REAL = (-INFINITY, INFINITY)
LARGEST_CHAIN = 16


def chain(n: int) -> str:
    """`a**n` as products of repeated squares (binary powering), then a reciprocal for a negative n."""
    factors, power, rest = [], "a", abs(n)
    while rest:
        if rest & 1:
            factors.append(power)
        power, rest = f"square({power})", rest >> 1
    return ("1/(" if n < 0 else "(") + "*".join(factors) + ")"


def simpler_power(graph: Graph, args: tuple[int, ...]) -> int | None:
    """`x**n` for a constant n: a chain of products for small integers, a root for 1/2."""
    exponent = graph.constant_value(args[1])
    if graph.ops[args[1]].name == "size" and abs(graph.payloads[args[1]]) <= LARGEST_CHAIN:
        exponent = float(graph.payloads[args[1]])
    if exponent is None:
        return None
    if exponent == 0.5:
        return graph.apply("sqrt", (args[0],))
    if not exponent.is_integer() or abs(exponent) > LARGEST_CHAIN:
        return None
    n = int(exponent)
    if n == 0:
        return movement.full_like(graph, 1.0, args[0])
    if n == 1:
        return args[0]
    if n in (2, -1):
        return graph.apply("square" if n == 2 else "reciprocal", (args[0],))
    return graph.apply("integer_power", (args[0],), n)


register(
    Op(
        "add", "ff", routine=Instruction("fadd", "add"), partials=("1", "1"), commutative=True, finite=True,
        doc="sum", exact="a + b", domain=(REAL, REAL), parameters=("x1", "x2"), infix=Infix("+", 50), latex="{} + {}",
        sympy="a + b",
    ),
    Op(
        "sub", "ff", routine=Instruction("fsub", "subtract"), partials=("1", "-1"), aliases=("subtract",), finite=True,
        doc="difference", exact="a - b", domain=(REAL, REAL), parameters=("x1", "x2"), infix=Infix("-", 50),
        latex="{} - {}",
        sympy="a - b",
    ),
    Op(
        "mul", "ff", routine=Instruction("fmul", "multiply"), partials=("b", "a"), commutative=True,
        aliases=("multiply",), finite=True, doc="product", exact="a*b", domain=(REAL, REAL), parameters=("x1", "x2"),
        infix=Infix("*", 60), latex=r"{} \cdot {}",
        sympy="a*b",
    ),
    Op(
        "div", "ff", routine=Instruction("fdiv", "divide"), partials=("1/b", "-((1/b)*y)"),
        aliases=("divide", "true_divide"), doc="quotient", exact="a/b", domain=(REAL, REAL), singular=(0.0,),
        parameters=("x1", "x2"), infix=Infix("/", 60), latex=r"\frac{{{}}}{{{}}}",
        edges="1/0 is inf; the derivative by the divisor at 0 is infinite with the sign of the branch of +0",
        sympy="a/b",
    ),
    Op(
        "neg", "f", routine=Instruction("fneg", "negative"), partials=("-1",), aliases=("negative",), finite=True,
        doc="the number with its sign changed", exact="-a", parameters=("x",), infix=Infix("-", 70, prefix=True),
        latex="-{}",
        sympy="-a",
    ),
    Op(
        "reciprocal", "f", routine=Expand("1/a"), partials=("-(y*y)",), doc="one over the operand", exact="1/a",
        parameters=("x",), singular=(0.0,), latex=r"\frac{{1}}{{{}}}",
        edges="at 0: inf, all derivatives infinite with the sign of the branch of that zero",
        sympy="1/a",
    ),
    Op(
        "square", "f", routine=Expand("a*a"), partials=("2*a",), finite=True, doc="product with itself", exact="a*a",
        parameters=("x",), latex="{}^{{2}}",
        sympy="a**2",
    ),
    Op(
        "integer_power", "f", payload="n", routine=Expand(chain), partials=("n*a**(n - 1)",), hidden=True,
        doc="x**n for a constant integer |n| ≤ 16: binary powering, then a reciprocal for n < 0", exact="a**n",
        singular=(0.0,), samples=(-16, -3, -2, 3, 4, 5, 11, 16), latex="{}^{{n}}",
        edges="n < 0 at 0: infinite, as 1/x**|n|",
        sympy="a**n",
    ),
    Op(
        "pow", "ff", routine=Library("pow", vector=True),
        partials=("where(b == 0 and abs(a) < 1e-300, 0, b*a**(b - 1))", "where(a == 0 and b >= 0, 0, log(a)*y)"),
        aliases=("power", "Pow"), doc="the first operand to the power of the second", exact="a**b",
        domain=(POSITIVE, REAL), parameters=("x1", "x2"), infix=Infix("**", 80, right=True), latex="{}^{{{}}}",
        edges="0**0 is 1; the derivative by x of x**0 is 0, also at 0; by the exponent at x = 0: 0 for an "
        "exponent ≥ 0, -inf for one < 0; at x < 0: NaN",
        written=simpler_power,
        sympy="a**b",
    ),
    Op(
        "sqrt", "f", routine=Intrinsic("llvm.sqrt", "sqrt"), partials=("0.5/y",), doc="square root", exact="sqrt(a)",
        domain=(POSITIVE,), parameters=("x",), latex=r"\sqrt{{{}}}",
        edges="vertical tangent at 0: derivatives inf, -inf, inf; NaN below 0",
        sympy="sqrt(a)",
        elsewhere=("square_root",),
    ),
    Op(
        "cbrt", "f", routine=Library("cbrt", vector=True), partials=("(1/3)/y/y",), doc="real cube root",
        exact="sign(a)*cbrt(abs(a))", parameters=("x",), singular=(0.0,), latex=r"\sqrt[3]{{{}}}",
        edges="vertical tangent at 0: derivative inf",
        sympy="sign(a)*Abs(a)**Rational(1, 3)", parity="odd",
        elsewhere=("cuberoot",),
    ),
    Op(
        "fma", "fff", routine=Intrinsic("llvm.fma", "fma"), partials=("b", "a", "1"), hidden=True,
        doc="a*b + c, rounded once", exact="a*b + c", domain=(REAL, REAL, REAL), parameters=("x1", "x2", "x3"),
        latex=r"{} \cdot {} + {}",
        sympy="a*b + c",
    ),
    Op(
        "real_root", "ff", routine=Expand("copysign(abs(a)**(1/b), a)"),
        partials=("abs(a)**(1/b - 1)/b", "where(a == 0, 0, -(y*log(abs(a))/b/b))"),
        doc="real n-th root for an odd n, as SymPy's", exact="sign(a)*abs(a)**(1/b)", domain=(REAL, POSITIVE),
        singular=(0.0,), parameters=("x", "n"), latex=r"\operatorname{{root}}\left({}, {}\right)",
        edges="vertical tangent at 0: derivative inf",
    ),
)  # fmt: skip
