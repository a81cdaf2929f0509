"""Names that something else has: what is refused, and what goes out of the way."""

import shutil
import subprocess

import pytest

import symdiff as sd
from tests.ship.c_programs import STRICT, needs_gcc, run_c
from tests.ship.libraries import loaded, needs_cc

F = sd.function("f(x, y) = x**2*y + sin(x)")

TAKEN = (
    "NULL EOF stdin FILE va_list time_t uint open close link wait sleep random stat errno exp gamma double class main "
    "INT64_MAX SIZE_MAX PRId64 INT64_C DBL_MAX CHAR_BIT RAND_MAX EXIT_SUCCESS MB_CUR_MAX SIGINT EINTR LC_ALL SEEK_SET "
    "alloca WEOF pthread_self SYMDIFF_OK SYMDIFF_f_H a__b"
)


@pytest.mark.parametrize("name", TAKEN.split())
def test_what_headers_have_is_refused(tmp_path, name):
    with pytest.raises(sd.ArgumentError, match=f"{name} has a meaning in C"):
        sd.emit({name: F}, tmp_path / "new", kinds="h")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("name", "kind", "refused"), [
    ("c", "a", True), ("m", "so", True), ("openblas", "a", True), ("stdint", "h", True), ("string", "h", True),
    ("types", "ctypes", True), ("numpy", "py", True), ("c", "h", False), ("m", "c", False), ("f", "a", False),
    ("stdint", "hpp", False), ("numpy", "o", False),
])  # fmt: skip
def test_files_that_would_hide_those_of_the_system(tmp_path, name, kind, refused):
    if refused:
        with pytest.raises(sd.ArgumentError, match="would be found in place of the system's own"):
            sd.emit({"f": F}, tmp_path / "new", kinds=kind, name=name)
        assert not (tmp_path / "new").exists()
    else:
        assert sd.emit({"f": F}, tmp_path / "new", kinds=kind, name=name)


LOCAL = [
    "n",
    "in",
    "out",
    "work",
    "in_strides",
    "out_strides",
    "from",
    "to",
    "status",
    "i",
    "k",
    "t",
    "x_",
    "dgemm_",
    "E",
]


@needs_gcc
def test_functions_in_c_source_have_the_names_of_the_header(tmp_path):
    """Also those whose parameters and variables have such names."""
    sd.emit(dict.fromkeys(LOCAL, F), tmp_path, kinds=("c", "h"), name="names")
    calls = [
        f"if ({name}(ins, outs, 0) || {name}_batch(1, ins, steps, outs, steps, 0)) return 1;\n    sum += r;"
        for name in LOCAL
    ]
    newline = "\n    "
    source = f"""#include <stdio.h>
#include "names.h"
static double one(void)
{{
    static const double x = 1.5, y = 2.0;
    static double r;
    static const double *const ins[] = {{&x, &y}};
    static double *const outs[] = {{&r}};
    static const int64_t steps[] = {{1, 1}};
    double sum = 0;
    {newline.join(calls)}
    return sum;
}}
int main(void) {{ printf("%a", one()); return 0; }}
"""
    said = float.fromhex(run_c(tmp_path, source, tmp_path / "names.c", flags=STRICT))
    assert said == pytest.approx(len(LOCAL) * F(1.5, 2.0))


@needs_gcc
def test_headers_whose_names_differ_by_capitals(tmp_path):
    sd.emit({"rate": F}, tmp_path, kinds=("c", "h"), name="rates")
    sd.emit({"Rate": F}, tmp_path, kinds=("c", "h"), name="Rates")
    source = """#include "rates.h"
#include "Rates.h"
#include "rates.h"
int main(void) { return rate_n_in() == 2 && Rate_n_in() == 2 ? 0 : 1; }
"""
    run_c(tmp_path, source, tmp_path / "rates.c", tmp_path / "Rates.c", flags=STRICT)


@needs_cc
def test_names_that_python_has(tmp_path):
    """A function that is called as a word or a built-in of Python, or as what the module itself needs."""
    names = [
        "len",
        "zip",
        "max",
        "tuple",
        "range",
        "np",
        "ctypes",
        "pathlib",
        "LoadedFunction",
        "lambda",
        "lambda_",
        "g",
    ]
    module = loaded(dict.fromkeys(names, F), tmp_path, "words")
    for name in names:
        found = getattr(module, {"lambda": "lambda__", "lambda_": "lambda_", "g": "g"}.get(name, f"{name}_"))
        assert found.__name__ == name
        assert found(1.5, 2.0) == F(1.5, 2.0)
        assert found([1.5, 2.0], 2.0).shape == (2,)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_parameters_with_the_names_of_members_and_variables_in_cpp(tmp_path):
    words = "work, memory, n, into, result, batch, in, out, in_strides, out_strides, found, code, points, support, std"
    header = sd.emit(f"f({words}) = {words.replace(',', ' +')}", tmp_path, kinds="hpp")[0]
    command = ["g++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-x", "c++", str(header)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_symlink_in_the_folder_is_replaced(tmp_path):
    """Files are replaced as a whole: what reads the old one goes on with it."""
    kept = sd.emit(F, tmp_path, kinds="h", name="kept")[0]
    before = kept.read_text()
    (tmp_path / "f.h").symlink_to(kept)
    sd.emit(F, tmp_path, kinds="h")
    assert kept.read_text() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.h", "kept.h"]


@pytest.mark.parametrize(
    ("kind", "file"), [("py", "model.py"), ("c", "model.c"), ("h", "model.h"), ("hpp", "model.hpp")]
)
def test_what_a_person_wrote_is_not_replaced(tmp_path, kind, file):
    """The module that the functions are from, say."""
    (tmp_path / file).write_text("import symdiff as sd\n")
    with pytest.raises(sd.ArgumentError, match=f"{file} is a file that symdiff did not write"):
        sd.emit({"model": F}, tmp_path, kinds=("o", kind))
    assert [path.name for path in tmp_path.iterdir()] == [file]
    (tmp_path / file).unlink()
    for _ in range(2):
        assert sd.emit({"model": F}, tmp_path, kinds=kind)[0].name == file
