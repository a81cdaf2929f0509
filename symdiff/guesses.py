"""What to type for names that people guess, who know them from NumPy, SymPy, JAX, PyTorch or CasADi.

One table for each kind of thing: the name that somebody asks for and what to type instead. A name that stands in no
table is looked for among those that there are: with other capitals and underscores, with a word such as `make_` or
`_fn` left out, and as the nearest one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn, TypeVar, cast

from symdiff.errors import CallError, MissingAttributeError, nearest

SHOWN_OPERANDS = 60
ALIKE = 0.75
"""How like a name has to be to one that somebody asks for: less would propose what nobody means."""


class Table:
    """What to type for names: lines `what to type <-`, and indented below each the names; read when asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    @functools.cached_property
    def typed(self) -> dict[str, str]:
        """What to type, by name."""
        found: dict[str, str] = {}
        what = ""
        for line in map(str.strip, self._text.splitlines()):
            if line.endswith("<-"):
                what = line[:-2].rstrip()
            else:
                found.update((name, what) for name in line.split())
        return found


MODULE = Table(
    """
    sd.grad(f), or sd.diff(e, "x") for an expression <-
        D Diff Derivative Gradient autodiff autograd deriv derivatives derive differential differentiate dfdx
        gradients grads nabla partial pdiff partials total_derivative tape GradientTape gradient_fn
        forward_diff finite_diff dx
    sd.jacobian(f) <-
        jac jacobi jacobian_matrix
    sd.jacobian(f, mode="forward"), sd.jacobian(f, mode="reverse"), or sd.jacobian(f), which chooses <-
        jacfwd jacrev
    sd.hessian(f) <-
        hess hessian_matrix
    numbers as they are: they are constants <-
        constant Constant const literal Number Float Integer
    import numpy as np, and functions of NumPy take expressions <-
        np numpy jnp
    sd.value_and_grad(f) <-
        value_and_gradient val_and_grad value_grad fun_and_grad grad_and_value
    sd.jvp(f) for products with tangents, sd.jacobian(f, mode="forward") for all <-
        forward forward_mode fwd pushforward jtimes tangent linearise jacobian_vector_product
        directional_derivative
    sd.vjp(f) for products with cotangents, sd.jacobian(f, mode="reverse") for all <-
        reverse reverse_mode backward backprop back pullback adjoint cotangent
        vector_jacobian_product
    sd.derivative(f, name, n) <-
        higher_derivative nth_derivative high_order_derivative
    sd.jacobian(f), of whose entries they are made; sd.laplacian(f) is there <-
        divergence curl div_grad
    leave it out: functions take dicts, lists and tuples of arrays <-
        tree_map pytree tree
    sd.solve(A, b), sd.det(A), sd.erf(x), …: functions of NumPy and SciPy are names of symdiff <-
        linalg special lax nn scipy
    e.subs({"x": 1.0}) <-
        subs substitute replace xreplace
    sympy.expand(sd.to_sympy(e)), and likewise for others; sd.simplify(e) is there <-
        expand factor collect cancel together apart trigsimp ratsimp
    help(sd.grad), and the folder docs <-
        help docs examples tutorial
    sd.array([a, b]) <-
        ndarray
    sd.hvp(f) <-
        hessian_vector_product hvp_fn hessp hess_vec
    sd.function("f(x, y) = x**2*y"), or sd.function(e, ["x", "y"]) <-
        fn func f build make create Func Lambda define_function from_string from_str from_expr from_text from_callable
        from_python from_numpy lambdify_text
        ufuncify autowrap make_jaxpr
    sd.expr("x**2*y"), or sd.function("x**2*y", ["x", "y"]) to call it <-
        parse sympify S parse_expr formula expression from_latex parse_latex Expression compile_expr
    sd.symbol("x"), sd.symbols("x y"), or sd.symbol("W", shape=(2, 3)) <-
        Variable variable variables Var Symbols Dummy scalar vector Scalar Vector declare param Param
        SX MX sym Tensor tensor placeholder input inputs MatrixSymbol
        Indexed IndexedBase Input Parameter parameter
    sd.function("x**2*y", ["x", "y"])(1.0, 2.0) <-
        eval evaluate run call compute evalf execute N feval
    sd.function(…): its first call compiles it; f.compile(…) does at once, with options <-
        compile jit njit numba compiled cfunc build_function pmap aot
    sd.taylor(f, name, order) <-
        series Series taylor_series jet expand_series fps
    scipy.integrate.quad(f, 0, 1), which takes functions of symdiff <-
        integrate Integral quad integral trapezoid_rule
    scipy.optimize.minimize(sd.value_and_grad(f), x0, jac=True), or sd.nlp(f, …) for Ipopt <-
        minimize minimise optimise optimize argmin_of maximize nlpsol qpsol Opti ipopt gradient_descent
    scipy.optimize.root(f, x0, jac=sd.jacobian(f)) <-
        root fsolve roots_of nsolve rootfinder newton solveset find_root newton_solve
    scipy.integrate.solve_ivp(f, span, y0, jac=sd.jacobian(f, …)) <-
        solve_ivp odeint ode ODE integrator dsolve cvodes
    scipy.optimize.least_squares(f, x0, jac=sd.jacobian(f)) <-
        curve_fit fit least_squares lsq_linear lm
    sd.where(c, a, b); the text of a formula may also hold Piecewise((a, c), (b, True)) <-
        Piecewise piecewise if_else cond switch
    sd.define with partials that are 0, or leave the name out of wrt <-
        no_grad lax_stop_gradient
    a loop of Python in a function that is given to sd.function <-
        loop while_loop fori_loop for_loop mapaccum fold
    f(X, Y) with arrays, which broadcast; sd.vmap(f) for more axes <-
        vectorize batch jit_vmap vmapped
    f.compile(threads=0) <-
        threads set_threads set_num_threads num_threads parallel
    f.compile(opt=…, fp=…, threads=…), sd.limits(…), sd.function(…, dtype="float32") <-
        config options set_options settings configure set_config context precision dtype float32 enable_x64
    run symdiff doctor at a command line, or look at sd.__version__ <-
        show_versions versions info show_config print_versions about doctor
    sd.check_grad(f, 1.0, 2.0) <-
        check grad_check check_gradient check_gradients check_grads gradcheck test_grad check_derivatives verify
    f.save(path), and sd.load(path) <-
        save dump dumps loads serialize deserialize read write pickle
    sd.emit(f, path), or f.c() <-
        export codegen CodeGenerator generate to_c export_c build_library
    f.c(), f.python(), f.latex(), f.llvm() <-
        ccode pycode cse code source ast
    print(f), f.latex() or f.draw() <-
        show draw_graph view pprint pretty init_printing display print latex to_latex dot_graph graphviz
    sympy.limit(…) for limits of functions; sd.limits(…) bounds what a formula may take <-
        limit Limit lim
    leave it out: all values are real <-
        I i j complex complex64 complex128
    np.random.default_rng(0), whose numbers are given to a call <-
        random rand randn seed PRNGKey normal_sample
    sd.sparse_jacobian(f), or sd.sparse_hessian(f) <-
        sparse jac_sparsity jacobian_sparsity hess_sparsity Sparsity coloring sparse_grad
    run python -m pytest in the folder of the source <-
        test tests
    sd.define("f(x) = …", partials={"x": "…"}) <-
        custom_jvp custom_vjp custom_gradient primitive defvjp register external
    """
)
"""Names of the module."""

