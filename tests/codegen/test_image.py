"""Objects as images: laid out as LLVM's linker would, wherever they are mapped."""

import ctypes
import os
import struct

import pytest

from symdiff.codegen import jit
from symdiff.codegen.image import NoImage, lay_out
from symdiff.codegen.module import c_function
from symdiff.native.code import Image, MappedCode, can_map

pytestmark = pytest.mark.skipif(not can_map(), reason="images are used on Linux only")

DOUBLE = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)

MODULES = {
    "a constant": ("define double @f(double %x) {\n%y = fadd double %x, 0x3FB999999999999A\nret double %y\n}", 1.1),
    "an outside function": (
        "declare double @exp2(double)\n"
        "define double @f(double %x) {\n%y = call double @exp2(double %x)\nret double %y\n}", 2.0,
    ),
    "a function in here, and one that is seen from outside": (
        "define internal double @g(double %x) noinline {\n%y = fmul double %x, 3.0\nret double %y\n}\n"
        "define double @h(double %x) noinline {\n%y = call double @g(double %x)\nret double %y\n}\n"
        "define double @f(double %x) {\n%y = call double @h(double %x)\nret double %y\n}", 3.0,
    ),
    "data that is written": (
        "@kept = global double 5.0\n"
        "define double @f(double %x) {\n%a = load double, ptr @kept\n%y = fadd double %a, %x\n"
        "store double %y, ptr @kept\nret double %y\n}", 6.0,
    ),
    "zeros that are written": (
        "@block = internal global [1000 x double] zeroinitializer\n"
        "define double @f(double %x) {\n%p = getelementptr double, ptr @block, i64 999\nstore double %x, ptr %p\n"
        "%y = load double, ptr %p\nret double %y\n}", 1.0,
    ),
    "addresses in data": (
        "define internal double @g(double %x) {\n%y = fmul double %x, 7.0\nret double %y\n}\n"
        "@table = internal constant [2 x ptr] [ptr null, ptr @g]\n"
        "define double @f(double %x) {\n%p = getelementptr ptr, ptr @table, i64 1\n%q = load volatile ptr, ptr %p\n"
        "%y = call double %q(double %x)\nret double %y\n}", 7.0,
    ),
    "the address of an outside function": (
        "declare double @exp2(double)\n"
        "define double @f(double %x) {\n%p = alloca ptr\nstore volatile ptr @exp2, ptr %p\n"
        "%q = load volatile ptr, ptr %p\n%y = call double %q(double %x)\nret double %y\n}", 2.0,
    ),
    "a table of constants": (
        "@t = internal constant [4 x double] [double 1.0, double 2.0, double 4.0, double 8.0], align 32\n"
        "define double @f(double %x) {\n%i = fptosi double %x to i64\n%p = getelementptr double, ptr @t, i64 %i\n"
        "%y = load double, ptr %p\nret double %y\n}", 2.0,
    ),
}  # fmt: skip


def image(text, exports=("f",), opt=2):
    return lay_out(jit.object_code(text, opt), exports)


@pytest.mark.parametrize("opt", [0, 2])
@pytest.mark.parametrize("name", MODULES)
def test_mapped_code_runs(name, opt):
    text, wanted = MODULES[name]
    laid = image(text, opt=opt)
    for _ in range(3):  # each at another address, with data of its own
        code = MappedCode(laid, {symbol: c_function(symbol) for symbol in laid.imports})
        assert DOUBLE(code["f"])(1.0) == wanted
        assert code["f"] % (16 if os.uname().machine == "x86_64" else 4) == 0
        assert code.bytes % 4096 == 0


def test_the_same_object_gives_the_same_image():
    text = MODULES["an outside function"][0]
    first, second = image(text), image(text)
    assert [getattr(first, name) for name in Image.__slots__] == [getattr(second, name) for name in Image.__slots__]


def test_memory_is_given_back():
    laid = image(MODULES["zeros that are written"][0])

    def maps():
        with open("/proc/self/maps", "rb") as stream:
            return sum(1 for _ in stream)

    MappedCode(laid, {})
    before = maps()
    for _ in range(200):
        MappedCode(laid, {})
    assert maps() <= before + 5


def test_what_no_image_has_is_refused():
    with pytest.raises(NoImage, match="not an ELF"):
        lay_out(b"MZ" + bytes(100), ("f",))
    code = bytearray(jit.object_code(MODULES["a constant"][0], 0))
    struct.pack_into("<H", code, 18, 8)  # MIPS
    with pytest.raises(NoImage, match="x86_64 or aarch64"):
        lay_out(bytes(code), ("f",))
    with pytest.raises(NoImage, match="relocation"):  # thread-local data
        image("@t = thread_local global double 1.0\ndefine ptr @f() {\nret ptr @t\n}")
