"""Kernels called from plain C under valgrind: no byte is touched that is not an operand's."""

import shutil
import subprocess
import sys
from math import prod

import llvmlite.binding as llvm
import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import jit
from symdiff.codegen.layout import BYTES
from symdiff.codegen.tensors.workspace import support_module
from tests.codegen.plans import make_kernel, random_inputs, random_plan, use_lanes

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(sys.platform != "linux" or not shutil.which("gcc") or not shutil.which("valgrind"),
                       reason="needs gcc and valgrind"),
]  # fmt: skip

C = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int k(char **args, long *dims, long *steps, void *data);
void release(void);
extern void *constants[];
%(constants)s
int main(void) {
  static const long sizes[] = {%(sizes)s}, strides[] = {%(strides)s};
  long steps[%(all)d], points = %(points)d;
  char *args[%(count)d];
  for (int round = 0; round < 2; round++) {
    for (int k = 0; k < %(count)d; k++) {
      /* Every operand ends where its block ends. */
      args[k] = malloc(sizes[k] * points + (sizes[k] == 0));
      steps[k] = sizes[k];
      memset(args[k], 0, sizes[k] * points);
    }
    for (int k = 0; k < %(inner)d; k++) steps[%(count)d + k] = strides[k];
    %(fill)s
    int code = k(args, &points, steps, NULL);
    if (code) return 2;
    for (int k = %(inputs)d; k < %(count)d; k++) {
      unsigned sum = 0;
      for (long j = 0; j < sizes[k] * points; j++) sum += (unsigned char)args[k][j];
      if (sum == 12345678) puts("");
      free(args[k]);
    }
    for (int k = 0; k < %(inputs)d; k++) free(args[k]);
  }
  release();
  return 0;
}
"""


def object_code(text):
    """For a processor whose instructions valgrind knows."""
    target = llvm.Target.from_triple(llvm.get_process_triple())
    machine = target.create_target_machine(cpu="x86-64-v3", features="", opt=2, reloc="pic", codemodel="default")
    return machine.emit_object(jit.parse_module(text))


def run(kernel, folder, constants=(), points=3):
    layout = kernel.layout
    sizes = [o.size * BYTES[o.dtype] for o in layout.operands]
    strides = layout.contiguous_strides()[len(sizes) :]
    arrays = [np.ascontiguousarray(a) for a in constants]
    fill = [f"constants[{k}] = constant{k};" for k in range(len(arrays))]
    data = "".join(f"static char constant{k}[{max(1, a.nbytes)}] = {{{','.join(map(str, a.tobytes()[:a.nbytes]))}}};\n"
                   .replace("static char", "static unsigned char") for k, a in enumerate(arrays))  # fmt: skip
    text = C % {
        "sizes": ",".join(map(str, sizes)), "strides": ",".join(map(str, strides or [0])),
        "all": len(sizes) + max(1, len(strides)), "points": points, "count": len(sizes), "inner": len(strides),
        "inputs": len(layout.inputs), "fill": " ".join(fill), "constants": data,
    }  # fmt: skip
    # The functions of the library under the names that the module has for them.
    module = kernel._write(kernel.opt)[0]
    text += "".join(f"double {what.symbol}(double);\ndouble {symbol}(double x) {{ return {what.symbol}(x); }}\n"
                    for symbol, what in module.imports if hasattr(what, "symbol"))  # fmt: skip
    (folder / "kernel.o").write_bytes(object_code(module.text))
    (folder / "support.o").write_bytes(object_code(support_module().text))
    (folder / "main.c").write_text(text)
    program = str(folder / "main")
    subprocess.run(["gcc", "-O1", "-g", "-o", program, str(folder / "main.c"), str(folder / "kernel.o"),
                    str(folder / "support.o"), "-lm"], check=True, capture_output=True)  # fmt: skip
    found = subprocess.run(["valgrind", "--error-exitcode=9", "--leak-check=full", "-q", program], capture_output=True,
                           text=True, timeout=300)  # fmt: skip
    assert found.returncode == 0, found.stderr


@pytest.fixture(autouse=True)
def four_lanes(monkeypatch):
    if jit.machine() != "x86_64":
        pytest.skip("builds code for x86-64")
    use_lanes(monkeypatch, 4)


@pytest.mark.parametrize("seed", range(0, 36, 3))
def test_random_nests(seed, tmp_path):
    plan, _, buffers = random_plan(seed)
    random_inputs(buffers, seed)
    if any(b.dtype == "index" and prod(b.shape) == 0 for b in buffers):
        pytest.skip("nothing to index")
    run(make_kernel(plan, math="scalar"), tmp_path)


@pytest.mark.parametrize("text", [
    "f(x[1001]) = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)",
    "f(x[37,5]) = sum(sum(x*x, axis=0)**2)",
    "f(x[3,41]) = sum(cumsum(x, axis=1)*prod(x))",
    "f(x[30,100]) = sum((x.T + 1)[::-1]*x[3, 7]*x.T)",
    "f(x[3000]) = sum(x/sum(x*x))",
    "f(x[9,40]) = sum(x[:, 1:-1:3]*exp(x[0, 3:16]))",
])  # fmt: skip
def test_functions_and_gradients(text, tmp_path, monkeypatch):
    monkeypatch.setattr("symdiff.optimize.pipeline.MOST_UNROLLED", -1)
    f = sd.function(text)
    for k, function in enumerate((f, sd.grad(f))):
        kernel = function.compile(math="scalar").kernel
        (tmp_path / str(k)).mkdir()
        run(kernel, tmp_path / str(k), kernel.program.plan.constants)