FUNCTION = Table(
    """
    leave it out: nothing of a function changes <-
        copy clone deepcopy
    {call} <-
        eval evaluate value values compute run apply execute call feval evalf n N numeric
    {f}.__name__ <-
        name title func_name
    {f}.inputs for the names, {f}.arguments with their shapes <-
        args variables vars parameters params free_symbols symbols argnames arg_names input_names signature
        free_variables input_shapes n_in name_in sx_in mx_in nargs arity input
    {f}.outputs for the names, {f}.types with their shapes <-
        output output_names n_out name_out
    {f}.grad() <-
        gradient gradients grads nabla grad_fn
    {f}.jacobian() <-
        jac jacobi jacfwd jacrev jacobian_fn
    {f}.hessian() <-
        hess hessian_fn
    {f}.grad() by all inputs, {f}.derivative("x", n) by one <-
        deriv derivatives differentiate D partial pdiff derive prime
    {f}.grad(), or {f}.vjp() for products with cotangents <-
        backward backprop reverse pullback
    {f}.jvp(), or {f}.jacobian(mode="forward") <-
        pushforward forward tangent
    {f}.hvp() <-
        hessp hessian_vector_product
    {call}: the first call compiles it; {f}.compile(…) does at once, with options <-
        compiled jit jitted build lambdify numba njit lower to_numpy optimize optimized function func
    str({f}) <-
        text string formula to_string pretty pprint tostring str equation
    {f}.latex() <-
        tex to_latex to_tex
    str({f}) for the formula, {f}.c(), {f}.python() or {f}.llvm() for code <-
        source code src codegen generate to_code disp
    {f}.c() <-
        to_c ccode c_code as_c
    {f}.python() <-
        to_python pycode to_py numpy_code
    {f}.draw() or {f}.dot() <-
        show display view visualize render graphviz draw_graph plot_graph diagram tree picture svg
    {f}.plot(…) <-
        plot3d graphed plot_function
    {f}.expr.subs({"x": 1.0}), and sd.function(…) of it <-
        at subs substitute replace partial_eval bind xreplace fix
    {f}.stats() <-
        size count op_count n_ops count_ops n_nodes n_instructions complexity cost flops statistics profile
    {f}.ssa() <-
        print_graph instructions jaxpr ir tape trace
    {f}.llvm() or {f}.assembly() <-
        llvmir to_llvm asm disassemble machine_code
    {f}.save(path) <-
        dump dumps to_file write serialize pickle store
    {f}.emit(path) <-
        export to_library library build_library
    {call} with arrays, which broadcast; {f}.vmap() for more axes <-
        vectorize batch map vmapped vectorized broadcast
    {f}.expr <-
        expression ex sym symbolic
    {f}.taylor("x", order) <-
        series jet
    {f}.check_grad(…) <-
        check verify test gradcheck check_gradient
    {f}.steps(…) <-
        trace_values intermediate intermediates forward_values backprop_table table
    scipy.integrate.quad({f}, 0, 1) <-
        integrate quad integral
    scipy.optimize.minimize({f}.value_and_grad(), x0, jac=True) <-
        minimize minimise optimum argmin_over fit
    scipy.optimize.root({f}, x0, jac={f}.jacobian()) <-
        solve root roots
    {f}.types for the outputs, {f}.arguments for the inputs <-
        shape shapes dtype dtypes ndim type
    leave it out: nothing has to be built, freed or reset <-
        close free release reset clear_cache cache_clear zero_grad requires_grad
    """
)
"""Attributes of a Function: {f} is its name, {call} a call of it."""

