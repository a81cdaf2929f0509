"""The command line: outputs, errors on stderr with carets, exit statuses."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symdiff as sd
from symdiff.cli import main
from symdiff.pictures.layout import is_installed


def run(*arguments, stdin=None):
    command = [sys.executable, "-m", "symdiff", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    return done.returncode, done.stdout.strip(), done.stderr


CASES = [
    (["eval", "sin(x*y) + exp(-x**2)", "--at", "x=1,y=2"], "1.277176867997124"),
    (["eval", "x**2*y", "--at", "x=3, y=2"], "18.0"),
    (["eval", "f([a, b], x) = a*x + b", "--at", "a_b=[2, 1],x=3"], None),
    (["eval", "b[0] + b[1]*x", "--at", "x=1", "--inputs", "x"], None),
    (["eval", "x > 1", "--at", "x=2"], "True"),
    (["eval", "cos(x)", "--at", "x=pi"], "-1.0"),
    (["eval", "[x, 2*x]", "--at", "x=2"], "[2.0, 4.0]"),
    (["eval", "E*x", "--at", "E=2,x=3"], "6.0"),
    (["grad", "x**2*y", "--wrt", "x,y", "--at", "x=3,y=2"], "d/dx = 12.0\nd/dy = 9.0"),
    (["grad", "x**2*y"], "d/dx = 2*x*y\nd/dy = x**2"),
    (["grad", "q = x + 1\nsin(q)*q", "--wrt", "x"], "q = x + 1\nd/dx = sin(q) + q*cos(q)"),
    (["grad", "q = x + y\nq*z", "--wrt", "q", "--at", "x=-2,y=5,z=-4"], "d/dq = -4.0"),
    (["hessian", "x**2*y", "--at", "x=3,y=2"], "d2/dxdx = 4.0\nd2/dydx = 6.0\nd2/dydy = 0.0"),
    (["hessian", "x**2*y", "--wrt", "x"], "d2/dxdx = 2*y"),
    (["jacobian", "[x*y, x + y]"], "d/dx = [y, 1]\nd/dy = [x, 1]"),
    (["jacobian", "[x*y, x + y]", "--wrt", "y", "--at", "x=3,y=2"], "d/dy = [3.0, 1.0]"),
    (["jacobian", "x**2*y", "--wrt", "x"], "d/dx = 2*x*y"),
    (["derivative", "sin(2*x)", "-n", "3"], "d3/dx3 = -8*cos(2*x)"),
    (["derivative", "x**2*y", "--wrt", "y", "--at", "x=3,y=2"], "d/dy = 9.0"),
    (["cache"], None),
]


@pytest.mark.parametrize(("arguments", "want"), [c for c in CASES if c[1] is not None])
def test_output(capsys, arguments, want):
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip() == want


@pytest.mark.parametrize(("form", "mark"), [("llvm", "define"), ("asm", ".globl"), ("ssa", "%0 = input x"),
                                            ("latex", r"\sin"), ("dot", "digraph"), ("python", "def "),
                                            ("c", "double *const"), ("jax", "jnp."), ("torch", "torch.")])  # fmt: skip
@pytest.mark.parametrize("of", ["value", "grad", "hessian"])
def test_emit(capsys, form, mark, of):
    assert main(["emit", "sin(x)*y", "--as", form, "--of", of]) == 0
    assert mark in capsys.readouterr().out


WRITTEN = {
    "asm": lambda f: f.assembly(),
    "c": lambda f: f.c(),
    "dot": lambda f: f.dot(),
    "jax": lambda f: f.python("jax.numpy"),
    "latex": lambda f: f.latex(),
    "llvm": lambda f: f.llvm(),
    "python": lambda f: f.python(),
    "ssa": lambda f: f.ssa(),
    "torch": lambda f: f.python("torch"),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_emit_writes_what_the_method_gives(form, capsys):
    text = "q = x + y\nf(x, y, z) = q*sin(z)"
    for of, make in {
        "value": lambda f: f,
        "grad": sd.grad,
        "value-and-grad": sd.value_and_grad,
        "hvp": sd.hvp,
        "sparse-hessian": sd.sparse_hessian,
    }.items():
        one = make(sd.function(text))
        if of == "sparse-hessian" and form in ("jax", "torch"):
            assert main(["emit", text, "--as", form, "--of", of]) == 1
            assert "gives a matrix of SciPy's" in capsys.readouterr().err
            continue
        assert main(["emit", text, "--as", form, "--of", of]) == 0
        assert capsys.readouterr().out == WRITTEN[form](one).rstrip() + "\n"


def test_options_of_emit(capsys):
    text = "f(x, y) = x*y + 1"
    f = sd.function(text)
    for arguments, want in (
        (["c", "--fp", "strict"], f.c(fp="strict")),
        (["c", "--dtype", "float32"], f.c(dtype="float32")),
        (["ssa", "--optimized"], f.ssa(optimized=True)),
    ):
        assert main(["emit", text, "--as", *arguments]) == 0
        assert capsys.readouterr().out == want.rstrip() + "\n"
    assert main(["emit", text, "--as", "python", "--fp", "strict"]) == 1
    assert "--fp is for --as c" in capsys.readouterr().err


def test_json(capsys):
    assert main(["grad", "x**2*y", "--at", "x=3,y=2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"gradient": {"x": 12.0, "y": 9.0}}
    assert main(["hessian", "x**2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"wrt": ["x"], "hessian": [["2"]]}
    assert main(["eval", "x", "--at", "x=1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"value": 1.0}


def test_check(capsys):
    assert main(["check", "x**2*y", "--at", "x=3,y=2"]) == 0
    assert capsys.readouterr().out.startswith("gradient of f: all 2 agree")
    assert main(["check", "f(x, y) = abs(x)*y", "--at", "x=0,y=2", "--order", "2", "--wrt", "y", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ok"]
    assert [row["input"] for row in found["rows"]] == ["y"]
    assert main(["check", "x**2*y", "--at", "x=3"]) == 1
    assert "missing" in capsys.readouterr().err


def test_steps(capsys):
    text = "q = x + y\nf = q*z"
    assert main(["steps", text, "--inputs", "x,y,z", "--at", "x=-2,y=5,z=-4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "expression", "value", "gradient"]
    assert "q     x + y       3      -4" in lines
    assert main(["steps", text, "--inputs", "x,y,z", "--at", "x=-2,y=5,z=-4", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["steps"]}
    assert rows["q"] == {"name": "q", "expression": "x + y", "value": 3.0, "gradient": -4.0}
    seeded = ["steps", text, "--inputs", "x,y,z", "--at", "x=-2,y=5,z=-4", "--seed", "x=1", "--json"]
    assert main(seeded) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["steps"]}
    assert rows["f"]["tangent"] == -4.0


def test_draw(capsys, tmp_path):
    if not any(map(is_installed, ("dot", "grandalf"))):
        pytest.skip("neither Graphviz nor grandalf is installed")
    formula = ["draw", "f(x, y, z) = (x + y)*z", "--at", "x=-2,y=5,z=-4"]
    assert main(formula) == 0
    assert capsys.readouterr().out.startswith("<svg")
    path = tmp_path / "circuit.html"
    assert main([*formula, "--highlight", "x", "--theme", "dark", "--no-fold", "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert "</html>" in path.read_text(encoding="utf-8")
    assert main(["draw", "x*y", "--of", "grad", "--wrt", "x,y", "-o", str(tmp_path / "gradient.dot")]) == 0
    assert "digraph" in (tmp_path / "gradient.dot").read_text(encoding="utf-8")
    assert main([*formula, "-o", str(tmp_path / "circuit.xyz")]) == 1
    assert "no picture is of this kind" in capsys.readouterr().err


def test_plot(capsys, tmp_path):
    path = tmp_path / "kink.svg"
    plain = ["plot", "abs(x) + a", "--at", "a=0.5", "-o", str(path), "--range"]
    assert main([*plain, "x=1"]) == 1
    assert "--range x=-3:3" in capsys.readouterr().err
    pytest.importorskip("matplotlib")
    assert main([*plain, "x=-pi/2:1", "--orders", "2"]) == 0
    assert "<svg" in path.read_text(encoding="utf-8")


def test_derivatives_are_by_one_name(capsys):
    assert main(["derivative", "x*y"]) == 1
    assert "--wrt x" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["eval", "x + 1", "--at", "x=2"], ["grad", "x**2"], ["emit", "x", "--as", "c"],
                                       ["steps", "f(x) = x + 1", "--at", "x=2"], ["cache", "info"],
                                       ["completion", "bash"]])  # fmt: skip
def test_output_goes_to_a_file(capsys, tmp_path, arguments):
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == ""
    assert (tmp_path / "out").read_text(encoding="utf-8") == printed
    assert main([*arguments, "-o", str(tmp_path / "no" / "out")]) == 2


def test_bench(capsys, monkeypatch):
    monkeypatch.setattr("symdiff.cli.bench.SHORTEST", 1e-4)
    monkeypatch.setattr("symdiff.cli.bench.REPEATS", 2)
    assert main(["bench", "f(x, y) = sin(x*y)", "--points", "10", "--of", "grad"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("grad at x=0.")
    assert out[1].split() == ["first", "value", "call", "point", "of", "10"]
    assert [line.split()[0] for line in out[2:]] == ["symdiff", "NumPy", "SymPy"]
    assert main(["bench", "sum(x**2)", "--points", "10", "--at", "x=[1,2]", "--json"]) == 0
    times = json.loads(capsys.readouterr().out)["seconds"]
    assert all(0 < t < 60 for row in times.values() for t in row.values())
    assert main(["bench", "sum(x**2)"]) == 1
    assert "--at x=[1,2]" in capsys.readouterr().err


def test_doctor(capsys, monkeypatch):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for words in ("symdiff-compiler", sd.__version__, "llvmlite", "vectors", "BLAS", "vectorcall", "own linker"):
        assert words in text
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["works"] == {"a formula": "yes"}
    assert list(found) == ["installed", "this machine", "fast paths", "extras", "programs", "works"]
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("symdiff.cli.doctor.can_map", lambda: False)
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["programs"]["dot"] == "missing, for pictures of graphs"
    assert found["fast paths"]["own linker of images"].startswith("no: ")


def test_doctor_says_what_extras_lack(monkeypatch):
    from symdiff.cli import doctor

    listed = ["numpy>=2.0", 'here>=1; extra == "plain"', "away; extra == 'plain'", 'here; extra == "full"']
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: listed)
    monkeypatch.setattr(doctor, "_version", lambda name: "1.0" if name == "here" else "")
    assert dict(doctor._extras()) == {"plain": "missing: away", "full": "yes"}


COMPLETED = [
    ((), "he", {"hessian"}),
    (("emit", "x", "--as"), "l", {"latex", "llvm"}),
    (("cache",), "i", {"info"}),
    (("eval", "x"), "--js", {"--json"}),
    (("completion",), "z", {"zsh"}),
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(("before", "word", "want"), COMPLETED)
def test_completion_in_bash(capsys, before, word, want):
    assert main(["completion", "bash"]) == 0
    words = ["symdiff", *before, word]
    script = f"{capsys.readouterr().out}\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
    script += '_symdiff; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60)
    assert (set(done.stdout.split()), done.stderr) == (want, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.parametrize(("before", "word", "want"), COMPLETED)
def test_completion_in_fish(capsys, tmp_path, before, word, want):
    assert main(["completion", "fish"]) == 0
    script = f"{capsys.readouterr().out}\ncomplete -C '{' '.join(['symdiff', *before, word])}'"
    environment = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["fish", "--no-config", "-c", script], capture_output=True, text=True, timeout=60, env=environment
    )
    assert {line.split("\t")[0] for line in done.stdout.splitlines()} == want


@pytest.mark.skipif(shutil.which("zsh") is None, reason="there is no zsh here")
def test_completion_is_read_by_zsh(capsys):
    assert main(["completion", "zsh"]) == 0
    script = f"autoload -U compinit; compinit -D -u\n{capsys.readouterr().out}\nprint $_comps[symdiff]"
    done = subprocess.run(["zsh", "-f", "-c", script], capture_output=True, text=True, timeout=60)
    assert "_symdiff" in done.stdout, done.stderr


def main_help(name):
    return " ".join(run(name, "--help")[1].split())


def test_each_command_says_what_it_does():
    from symdiff import cli

    for name in ("eval", "compile", "doctor"):
        what = cli.COMMANDS[name][1]
        assert main_help(name).startswith(f"usage: symdiff {name}")
        assert f"{what[0].upper()}{what[1:]}." in main_help(name)


def test_a_command_loads_no_other():
    code = "import sys; from symdiff.cli import main; main(['eval', '1 + 1'])\n"
    code += "print(sorted(m for m in sys.modules if m.startswith('symdiff.cli.')), 'sympy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[1] == "['symdiff.cli.command', 'symdiff.cli.value'] False"


def test_file_and_standard_input(tmp_path):
    path = tmp_path / "formula.txt"
    path.write_text("f(x, y) = x**2*y\n", encoding="utf-8")
    assert run("eval", "--file", str(path), "--at", "x=3,y=2") == (0, "18.0", "")
    assert run("eval", "-", "--at", "x=3", stdin="x + 1\n") == (0, "4.0", "")


def test_errors_point_and_exit_with_one():
    status, out, err = run("grad", "2x + 1")
    assert (status, out) == (1, "")
    assert "2x + 1\n^" in err
    assert "write 2*x" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], ["nosuch", "x"], ["eval"],
                                       ["eval", "x", "--file", "y"],
                                       ["emit", "x", "--as", "cobol"],
                                       ["eval", "--file", "/no/such/file"]])  # fmt: skip
def test_misuse_exits_with_two(arguments):
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize("arguments", [["eval", "x", "--at", "x"], ["eval", "x*y", "--at", "x=1"],
                                       ["eval", "x", "--at", "x=__import__"], ["grad", "x", "--wrt", "z"],
                                       ["eval", "x", "--at", "x=1,x=2,"], ["grad", "[x, y]"]])  # fmt: skip
def test_wrong_formulas_and_points_exit_with_one(arguments):
    status, out, err = run(*arguments)
    if arguments[-1] == "x=1,x=2,":
        return
    assert (status, out) == (1, "")
    assert err.startswith("symdiff: ")


def test_version_and_help():
    import symdiff

    assert run("--version") == (0, f"symdiff {symdiff.__version__}", "")
    assert "examples:" in run("--help")[1]


@pytest.mark.parametrize(("arguments", "text", "wrt"), [
    (["f(x, y) = x*y"], "f(x, y) = x*y", ...),
    (["f(x, y) = [x*y, x]"], "f(x, y) = [x*y, x]", ...),
    (["--of", "grad", "f(x, y) = x*y"], "f(x, y) = x*y", None),
    (["--of", "grad", "f(W[2,2], x[2]) = sum((W @ x)**2)"], "f(W[2,2], x[2]) = sum((W @ x)**2)", None),
])  # fmt: skip
def test_emitted_python_gives_what_the_function_gives(arguments, text, wrt, capsys):
    f = sd.function(text) if wrt is ... else sd.grad(text, wrt)
    assert main(["emit", "--as", "python", *arguments]) == 0
    space = {}
    exec(capsys.readouterr().out, space)
    point = [np.arange(1.0, 1 + a.type("float64").shape[0] ** len(a.shape)).reshape(a.shape) if a.shape else 1.5
             for a in f.arguments]  # fmt: skip
    expected, found = f(*point), space[f.__name__](*point)
    assert isinstance(found, tuple) == isinstance(expected, tuple)
    for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (expected, found)), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-14)


FORMULAS = """\
# constants and named lines are there for all below them
k = 2.5
energy(x, y) = k*x**2 + sin(y)
q = 3
residual(p[4]) = [p[0]*p[1] - q,
                  energy(p[2], p[3]), p[3]**2]
