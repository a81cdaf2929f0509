"""The C source of a library has all that its object has."""

import shutil
import subprocess

import pytest

import symdiff as sd
from symdiff.ship import package
from tests.ship.c_programs import STRICT, needs_gcc


def functions():
    f = sd.function(("a*x*sqrt(x**2 + y**2)", "v*b", "x < y"), {"a": (), "b": (), "x": (), "y": (), "v": (2, 2)})
    entries = sd.function("h(x[4]) = [x[0]*x[1], sin(x[2]), x[0] + x[3]**2]")
    return {"f": f, "matrix": sd.sparse_jacobian(entries, format="csc"), "nothing": sd.function("z() = 3")}


@needs_gcc
def test_it_defines_the_symbols_of_the_object(tmp_path):
    source, header, built = sd.emit(functions(), tmp_path, kinds=("c", "h", "o"), name="lib")
    both = tmp_path / "both.c"
    both.write_text(f'#include "{header.name}"\n#include "{source.name}"\n')
    made = tmp_path / "both.o"
    done = subprocess.run(["gcc", *STRICT, "-c", str(both), "-o", str(made)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = [
        {
            line.split()[-1]
            for line in subprocess.check_output(["nm", str(path)], text=True).splitlines()
            if " T " in line
        }
        for path in (made, built)
    ]
    assert names[0] == names[1]


ANSWERS = """
#include <stdio.h>
#include "lib.h"
int main(void)
{
    printf("%d %d %s %s", (int)f_n_in(), (int)f_n_out(), f_in_name(4), f_out_name(1));
    printf(" %d %d %d", (int)f_in_rank(4), (int)f_in_rank(5), (int)f_in_shape(4)[1]);
    printf(" %d %d %d\\n", f_in_name(5) == 0, f_in_shape(-1) == 0, (int)f_work_bytes());
    for (int k = 0; k < 10; k++) printf("%d ", (int)matrix_sparsity()[k]);
    return 0;
}
"""


@needs_gcc
@pytest.mark.skipif(shutil.which("nm") is None, reason="nm is not installed")
def test_it_answers_as_the_object_does(tmp_path):
    source, _, built = sd.emit(functions(), tmp_path, kinds=("c", "h", "o"), name="lib")
    (tmp_path / "main.c").write_text(ANSWERS)
    found = []
    for given in (source, built):
        program = tmp_path / "main"
        command = ["gcc", *STRICT, str(tmp_path / "main.c"), str(given), "-lm", "-o", str(program)]
        subprocess.run(command, check=True)
        found.append(subprocess.check_output([str(program)], text=True))
    assert found[0] == found[1]
    assert found[0].splitlines()[0].endswith("v[2, 2] f_2[2, 2] 2 -1 2 1 1 0")


def test_arrays_through_loops_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(sd.CompileError, match="arrays"):
        sd.emit(sd.function("f(x[400, 400]) = x @ x"), tmp_path / "new", kinds="c")
    assert not (tmp_path / "new").exists()


def test_c_alone_needs_no_machine_code(tmp_path, monkeypatch):
    monkeypatch.setattr(package, "write_program", None)
    (source,) = sd.emit(functions(), tmp_path, kinds="c", name="lib")
    assert "int matrix(" in source.read_text()
    with pytest.raises(TypeError):
        sd.emit(functions(), tmp_path, kinds=("c", "o"), name="lib")