EXPRESSION = Table(
    """
    sd.grad(e, ["x", "y"]), or e.diff("x") <-
        grad gradient gradients nabla backward
    e.diff("x") <-
        deriv derivative derivatives differentiate D pdiff derive
    sd.jacobian(e, ["x", "y"]) <-
        jacobian jac
    sd.hessian(e, ["x", "y"]) <-
        hessian hess
    sd.function(e, ["x", "y"])(1.0, 2.0) <-
        evalf eval evaluate n N value numpy item tolist compute run doit numeric to_numpy detach data
    sd.function(e, ["x", "y"]) <-
        lambdify compile compiled func function jit to_function as_function
    e.subs({"x": 1.0}) <-
        substitute replace xreplace at substituted
    sd.function(e).inputs <-
        free_symbols args variables inputs symbols atoms free_variables names vars
    str(e) <-
        name text string pretty
    sd.simplify(e) <-
        simplify simplified ratsimp trigsimp powsimp radsimp nsimplify
    sympy.sympify(e), and SymPy's own methods <-
        expand factor collect cancel together apart rewrite match has coeff as_numer_denom to_sympy sympy
        is_polynomial as_poly degree limit solve equals
    sd.function(e).{name}(…) <-
        latex python c ssa steps stats explain draw llvm assembly save emit check_grad plot
    scipy.integrate.quad(sd.function(e, ["x"]), 0, 1) <-
        integrate integral
    sd.taylor(e, "x", order) <-
        series taylor
    leave it out: all values are real <-
        imag conj is_real is_complex as_real_imag
    """
)
"""Attributes of an Expr: {name} is the attribute."""

