"""What other languages write, and what to type for it here; functions that people know and that are not here."""

from __future__ import annotations

import functools
import re

from symdiff.ops import OPS

CALLS: dict[str, str] = {
    **dict.fromkeys(
        (
            "if",
            "If",
            "IF",
            "iif",
            "iff",
            "IIf",
            "ifelse",
            "ifthen",
            "ifthenelse",
            "if_else",
            "if3",
            "cond",
            "condition",
            "ternary",
            "conditional",
            "choose_if",
        ),
        "write where({})",
    ),
    **dict.fromkeys(("piecewise", "PieceWise"), "write Piecewise((a, x > 1), (b, True)), or where(x > 1, a, b)"),
    **dict.fromkeys(("inverse", "Inverse", "inverse_matrix", "minv"), "write inv({})"),
    **dict.fromkeys(("pseudoinverse", "PseudoInverse"), "write pinv({})"),
    **dict.fromkeys(("vertcat", "vcat", "veccat"), "write [{}] for a vector of numbers, concatenate([{}]) for vectors"),
    **dict.fromkeys(("horzcat", "hcat"), "write [{}] for a vector of numbers, hstack([{}]) for arrays"),
    "vec": 'write ravel({}, order="F")',
    **dict.fromkeys(
        ("step", "heav", "unitstep", "unit_step", "UnitStep", "HeavisideTheta", "stepfun"), "write heaviside({}, 0.5)"
    ),
    **dict.fromkeys(("sumsqr", "sumsq", "sum_squares", "sumofsquares", "sum_of_squares"), "write sum(x**2), or x @ x"),
    **dict.fromkeys(("norm_2", "norm2", "l2norm", "vecnorm"), "write norm({})"),
    **dict.fromkeys(("norm_1", "norm1", "l1norm"), "write norm({}, 1)"),
    **dict.fromkeys(("norm_inf", "norminf", "maxnorm"), "write norm({}, inf)"),
    **dict.fromkeys(("norm_fro", "frobenius"), 'write norm({}, "fro")'),
    "mtimes": "write A @ B",
    "times": "write a*b",
    "plus": "write a + b",
    "minus": "write a - b",
    "rdivide": "write a/b",
    "mldivide": "write solve(A, b)",
    "linsolve": "write solve({})",
    "ctranspose": "write A.T",
    "cube": "write x**3",
    "sqr": "write x**2",
    "root": "write x**(1/n)",
    "nthroot": "write x**(1/n)",
    "recip": "write 1/x",
    "fact": "write factorial({})",
    "ctg": "write cot({})",
    "cotan": "write cot({})",
    "cth": "write coth({})",
    **{f"{name}d": f"write {name}(deg2rad({{}}))" for name in ("sin", "cos", "tan")},
    **{f"{name}d": f"write rad2deg({name}({{}}))" for name in ("asin", "acos", "atan")},
    "avg": "write mean({})",
    **dict.fromkeys(("stddev", "stdev", "StandardDeviation"), "write std({})"),
    "variance": "write var({})",
    **dict.fromkeys(("numel", "length"), "write x.size"),
    "nrows": "write A.shape[0]",
    "ncols": "write A.shape[1]",
    **dict.fromkeys(("int", "integer"), "write trunc({})"),
    **dict.fromkeys(("float", "double"), "leave it out"),
    "range": "write arange({})",
    "Range": "write arange({})",
    "saturate": "write clip(x, 0, 1)",
    "lerp": "write a + t*(b - a)",
    "mix": "write a + t*(b - a)",
    "imag": "all values are real: write 0",
    "dotprod": "write dot({})",
    "eq": "write a == b",
    "ne": "write a != b",
    "gt": "write a > b",
    "lt": "write a < b",
    "ge": "write a >= b",
    "le": "write a <= b",
    "xor": "write logical_xor({})",
    "rand": "give random numbers as an input",
    "randn": "give random numbers as an input",
    "print": "leave it out: a formula prints nothing",
    **dict.fromkeys(
        (
            "grad",
            "gradient_of",
            "Grad",
            "derivative",
            "Derivative",
            "jacobian",
            "hessian",
            "laplacian",
            "differentiate",
            "ddx",
        ),
        "a formula holds no derivatives: take them of it by sd.grad(f), sd.diff(e, x), sd.hessian(f)",
    ),
    **dict.fromkeys(
        ("integrate", "Integral", "integral"),
        "a formula holds no integrals: integrate the function by scipy.integrate.quad(f, 0, 1)",
    ),
}
"""Functions of other languages that are no operation's by another name, and what to type; `{}`: the arguments."""

