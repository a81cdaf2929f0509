"""Objects and libraries, linked to C programs and run: the bits are those of the same functions here."""

import shutil
import subprocess

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen.target import Target
from tests.ship.c_programs import ROSENBROCK, bits, call, flat, main, needs_gcc, printed, run_c, sizes_of

RNG = np.random.default_rng(5)

LIBRARY = {
    "rosenbrock": ROSENBROCK,
    "rosenbrock_grad": sd.grad(ROSENBROCK),
    "rosenbrock_hess": sd.hessian(ROSENBROCK),
    "both": sd.value_and_grad(ROSENBROCK),
}
POINT = (0.7, -1.3)


@needs_gcc
@pytest.mark.parametrize("kind", ["o", "a", "so", "c"])
def test_a_c_program_gets_the_same_bits(tmp_path, kind):
    header, built = sd.emit(LIBRARY, tmp_path, kinds=("h", kind), target=Target.of())
    blocks = [call(name, POINT, sizes_of(f, *POINT)) for name, f in LIBRARY.items()]
    linked = [built] if kind != "so" else [built, f"-Wl,-rpath,{tmp_path}"]
    found = printed(run_c(tmp_path, main(header.name, *blocks), *linked))
    assert found == bits(*[y for f in LIBRARY.values() for y in flat(f(*POINT))])


@needs_gcc
@pytest.mark.parametrize(("count", "kind"), [(1, "o"), (21, "o"), (3, "c")])
def test_a_batch_gives_the_bits_of_points(tmp_path, count, kind):
    sd.emit(LIBRARY, tmp_path, kinds=("h", kind), math="scalar")
    points = [RNG.normal(size=count), RNG.normal(size=count)]
    blocks = [call(name, points, sizes_of(f, *POINT), count) for name, f in LIBRARY.items()]
    found = printed(run_c(tmp_path, main("rosenbrock.h", *blocks), tmp_path / f"rosenbrock.{kind}"))
    wanted = [y for f in LIBRARY.values() for y in flat(f.compile(math="scalar")(*points))]
    assert found == bits(*wanted)


@needs_gcc
def test_a_batch_by_vectors_gives_the_bits_of_batches_here(tmp_path):
    sd.emit(LIBRARY, tmp_path, kinds=("h", "o"), cpu="native")
    points = [RNG.normal(size=40), RNG.normal(size=40)]
    blocks = [call(name, points, sizes_of(f, *POINT), 40) for name, f in LIBRARY.items()]
    found = printed(run_c(tmp_path, main("rosenbrock.h", *blocks), tmp_path / "rosenbrock.o"))
    assert found == bits(*[y for f in LIBRARY.values() for y in flat(f(*points))])


@needs_gcc
def test_a_stride_of_0_is_one_array_for_all_points(tmp_path):
    f = sd.function("f([a, b], x) = a*exp(-b*x)")
    f.emit(tmp_path, kinds=("h", "o"), math="scalar")
    source = main(
        "f.h",
        """
    double p[2] = {2.0, 0.5}, x[18], y[9];
    const double *in[] = {p, x};
    double *out[] = {y};
    const int64_t si[] = {0, 2}, so[] = {1};
    void *work = malloc(f_batch_work_bytes());
    for (int i = 0; i < 18; i++) x[i] = 0.25*i;
    if (f_batch(9, in, si, out, so, 0) != SYMDIFF_NO_WORKSPACE) return 1;
    if (f_batch(9, in, si, out, so, work)) return 1;
    for (int i = 0; i < 9; i++) printf("%a\\n", y[i]);
    free(work);
""",
    )
    found = printed(run_c(tmp_path, source, tmp_path / "f.o"))
    assert found == bits([f([2.0, 0.5], 0.5 * i) for i in range(9)])


@needs_gcc
def test_what_a_library_tells_of_itself(tmp_path):
    f = sd.function("f([a, b], x, M[2, 2]) = [a*x + M[0, 0], b + M[1, 1], x]")
    sd.emit({"f": (f), "g": sd.grad(ROSENBROCK)}, tmp_path, kinds=("h", "a"))
    source = main(
        "f.h",
        """
    printf("%" PRId64 " %" PRId64 "\\n", f_n_in(), f_n_out());
    for (int64_t k = 0; f_in_name(k); k++) {
        printf("%s %" PRId64 ":", f_in_name(k), f_in_rank(k));
        for (int64_t i = 0; i < f_in_rank(k); i++) printf(" %" PRId64, f_in_shape(k)[i]);
        printf("\\n");
    }
    printf("%s %" PRId64 " %" PRId64 "\\n", f_out_name(0), f_out_rank(0), f_out_shape(0)[0]);
    if (f_in_shape(3) || f_in_shape(-1) || f_in_rank(3) != -1 || f_out_name(1)) return 1;
    printf("%s\\n", g_out_name(0));
""",
    )
    said = run_c(tmp_path, source, tmp_path / "libf.a").splitlines()
    assert said == ["3 1", "[a, b] 1: 2", "x 0:", "M[2, 2] 2: 2 2", "f[3] 1 3", "grad_rosenbrock[2]"]