GRAPH = Table(
    """
    f.draw() or f.dot() of a function <-
        draw show display plot view render visualize to_dot dot
    f.ssa() of a function <-
        print ssa
    """
)
"""Attributes of a Graph."""

OPTIONS: dict[str, str] = {
    **dict.fromkeys(("x", "y", "z", "values", "point", "at"), "values are given to a call: sd.function(…)(x=1.0)"),
    **dict.fromkeys(("wrt", "by", "argnums"), 'sd.grad(f, "x") takes the derivative; a function takes inputs=["x"]'),
    **dict.fromkeys(("args", "variables", "vars", "symbols", "arguments", "params"), 'write inputs=["x", "y"]'),
    **dict.fromkeys(("shape", "sizes"), 'write shapes={"x": (3,)}'),
    **dict.fromkeys(("out", "output", "returns"), 'write outputs=("q", "f")'),
    **dict.fromkeys(("precision", "type", "float32"), 'write dtype="float32"'),
    **dict.fromkeys(("opt", "fp", "threads", "math", "cache", "background", "memory"), "it is one of f.compile(…)"),
    **dict.fromkeys(("real", "positive", "integer", "negative", "nonnegative"), "leave it out: all values are real"),
    **dict.fromkeys(("modules", "backend", "cse", "static_argnums", "jit"), "leave it out: it is native code anyway"),
    **dict.fromkeys(("has_aux", "holomorphic", "allow_int", "create_graph", "retain_graph"), "leave it out"),
    **dict.fromkeys(("sparse",), "write sd.sparse_jacobian(f), sd.sparse_hessian(f)"),
    **dict.fromkeys(("forward", "reverse"), 'write mode="forward" or mode="reverse"'),
    **dict.fromkeys(("n", "degree"), "write order=…"),
    **dict.fromkeys(("optimize", "level", "O", "optimization"), "write opt=…, from 0 to 3"),
    **dict.fromkeys(("parallel", "nthreads", "num_threads", "workers"), "write threads=0 for all processors"),
    **dict.fromkeys(("fastmath", "fast"), 'write fp="fast"'),
    **dict.fromkeys(("verbose", "progress", "callback"), "write with sd.progress(): …"),
    **dict.fromkeys(("target", "device", "cpu", "arch"), "leave it out; sd.emit(f, path, target=…) is for others"),
    **dict.fromkeys(("order",), "take the transform again, or sd.derivative(f, name, n)"),
}
"""Options of functions and transforms, which are no options here."""

_AFFIXES = ("make_", "get_", "to_", "as_", "compute_", "calc_", "build_", "sd_")
_ENDINGS = ("_fn", "_func", "_function", "_fun", "_expr", "_of", "_f", "_matrix", "s")


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def found_among(name: str, known: Iterable[str]) -> str:
    """The known name that is meant by one written in another way; empty where there is none."""
    short = name.casefold()
    forms = [short]
    forms += [short.removeprefix(a) for a in _AFFIXES if short.startswith(a)]
    forms += [form.removesuffix(e) for form in list(forms) for e in _ENDINGS if form.endswith(e)]
    by_form: dict[str, str] = {}
    for one in sorted(known):
        by_form.setdefault(_plain(one), one)
    return next((by_form[_plain(form)] for form in forms if form and _plain(form) in by_form), "")


