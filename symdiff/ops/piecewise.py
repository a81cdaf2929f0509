"""Pieces: absolute values, rounding, extrema, comparisons, logic and selection.

A partial `where(c, p, 0)` is a guard: differentiation never lets the branch that was not taken touch the result, not
even where its own derivative is infinite or NaN.

A slope that jumps at a kink has no derivative there, whatever number it has: those of `slope_of_abs`, and of what is
`kinked`, are NaN, of every order, so that no second derivative is a wrong 0.
"""

from symdiff.ops.base import INFINITY, Expand, Fold, Infix, Instruction, Intrinsic, Library, Op, register

REAL = (-INFINITY, INFINITY)
CLIP_TIE = "kinked(0.5, a + b + c, 2)"
FMOD_SIGN = "(fmod(a, b) < 0 and b > 0) or (fmod(a, b) > 0 and b < 0)"


def _compare(name: str, predicate: str, numpy: str, symbol: str, latex: str, *aliases: str) -> Op:
    return Op(name, "ff", "c", Instruction(f"fcmp {predicate}", numpy), (None, None), doc=f"whether x1 {symbol} x2",
              exact=f"a {symbol} b", domain=(REAL, REAL), parameters=("x1", "x2"), aliases=aliases,
              infix=Infix(symbol, 40), latex="{} " + latex + " {}")  # fmt: skip


