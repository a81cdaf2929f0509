"""Functions of neural networks and statistics, in forms that neither overflow nor cancel."""

from symdiff.ops.base import INFINITY, Expand, Op, register

REAL = (-INFINITY, INFINITY)

register(
    Op("sigmoid", routine=Expand("where(a >= 0, 1, exp(-abs(a)))/(1 + exp(-abs(a)))"),
       partials=("0.25*square(sech(0.5*a))",), aliases=("expit", "logistic"), finite=True, doc="1/(1 + exp(-x))",
       exact="1/(1 + exp(-a))", parameters=("x",), latex=r"\sigma\left({}\right)",
       edges="the derivative, y*(1 - y), is computed as sech(x/2)**2/4, which is accurate in both tails"),
    Op("softplus", routine=Expand("max(a, 0) + log1p(exp(-abs(a)))"), partials=("sigmoid(a)",),
       doc="log(1 + exp(x))", exact="log1p(exp(a))", parameters=("x",),
       latex=r"\operatorname{{softplus}}\left({}\right)"),
    Op("relu", routine=Expand("where(a > 0, a, where(a <= 0, 0, a))"),
       partials=("where(a <= 0, 0, where(a > 0, 1, nan))",), finite=True,
       doc="max(x, 0)", exact="a if a > 0 else mpf(0)",
       singular=(0.0,), parameters=("x",), latex=r"\operatorname{{ReLU}}\left({}\right)",
       edges="the derivative at 0 is 0, by the convention of its field"),
    Op("leaky_relu", "ff", routine=Expand("where(a > 0, a, b*a)"),
       partials=("where(a > 0, 1, where(a <= 0, b, nan))", "where(a > 0, 0, a)"), doc="x above 0, slope*x below",
       exact="a if a > 0 else a*b", domain=((0.0, INFINITY), REAL), singular=(0.0,),
       parameters=("x", "negative_slope"), defaults=(0.01,),
       latex=r"\operatorname{{LReLU}}\left({}, {}\right)", edges="the derivative at 0 is the slope of the left side"),
    Op("elu", "ff", routine=Expand("where(a > 0, a, b*expm1(a))"),
       partials=("where(a > 0, 1, b*exp(a))", "where(a > 0, 0, expm1(a))"), doc="x above 0, alpha*(exp(x) - 1) below",
       exact="a if a > 0 else b*expm1(a)", domain=((-INFINITY, INFINITY), REAL), singular=(0.0,),
       parameters=("x", "alpha"), defaults=(1.0,), latex=r"\operatorname{{ELU}}\left({}, {}\right)",
       edges="the derivative at 0 is that of the left side, alpha"),
    Op("logaddexp", "ff",
       routine=Expand("where(a == b, a + 0.6931471805599453, max(a, b) + log1p(exp(-abs(a - b))))"),
       partials=("sigmoid(a - b)", "sigmoid(b - a)"), commutative=True, doc="log(exp(x1) + exp(x2))",
       exact="ln(exp(a) + exp(b))", domain=(REAL, REAL), parameters=("x1", "x2"),
       latex=r"\operatorname{{logaddexp}}\left({}, {}\right)",
       edges="at (-inf, -inf): value -inf, derivatives NaN"),
    Op("logcosh", routine=Expand("where(abs(a) < 1, log1p(2*square(sinh(0.5*a))), "
                                 "abs(a) + (log1p(exp(-2*abs(a))) - 0.6931471805599453))"),
       partials=("tanh(a)",), finite=True, doc="log(cosh(x)), without overflow and accurate near 0",
       exact="ln(cosh(a))", parameters=("x",), latex=r"\log\cosh\left({}\right)"),
    Op("xlogy", "ff", routine=Expand("where(a == 0 and b == b, 0, a*log(b))"),
       partials=("log(b)", "where(a == 0 and b == 0, 0, a/b)"), doc="x*log(y), 0 where x is 0", exact="a*ln(b)",
       domain=(REAL, (0.0, INFINITY)), parameters=("x", "y"), latex=r"{} \log\left({}\right)",
       edges="at x = 0 the value is 0 for every y; at (0, 0) the derivative by y is 0"),
)  # fmt: skip