@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed")
@pytest.mark.parametrize("cpu", ["x86-64", "x86-64-v3"])
def test_only_public_functions_are_undefined(tmp_path, cpu):
    f = sd.function("f(x, y) = sin(x)*cos(x) + exp(y)*floor(x) + lgamma(x) + atan2(x, y) + x*y + sqrt(x) + erf(x)")
    _, built = sd.emit({"f": f, "g": sd.grad(f, "y")}, tmp_path, kinds=("h", "o"), target=Target.of(cpu=cpu))
    lines = subprocess.run(["nm", "-u", built], capture_output=True, text=True, check=True).stdout.split()
    undefined = {word for word in lines if word != "U"}
    public = {"atan2", "erf", "exp", "floor", "fma", "hypot", "lgamma", "sincos"}
    assert {"atan2", "lgamma", "sincos"} < {name for name in undefined if not name.startswith("_ZGV")} <= public
    named = (tmp_path / "f.h").read_text().partition("(link with -lm): ")[2].partition("*/")[0]
    assert undefined <= set(named.split()) <= undefined | {"*", "memset", "memcpy"}


def test_the_same_functions_give_the_same_bytes(tmp_path):
    one, two = (sd.emit(LIBRARY, tmp_path / name, kinds=("a", "h", "ll")) for name in ("one", "two"))
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


def test_alike_code_is_there_once(tmp_path):
    twice = {"f": ROSENBROCK, "g": sd.function(str(ROSENBROCK))}
    single, both = (sd.emit(fs, tmp_path / str(len(fs)), kinds="o")[0] for fs in ({"f": ROSENBROCK}, twice))
    text = sd.emit(twice, tmp_path, kinds="ll")[0].read_text()
    assert text.count("define internal void @own.gather") == 1
    assert text.count("call double @exp(") == 1
    assert len(both.read_bytes()) < 2 * len(single.read_bytes())


