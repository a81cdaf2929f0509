"""Images for other processors: laid out here, run by QEMU; and each relocation alone, against the manual."""

import struct

import pytest

from symdiff.codegen import jit
from symdiff.codegen.architectures import AARCH64, RISCV64, X86_64
from symdiff.codegen.image import NoImage, lay_out
from symdiff.codegen.target import Target
from tests.codegen.image_runner import RUNNERS, run_images
from tests.codegen.test_image import MODULES

LOOP = """
define i32 @loop(ptr %args, ptr %dims, ptr %steps, ptr %data) {
  %px = load ptr, ptr %args
  %x = load double, ptr %px
  %y = call double @f(double %x)
  %q = getelementptr ptr, ptr %args, i64 1
  %py = load ptr, ptr %q
  store double %y, ptr %py
  ret i32 0
}
"""

MORE = {
    "numbers of all sizes": (
        "@a = internal global i8 3\n@b = internal global i16 5\n@c = internal global i32 7\n"
        "@d = internal global <2 x double> <double 0.25, double 0.5>\n@e = internal global float 0.125\n"
        "define double @f(double %x) {\n%a = load volatile i8, ptr @a\n%b = load volatile i16, ptr @b\n"
        "%c = load volatile i32, ptr @c\n%d = load volatile <2 x double>, ptr @d\n%e = load volatile float, ptr @e\n"
        "%a1 = sitofp i8 %a to double\n%b1 = sitofp i16 %b to double\n%c1 = sitofp i32 %c to double\n"
        "%d0 = extractelement <2 x double> %d, i64 0\n%d1 = extractelement <2 x double> %d, i64 1\n"
        "%e1 = fpext float %e to double\n%s = fadd double %a1, %b1\n%t = fadd double %s, %c1\n"
        "%u = fadd double %t, %d0\n%v = fadd double %u, %d1\n%w = fadd double %v, %e1\n%y = fadd double %w, %x\n"
        "ret double %y\n}", 16.875,
    ),
    "much data between": (
        "@block = internal global [2000000 x double] zeroinitializer\n@last = internal global double 4.0\n"
        "define double @f(double %x) {\n%p = getelementptr double, ptr @block, i64 1999999\n"
        "store volatile double %x, ptr %p\n%a = load volatile double, ptr %p\n%b = load volatile double, ptr @last\n"
        "%y = fadd double %a, %b\nret double %y\n}", 5.0,
    ),
    "a loop and a branch": (
        "define double @f(double %x) {\nentry:\nbr label %more\nmore:\n%k = phi i64 [0, %entry], [%k1, %more]\n"
        "%s = phi double [%x, %entry], [%s1, %more]\n%s1 = fadd double %s, 1.0\n%k1 = add i64 %k, 1\n"
        "%c = icmp slt i64 %k1, 9\nbr i1 %c, label %more, label %end\nend:\nret double %s1\n}", 10.0,
    ),
    "a module of outside functions and written data": (
        "declare double @exp2(double)\ndeclare double @pow(double, double)\n@n = global i64 1\n"
        "define double @f(double %x) {\n%n = load i64, ptr @n\n%m = add i64 %n, 1\nstore i64 %m, ptr @n\n"
        "%k = load i64, ptr @n\n%z = sitofp i64 %k to double\n%a = call double @exp2(double %x)\n"
        "%b = call double @pow(double %a, double %z)\n%y = fadd double %a, %b\nret double %y\n}", 6.0,
    ),
}  # fmt: skip


PAGES = {"aarch64": 65536, "riscv64": 4096}


def object_for(family, text, opt):
    return bytes(Target.of(f"{family}-linux-gnu").machine(opt).emit_object(jit.parse_module(text)))


@pytest.mark.parametrize("family", RUNNERS)
def test_images_run_on_other_processors(family, tmp_path):
    made = []
    for name, (text, wanted) in {**MODULES, **MORE}.items():
        for opt in (0, 1, 2, 3):
            laid = lay_out(object_for(family, text + LOOP, opt), ("f", "loop"))
            assert laid.writable % PAGES[family] == 0
            made.append((f"{name} at level {opt}", wanted, laid))
    runs = [([(laid, {})], "loop", [0, 0], [struct.pack("<d", 1.0), bytes(8)]) for _, _, laid in made]
    found = run_images(family, runs, tmp_path)
    assert {name: struct.unpack("<d", parts[1])[0] for (name, _, _), (_, parts) in zip(made, found, strict=True)} == {
        name: wanted for name, wanted, _ in made
    }


@pytest.mark.parametrize("family", RUNNERS)
def test_the_size_of_a_page_can_be_given(family):
    text, _ = MODULES["data that is written"]
    code = object_for(family, text, 2)
    assert [lay_out(code, ("f",), page).writable for page in (4096, 16384, None)] == [4096, 16384, PAGES[family]]


def test_what_no_image_has_is_refused():
    with pytest.raises(NoImage, match="relocation"):  # thread-local data
        lay_out(
            object_for("aarch64", "@t = thread_local global double 1.0\ndefine ptr @f() {\nret ptr @t\n}", 0), ("f",)
        )
    code = object_for("aarch64", MODULES["a table of constants"][0], 0)
    for length in range(64, len(code), 97):
        with pytest.raises(NoImage):
            lay_out(code[:length], ("f",))


