"""Exponentials and logarithms."""

from symdiff.ops.base import INFINITY, Expand, Library, Op, register

POSITIVE = ((0.0, INFINITY),)

register(
    Op("exp", routine=Library("exp", vector=True), partials=("y",), doc="e to the power of x", exact="exp(a)",
       parameters=("x",), latex="e^{{{}}}", sympy="exp(a)", inverse="log"),
    Op("exp2", routine=Library("exp2", vector=True), partials=("0.6931471805599453*y",), doc="2 to the power of x",
       exact="mpf(2)**a", parameters=("x",), latex="2^{{{}}}", sympy="Integer(2)**a"),
    Op("expm1", routine=Library("expm1", vector=True), partials=("exp(a)",), doc="exp(x) - 1, accurate near 0",
       exact="expm1(a)", parameters=("x",), latex=r"\operatorname{{expm1}}\left({}\right)", sympy="exp(a) - 1"),
    Op("log", routine=Library("log", vector=True), partials=("1/a",), aliases=("ln",), doc="natural logarithm",
       exact="ln(a)", domain=POSITIVE, parameters=("x",), latex=r"\log\left({}\right)",
       edges="log(0) is -inf with derivative inf; below 0 the value is NaN and the derivative 1/x",
       sympy="log(a)", inverse="exp"),
    Op("log2", routine=Library("log2", vector=True), partials=("1.4426950408889634/a",), doc="logarithm to the base 2",
       exact="ln(a)/ln(2)", domain=POSITIVE, parameters=("x",), latex=r"\log_{{2}}\left({}\right)",
       edges="as log", sympy="log(a)/log(2)", elsewhere=("lb", "ld", "log_2")),
    Op("log10", routine=Library("log10", vector=True), partials=("0.4342944819032518/a",),
       doc="logarithm to the base 10", exact="ln(a)/ln(10)", domain=POSITIVE, parameters=("x",),
       latex=r"\log_{{10}}\left({}\right)", edges="as log", sympy="log(a)/log(10)", elsewhere=("lg", "log_10")),
    Op("log1p", routine=Library("log1p", vector=True), partials=("1/(1 + a)",), doc="log(1 + x), accurate near 0",
       exact="log1p(a)", domain=((-1.0, INFINITY),), parameters=("x",),
       latex=r"\operatorname{{log1p}}\left({}\right)", edges="as log, at -1", sympy="log(1 + a)"),
    Op("exp10", routine=Expand("10**a"), partials=("2.302585092994046*y",), doc="10 to the power of x",
       exact="mpf(10)**a", parameters=("x",), latex="10^{{{}}}", elsewhere=("pow10",)),
    Op("log1mexp", routine=Expand("where(a > -0.6931471805599453, log(-expm1(a)), log1p(-exp(a)))"),
       partials=("-reciprocal_expm1(0 - a)",), doc="log(1 - exp(x)) for x < 0, accurate at both ends",
       exact="ln(-expm1(a))", domain=((-INFINITY, 0.0),), parameters=("x",), latex=r"\log\left(1 - e^{{{}}}\right)",
       edges="-inf at 0 with derivative -inf; NaN above 0"),
    Op("reciprocal_expm1", routine=Expand("1/expm1(a)"), partials=("y*reciprocal_expm1(-a)",), hidden=True,
       doc="1/(exp(x) - 1), with derivatives that neither cancel nor vanish too early", exact="1/expm1(a)",
       singular=(0.0,), parameters=("x",), latex=r"\frac{{1}}{{\operatorname{{expm1}}\left({}\right)}}",
       edges="a pole at 0"),
    Op("bose_einstein", routine=Expand("far = abs(a) > 80\n"
                                       "r = 1/expm1(where(far, abs(a)*0.5, abs(a)))\n"
                                       "p = where(far, r*r, r)\n"
                                       "where(copysign(1, a) < 0, -1 - p, p)"),
       partials=("y*bose_einstein(-a)",), hidden=True, doc="1/(exp(x) - 1), the occupation of a level; in the tail too",
       exact="1/expm1(a)", singular=(0.0,), parameters=("x",), latex=r"\frac{{1}}{{e^{{{0}}} - 1}}",
       edges="pole at 0"),
)  # fmt: skip
