"""Kernels: NVIDIA's assembler takes them, and their threads, run here one after the other, give the right values."""

import ctypes
import os
import re
import shutil
import subprocess
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest

import symdiff as sd
from symdiff.ship import libdevice
from tests.ship.c_programs import ROSENBROCK, flat

RNG = np.random.default_rng(23)

NVPTX = "nvptx64-nvidia-cuda"

has_libdevice = any((libdevice.Path(folder) / libdevice.LIBDEVICE).is_file() for folder in libdevice.folders())

PTXAS = shutil.which("ptxas", path=os.pathsep.join([os.environ["PATH"], *(f"{f}/bin" for f in libdevice.folders())]))
"""The assembler, of CUDA or of NVIDIA's package of Python."""

needs_ptxas = pytest.mark.skipif(PTXAS is None, reason="ptxas, of CUDA's toolkit, is not installed")
needs_libdevice = pytest.mark.skipif(not has_libdevice, reason="CUDA's libdevice is not installed")

RATIONAL = sd.function("rational(x, y, v[3]) = (1 - x)**2/(2 + v[0]) + 100*(y - x**2)**2 + sqrt(v[1]**2 + 1)*v[2]")

ARITHMETIC = {
    "value": RATIONAL,
    "slope": sd.grad(RATIONAL, "v"),
    "both": sd.value_and_grad(RATIONAL, "v"),
    "curve": sd.hessian(RATIONAL, "v"),
    "picked": sd.function("picked(x[4], k) = x[k]*cumsum(x)", shapes={"k": ()}),
    "loops": sd.function("loops(A[8, 8], b[8]) = A @ (A @ b)"),
    "solved": sd.function("solved(A[5, 5], b[5]) = solve(A, b)"),
    "algebra": sd.function("algebra(A[9, 9], B[9, 40]) = solve(A + 9*eye(9), B) @ B.T"),
    "constants": sd.jacobian(sd.function("c(x[3]) = [x[0]*2, x[1]*x[2], 5*x[2]]"), "x"),
    "lengthy": sd.function("lengthy(x, y) = " + " + ".join(f"(x - {k})*y**{k % 7}/({k} + x*x)" for k in range(1, 300))),
    "single": sd.function("single(x[3], y) = x*x/(1 + y**2)", shapes={"y": ()}, dtype="float32"),
}


