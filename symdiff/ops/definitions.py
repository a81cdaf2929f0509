"""Functions that the language spells and that are only another way to write an expression."""

from symdiff.ops.base import INFINITY, define

REAL = (-INFINITY, INFINITY)
POSITIVE = (0.0, INFINITY)

define("log", "x base", "log(x)/log(base)", "logarithm to a base", "ln(a)/ln(b)", (POSITIVE, POSITIVE), (1.0,))
define("sec", "x", "1/cos(x)", "secant", "sec(a)")
define("csc", "x", "1/sin(x)", "cosecant", "csc(a)", singular=(0.0,))
define("cot", "x", "cos(x)/sin(x)", "cotangent", "cot(a)", singular=(0.0,))
define("factorial", "x", "gamma(x + 1)", "x!", "gamma(a + 1)", ((-1.0, 170.0),))
define("silu", "x", "x*sigmoid(x)", "sigmoid-weighted linear unit, also swish", "a/(1 + exp(-a))")
define("swish", "x", "x*sigmoid(x)", "sigmoid-weighted linear unit", "a/(1 + exp(-a))")
define("gelu", "x", "x*ndtr(x)", "Gaussian error linear unit", "a*erfc(-a/sqrt(2))/2")
define("logit", "x", "log(x/(1 - x))", "inverse of sigmoid", "ln(a/(1 - a))", ((0.0, 1.0),))
define("radians", "x", "0.017453292519943295*x", "degrees to radians", "a*pi/180")
define("deg2rad", "x", "0.017453292519943295*x", "degrees to radians", "a*pi/180")
define("degrees", "x", "57.29577951308232*x", "radians to degrees", "a*180/pi")
define("rad2deg", "x", "57.29577951308232*x", "radians to degrees", "a*180/pi")
define("frac", "x", "x - floor(x)", "fractional part, as SymPy's", "a - floor(a)", singular=(0.0,))
define("isnan", "x", "x != x", "whether x is NaN")
define("isinf", "x", "abs(x) == inf", "whether x is infinite")
define("isfinite", "x", "abs(x) < inf", "whether x is neither infinite nor NaN")
define("signbit", "x", "copysign(1, x) < 0", "whether the sign of x is minus, also of -0.0")
define(
    "nan_to_num",
    "x",
    "where(x != x, 0, where(x == inf, 1.7976931348623157e308, where(x == -inf, -1.7976931348623157e308, x)))",
    "x, 0 for NaN, the largest numbers for infinite ones",
    "a",
)
define("positive", "x", "+x", "x", "a")
define("real", "x", "+x", "the real part: x itself", "a")
define("re", "x", "+x", "the real part: x itself", "a")
define("im", "x", "where(True, 0, x)", "the imaginary part: 0")
define("conj", "x", "+x", "the conjugate: x itself", "a")
define("conjugate", "x", "+x", "the conjugate: x itself", "a")
define("float_power", "x1 x2", "x1**x2", "the first operand to the power of the second", "a**b", (POSITIVE, REAL))
define(
    "logaddexp2",
    "x1 x2",
    "logaddexp(x1*log(2), x2*log(2))/log(2)",
    "log2(2**x1 + 2**x2), without overflow",
    "ln(2**a + 2**b)/ln(2)",
    (REAL, REAL),
)
define("log_expit", "x", "-softplus(-x)", "log(sigmoid(x))", "-log1p(exp(-a))")
define(
    "xlog1py",
    "x y",
    "where(x == 0 and y == y, 0, x*log1p(y))",
    "x*log1p(y), 0 where x is 0",
    "a*log1p(b)",
    (REAL, (-1.0, INFINITY)),
)
define("entr", "x", "where(x < 0, -inf, -xlogy(x, x))", "-x*log(x), 0 at 0", "-a*ln(a)", (POSITIVE,))
define(
    "huber",
    "delta r",
    "where(abs(r) <= delta, 0.5*r*r, delta*(abs(r) - 0.5*delta))",
    "Huber's loss",
    "b*b/2 if abs(b) <= a else a*(abs(b) - a/2)",
    (POSITIVE, REAL),
    (0.0,),
)
define(
    "harmonic",
    "x",
    "polygamma_difference(0, 1, x)",
    "harmonic number, the sum of 1/k for k up to x",
    "psi(0, a + 1) + euler",
    ((-1.0, INFINITY),),
)
define(
    "falling_factorial",
    "x m",
    "poch(x - m + 1, m)",
    "gamma(x + 1)/gamma(x - m + 1)",
    "ff(a, b)",
    ((3.0, INFINITY), (0.0, 3.0)),
)
define("FallingFactorial", "x k", "poch(x - k + 1, k)", "SymPy's name for falling_factorial")
define("ff", "x k", "poch(x - k + 1, k)", "SymPy's name for falling_factorial")
define(
    "lambertw",
    "x k",
    "where(k == 0, lambertw(x), where(k == -1, lambertw_lower(x), nan))",
    "the real branches 0 and -1 of Lambert's W; NaN for another k",
)
define("LambertW", "x k", "where(k == 0, lambertw(x), where(k == -1, lambertw_lower(x), nan))", "the same")
define("uppergamma", "s x", "gamma(s)*gammaincc(s, x)", "SymPy's upper incomplete gamma function, for s > 0")
define("lowergamma", "s x", "gamma(s)*gammainc(s, x)", "SymPy's lower incomplete gamma function, for s > 0")
define("betainc", "a b x y", "beta(a, b)*betainc_regularized(a, b, x, y)", "SymPy's incomplete beta function")
define(
    "betainc_regularized",
    "a b x y",
    "where(y == 1, betaincc(a, b, x), where(x == 0, betainc(a, b, y), betainc(a, b, y) - betainc(a, b, x)))",
    "SymPy's incomplete beta function over beta(a, b)",
)
define("spherical_jn", "n x", "sqrt(pi/(2*x))*jv(n + 0.5, x)", "spherical Bessel function of the first kind, x > 0")
define("spherical_yn", "n x", "sqrt(pi/(2*x))*yv(n + 0.5, x)", "spherical Bessel function of the second kind, x > 0")
define("erf2", "x y", "erf(y) - erf(x)", "SymPy's integral of the density of erf from x to y")
define("erf2inv", "x y", "erfinv(y + erf(x))", "SymPy's inverse of erf2")
define("li", "x", "expi(log(x))", "logarithmic integral, for x > 0")
define("factorial2", "n", "2**(n/2)*gamma(n/2 + 1)*(2/pi)**(sin(pi*n/2)**2/2)", "SymPy's double factorial")
define("KroneckerDelta", "i j", "where(i == j, 1, 0)", "1 where i is j, else 0")
define(
    "SingularityFunction",
    "x a n",
    "where(n < 0, nan, where(x >= a, (x - a)**n, 0))",
    "(x - a)**n from a on, else 0, for n ≥ 0",
)