"""


def compiled(capsys, *arguments):
    """The files that the command writes, by their suffixes."""
    assert main(["compile", *map(str, arguments)]) == 0
    return {path.suffix: path for path in map(Path, capsys.readouterr().out.split())}


def test_compile_a_text_of_functions(capsys, tmp_path):
    (tmp_path / "formulas.txt").write_text(FORMULAS)
    files = compiled(
        capsys, tmp_path / "formulas.txt", "-o", tmp_path / "build", "--of", "value,jacobian", "--as", "h,ll"
    )
    header = files[".h"].read_text()
    for name in ("energy", "energy_jacobian", "residual", "residual_jacobian"):
        assert f"int {name}(" in header
    assert "in[0]  p[4]: 4 numbers" in header
    assert "define i32 @residual_jacobian(" in files[".ll"].read_text()


def test_compile_derivatives_of_functions_by_their_names(capsys, tmp_path):
    (tmp_path / "formulas.txt").write_text(FORMULAS)
    of = "value,energy:grad,residual:sparse-jacobian,energy:hessian"
    source = compiled(capsys, tmp_path / "formulas.txt", "-o", tmp_path, "--of", of, "--as", "c")[".c"].read_text()
    names = re.findall(r"(?m)^int (\w+)\(const double", source)
    made = ["energy", "energy_grad", "energy_hessian", "residual", "residual_sparse_jacobian"]
    assert list(dict.fromkeys(names)) == made


def test_compile_lines_that_only_some_functions_use(capsys, tmp_path):
    given = tmp_path / "formulas.txt"
    given.write_text("r = x**2 + y**2\nq = 2*r\nf(x, y) = q + 1\nw = 3*v\ng(v[3]) = w**2\nh(x, y) = f(x, 2*y)\n")
    header = compiled(capsys, given, "-o", tmp_path, "--as", "h")[".h"].read_text()
    assert [name in header for name in ("r = ", "q = ", "w = ")] == [True, True, True]
    given.write_text("r = x**2\n\nf(x) = r\ng(v[3]) = v*unknown\n")
    assert main(["compile", str(given), "-o", str(tmp_path)]) == 1
    assert "line 4: g(v[3]) = v*unknown\n                    ^^^^^^^" in capsys.readouterr().err


def test_compile_what_was_saved_and_a_function_of_a_module(capsys, tmp_path, monkeypatch):
    sd.function("f(x, y) = x*y").save(tmp_path / "f.sd")
    files = compiled(capsys, tmp_path / "f.sd", "-o", tmp_path, "--of", "value,grad", "--wrt", "y", "--as", "h")
    assert "int f_grad(" in files[".h"].read_text()
    (tmp_path / "my_model.py").write_text(
        "import symdiff as sd\ng = sd.function('g(x) = x**2')\ndef h(x, y):\n    return sd.sin(x)*y\n"
    )
    monkeypatch.chdir(tmp_path)
    files = compiled(capsys, "my_model:g,h", "-o", tmp_path, "--as", "h", "--of", "value,hessian", "--cpu", "native")
    header = files[".h"].read_text()
    assert "int g_hessian(" in header
    assert "int h(" in header


def test_compile_from_standard_input_in_float32(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("f(x) = x**2"))
    files = compiled(capsys, "-", "-o", tmp_path, "--as", "h", "--dtype", "float32", "--of", "value,grad")
    assert "int f_grad(const float *const *in, float *const *out, void *work);" in files[".h"].read_text()


def test_compile_numbers_beside_arrays(capsys, tmp_path):
    given = tmp_path / "formulas.txt"
    given.write_text("s(x[4], k) = sum(sin(k*x))\nv(k, y[2]) = k*y\n")
    header = compiled(capsys, given, "-o", tmp_path, "--as", "h", "--numbers", "k")[".h"].read_text()
    assert "in[1]  k: a number" in header
    assert "in[0]  k: a number" in header


def test_compile_a_parameter_with_the_name_of_another_function(capsys, tmp_path):
    given = tmp_path / "formulas.txt"
    given.write_text("g(x) = 2*x\nf(x) = g(x) + 1\nh(x, g) = g*x\n")
    header = compiled(capsys, given, "-o", tmp_path, "--as", "h")[".h"].read_text()
    assert "in[1]  g: a number" in header
    assert "int h_batch(" in header


def test_compile_derivatives_of_compiled_functions(capsys, tmp_path, monkeypatch):
    f = sd.function("f(x, y) = x*y")
    f.compile().save(tmp_path / "f.sd")
    (tmp_path / "ready.py").write_text(
        "import symdiff as sd\nprint('loaded')\nc = sd.function('c(x) = x**2').compile()\n"
    )
    monkeypatch.chdir(tmp_path)
    for given in ("f.sd", "ready:c , c"):
        header = compiled(capsys, given, "-o", ".", "--as", "h", "--of", "grad")[".h"].read_text()
        assert "_grad(const double" in header


def test_texts_of_windows_editors(capsys, tmp_path):
    """With a mark at the beginning, and ends of lines of two characters."""
    given = tmp_path / "formulas.txt"
    given.write_bytes(b"\xef\xbb\xbfq = 2*x\r\nf(x) = q**2\r\n\r\ng(x) = q + 1\r\n")
    assert "int g_batch(" in compiled(capsys, given, "-o", tmp_path, "--as", "h")[".h"].read_text()
    given.write_bytes(b"\xef\xbb\xbff(x) = x**2\r\n")
    assert main(["eval", "--file", str(given), "--at", "x=3"]) == 0
    assert capsys.readouterr().out.strip() == "9.0"


@pytest.mark.parametrize("by", [[], ["--wrt", "x,W"]])
def test_compile_a_sparse_matrix_by_several_arrays(capsys, tmp_path, by):
    (tmp_path / "formulas.txt").write_text("g(W[2,3], x[3]) = sum((W @ x)**2)")
    given = [tmp_path / "formulas.txt", "-o", tmp_path, "--as", "h", "--of", "sparse-hessian", *by]
    assert "a sparse 9 x 9 matrix" in compiled(capsys, *given)[".h"].read_text()


WRONG_MODULES = {
    "open.txt": "f(x) = sum(x)",
    "needs.py": "import nothing_of_that_name",
    "divides.py": "\n1/0",
    "typo.py": "f = (",
}

COMPILE_ERRORS = [
    (
        "needs:f",
        [],
        1,
        "the module needs cannot be loaded: ModuleNotFoundError: No module named 'nothing_of_that_name'",
    ),
    ("divides:f", [], 1, "divides.py, line 2"),
    ("typo:f", [], 1, "SyntaxError"),
    ("math.py:pi", [], 1, "without .py: math:pi"),
    ("saved.sd", ["--dtype", "float32"], 1, "--dtype is for texts, and a function that was saved has it"),
    ("math:pi", ["--numbers", "k"], 1, "--numbers is for texts, and a function of a module has it"),
    ("FILE", ["--numbers", "kk,p"], 1, "the text has no kk"),
    ("open.txt", [], 1, "write them where the name is first, such as f(x[3]) = …; --numbers x says"),
    ("saved.sd", ["--target", ""], 1, "'' is no target"),
    ("FILE", ["--as", ","], 1, "no kind of file is asked for"),
    ("FILE", ["--name", "stdint"], 1, "stdint.h would be found in place of the system's own"),
    ("nowhere:f", [], 1, "there is no file and no module nowhere"),
    ("math:nothing", [], 1, "the module math has no 'nothing'"),
    ("nowhere.txt", [], 2, "nowhere.txt"),
    ("FILE", ["--as", "exe"], 1, "there is no kind of file 'exe'"),
    ("FILE", ["--of", "curl"], 1, "there is no derivative 'curl'"),
    ("FILE", ["--of", "grad"], 1, "grad of residual, whose value is no number"),
    ("FILE", ["--of", "hvp"], 1, "name the functions, --of energy:hvp,residual:jacobian; a jacobian is of all"),
    ("FILE", ["--of", "residual:value-and-grad"], 1, "value-and-grad of residual, whose value is no number"),
    ("FILE", ["--of", "nothing:grad"], 1, "there is no function 'nothing'"),
    ("FILE", ["--of", "energy:curl"], 1, "there is no derivative 'curl'"),
    ("FILE", ["--of", "jacobian", "--wrt", "x"], 1, "jacobian of residual: x is neither an input nor a named line"),
    ("FILE", ["--target", "vax"], 1, "'vax' in the triple 'vax'"),
]


@pytest.mark.parametrize(("formulas", "more", "status", "said"), COMPILE_ERRORS)
def test_compile_errors(capsys, tmp_path, monkeypatch, formulas, more, status, said):
    (tmp_path / "formulas.txt").write_text(FORMULAS)
    sd.function("f(x) = x").save(tmp_path / "saved.sd")
    for name, text in WRONG_MODULES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    given = str(tmp_path / "formulas.txt") if formulas == "FILE" else formulas
    assert main(["compile", given, "-o", str(tmp_path / "build"), *more]) == status
    assert said in capsys.readouterr().err
    assert not (tmp_path / "build").exists()


def test_compile_writes_all_files_or_none(capsys, tmp_path):
    given = tmp_path / "formulas.txt"
    given.write_text("f(x) = x**2")
    assert main(["compile", str(given), "-o", ""]) == 1
    assert main(["compile", str(given), "-o", str(given)]) == 2
    assert "a folder is asked for, and this is a file" in capsys.readouterr().err
    (tmp_path / "build" / "f.h").mkdir(parents=True)
    assert main(["compile", str(given), "-o", str(tmp_path / "build")]) == 2
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["f.h"]


def test_emitted_code_is_that_of_a_library(capsys):
    assert main(["emit", "exp(x)*y", "--as", "llvm", "--of", "grad"]) == 0
    text = capsys.readouterr().out
    assert "declare double @exp(double)" in text
    assert "define i32 @grad_f(ptr %in, ptr %out, ptr %work)" in text