register(
    Op("abs", routine=Intrinsic("llvm.fabs", "fabs"), partials=("slope_of_abs(a)",), finite=True,
       aliases=("Abs", "fabs", "absolute"), doc="absolute value", exact="abs(a)", singular=(0.0,), parameters=("x",),
       latex=r"\left|{}\right|",
       edges="kink at 0: derivative 0, the mean of the slopes -1 and 1; second derivative NaN"),
    Op("slope_of_abs", routine=Expand("sign(a)"), partials=("where(a == 0, gap(a), 0)",), hidden=True, finite=True,
       doc="the derivative of abs: x/abs(x), 0 at 0", exact="sign(a)", singular=(0.0,), parameters=("x",),
       latex=r"\operatorname{{sign}}\left({}\right)", edges="no limit at 0: derivative NaN"),
    Op("gap", routine=Expand("where(a == 0, nan, where(a == a, 0, a))"), hidden=True,
       partials=("where(a == 0, gap(a), 0)",), doc="NaN at 0, otherwise 0: the derivative of what jumps at 0",
       exact="a*0", singular=(0.0,), parameters=("x",),
       latex=r"\operatorname{{gap}}\left({}\right)", edges="all derivatives NaN at 0"),
    Op("kinked", "fff", routine=Expand("a"), partials=("1", "where(c > 1, gap(b - b), 0)", None), hidden=True,
       finite=True, doc="x, a slope that jumps with x2 where more than one of `ties` meet", exact="a",
       domain=(REAL, REAL, (-INFINITY, 1.0)), parameters=("x", "x2", "ties"), latex="{0}",
       edges="derivative by x2: NaN where ties > 1"),
    Op("sign", routine=Expand("where(a > 0, 1, where(a < 0, -1, where(a == 0, 0, a)))"), partials=(None,),
       aliases=("sgn",), finite=True, doc="-1, 0 or 1", exact="sign(a)", singular=(0.0,), parameters=("x",),
       latex=r"\operatorname{{sign}}\left({}\right)", edges="derivative 0 everywhere"),
    Op("floor", routine=Intrinsic("llvm.floor", "floor"), partials=(None,), finite=True,
       doc="largest integer not above x",
       exact="floor(a)", singular=(0.0,), parameters=("x",), latex=r"\left\lfloor {} \right\rfloor",
       edges="derivative 0 everywhere"),
    Op("ceil", routine=Intrinsic("llvm.ceil", "ceil"), partials=(None,), aliases=("ceiling",),
       finite=True, doc="smallest integer not below x", exact="ceil(a)", singular=(0.0,), parameters=("x",),
       latex=r"\left\lceil {} \right\rceil", edges="derivative 0 everywhere"),
    Op("trunc", routine=Intrinsic("llvm.trunc", "trunc"), partials=(None,), aliases=("fix",),
       finite=True, doc="x rounded towards 0", exact="sign(a)*floor(abs(a))", singular=(0.0,), parameters=("x",),
       latex=r"\operatorname{{trunc}}\left({}\right)", edges="derivative 0 everywhere"),
    Op("round", routine=Intrinsic("llvm.rint", "rint"), partials=(None,), aliases=("rint", "around"),
       finite=True, doc="nearest integer, halves to even", exact="nint(a)", singular=(0.0,), parameters=("x",),
       latex=r"\operatorname{{round}}\left({}\right)", edges="derivative 0 everywhere"),
    Op("fmod", "ff", routine=Library("fmod"), partials=("1", "-round((a - y)/b)"),
       doc="remainder with the sign of the dividend, as in C", exact="a - b*sign(a/b)*floor(abs(a/b))",
       domain=(REAL, REAL), singular=(0.0,), parameters=("x1", "x2"),
       latex=r"\operatorname{{fmod}}\left({}, {}\right)", edges="at its jumps the derivatives of the right side"),
    Op("mod", "ff", routine=Expand(f"where({FMOD_SIGN}, fmod(a, b) + b, "
                                   "where(fmod(a, b) == 0, copysign(0, b), fmod(a, b)))"),
       partials=("1", "-floor_divide(a, b)"), aliases=("Mod", "remainder"),
       doc="remainder with the sign of the divisor, as Python's %", exact="a - b*floor(a/b)",
       domain=(REAL, REAL), singular=(0.0,), parameters=("x1", "x2"), infix=Infix("%", 60),
       latex=r"{} \bmod {}", edges="at its jumps the derivatives of the right side: 1 and -floor(x1/x2)"),
    Op("floor_divide", "ff",
       routine=Expand(f"where(b == 0, a/b, round((a - fmod(a, b))/b) - where({FMOD_SIGN}, 1, 0))"),
       partials=(None, None), doc="quotient rounded down, as Python's //", exact="floor(a/b)",
       domain=(REAL, REAL), singular=(0.0,), parameters=("x1", "x2"), infix=Infix("//", 60),
       latex=r"\left\lfloor \frac{{{}}}{{{}}} \right\rfloor", edges="derivative 0 everywhere"),
    Op("min", "ff", routine=Expand("where(a <= b, a, where(b < a, b, a + b))"),
       partials=("where(a > b, 0, where(a < b, 1, where(a == b, kinked(0.5, a + b, 2), nan)))",
                 "where(a < b, 0, where(a > b, 1, where(a == b, kinked(0.5, a + b, 2), nan)))"),
       aliases=("Min", "minimum", "fmin"), finite=True, doc="the smaller operand; NaN if one is NaN",
       exact="min(a, b)", domain=(REAL, REAL), parameters=("x1", "x2"), latex=r"\min\left({}, {}\right)",
       edges="a tie shares the derivative equally: 1/2 each, 1/n among n operands; second derivatives at a tie and "
       "all for a NaN operand: NaN"),
    Op("max", "ff", routine=Expand("where(a >= b, a, where(b > a, b, a + b))"),
       partials=("where(a < b, 0, where(a > b, 1, where(a == b, kinked(0.5, a + b, 2), nan)))",
                 "where(a > b, 0, where(a < b, 1, where(a == b, kinked(0.5, a + b, 2), nan)))"),
       aliases=("Max", "maximum", "fmax"), finite=True, doc="the larger operand; NaN if one is NaN",
       exact="max(a, b)", domain=(REAL, REAL), parameters=("x1", "x2"), latex=r"\max\left({}, {}\right)",
       edges="a tie shares the derivative equally: 1/2 each, 1/n among n operands; second derivatives at a tie and "
       "all for a NaN operand: NaN"),
    Op("min_of", None, routine=Fold("min"), tally="where(a == y, 1, 0)",
       partials=("where(a > y, 0, where(a == y, kinked(1/t, y, t), nan))",), hidden=True, finite=True,
       doc="the smallest of several operands",
       latex=r"\min\left({}\right)", edges="as min"),
    Op("max_of", None, routine=Fold("max"), tally="where(a == y, 1, 0)",
       partials=("where(a < y, 0, where(a == y, kinked(1/t, y, t), nan))",), hidden=True, finite=True,
       doc="the largest of several operands",
       latex=r"\max\left({}\right)", edges="as max"),
    Op("clip", "fff", routine=Expand("min(max(a, b), c)"),
       partials=(f"where(a < b or a > c, 0, where(b < a and a < c, 1, where(b <= a and a <= c, {CLIP_TIE}, nan)))",
                 f"where(a > b or b > c, 0, where(a < b and b < c, 1, where(a <= b and b <= c, {CLIP_TIE}, nan)))",
                 f"where(max(a, b) < c, 0, where(max(a, b) > c, 1, where(max(a, b) == c, {CLIP_TIE}, nan)))"),
       aliases=("clamp",), finite=True, doc="x limited to the interval from lo to hi", exact="min(max(a, b), c)",
       domain=(REAL, (-INFINITY, -0.5), (0.5, INFINITY)), singular=(0.0,), parameters=("x", "lo", "hi"),
       latex=r"\operatorname{{clip}}\left({}, {}, {}\right)",
       edges="at its two ends the derivatives are 1/2, second derivatives NaN"),
    Op("copysign", "ff", routine=Intrinsic("llvm.copysign", "copysign"), finite=True,
       partials=("slope_of_abs(a)*copysign(1, b)", None), doc="the size of x1 with the sign of x2",
       exact="abs(a)*(1 if b >= 0 else -1)", domain=(REAL, REAL),
       singular=(0.0,), parameters=("x1", "x2"), latex=r"\operatorname{{copysign}}\left({}, {}\right)",
       edges="kink at x1 = 0: derivative 0, second derivative NaN; by x2: 0 everywhere"),
    Op("heaviside", "ff", routine=Expand("where(a < 0, 0, where(a > 0, 1, where(a == 0, b, a)))"),
       partials=(None, "where(a == 0, 1, 0)"), aliases=("Heaviside",), finite=True, doc="0 below 0, 1 above, h0 at 0",
       exact="mpf(0) if a < 0 else mpf(1) if a > 0 else b", domain=((-INFINITY, INFINITY), REAL), singular=(0.0,),
       parameters=("x", "h0"), defaults=(0.5,), latex=r"\theta\left({}, {}\right)",
       edges="derivative 0 everywhere by x, also at the jump"),
    _compare("less", "olt", "less", "<", "<", "Lt"),
    _compare("less_equal", "ole", "less_equal", "<=", r"\leq", "Le"),
    _compare("greater", "ogt", "greater", ">", ">", "Gt"),
    _compare("greater_equal", "oge", "greater_equal", ">=", r"\geq", "Ge"),
    _compare("equal", "oeq", "equal", "==", "=", "Eq"),
    _compare("not_equal", "une", "not_equal", "!=", r"\neq", "Ne"),
    Op("logical_and", "cc", "c", Instruction("and", "logical_and"), (None, None), commutative=True,
       doc="whether both conditions hold", parameters=("x1", "x2"), infix=Infix("and", 30), latex=r"{} \wedge {}"),
    Op("logical_or", "cc", "c", Instruction("or", "logical_or"), (None, None), commutative=True,
       doc="whether one of the conditions holds", parameters=("x1", "x2"), infix=Infix("or", 20),
       latex=r"{} \vee {}"),
    Op("logical_xor", "cc", "c", Instruction("xor", "logical_xor"), (None, None), commutative=True,
       doc="whether exactly one of the conditions holds", parameters=("x1", "x2"), latex=r"{} \veebar {}"),
    Op("logical_not", "c", "c", Instruction("not", "logical_not"), (None,),
       doc="whether the condition does not hold", parameters=("x",), infix=Infix("not", 35, prefix=True),
       latex=r"\neg {}"),
    Op("where", "cff", routine=Instruction("select", "where"), partials=(None, "where(a, 1, 0)", "where(a, 0, 1)"),
       finite=True, doc="x where the condition holds, otherwise y", parameters=("condition", "x", "y"),
       latex=r"\begin{{cases}} {1} & {0} \\ {2} & \text{{otherwise}} \end{{cases}}",
       edges="the derivative is that of the branch taken, also at seams and isolated points; the other branch never "
       "contributes. A NaN comparison does not hold"),
)  # fmt: skip