VALUES: dict[str, str] = {
    **dict.fromkeys(("true", "TRUE"), "True"),
    **dict.fromkeys(("false", "FALSE"), "False"),
    **dict.fromkeys(("NaN", "NAN", "Nan"), "nan"),
    **dict.fromkeys(("Inf", "INF", "Infinity", "infinity", "INFINITY"), "inf"),
    **dict.fromkeys(("PI", "Pi", "π"), "pi"),
}
"""Constants of other languages by what they are called here; they are names only where somebody lists them."""

EULER = {"e": "exp(1)", "E": "exp(1)", "euler": "exp(1)"}
"""What is a name of the user's wherever nobody lists the inputs, and else may have been meant for a number."""

WORDS = {
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "XOR": "!=",
    "mod": "%",
    "MOD": "%",
    "is": "==",
    "div": "//",
    "DIV": "//",
    "rem": "%",
    "And": "and",
    "Or": "or",
}
"""Operators that other languages write as words."""

INVERSES = {"cot": "acot", "sec": "asec", "csc": "acsc"}
"""The inverses of functions that have no record, for those who write them by an exponent of -1."""

_MISSING = """
    agm airy ai bi airyai airybi airye bdtr bei ber besselpoly besselj bessely besseli besselk besselh betainc betaincc
    betaincinv betaln binom binomial boxcox chdtr chi chi2 Ci Chi Shi Si Ei Li li comb cosint cosm1 dawsn digammainv
    eig ellipe ellipeinc ellipj ellipk ellipkinc ellipkm1 elliptic_e elliptic_f elliptic_k elliptic_pi elliprc elliprd
    elliprf elliprg elliprj erfcinv erfcx erfi erfinv erf2 erf2inv euler eval_chebyt eval_hermite eval_legendre
    chebyshevt chebyshevu hermite legendre laguerre gegenbauer jacobi assoc_legendre assoc_laguerre exp1 expi expint
    expn
    exprel fdtr fft ifft rfft irfft fresnel fresnels fresnelc gammainc gammaincc gammaincinv gdtr hankel1 hankel2
    harmonic hyp0f1 hyp1f1 hyp2f1 hyper hyperu i0 i0e i1 i1e itj0y0 iv ive j0 j1 jn jv jve k0 k0e k1 k1e kei kelvin ker
    kn kolmogorov kv kve kl_div lambertw LambertW lerchphi log_ndtr logint lowergamma uppergamma meijerg
    mathieu_a mathieu_b modstruve nbdtr ndtri ndtri_exp owens_t pbdv pdtr perm poch polylog dilog pro_ang1 rel_entr
    rgamma rf ff shichi sici sinint smirnov spence sph_harm Ynm Znm spherical_jn spherical_yn stdtr stieltjes struve
    subfactorial tklmbda voigt_profile wofz wright_bessel wrightomega y0 y1 yn yv yve zeta zetac dirichlet_eta
    quad odeint solve_ivp fsolve minimize interp1d cubic_spline spline histogram bincount unwrap polyfit roots
    KroneckerDelta LeviCivita DiracDelta SingularityFunction factorial2 nanmedian nanquantile nanpercentile
    nanargmax nanargmin partition argpartition lexsort apply_along_axis fftconvolve expm funm signm khatri_rao
    null_space
    orth polar schur hessenberg ldl qz lu_factor cho_factor cho_solve hilbert hankel companion vectorize frompyfunc
"""