# type, instruction, place, target, what is written
ARM = [
    (257, 0, 8, 0x123456789A, 0x123456789A, "<Q"),
    (260, 0, 8, 0x12345678A2, 0x123456789A, "<q"),
    (261, 0, 8, 4, -4, "<i"),
    (273, 0x58000000, 0x1000, 0x1008, 0x58000040, "<I"),  # ldr x0, .+8
    (274, 0x10000000, 0x1000, 0xFFF, 0x70FFFFE0, "<I"),  # adr x0, .-1
    (275, 0x90000000, 0x1FF8, 0x5000, 0x90000020, "<I"),  # adrp x0, four pages on
    (275, 0x90000003, 0x5000, 0x1FF8, 0x90FFFFE3, "<I"),  # adrp x3, four pages back
    (277, 0x91000000, 0, 0x1FFF, 0x913FFC00, "<I"),  # add x0, x0, #4095
    (278, 0x39400000, 0, 0x1FFF, 0x397FFC00, "<I"),  # ldrb w0, [x0, #4095]
    (279, 0x36000000, 0x1000, 0x0FFC, 0x3607FFE0, "<I"),  # tbz w0, #0, .-4
    (280, 0x54000000, 0x1000, 0x1010, 0x54000080, "<I"),  # b.eq .+16
    (282, 0x14000000, 0x1000, 0x0FFC, 0x17FFFFFF, "<I"),  # b .-4
    (283, 0x94000000, 0x1000, 0x2000, 0x94000400, "<I"),  # bl .+4096
    (284, 0x79400000, 0, 0x1FFE, 0x795FFC00, "<I"),  # ldrh w0, [x0, #4094]
    (285, 0xB9400000, 0, 0x1FFC, 0xB94FFC00, "<I"),  # ldr w0, [x0, #4092]
    (286, 0xF9400000, 0, 0x1FF8, 0xF947FC00, "<I"),  # ldr x0, [x0, #4088]
    (299, 0x3DC00000, 0, 0x1FF0, 0x3DC3FC00, "<I"),  # ldr q0, [x0, #4080]
    (311, 0x90000000, 0, 0x3008, 0xF0000000, "<I"),  # adrp x0, three pages on
    (312, 0xF9400000, 0, 0x3008, 0xF9400400, "<I"),  # ldr x0, [x0, #8]
]  # fmt: skip


RISC = [
    (2, 0, 8, 0x123456789A, 0x123456789A, "<Q"),
    (16, 0x00000063, 0x1000, 0x1010, 0x00000863, "<I"),  # beqz zero, .+16
    (16, 0x00000063, 0x2000, 0x1000, 0x80000063, "<I"),  # beqz zero, .-4096
    (16, 0x00000063, 0x1000, 0x0FFE, 0xFE000FE3, "<I"),  # beqz zero, .-2
    (17, 0x0000006F, 0x1000, 0x1008, 0x0080006F, "<I"),  # j .+8
    (17, 0x0000006F, 0x1000, 0x0FFC, 0xFFDFF06F, "<I"),  # j .-4
    (17, 0x0000006F, 0x1000, 0x1800, 0x0010006F, "<I"),  # j .+2048
    (19, 0x000080E700000097, 0, 0x12345678, 0x678080E712345097, "<Q"),  # call .+0x12345678
    (19, 0x000080E700000097, 0, 0x1FFC, 0xFFC080E700002097, "<Q"),  # call .+0x1ffc
    (20, 0x00000517, 0, 0x1800, 0x00002517, "<I"),  # auipc a0, 2
    (23, 0x00000517, 0x1000, 0x0FFF, 0x00000517, "<I"),  # auipc a0, 0
    (23, 0x00000517, 0x2000, 0x1000, 0xFFFFF517, "<I"),  # auipc a0, -1
    (24, 0x00053503, 0, 0x1FFF, 0xFFF53503, "<I"),  # ld a0, -1(a0)
    (25, 0x00B53023, 0, 0x1008, 0x00B53423, "<I"),  # sd a1, 8(a0)
    (25, 0x00B53023, 0, 0x0FF8, 0xFEB53C23, "<I"),  # sd a1, -8(a0)
    (57, 0, 8, 4, -4, "<i"),
]  # fmt: skip

INTEL = [
    (1, 0, 8, 0x123456789A, 0x123456789A, "<Q"),
    *((kind, 0, 8, 4, -4, "<i") for kind in (2, 4, 9, 41, 42)),
]

TABLES = {"aarch64": (AARCH64, ARM), "riscv64": (RISCV64, RISC), "x86_64": (X86_64, INTEL)}


@pytest.mark.parametrize("name", TABLES)
def test_each_relocation(name):
    architecture, table = TABLES[name]
    for kind, before, place, target, after, form in table:
        memory = bytearray(place + 8)
        struct.pack_into("<Q", memory, place, before)
        architecture.relocations[kind][1](memory, place, target)
        assert (kind, hex(struct.unpack_from(form, memory, place)[0])) == (kind, hex(after))
    assert {kind for kind, *_ in table} == set(architecture.relocations)


FAR = [
    (AARCH64, 261, 1 << 31),
    (AARCH64, 273, 1 << 20),
    (AARCH64, 274, 1 << 20),
    (AARCH64, 275, 1 << 32),
    (AARCH64, 279, 1 << 15),
    (AARCH64, 280, 1 << 20),
    (AARCH64, 282, 1 << 27),
    (AARCH64, 283, 1 << 27),
    (AARCH64, 286, 4),
    (AARCH64, 283, 2),
    (RISCV64, 16, 1 << 12),
    (RISCV64, 16, 1),
    (RISCV64, 17, 1 << 20),
    (RISCV64, 19, (1 << 31) - 0x800),
    (RISCV64, 23, (1 << 31) - 0x800),
    (X86_64, 2, 1 << 31),
]


@pytest.mark.parametrize(("architecture", "kind", "target"), FAR)
def test_what_is_too_far_or_between_is_refused(architecture, kind, target):
    put = architecture.relocations[kind][1]
    with pytest.raises((OverflowError, ValueError)):
        put(bytearray(8), 0, target)
    if target > 8:
        put(bytearray(8), 0, target - 4)