def assembled(path):
    done = subprocess.run(
        [PTXAS, "-O0", "-arch=sm_90", path, "-o", path.with_suffix(".cubin")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@needs_ptxas
def test_the_assembler_takes_arithmetic(tmp_path):
    functions = {name: f for name, f in ARITHMETIC.items() if name != "lengthy"}  # which takes it seconds
    (path,) = sd.emit(functions, tmp_path, kinds="ptx")
    text = path.read_text()
    assert sorted(re.findall(r"\.visible \.entry (\w+)\(", text)) == sorted(f"{name}_batch" for name in functions)
    assembled(path)


WORDS = (
    "acos acosh asin asinh atan atanh cbrt cos cosh erf erfc exp exp2 expm1 gamma lgamma log log10 log1p log2 sin sinh "
    "tan tanh floor ceil round j0 y1"
)


@needs_ptxas
@needs_libdevice
@pytest.mark.parametrize("processor", ["sm_75", "sm_90"])
def test_the_assembler_takes_the_functions_of_libdevice(tmp_path, processor):
    texts = [*(f"{word}(x)" for word in WORDS.split()), "atan2(x, y)", "hypot(x, y)", "fmod(x, y)", "x**y"]
    f = sd.function(f"every(x, y) = [{', '.join(texts)}]")
    (path,) = sd.emit({"every": f, "slope": sd.grad(ROSENBROCK)}, tmp_path, kinds="ptx", cpu=processor)
    assert f".target {processor}" in path.read_text()
    assembled(path)


def threads(folder, name, inputs, sizes, dtype, count, launched):
    """The outputs and the status after each thread of the kernel has run on this machine, one after the other."""
    text = next(folder.glob("*.ll")).read_text()
    text = re.sub(r"(?m)^target .*$", "", text).replace("ptx_kernel ", "")
    for k, register in enumerate(("ctaid", "ntid", "tid")):
        intrinsic = f"llvm.nvvm.read.ptx.sreg.{register}.x"
        text = re.sub(rf"(?m)^declare .*@{re.escape(intrinsic)}\(\).*$", "", text)
        text = text.replace(f"@{intrinsic}()", f"@sreg{k}()")
        text += f"\n@r{k} = global i32 0\ndefine i32 @sreg{k}() {{\n%v = load i32, ptr @r{k}\nret i32 %v\n}}\n"
    module = llvm.parse_assembly(text)
    with llvm.create_mcjit_compiler(module, llvm.Target.from_default_triple().create_target_machine()) as engine:
        engine.finalize_object()
        registers = [ctypes.c_int32.from_address(engine.get_global_value_address(f"r{k}")) for k in range(3)]
        kernel = engine.get_function_address(f"{name}_batch")
        arrays = [np.ascontiguousarray(x, dtype) for x in inputs]
        made = [np.full((count, size), 7.0, dtype) for size in sizes]
        strides = [x.size // len(x) if len(x) == count else 0 for x in arrays] + list(sizes)
        status = ctypes.c_int32(0)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*arrays, *made)]
        given = [ctypes.c_int64(count), *pointers, *map(ctypes.c_int64, strides), ctypes.byref(status)]
        call = ctypes.CFUNCTYPE(None, *[type(g) if not hasattr(g, "_obj") else ctypes.c_void_p for g in given])(kernel)
        registers[1].value = 4
        for thread in range(launched):
            registers[0].value, registers[2].value = divmod(thread, 4)
            call(*given)
        return made, status.value


@pytest.mark.parametrize("name", ARITHMETIC)
def test_each_thread_computes_its_point(tmp_path, name):
    f, count = ARITHMETIC[name], 6
    sd.emit({name: f}, tmp_path, kinds="ll", target=NVPTX)
    inputs = [RNG.normal(size=(count, *t.shape)) for t in f._known.program(f.arguments, "contract").inputs]
    if name == "picked":
        inputs[1] = np.array([0.0, 3, 1, 2, 3, 0])
    wanted = flat(f(*inputs))
    sizes = [y.size // count for y in wanted]
    made, status = threads(tmp_path, name, inputs, sizes, wanted[0].dtype, count, 8)  # two threads have no point
    assert status == 0
    for own, y in zip(made, wanted, strict=True):
        np.testing.assert_allclose(own, y.reshape(own.shape), rtol=1e-12 if own.dtype == np.float64 else 1e-6)


def test_a_thread_that_fails_says_so(tmp_path):
    sd.emit(ARITHMETIC["picked"], tmp_path, kinds="ll", target=NVPTX)
    x = RNG.normal(size=(1, 4))
    (made,), status = threads(tmp_path, "picked", [x, np.array([1.0, 9.0, 2.0])], [4], np.float64, 3, 3)
    assert status == 2
    wanted = np.cumsum(x)
    np.testing.assert_allclose(made[[0, 2]], [x[0, 1] * wanted, x[0, 2] * wanted], rtol=1e-14)


MANY = ", ".join(f"x{k}" for k in range(260))

REFUSED = {
    "another machine": (ROSENBROCK, {"target": "aarch64-linux-gnu"}, "aarch64-unknown-linux-gnu has no kernels"),
    "no libdevice": (ROSENBROCK, {"libraries": ["/nowhere/libdevice.10.bc"]}, "cos, exp, sin of CUDA's libdevice are"),
    "BLAS": (sd.function("f(A[50, 50], B[50, 50]) = A @ B"), {"blas": True}, "a kernel cannot call dgemm_"),
    "a large workspace": (sd.function("f(x[3000]) = cumsum(cumsum(x)*x)*x"), {}, "bytes of workspace at each point"),
    "LAPACK": (sd.function("f(A[40, 40], b[40]) = solve(A, b)"), {"blas": True}, "a kernel cannot call dgetrf_"),
    "many inputs": (sd.function(f"f({MANY}) = {MANY.replace(',', ' +')}"), {}, "f has 261 inputs and outputs"),
    "an object": (RATIONAL, {"kinds": "o", "target": NVPTX}, "LLVM makes no objects"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals(tmp_path, case):
    functions, options, said = case
    with pytest.raises(sd.SymdiffError, match=said):
        sd.emit(functions, tmp_path, **{"kinds": "ptx", **options})


@pytest.fixture
def without_cuda(monkeypatch):
    """No folder of CUDA's is known; what libdevice is here is the value."""
    found = next(p for f in libdevice.folders() if (p := libdevice.Path(f) / libdevice.LIBDEVICE).is_file())
    monkeypatch.setattr(libdevice, "USUAL", "/nowhere")
    monkeypatch.setattr(sys, "path", [])
    for name in libdevice.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return found


@needs_libdevice
def test_libdevice_by_its_path(tmp_path, monkeypatch, without_cuda):
    with pytest.raises(sd.CompileError, match="which is not here"):
        sd.emit(ROSENBROCK, tmp_path, kinds="ptx")
    (named,) = sd.emit(ROSENBROCK, tmp_path / "named", kinds="ptx", libraries=[str(without_cuda)])
    monkeypatch.setenv("CUDA_HOME", str(without_cuda.parents[2]))
    (found,) = sd.emit(ROSENBROCK, tmp_path / "found", kinds="ptx")
    assert named.read_text() == found.read_text()


@needs_libdevice
def test_libdevice_of_a_package_of_python(tmp_path, monkeypatch, without_cuda):
    packaged = tmp_path / "nvidia" / "cuda_nvcc" / libdevice.LIBDEVICE
    packaged.parent.mkdir(parents=True)
    packaged.write_bytes(without_cuda.read_bytes())
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    (found,) = sd.emit(ROSENBROCK, tmp_path / "found", kinds="ptx")
    (named,) = sd.emit(ROSENBROCK, tmp_path / "named", kinds="ptx", libraries=[str(packaged)])
    assert named.read_text() == found.read_text()


class Driver:
    """CUDA's driver, with one processor; each call that fails is an error."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        device, self.context = ctypes.c_int(), ctypes.c_void_p()
        self.call("cuDeviceGet", ctypes.byref(device), 0)
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self.context), device)
        self.call("cuCtxSetCurrent", self.context)

    def call(self, name, *given):
        code = self.library[name](*given)
        if code:
            raise OSError(f"{name} failed with the code {code}")

    def memory(self, array):
        """A copy of an array in the processor's memory."""
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(array.nbytes))
        self.call("cuMemcpyHtoD_v2", address, ctypes.c_void_p(array.ctypes.data), ctypes.c_size_t(array.nbytes))
        return address

    def back(self, array, address):
        self.call("cuMemcpyDtoH_v2", ctypes.c_void_p(array.ctypes.data), address, ctypes.c_size_t(array.nbytes))
        return array

    def launch(self, text, name, blocks, threads, given):
        module, kernel = ctypes.c_void_p(), ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(text.encode()))
        self.call("cuModuleGetFunction", ctypes.byref(kernel), module, name.encode())
        pointers = (ctypes.c_void_p * len(given))(*map(ctypes.addressof, given))
        self.call("cuLaunchKernel", kernel, blocks, 1, 1, threads, 1, 1, 0, None, pointers, None)
        self.call("cuCtxSynchronize")


@pytest.fixture(scope="module")
def driver():
    try:
        return Driver()
    except OSError as error:
        pytest.skip(f"there is no processor of NVIDIA's: {error}")


def launched(driver, folder, name, f, inputs, sizes, dtype, count):
    """The outputs of a kernel at so many points, and its status; an input has a row for each, or is one for all."""
    (path,) = sd.emit({name: f}, folder, kinds="ptx")
    arrays = [np.ascontiguousarray(x, dtype) for x in inputs]
    made = [np.full((count, size), 7.0, dtype) for size in sizes]
    status = np.zeros(1, np.int32)
    addresses = [driver.memory(array) for array in (*arrays, *made, status)]
    strides = [x.size // count if x.ndim and len(x) == count else 0 for x in arrays] + list(sizes)
    given = [ctypes.c_int64(count), *addresses[:-1], *map(ctypes.c_int64, strides), addresses[-1]]
    driver.launch(path.read_text(), f"{name}_batch", -(-count // 128), 128, given)
    outputs = [driver.back(y, at) for y, at in zip(made, addresses[len(arrays) :], strict=False)]
    driver.back(status, addresses[-1])
    for address in addresses:
        driver.call("cuMemFree_v2", address)
    return outputs, status[0]


@needs_libdevice
@pytest.mark.parametrize("name", ["transcendental", *ARITHMETIC])
def test_a_processor_runs_it(tmp_path, driver, name):
    f, count = ARITHMETIC.get(name, sd.hessian(ROSENBROCK)), 1000
    inputs = [RNG.normal(size=(count, *t.shape)) for t in f._known.program(f.arguments, "contract").inputs]
    if name == "picked":
        inputs[1] = RNG.integers(0, 4, count).astype(float)
    wanted = flat(f(*inputs))
    sizes = [y.size // count for y in wanted]
    made, status = launched(driver, tmp_path, name, f, inputs, sizes, wanted[0].dtype, count)
    assert status == 0
    for own, y in zip(made, wanted, strict=True):
        tolerance = 1e-9 if own.dtype == np.float64 else 1e-5
        np.testing.assert_allclose(own, y.reshape(own.shape), rtol=tolerance, atol=tolerance)


def test_a_processor_says_which_point_fails(tmp_path, driver):
    x, k = RNG.normal(size=4), np.array([1.0, 9.0, 2.0])
    (made,), status = launched(driver, tmp_path, "picked", ARITHMETIC["picked"], [x, k], [4], np.float64, 3)
    assert status == 2
    np.testing.assert_allclose(made[[0, 2]], np.outer(x[[1, 2]], np.cumsum(x)), rtol=1e-12)