MISSING = frozenset(_MISSING.split())
"""Functions of NumPy, SciPy and SymPy that the language may lack: no other one's name is near what they are."""

LACKING = 'write it with what there is, or define it: sd.define("f(x) = …", partials={"x": "…"})'


def called(name: str, arguments: str) -> str:
    """What to type for a call of another language, or nothing where that is not known."""
    for op in OPS.values():
        if name in op.elsewhere:
            return f"write {op.name}({arguments or 'x'})"
    return CALLS[name].replace("{}", arguments or "x") if name in CALLS else ""


def inverse_of(name: str) -> str:
    """The inverse of a function, or nothing where that is not known."""
    return OPS[name].inverse if name in OPS else INVERSES.get(name, "")


_pattern = functools.cache(re.compile)

_LATEX = r"\\([A-Za-z]+)(?:\s*\{([^{}]{1,30})\}\s*\{([^{}]{1,30})\}|\s*\{([^{}]{1,30})\}|\s+(\w{1,30}))?"
_LATEX_WORDS = {
    "cdot": "*",
    "times": "*",
    "pi": "pi",
    "infty": "inf",
    "left": "(",
    "right": ")",
    "le": "<=",
    "ge": ">=",
    "leq": "<=",
    "geq": ">=",
    "neq": "!=",
    "div": "/",
    "pm": "+ or -",
    "sum": "sum(x)",
    "ln": "log",
}

_LATEX_FONTS = ("mathrm", "mathbf", "mathit", "text", "operatorname", "boldsymbol", "displaystyle")
_LATEX_FUNCTIONS = (
    "frac",
    "dfrac",
    "tfrac",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "exp",
    "log",
    "alpha",
    "beta",
    "gamma",
    "theta",
    "lambda",
    "mu",
    "sigma",
    "omega",
    "phi",
    "rho",
    "tau",
    "delta",
    "epsilon",
    "partial",
)


def is_latex(text: str, start: int) -> bool:
    """Whether a backslash after a value starts a command of LaTeX, and is no division from the left."""
    found = _pattern(_LATEX).match(text, start)
    return found is not None and found[1] in (*_LATEX_WORDS, *_LATEX_FONTS, *_LATEX_FUNCTIONS)


def latex_hint(text: str, start: int) -> str:
    """What to type for the LaTeX that starts at a backslash, or nothing where it is none."""
    found = _pattern(_LATEX).match(text, start)
    if found is None:
        return ""
    word, above, below, braced, bare = found.groups()
    if word in _LATEX_FONTS:
        return f"write {braced}" if braced else "write the formula in plain text"
    if word in ("frac", "dfrac", "tfrac") and above:
        parts = [p if p.isidentifier() or p.isdigit() else f"({p})" for p in (above, below)]
        return f"write {parts[0]}/{parts[1]}"
    if word in _LATEX_WORDS and not (word == "ln" and (braced or bare)):
        return f"write {_LATEX_WORDS[word]}"
    inner = braced or bare
    return f"write {_LATEX_WORDS.get(word, word)}({inner})" if inner else f"write {word} without the backslash"


_CHOICE = r"\s*([^?:\n]{1,40}?)\s*\?\s*([^?:\n]{1,40}?)\s*:\s*([^?:\n]{1,40}?)\s*(?:\n|\Z)"

_BINDS = r"(?<![<>=!])=(?!=)"


def choice(text: str, start: int) -> str:
    """What to type for `c ? a : b`, whose question mark is at an offset."""
    first = text.rfind("\n", 0, start) + 1
    bound = list(_pattern(_BINDS).finditer(text, first, start))
    found = _pattern(_CHOICE).match(text, bound[-1].end() if bound else first)
    if found is None or found.string[found.end(1) :].lstrip()[:1] != "?":
        return "write a if c else b, or where(c, a, b)"
    condition, yes, no = found.groups()
    return f"write {yes} if {condition} else {no}"