REFUSED = {
    "no name": ({"2f": ROSENBROCK}, {}, "no name in C"),
    "a keyword": ({"double": ROSENBROCK}, {}, "has a meaning in C"),
    "a function of C": ({"exp": ROSENBROCK}, {}, "has a meaning in C"),
    "a function of libm's": ({"gamma": ROSENBROCK}, {}, "has a meaning in C"),
    "two of one name": ([ROSENBROCK, ROSENBROCK], {}, "two functions are called rosenbrock"),
    "names that collide": ({"f": ROSENBROCK, "f_batch": ROSENBROCK}, {}, "f_batch would belong to f and to f_batch"),
    "no function": (3, {}, "int is no function"),
    "nothing": ({}, {}, "no function to emit"),
    "an unknown kind": (ROSENBROCK, {"kinds": "exe"}, "there is no kind of file 'exe'"),
    "an unknown target": (ROSENBROCK, {"target": "vax-dec-vms"}, "'vax' in the triple 'vax-dec-vms' is no processor"),
    "kinds that are no texts": (ROSENBROCK, {"kinds": ["h", 3]}, "3 among kinds is no text"),
    "a target of another type": (ROSENBROCK, {"target": 3}, "3 is no target"),
    "floats and doubles": (
        [ROSENBROCK, sd.function("g(x) = x", dtype="float32")],
        {"kinds": "c"},
        "functions of float64 and of float32 in one file",
    ),
    "an unknown math": (ROSENBROCK, {"math": "fast"}, "math is 'fast'"),
    "another machine's processor": (ROSENBROCK, {"target": "riscv64-linux-gnu", "cpu": "native"}, "is no riscv64"),
    "shapes of calls": (sd.function("f(x) = sum(x)"), {}, "shape"),
    "sparse shapes of calls": (sd.sparse_hessian("f(x) = sum(x**3)"), {}, "the shapes of x"),
    "an unknown processor": (ROSENBROCK, {"cpu": "pentium-of-mine"}, "LLVM knows no processor 'pentium-of-mine'"),
    "no order": (sd.function("x**2*y"), {}, "nothing says in which order f takes x, y"),
    "SciPy's functions": (sd.function("f(x) = digamma(x)"), {}, "digamma is SciPy's, and no C library has it"),
    "this process": (ROSENBROCK, {"target": Target.host()}, "code for this process cannot be shipped"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals(tmp_path, case):
    functions, options, said = case
    with pytest.raises(sd.SymdiffError, match=said):
        sd.emit(functions, tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


def test_conditions_become_numbers(tmp_path):
    f = sd.function("f(x) = sin(x) > 0.5")
    header = sd.emit(f, tmp_path, kinds="h")[0].read_text()
    assert "out[0]  f: a number" in header


TARGETS = {
    "aarch64-linux-gnu": (b"\x7fELF", 2, True),
    "riscv64-linux-gnu": (b"\x7fELF", 1, True),
    "x86_64-w64-windows-gnu": (b"\x64\x86", 4, True),
    "arm64-apple-macosx": (b"\xcf\xfa\xed\xfe", 2, True),
    "wasm32": (b"\0asm", 1, False),
    "thumbv7em-none-eabihf": (b"\x7fELF\x01", 1, False),
    "i686-linux-gnu": (b"\x7fELF\x01", 1, False),
}


@pytest.mark.parametrize("triple", TARGETS)
def test_objects_for_other_machines(tmp_path, triple):
    magic, lanes, fused = TARGETS[triple]
    target = Target.of(triple)
    assert (target.lanes, target.has_fma) == (lanes, fused)
    (built,) = sd.emit(ROSENBROCK, tmp_path, kinds="o", target=triple)
    assert built.read_bytes().startswith(magic)


def test_without_a_compiler_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("symdiff.ship.linker.shutil.which", lambda name: None)
    monkeypatch.setattr("symdiff.ship.linker.importlib.util.find_spec", lambda name: None)
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(sd.CompileError, match="no C compiler") as found:
        ROSENBROCK.emit(tmp_path, kinds="so")
    assert "symdiff-compiler[ship]" in found.value.hint


def test_what_target_refuses():
    for options in ({"features": "+avx1024"}, {"relocation": "none"}, {"vector_library": "svml"}):
        with pytest.raises(sd.ArgumentError):
            Target.of("x86_64-linux-gnu", **options)
    assert Target.of("x86_64-linux-gnu", features="-fma", cpu="x86-64-v3").has_fma is False
    assert Target.of("x86_64-linux-gnu", cpu="haswell").lanes == 4


@needs_gcc
def test_long_code_in_pieces_with_constants(tmp_path):
    """A Hessian with constants, too long for one function: values cross pieces in the caller's workspace."""
    text = " + ".join([f"sin(x[{k}]*x[{k + 1}])*exp(x[{k}]/(1 + x[{k + 1}]**2))" for k in range(39)])
    f = sd.function(f"f(x[40]) = {text}")
    functions = {"value": f, "curvature": sd.hessian(f)}
    header, built = sd.emit(functions, tmp_path, kinds=("h", "o"), math="scalar")
    one, many = RNG.normal(size=40), RNG.normal(size=(11, 40))
    need = "if (curvature_work_bytes() == 0 || curvature(0, 0, 0) != SYMDIFF_NO_WORKSPACE) return 1;"
    blocks = [need, call("value", [one], [1]), call("curvature", [one], [1600]), call("curvature", [many], [1600], 11)]
    found = printed(run_c(tmp_path, main(header.name, *blocks), built))
    hessian = functions["curvature"].compile(math="scalar")
    assert found == bits(f(one), hessian(one), hessian(many))


@needs_gcc
def test_many_threads_call_at_once(tmp_path):
    f = sd.function("f(x, y) = " + " + ".join([f"sin({k}*x)*cos(y/{k})" for k in range(1, 40)]))
    sd.emit({"f": f, "g": sd.grad(f)}, tmp_path, kinds=("h", "o"))
    source = """
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "f.h"
static void *run(void *given)
{
    double x = *(double *)given, y = 2*x, first[2], again[2], *out[] = {first}, *more[] = {again};
    const double *in[] = {&x, &y};
    void *work = malloc(g_work_bytes() + 8);
    if (g(in, out, work)) return given;
    for (int i = 0; i < 2000; i++)
        if (g(in, more, work) || again[0] != first[0] || again[1] != first[1]) return given;
    free(work);
    return 0;
}
int main(void)
{
    pthread_t threads[8];
    double x[8];
    void *bad = 0;
    for (int i = 0; i < 8; i++) { x[i] = 0.1*i; if (pthread_create(&threads[i], 0, run, &x[i])) return 1; }
    for (int i = 0; i < 8; i++) { void *said; pthread_join(threads[i], &said); if (said) bad = said; }
    return bad != 0;
}
"""
    flags = ("-std=c99", "-Wall", "-Werror", "-O1", "-fsanitize=thread", "-pthread")
    run_c(tmp_path, source, tmp_path / "f.o", flags=flags)