def typed_instead(name: str, table: Table, known: Collection[str], before: str = "") -> str:
    """What to type for a name that does not exist, or nothing; `before` stands before known names, as in `sd.grad`."""
    if name in table.typed:
        return _said(table.typed[name])
    meant = found_among(name, known)
    if meant:
        return f"write {before}{meant}"
    meant = found_among(name, table.typed)
    if meant:
        return _said(table.typed[meant])
    return nearest(name, known, ALIKE).replace("mean ", f"mean {before}", 1)


def _said(typed: str) -> str:
    return typed if typed.startswith(("help(", "import ", "leave ", "run ")) else f"write {typed}"


def missing(owner: str, name: str, hint: str) -> MissingAttributeError:
    """The error for an attribute that something has not."""
    return MissingAttributeError(f"{owner} has no attribute {name!r}", hint=hint)


class NotCalled(ModuleType):
    """A module whose name reads as a verb, which somebody may call."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("_"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        raise missing(self.__name__, name, typed_instead(name, MODULE, ()))

    def __call__(self, *args: Any, **keywords: Any) -> NoReturn:
        """Refuse.

        Raises
        ------
        CallError
            The hint is what to type.
        """
        name = self.__name__.rpartition(".")[2]
        raise CallError(f"sd.{name} is a module, not a function", hint=typed_instead(name, MODULE, ()))


CALLED = {
    "gradient": "sd.grad({})",
    "solve": "scipy.optimize.root(f, x0, jac=sd.jacobian(f)) for equations; sd.solve(A, b) is for linear systems",
    "trace": "sd.function({})",
    "var": "sd.symbols({})",
}
"""What functions of arrays are elsewhere that takes texts or functions, by its name here."""


def meant_by(name: str, operands: Sequence[Any]) -> str:
    """What to type where a function of arrays was called with a text, or with a function; or nothing."""
    if name not in CALLED or not operands or not (isinstance(operands[0], str) or hasattr(operands[0], "arguments")):
        return ""
    shown = ", ".join(map(_shown, operands))
    return f"write {CALLED[name]}".replace("{}", shown if len(shown) < SHOWN_OPERANDS else "…")


def _shown(operand: Any) -> str:
    return str(getattr(operand, "__name__", None) or repr(operand))


LISTS = {
    "function": 'list the inputs: sd.function("x**2*y", ["x", "y"])',
    "symbols": 'write sd.symbols("x y z")',
    "symbol": 'write sd.symbols("x y z")',
    "Symbol": 'write sd.symbols("x y z")',
}
"""What to type for several values where a list is wanted."""

C = TypeVar("C", bound=Callable[..., Any])


def with_options(function: C) -> C:
    """The function, which refuses options that it has not with what to type."""
    places = function.__code__.co_argcount
    known = function.__code__.co_varnames[: places + function.__code__.co_kwonlyargcount]

    @functools.wraps(function)
    def checked(*args: Any, **keywords: Any) -> Any:
        if keywords:
            refuse_options(function.__name__, keywords, known)
        if len(args) > places:
            name = function.__name__
            hint = LISTS.get(name) or f"write {known[places]}=…"
            raise CallError(f"{name} is given too many values without their names", hint=hint)
        return function(*args, **keywords)

    return cast("C", checked)


def refuse_options(function: str, given: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse an option that a function has not.

    Raises
    ------
    CallError
        The hint is what to type.
    """
    for name in given:
        if name not in known:
            listed = ", ".join(option for option in known if option != "self")
            hint = OPTIONS.get(name) or nearest(name, known) or f"its options are: {listed}"
            raise CallError(f"{function} has no option {name}", hint=hint)
