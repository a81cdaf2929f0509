"""Examples for the reference, of what has none in its docstring; they run as tests."""

ERRORS = """
Every error of symdiff is a {py:obj}`~symdiff.SymdiffError`: with the place in the text where there is one, and with
what to type where that is known.
"""

EXAMPLES: dict[str, str] = {
    "named": """
>>> q = sd.named("q", sd.expr("x + y"))
>>> f = sd.function(q*sd.symbol("z"), ["x", "y", "z"])
>>> sd.grad(f, "q")(1.0, 2.0, 5.0)
5.0
""",
    "symbol": """
>>> W = sd.symbol("W", shape=(2, 3))
>>> W.shape, (W @ sd.symbol("x", shape=3)).shape
((2, 3), (2,))
""",
    "symbols": """
>>> x, y = sd.symbols("x y")
>>> sd.diff(x**2*y, x)
Expr(2*x*y)
>>> sd.symbols("x:3")
(Expr(x0), Expr(x1), Expr(x2))
""",
    "Function.graph": """
>>> f = sd.function("f(x, y) = x*sin(y)")
>>> [(node, data["op"]) for node, data in f.graph.nodes(data=True)]
[(0, 'input'), (1, 'input'), (2, 'sin'), (3, 'mul')]
""",
    "Function.arguments": """
>>> [(a.name, a.shape, a.members) for a in sd.function("r([b1, b2], x) = b1*exp(b2*x)").arguments]
[('b1_b2', (2,), ('b1', 'b2')), ('x', (), None)]
""",
    "CompiledFunction.arguments": """
>>> [str(a) for a in sd.function("f(x[3], y) = sum(x)*y").compile().arguments]
['x[3]', 'y']
""",
    "Function.inputs": """
>>> sd.function("r([b1, b2], x) = b1*exp(b2*x)").inputs
(('b1', 'b2'), 'x')
""",
    "Function.outputs": r"""
>>> sd.function("a = x + y\nb = x*y", ["x", "y"], outputs=("a", "b")).outputs
('a', 'b')
""",
    "Function.names": r"""
>>> sd.function("q = x + y\nf = q*z", ["x", "y", "z"]).names
('x', 'y', 'z', 'q', 'f')
""",
    "Function.nodes": """
>>> f = sd.function("f(x, y) = x*y")
>>> f.graph.nodes[f.nodes[0]]["op"]
'mul'
""",
    "Function.body": """
>>> len(sd.function("f([a, b], x) = a*x + b").body.parameters)
3
""",
    "Function.types": """
>>> sd.function("f(W[2, 3], x[3]) = W @ x").types
(TensorType(dtype='float64', shape=(2,)),)
""",
    "Function.expr": """
>>> sd.function("f(x, y) = x*y").expr + 1
Expr(x*y + 1)
""",
    "Function.sparsity": """
>>> sd.jacobian("f(x[3]) = x[1:]*x[:-1]").sparsity.toarray().astype(int)
array([[1, 1, 0],
       [0, 1, 1]])
""",
    "Function.compile": """
>>> f = sd.function("f(x) = exp(x)*sin(x)").compile(opt=2, math="scalar")
>>> f(1.0) == f([1.0])[0]
np.True_
""",
    "Function.stats": """
>>> sd.function("f(x, y) = x*y + sin(x)").stats()["operations"]
2
""",
    "Function.llvm": """
>>> "define" in sd.function("f(x, y) = x*y").llvm()
True
""",
    "Function.assembly": """
>>> "f:" in sd.function("f(x, y) = x*y").assembly()
True
""",
    "Function.llvm_ir": """
>>> "fmul" in sd.function("f(x, y) = x*y").llvm_ir()
True
""",
    "Function.save": """
>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "f.symdiff"
>>> sd.function("f(x, y) = x**2*y").save(path)
>>> sd.load(path)(3.0, 2.0)
18.0
""",
    "Function.address": """
>>> f = sd.function("f(x, y) = x*y")
>>> f.address != 0
True
""",
    "Function.ctypes": """
>>> f = sd.function("f(x, y) = x*y")
>>> f.ctypes.restype.__name__
'c_int'
""",
    "Function.c": """
>>> "fma" in sd.function("f(x, y) = x*y + 1").c()
True
""",
    "Function.dot": r"""
>>> sd.function("f(x, y) = x*y").dot().split("\n")[0]
'digraph {'
""",
    "Function.explain": """
>>> print(sd.function("f(x[1000]) = sum(exp(-x**2))").explain())
nest 1000: 3 operations, reads 1, writes 1, reduces axes 0
workspace 0 bytes
""",
    "Function.latex": r"""
>>> sd.function("f(x, y) = x**2/y").latex()
'\\frac{x^{2}}{y}'
""",
    "Function.python": r'''
>>> print(sd.function("f(x, y) = x*sin(y)").python().split("\n\n\n")[-1].rstrip())
def f(x, y):
    """f(x, y) = x*sin(y)"""
    x = np.asarray(x, dtype=float)[()]
    y = np.asarray(y, dtype=float)[()]
    v1 = np.sin(y)
    v2 = x * v1
    return as_number(v2)
''',
    "Function.ssa": """
>>> print(sd.function("f(x, y) = x*sin(y)").ssa())
%0 = input x : float64
%1 = input y : float64
%2 = sin %1
%3 = mul %0, %2
return f=%3
""",
    "CompiledFunction": """
>>> f = sd.function("f(x, y) = x**2*y").compile(fp="strict")
>>> f(3.0, 2.0)
18.0
""",
    "CompiledFunction.kernel": """
>>> sd.function("f(x) = x**2").compile().kernel.bytes > 0
True
""",
    "CompiledFunction.wait": """
>>> f = sd.function("f(x) = exp(x)*sin(x)").compile(background=True)
>>> f.wait(), f(0.0)
(True, 0.0)
""",
    "CompiledFunction.save": """
>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "f.symdiff"
>>> sd.function("f(x, y) = x**2*y").compile(fp="strict").save(path)
>>> sd.load(path)(3.0, 2.0)
18.0
""",
    "CompiledFunction.address": """
>>> sd.function("f(x, y) = x*y").compile().address != 0
True
""",
    "CompiledFunction.ctypes": """
>>> sd.function("f(x, y) = x*y").compile().ctypes.restype.__name__
'c_int'
""",
    "SparseFunction": """
>>> J = sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]")
>>> J([1.0, 2.0, 3.0]).toarray()
array([[2., 1., 0.],
       [0., 3., 2.]])
>>> J.values([1.0, 2.0, 3.0])
array([2., 1., 3., 2.])
""",
    "SparseFunction.shape": """
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").shape
(2, 3)
""",
    "SparseFunction.format": """
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]", format="csc").format
'csc'
""",
    "SparseFunction.nnz": """
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").nnz
4
""",
    "SparseFunction.rows": """
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").rows.tolist()
[0, 0, 1, 1]
""",
    "SparseFunction.columns": """
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").columns.tolist()
[0, 1, 1, 2]
""",
    "SparseFunction.sparsity": """
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").sparsity.toarray().astype(int)
array([[1, 1, 0],
       [0, 1, 1]])
""",
    "SparseFunction.to_bytes": """
>>> isinstance(sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").to_bytes(), bytes)
True
""",
    "SparseFunction.save": """
>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "J.symdiff"
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").save(path)
>>> sd.load(path).nnz
4
""",
    "SparseFunction.compile": """
>>> J = sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").compile(fp="strict")
>>> J.values([1.0, 2.0, 3.0])
array([2., 1., 3., 2.])
""",
    "SparseFunction.specialize": """
>>> sd.sparse_jacobian("f(x[n]) = x[1:]*x[:-1]").specialize([1.0, 2.0, 3.0])
<SparseFunction sparse_jacobian_f(x[3]) -> 2×3 csr, 4 entries>
""",
    "SparseFunction.c": """
>>> "out[0][0]" in sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").c()
True
""",
    "SparseFunction.python": """
>>> "def " in sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").python()
True
""",
    "SparseFunction.address": """
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").address != 0
True
""",
    "SparseFunction.ctypes": """
>>> sd.sparse_jacobian("f(x[3]) = x[1:]*x[:-1]").ctypes.restype.__name__
'c_int'
""",
    "Expr": """
>>> x, y = sd.symbols("x y")
>>> e = sd.sin(x)*y + 1
>>> e
Expr(y*sin(x) + 1)
>>> sd.function(e, [x, y])(0.0, 2.0)
1.0
""",
    "Expr.real": """
>>> sd.expr("x*y").real
Expr(x*y)
""",
    "Expr.conjugate": """
>>> sd.expr("x*y").conjugate()
Expr(x*y)
""",
    "Expr.astype": """
>>> sd.expr("x*y").astype(float)
Expr(x*y)
""",
    "Expr.shape": """
>>> sd.symbol("x", shape=(2, 3)).shape
(2, 3)
""",
    "Expr.ndim": """
>>> sd.symbol("x", shape=(2, 3)).ndim
2
""",
    "Expr.size": """
>>> sd.symbol("x", shape=(2, 3)).size
6
""",
    "Expr.dtype": """
>>> sd.symbol("x", shape=(2, 3)).dtype
dtype('float64')
""",
    "Expr.T": """
>>> sd.symbol("x", shape=(2, 3)).T.shape
(3, 2)
""",
    "Expr.mT": """
>>> sd.symbol("x", shape=(4, 2, 3)).mT.shape
(4, 3, 2)
""",
    "Linearization": """
>>> value, linear = sd.linearize("f(x[2], a) = a*exp(x)", "x")([0.0, 0.0], 3.0)
>>> value, linear([1.0, 2.0])
(array([3., 3.]), array([3., 6.]))
""",
    "LinearMap": """
>>> _, linear = sd.linearize("f(x) = x**3", "x")(2.0)
>>> linear(1.0), linear(0.5)
(12.0, 6.0)
""",
    "NonlinearProgram": """
>>> p = sd.nlp("f(x[2]) = x[0]**2 + x[1]**2", "c(x[2]) = x[0]*x[1]")
>>> p
<NonlinearProgram of 2 variables, 1 constraint: 2 entries in the Jacobian, 3 in the Hessian>
""",
    "NonlinearProgram.with_parameters": """
>>> p = sd.nlp("f(x[2], a) = (x[0] - a)**2 + x[1]**2", wrt="x", parameters={"a": 1.0})
>>> p.objective([0.0, 0.0]), p.with_parameters(a=2.0).objective([0.0, 0.0])
(1.0, 4.0)
""",
    "NonlinearProgram.objective": """
>>> sd.nlp("f(x[2]) = x[0]**2 + x[1]**2").objective([1.0, 2.0])
5.0
""",
    "NonlinearProgram.gradient": """
>>> sd.nlp("f(x[2]) = x[0]**2 + x[1]**2").gradient([1.0, 2.0])
array([2., 4.])
""",
    "NonlinearProgram.constraints": """
>>> sd.nlp("f(x[2]) = x[0]**2", "c(x[2]) = x[0]*x[1]").constraints([1.0, 2.0])
array([2.])
""",
    "NonlinearProgram.jacobian": """
>>> sd.nlp("f(x[2]) = x[0]**2", "c(x[2]) = x[0]*x[1]").jacobian([1.0, 2.0])
array([2., 1.])
""",
    "NonlinearProgram.jacobianstructure": """
>>> sd.nlp("f(x[2]) = x[0]**2", "c(x[2]) = x[0]*x[1]").jacobianstructure()
(array([0, 0], dtype=int32), array([0, 1], dtype=int32))
""",
    "NonlinearProgram.hessian": """
>>> sd.nlp("f(x[2]) = x[0]**2", "c(x[2]) = x[0]*x[1]").hessian([1.0, 2.0], [3.0], 1.0)
array([2., 3.])
""",
    "NonlinearProgram.hessianstructure": """
>>> sd.nlp("f(x[2]) = x[0]**2", "c(x[2]) = x[0]*x[1]").hessianstructure()
(array([0, 1], dtype=int32), array([0, 0], dtype=int32))
""",
    "NonlinearProgram.scipy": """
>>> sorted(sd.nlp("f(x[2]) = x[0]**2", "c(x[2]) = x[0]*x[1]").scipy(lower=1.0))
['constraints', 'fun', 'hess', 'jac', 'method']
""",
    "Steps": r"""
>>> steps = sd.function("q = x + y\nf = q*z", ["x", "y", "z"]).steps(-2, 5, -4)
>>> print(steps)
name  expression  value  gradient
----  ----------  -----  --------
x                 -2     -4
y                 5      -4
z                 -4     3
q     x + y       3      -4
f     q*z         -12    1
>>> steps["q"].value
3.0
""",
    "Step": r"""
>>> sd.function("q = x + y\nf = q*z", ["x", "y", "z"]).steps(-2, 5, -4)["q"]
Step(name='q', expression='x + y', value=3.0, gradient=-4.0, tangent=None)
""",
    "GradientCheck": """
>>> print(sd.check_grad("f(x, y) = x**2*y", 3.0, 2.0))
gradient of f: all 2 agree; the remainder along a random direction falls as h**2.00
derivative of  by  value  reference  difference  method        remark
f              x   12     12         0.0e+00     complex step
f              y   9      9          0.0e+00     complex step
""",
    "GradientCheck.ok": """
>>> sd.check_grad("f(x, y) = x**2*y", 3.0, 2.0).ok
True
""",
    "Namespace.define": """
>>> words = sd.Namespace()
>>> _ = words.define("soft(x) = log(1 + exp(x))")
>>> sd.grad(sd.function("f(x) = soft(2*x)", namespace=words))(0.0)
1.0
""",
    "Limits": """
>>> sd.Limits.text
16000000
>>> with sd.limits(nodes=3):
...     sd.function("sin(x)*cos(x)*exp(x)")
Traceback (most recent call last):
symdiff.errors.LimitError: more than 3 nodes; the limit is 3 nodes
sin(x)*cos(x)*exp(x)
      ^
raise symdiff.Limits.nodes, or write with symdiff.limits(nodes=6)
""",
    "Graph": """
>>> f = sd.function("f(x, y) = x*sin(y)")
>>> import networkx as nx
>>> nx.dag_longest_path_length(f.graph)
2
""",
    "Graph.add": """
>>> g = sd.function("f(x) = sin(x)").graph
>>> node = g.add("cos", (0,))
>>> g.nodes[node]["op"]
'cos'
""",
    "Graph.apply": """
>>> g = sd.function("f(x) = sin(x)").graph
>>> node = g.apply("mul", [0, 0])
>>> g.nodes[node]["op"]
'mul'
""",
    "Graph.as_number": """
>>> g = sd.function("f(x) = sin(x)").graph
>>> g.as_number(0)
0
""",
    "Graph.constant": """
>>> g = sd.function("f(x) = sin(x)").graph
>>> node = g.constant(2.0)
>>> g.nodes[node]["payload"]
2.0
""",
    "Graph.input": """
>>> g = sd.function("f(x) = sin(x)").graph
>>> node = g.input("y", (3,))
>>> g.nodes[node]["op"]
'input'
""",
    "Graph.input_type": """
>>> sd.function("f(x[3]) = x**2").graph.input_type("x")
TensorType(dtype='float64', shape=(3,))
""",
    "Graph.named": """
>>> g = sd.function("f(x) = sin(x)").graph
>>> node = g.named("s", 1)
>>> g.nodes[node]["op"]
'named'
""",
    "Graph.limit_as": """
>>> g, h = (sd.function("f(x) = sin(x)").graph for _ in range(2))
>>> g.limit_as(h)
""",
    "Graph.shape": """
>>> sd.function("f(x[3]) = x**2").graph.shape(0)
(3,)
""",
    "Graph.live": """
>>> f = sd.function("f(x, y) = x*y")
>>> f.graph.live(f.nodes)
[0, 1, 2]
""",
    "Graph.constant_value": """
>>> g = sd.function("f(x) = sin(x)").graph
>>> g.constant_value(g.constant(2.0)), g.constant_value(0)
(2.0, None)
""",
    "ArgumentError": """
>>> sd.function("x*y", ["x", "y"], dtype="int8")
Traceback (most recent call last):
symdiff.errors.ArgumentError: dtype is 'int8'
"float64" or "float32"
""",
    "CallError": """
>>> sd.function("f(x, y) = x*y")(1.0)
Traceback (most recent call last):
symdiff.errors.CallError: f takes 2 arguments (x, y); missing: y
""",
    "DifferentiationError": """
>>> sd.grad("f(x) = x > 0")
Traceback (most recent call last):
symdiff.errors.DifferentiationError: a condition has no derivative
f(x) = x > 0
       ^^^^^
make numbers of it first: where(condition, 1, 0)
""",
    "IndexRangeError": """
>>> sd.function("f(x[3], k) = x[k]", dtype="float64", shapes={"k": ()})([1.0, 2.0, 3.0], 5)
Traceback (most recent call last):
symdiff.errors.IndexRangeError: index 5 is out of range for axis 0 of x, which is of size 3
f(x[3], k) = x[k]
             ^^^^
where it is not meant to count, write where(c, x[k], 0): an index whose branch is not taken may be any
""",
    "LimitError": """
>>> with sd.limits(text=10):
...     sd.function("sin(x)*cos(x)")
Traceback (most recent call last):
symdiff.errors.LimitError: a text of 13 characters; the limit is 10 characters
raise symdiff.Limits.text, or write with symdiff.limits(text=13)
""",
    "MissingAttributeError": """
>>> sd.jac("x**2*y")
Traceback (most recent call last):
symdiff.errors.MissingAttributeError: symdiff has no attribute 'jac'
write sd.jacobian(f)
""",
    "ParseError": """
>>> sd.function("2x + 1")
Traceback (most recent call last):
symdiff.errors.ParseError: an operator is missing between two values
2x + 1
^^
write 2*x
""",
    "ShapeError": """
>>> sd.function("f(x[2], y[3]) = x + y")
Traceback (most recent call last):
symdiff.errors.ShapeError: add: shapes (2,) and (3,) do not broadcast together
f(x[2], y[3]) = x + y
                  ^
from the last axis on sizes must be equal or 1; write x[:, None] for a column
""",
    "StorageError": """
>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "f.symdiff"
>>> _ = path.write_bytes(b"nothing")
>>> try:
...     sd.load(path)
... except sd.StorageError as error:
...     print(error.message)
this is not a function that symdiff saved
""",
    "SymdiffError": """
>>> try:
...     sd.function("sin(x) + cso(y)", ["x", "y"])
... except sd.SymdiffError as error:
...     print(error.column, error.hint)
10 did you mean csc?; write cso*(y) for a product
""",
    "UnknownNameError": """
>>> sd.function("sin(x) + cso(y)", ["x", "y"])
Traceback (most recent call last):
symdiff.errors.UnknownNameError: there is no function called cso
sin(x) + cso(y)
         ^^^
did you mean csc?; write cso*(y) for a product
""",
    "VerifyError": """
>>> issubclass(sd.VerifyError, RuntimeError)
True
""",
    "CompileError": """
>>> sd.function("f(x) = digamma(x)").llvm()
Traceback (most recent call last):
symdiff.errors.CompileError: digamma is SciPy's, and no C library has it: it cannot be called without Python
name a C function that is linked: symbols={"digamma": "…"}; or make its value an input
""",
    "Steps.cells": r"""
>>> sd.function("q = x + y\nf = q*z", ["x", "y", "z"]).steps(-2, 5, -4).cells()[-1]
('f', 'q*z', '-12', '1')
""",
    "Picture.scenes": r"""
>>> len(sd.function("q = x + y\nf = q*z", ["x", "y", "z"]).draw().scenes)
1
""",
    "Picture.dot": r"""
>>> print(sd.function("f(x, y) = x*y").draw(3.0, 2.0).dot())
digraph {
  rankdir=LR;
  node [fontname="Helvetica"];
  edge [fontname="Helvetica", fontsize=10];
  n0 [label="x", shape=plaintext];
  n1 [label="y", shape=plaintext];
  n2 [label="×", shape=ellipse];
  n0 -> n2 [label="3\n2"];
  n1 -> n2 [label="2\n3"];
  r2 [label="f = 6\n1", shape=plaintext];
  n2 -> r2;
}
""",
    "Picture.svg": """
>>> from symdiff.pictures.layout import is_installed
>>> picture = sd.function("f(x, y) = x*y").draw(3.0, 2.0)
>>> not (is_installed("dot") or is_installed("grandalf")) or "</svg>" in picture.svg()
True
""",
    "Picture.placed": """
>>> from symdiff.pictures.layout import is_installed
>>> picture = sd.function("f(x, y) = x*y").draw(3.0, 2.0)
>>> not (is_installed("dot") or is_installed("grandalf")) or len(picture.placed(picture.first))
1
""",
    "Picture.save": """
>>> import pathlib, tempfile
>>> picture = sd.function("f(x, y) = x*y").draw(3.0, 2.0)
>>> picture.save(pathlib.Path(tempfile.mkdtemp()) / "f.dot").name
'f.dot'
""",
    "Picture.html": """
>>> from symdiff.pictures.layout import is_installed
>>> picture = sd.function("f(x, y) = x*y").draw(3.0, 2.0)
>>> not (is_installed("dot") or is_installed("grandalf")) or "</html>" in picture.html()
True
""",
    "ClusterError": """
>>> issubclass(sd.ClusterError, sd.SymdiffError)
True
""",
    "Expr.all": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function((x > 0).all(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.True_
""",
    "Expr.any": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function((x > 0).any(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.True_
""",
    "Expr.argmax": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.argmax(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.float64(3.0)
""",
    "Expr.argmin": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.argmin(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.float64(0.0)
""",
    "Expr.clip": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.clip(0, 1), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([[1., 1.],
       [1., 1.]])
""",
    "Expr.copy": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.copy(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([[1., 2.],
       [3., 4.]])
""",
    "Expr.cumprod": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.cumprod(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([ 1.,  2.,  6., 24.])
""",
    "Expr.cumsum": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.cumsum(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([ 1.,  3.,  6., 10.])
""",
    "Expr.diagonal": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.diagonal(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([1., 4.])
""",
    "Expr.dot": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.dot([1.0, 1.0]), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([3., 7.])
""",
    "Expr.flatten": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.flatten(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([1., 2., 3., 4.])
""",
    "Expr.ravel": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.ravel(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([1., 2., 3., 4.])
""",
    "Expr.max": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.max(axis=0), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([3., 4.])
""",
    "Expr.min": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.min(axis=0), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([1., 2.])
""",
    "Expr.mean": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.mean(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.float64(2.5)
""",
    "Expr.std": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.std(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.float64(1.118033988749895)
""",
    "Expr.var": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.var(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.float64(1.25)
""",
    "Expr.ptp": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.ptp(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.float64(3.0)
""",
    "Expr.prod": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.prod(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.float64(24.0)
""",
    "Expr.sum": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.sum(axis=0), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([4., 6.])
""",
    "Expr.repeat": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.repeat(2), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([1., 1., 2., 2., 3., 3., 4., 4.])
""",
    "Expr.take": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.take([0, 0]), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([1., 1.])
""",
    "Expr.reshape": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.reshape(4), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([1., 2., 3., 4.])
""",
    "Expr.squeeze": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.squeeze(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([[1., 2.],
       [3., 4.]])
""",
    "Expr.round": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.round(1), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([[1., 2.],
       [3., 4.]])
""",
    "Expr.trace": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.trace(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
np.float64(5.0)
""",
    "Expr.swapaxes": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.swapaxes(0, 1), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([[1., 3.],
       [2., 4.]])
""",
    "Expr.transpose": """
>>> x = sd.symbol("x", shape=(2, 2))
>>> sd.function(x.transpose(), ["x"])([[1.0, 2.0], [3.0, 4.0]])
array([[1., 3.],
       [2., 4.]])
""",
}
"""By name, `Function.stats` for a method: prompts and answers."""

CALLS: dict[str, str] = {
    "reshape": "np.arange(6.0), (2, 3)",
    "ravel": "[[1.0, 2.0], [3.0, 4.0]]",
    "squeeze": "[[1.0, 2.0]]",
    "expand_dims": "[1.0, 2.0], 0",
    "atleast_1d": "3.0",
    "atleast_2d": "[1.0, 2.0]",
    "atleast_3d": "[1.0, 2.0]",
    "transpose": "[[1.0, 2.0], [3.0, 4.0]]",
    "matrix_transpose": "[[1.0, 2.0], [3.0, 4.0]]",
    "swapaxes": "[[1.0, 2.0], [3.0, 4.0]], 0, 1",
    "moveaxis": "[[1.0, 2.0], [3.0, 4.0]], 0, 1",
    "broadcast_to": "[1.0, 2.0], (2, 2)",
    "flip": "[1.0, 2.0, 3.0]",
    "fliplr": "[[1.0, 2.0], [3.0, 4.0]]",
    "flipud": "[[1.0, 2.0], [3.0, 4.0]]",
    "rot90": "[[1.0, 2.0], [3.0, 4.0]]",
    "roll": "[1.0, 2.0, 3.0], 1",
    "tile": "[1.0, 2.0], 2",
    "repeat": "[1.0, 2.0], 2",
    "pad": "[1.0, 2.0], 1",
    "tril": "[[1.0, 2.0], [3.0, 4.0]]",
    "triu": "[[1.0, 2.0], [3.0, 4.0]]",
    "sum": "[[1.0, 2.0], [3.0, 4.0]], axis=0",
    "prod": "[[1.0, 2.0], [3.0, 4.0]], axis=1",
    "mean": "[1.0, 2.0, 6.0]",
    "average": "[1.0, 3.0], weights=[3.0, 1.0]",
    "var": "[1.0, 2.0, 6.0]",
    "std": "[1.0, 3.0]",
    "amax": "[[1.0, 2.0], [3.0, 4.0]], axis=0",
    "amin": "[[1.0, 2.0], [3.0, 4.0]], axis=0",
    "ptp": "[1.0, 2.0, 6.0]",
    "any": "[False, True]",
    "all": "[False, True]",
    "count_nonzero": "[0.0, 1.0, 2.0]",
    "norm": "[3.0, 4.0]",
    "vector_norm": "[3.0, 4.0], ord=1",
    "matrix_norm": "[[3.0, 0.0], [0.0, 4.0]]",
    "logsumexp": "[1000.0, 1000.0]",
    "softmax": "[1.0, 1.0, 1.0, 1.0]",
    "log_softmax": "[1.0, 1.0]",
    "cumsum": "[1.0, 2.0, 3.0]",
    "cumprod": "[1.0, 2.0, 3.0]",
    "recurrence": "[0.5, 0.5, 0.5], [1.0, 1.0, 1.0]",
    "trapezoid": "[0.0, 1.0, 4.0], dx=0.5",
    "And": "True, False",
    "Or": "True, False",
    "Xor": "True, False",
    "Not": "True",
    "ITE": "True, 1.0, 2.0",
    "Implies": "True, False",
    "round": "2.567, 1",
    "clip": "[-2.0, 0.5, 2.0], -1.0, 1.0",
    "concatenate": "([1.0, 2.0], [3.0])",
    "append": "[1.0, 2.0], 3.0",
    "hstack": "([1.0, 2.0], [3.0])",
    "vstack": "([1.0, 2.0], [3.0, 4.0])",
    "dstack": "([1.0, 2.0], [3.0, 4.0])",
    "column_stack": "([1.0, 2.0], [3.0, 4.0])",
    "stack": "([1.0, 2.0], [3.0, 4.0]), axis=1",
    "matmul": "[[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]",
    "dot": "[1.0, 2.0], [3.0, 4.0]",
    "inner": "[1.0, 2.0], [3.0, 4.0]",
    "outer": "[1.0, 2.0], [3.0, 4.0]",
    "vdot": "[1.0, 2.0], [3.0, 4.0]",
    "kron": "[[1.0, 2.0]], [[1.0, 1.0]]",
    "tensordot": "[[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0], 1",
    "einsum": '"ij,j->i", [[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]',
    "diagonal": "[[1.0, 2.0], [3.0, 4.0]]",
    "trace": "[[1.0, 2.0], [3.0, 4.0]]",
    "diag": "[1.0, 2.0]",
    "diagflat": "[1.0, 2.0]",
    "inv": "[[2.0, 0.0], [0.0, 4.0]]",
    "det": "[[1.0, 2.0], [3.0, 4.0]]",
    "det_sign": "[[1.0, 2.0], [3.0, 4.0]]",
    "adjugate": "[[1.0, 2.0], [3.0, 4.0]]",
    "logdet": "[[2.0, 0.0], [0.0, 0.5]]",
    "cholesky": "[[4.0, 2.0], [2.0, 2.0]]",
    "solve": "[[2.0, 0.0], [0.0, 4.0]], [2.0, 2.0]",
    "solve_triangular": "[[2.0, 1.0], [0.0, 4.0]], [2.0, 4.0]",
    "pinv": "[[2.0, 0.0], [0.0, 0.0]]",
    "lstsq": "[[1.0], [1.0]], [1.0, 3.0]",
    "svdvals": "[[3.0, 0.0], [0.0, 4.0]]",
    "packed_svd": "[[3.0, 0.0], [0.0, 4.0]]",
    "matrix_power": "[[1.0, 1.0], [0.0, 1.0]], 3",
    "split": "[1.0, 2.0, 3.0, 4.0], 2",
    "hsplit": "[1.0, 2.0, 3.0, 4.0], 2",
    "vsplit": "[[1.0, 2.0], [3.0, 4.0]], 2",
    "meshgrid": "[1.0, 2.0], [3.0, 4.0]",
    "slogdet": "[[1.0, 2.0], [3.0, 4.0]]",
    "insert": "[1.0, 3.0], 1, 2.0",
    "delete": "[1.0, 2.0, 3.0], 1",
    "block_diag": "[[1.0]], [[2.0]]",
    "toeplitz": "[1.0, 2.0, 3.0]",
    "circulant": "[1.0, 2.0, 3.0]",
    "select": "([True, False], [False, True]), ([1.0, 1.0], [2.0, 2.0]), 0.0",
    "zeros": "2",
    "ones": "(1, 2)",
    "full": "2, 3.0",
    "zeros_like": "[1.0, 2.0]",
    "ones_like": "[1.0, 2.0]",
    "full_like": "[1.0, 2.0], 5.0",
    "eye": "2",
    "identity": "2",
    "tri": "2",
    "arange": "3",
    "linspace": "0.0, 1.0, 3",
    "logspace": "0.0, 2.0, 3",
    "geomspace": "1.0, 4.0, 3",
    "array": "[1.0, 2.0]",
    "Matrix": "[[1.0, 2.0], [3.0, 4.0]]",
    "size": "[[1.0, 2.0], [3.0, 4.0]]",
    "shape": "[[1.0, 2.0], [3.0, 4.0]]",
    "ndim": "[[1.0, 2.0], [3.0, 4.0]]",
    "len": "[1.0, 2.0, 3.0]",
    "isclose": "[1.0, 2.0], [1.0, 2.1]",
    "convolve": "[1.0, 2.0, 3.0], [1.0, 1.0]",
    "correlate": "[1.0, 2.0, 3.0], [1.0, 1.0]",
    "ediff1d": "[1.0, 2.0, 4.0]",
    "gradient": "[1.0, 2.0, 4.0]",
    "nansum": "[1.0, np.nan]",
    "nanprod": "[2.0, np.nan]",
    "nanmean": "[1.0, np.nan, 3.0]",
    "nanvar": "[1.0, np.nan, 3.0]",
    "nanstd": "[1.0, np.nan, 3.0]",
    "nancumsum": "[1.0, np.nan, 3.0]",
    "nancumprod": "[2.0, np.nan, 3.0]",
    "nanmax": "[1.0, np.nan, 3.0]",
    "nanmin": "[1.0, np.nan, 3.0]",
    "take": "[1.0, 2.0, 3.0], [2, 0]",
    "scatter_add": "[1.0, 2.0, 3.0], [0, 1, 0], 2",
    "sort": "[3.0, 1.0, 2.0]",
    "argsort": "[3.0, 1.0, 2.0]",
    "take_along_axis": "[3.0, 1.0, 2.0], [1, 2, 0]",
    "quantile": "[1.0, 2.0, 4.0], 0.75",
    "percentile": "[1.0, 2.0, 4.0], 75",
    "median": "[1.0, 2.0, 4.0]",
    "argmax": "[1.0, 3.0, 2.0]",
    "argmin": "[1.0, 3.0, 2.0]",
    "searchsorted": "[1.0, 2.0, 3.0], 2.5",
    "digitize": "[0.5, 2.5], [1.0, 2.0]",
    "interp": "1.5, [1.0, 2.0], [10.0, 20.0]",
    "vecdot": "[1.0, 2.0], [3.0, 4.0]",
    "matvec": "[[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0]",
    "vecmat": "[1.0, 1.0], [[1.0, 2.0], [3.0, 4.0]]",
    "cross": "[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]",
    "multi_dot": "([[1.0, 2.0]], [[1.0], [1.0]], [[3.0]])",
    "cov": "[[1.0, 2.0, 3.0], [2.0, 4.0, 7.0]]",
    "corrcoef": "[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]]",
    "vander": "[1.0, 2.0]",
    "polyval": "[1.0, 0.0, 2.0], 3.0",
}
"""By name of a function of the language: arguments; the answer is computed when the page is written."""
