"""Functions that the language spells and that are only another way to write an expression."""

from symdiff.ops.base import INFINITY, alias

REAL = (-INFINITY, INFINITY)
POSITIVE = (0.0, INFINITY)

alias("log", "x base", "log(x)/log(base)", "logarithm to a base", "ln(a)/ln(b)", (POSITIVE, POSITIVE), (1.0,))
alias("sec", "x", "1/cos(x)", "secant", "sec(a)")
alias("csc", "x", "1/sin(x)", "cosecant", "csc(a)", singular=(0.0,))
alias("cot", "x", "cos(x)/sin(x)", "cotangent", "cot(a)", singular=(0.0,))
alias("factorial", "x", "gamma(x + 1)", "x!", "gamma(a + 1)", ((-1.0, 170.0),))
alias("silu", "x", "x*sigmoid(x)", "sigmoid-weighted linear unit, also swish", "a/(1 + exp(-a))")
alias("swish", "x", "x*sigmoid(x)", "sigmoid-weighted linear unit", "a/(1 + exp(-a))")
alias("gelu", "x", "x*ndtr(x)", "Gaussian error linear unit", "a*erfc(-a/sqrt(2))/2")
alias("logit", "x", "log(x/(1 - x))", "inverse of sigmoid", "ln(a/(1 - a))", ((0.0, 1.0),))
alias("radians", "x", "0.017453292519943295*x", "degrees to radians", "a*pi/180")
alias("deg2rad", "x", "0.017453292519943295*x", "degrees to radians", "a*pi/180")
alias("degrees", "x", "57.29577951308232*x", "radians to degrees", "a*180/pi")
alias("rad2deg", "x", "57.29577951308232*x", "radians to degrees", "a*180/pi")
alias("frac", "x", "x - floor(x)", "fractional part, as SymPy's", "a - floor(a)", singular=(0.0,))
alias("isnan", "x", "x != x", "whether x is NaN")
alias("isinf", "x", "abs(x) == inf", "whether x is infinite")
alias("isfinite", "x", "abs(x) < inf", "whether x is neither infinite nor NaN")
alias("signbit", "x", "copysign(1, x) < 0", "whether the sign of x is minus, also of -0.0")
alias(
    "nan_to_num",
    "x",
    "where(x != x, 0, where(x == inf, 1.7976931348623157e308, where(x == -inf, -1.7976931348623157e308, x)))",
    "x, 0 for NaN, the largest numbers for infinite ones",
    "a",
)
alias("positive", "x", "+x", "x", "a")
alias("real", "x", "+x", "the real part: x itself", "a")
alias("re", "x", "+x", "the real part: x itself", "a")
alias("im", "x", "where(True, 0, x)", "the imaginary part: 0")
alias("conj", "x", "+x", "the conjugate: x itself", "a")
alias("conjugate", "x", "+x", "the conjugate: x itself", "a")
alias("float_power", "x1 x2", "x1**x2", "the first operand to the power of the second", "a**b", (POSITIVE, REAL))
alias(
    "logaddexp2",
    "x1 x2",
    "logaddexp(x1*log(2), x2*log(2))/log(2)",
    "log2(2**x1 + 2**x2), without overflow",
    "ln(2**a + 2**b)/ln(2)",
    (REAL, REAL),
)
alias("log_expit", "x", "-softplus(-x)", "log(sigmoid(x))", "-log1p(exp(-a))")
alias(
    "xlog1py",
    "x y",
    "where(x == 0 and y == y, 0, x*log1p(y))",
    "x*log1p(y), 0 where x is 0",
    "a*log1p(b)",
    (REAL, (-1.0, INFINITY)),
)
alias("entr", "x", "where(x < 0, -inf, -xlogy(x, x))", "-x*log(x), 0 at 0", "-a*ln(a)", (POSITIVE,))
alias(
    "huber",
    "delta r",
    "where(abs(r) <= delta, 0.5*r*r, delta*(abs(r) - 0.5*delta))",
    "Huber's loss",
    "b*b/2 if abs(b) <= a else a*(abs(b) - a/2)",
    (POSITIVE, REAL),
    (0.0,),
)
alias(
    "harmonic",
    "x",
    "polygamma_difference(0, 1, x)",
    "harmonic number, the sum of 1/k for k up to x",
    "psi(0, a + 1) + euler",
    ((-1.0, INFINITY),),
)
alias(
    "falling_factorial",
    "x m",
    "poch(x - m + 1, m)",
    "gamma(x + 1)/gamma(x - m + 1)",
    "ff(a, b)",
    ((3.0, INFINITY), (0.0, 3.0)),
)
alias("FallingFactorial", "x k", "poch(x - k + 1, k)", "SymPy's name for falling_factorial")
alias("ff", "x k", "poch(x - k + 1, k)", "SymPy's name for falling_factorial")
alias(
    "lambertw",
    "x k",
    "where(k == 0, lambertw(x), where(k == -1, lambertw_lower(x), nan))",
    "the real branches 0 and -1 of Lambert's W; NaN for another k",
)
alias("LambertW", "x k", "where(k == 0, lambertw(x), where(k == -1, lambertw_lower(x), nan))", "the same")
alias("uppergamma", "s x", "gamma(s)*gammaincc(s, x)", "SymPy's upper incomplete gamma function, for s > 0")
alias("lowergamma", "s x", "gamma(s)*gammainc(s, x)", "SymPy's lower incomplete gamma function, for s > 0")
alias("betainc", "a b x y", "beta(a, b)*betainc_regularized(a, b, x, y)", "SymPy's incomplete beta function")
alias(
    "betainc_regularized",
    "a b x y",
    "where(y == 1, betaincc(a, b, x), where(x == 0, betainc(a, b, y), betainc(a, b, y) - betainc(a, b, x)))",
    "SymPy's incomplete beta function over beta(a, b)",
)
alias("spherical_jn", "n x", "sqrt(pi/(2*x))*jv(n + 0.5, x)", "spherical Bessel function of the first kind, x > 0")
alias("spherical_yn", "n x", "sqrt(pi/(2*x))*yv(n + 0.5, x)", "spherical Bessel function of the second kind, x > 0")
alias("erf2", "x y", "erf(y) - erf(x)", "SymPy's integral of the density of erf from x to y")
alias("erf2inv", "x y", "erfinv(y + erf(x))", "SymPy's inverse of erf2")
alias("li", "x", "expi(log(x))", "logarithmic integral, for x > 0")
alias("factorial2", "n", "2**(n/2)*gamma(n/2 + 1)*(2/pi)**(sin(pi*n/2)**2/2)", "SymPy's double factorial")
alias("KroneckerDelta", "i j", "where(i == j, 1, 0)", "1 where i is j, else 0")
alias(
    "SingularityFunction",
    "x a n",
    "where(n < 0, nan, where(x >= a, (x - a)**n, 0))",
    "(x - a)**n from a on, else 0, for n ≥ 0",
)
