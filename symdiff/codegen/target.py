"""What code is made for: a processor, an operating system, and what may be called there.

All that code generation decides by the machine is in a `Target`, so that it can write code for another one. Code that
runs in this process is for `Target.host()`; code that is shipped is for `Target.of(…)`.
"""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

from symdiff.codegen.llvm import llvm
from symdiff.codegen.pairs import has_sincos
from symdiff.codegen.status import NO_STATUS, Status, machine, status
from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, CompileError

FAMILIES = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "arm64": "aarch64",
    "arm": "arm",
    "thumb": "arm",
    "i386": "i386",
    "i486": "i386",
    "i586": "i386",
    "i686": "i386",
}
"""How the words for families of processors begin in triples; the first that fits counts."""

DEFAULT_CPUS = {"x86_64": "x86-64-v3", "nvptx64": "sm_75"}
"""The processors that code is shipped for where none is named: since 2013 those of x86-64 have AVX2 and FMA, since 2018
those of NVIDIA are as this one or better."""

DEFAULT_FEATURES = {"riscv64": "+m,+a,+f,+d,+c"}
"""Features of the processors that Linux runs on, where LLVM takes less for granted."""

SAFE = (("x86-64", ""), ("x86-64-v2", ""), ("x86-64-v3", ""), ("x86-64-v4", ""))
"""Processors and features that LLVM is known to know."""

ABIS = {"riscv64": "lp64d"}
"""How numbers are passed, where that is not LLVM's choice."""

ALWAYS_FUSED = ("aarch64", "riscv64", "ppc64le", "s390x")
"""Families all of whose processors compute a*b + c in one instruction."""

NARROW_FAMILIES = ("arm", "i386", "riscv32", "wasm32")
"""Families whose addresses have 32 bits."""

RELOCATIONS = {"wasm32": "static"}
"""Where code lies, where no other is named than "pic"."""

UNFUSED = ("wasm32", "wasm64")
"""Families without an instruction for a*b + c, where nothing takes its place: it is rounded twice."""

KERNELS = ("nvptx64",)
"""Families whose batches are kernels: each thread computes a point."""

PREFIXES = {"nvptx64": "__nv_"}
"""What stands before the names of the C library's functions: here those of CUDA's libdevice."""

LIBMVEC = "libmvec"

CALLED = r"(?<![.\w])_?{}(?![.\w])"
"""The calls of a function in assembly language; instructions have such names with a dot before or after."""

WIDE, NARROW = 64, 16
"""Bytes at which workspaces start, where processors have vectors and where they have none."""


@dataclass(frozen=True, slots=True)
class Target:
    """A machine that code is made for.

    Attributes
    ----------
    triple, cpu, features : as LLVM names them: `aarch64-linux-gnu`, `cortex-a72`, `+avx2,+fma`.
    lanes : how many doubles a vector has; 1 where there is no vector code.
    has_fma : whether it computes a*b + c in one instruction; otherwise that calls the C library, or is rounded twice
        (`fused`).
    alignment : bytes at which a workspace starts.
    relocation : "pic" for code that may lie anywhere, "static" for code of one program.
    status : how its floating-point exceptions are read; `NO_STATUS`: code does not touch them.
    vector_library : which functions of vectors may be called: "libmvec" (glibc's since 2.35, which `-lm` links) or "".
    has_sincos : whether the C library's `sincos` gives the bits of its `sin` and `cos`.
    has_blas : whether BLAS and LAPACK may be called; otherwise loops take their place.
    is_host : whether the code runs in this process, is linked to addresses in it, and hears its signals. Other code
        calls public functions by their names alone.
    """

    triple: str
    cpu: str = ""
    features: str = ""
    lanes: int = 1
    has_fma: bool = False
    alignment: int = NARROW
    relocation: str = "pic"
    status: Status = NO_STATUS
    vector_library: str = ""
    has_sincos: bool = False
    has_blas: bool = True
    is_host: bool = False

    @staticmethod
    def host() -> Target:
        """This process on this processor."""
        return host_target()

    @staticmethod
    def of(
        triple: str | None = None,
        *,
        cpu: str | None = None,
        features: str = "",
        relocation: str | None = None,
        vector_library: str | None = None,
        blas: bool | None = None,
    ) -> Target:
        """The target that a triple, and the name of a processor, stand for.

        Parameters
        ----------
        triple : LLVM's, such as "aarch64-linux-gnu", "x86_64-w64-windows-gnu", "wasm32"; None: this machine's.
        cpu : LLVM's name; "native" is this machine's processor. None: "x86-64-v3" for x86-64, LLVM's choice elsewhere.
        features : what it has beside, or has not, such as "+avx512f" or "-fma".
        relocation : "pic" or "static"; None: "pic", except for WebAssembly.
        vector_library : "" forbids functions of vectors; None allows what the system has.
        blas : whether BLAS and LAPACK may be called; None: where there is an operating system to have them.

        Raises
        ------
        ArgumentError
            Where LLVM has no such target.

        Examples
        --------
        >>> from symdiff.codegen.target import Target
        >>> arm = Target.of("aarch64-linux-gnu")
        >>> arm.lanes, arm.has_fma, arm.object_format
        (2, True, 'elf')
        """
        return _of(triple, cpu, features, relocation, vector_library, blas)

    @property
    def family(self) -> str:
        """The family of processors: "x86_64", "aarch64", "riscv64", "wasm32", …"""
        return family_of(self.triple)

    @property
    def system(self) -> str:
        """The operating system: "linux", "macos", "windows", "wasm", or "none" where there is none."""
        parts = self.triple.lower().split("-")[1:]
        for system, words in SYSTEMS.items():
            if any(part.startswith(word) for part in parts for word in words):
                return system
        return "wasm" if self.family.startswith("wasm") else "none"

    @property
    def has_masks(self) -> bool:
        """Whether vectors are read and written under masks as fast as whole."""
        return "+avx512f" in self.features.split(",")

    @property
    def pointer_bits(self) -> int:
        """Bits of an address."""
        return 32 if self.family in NARROW_FAMILIES else 64

    @property
    def fused(self) -> str:
        """LLVM's function for the a*b + c that the optimizer fused."""
        return "llvm.fmuladd" if self.family in UNFUSED else "llvm.fma"

    @property
    def has_kernels(self) -> bool:
        """Whether batches are kernels, each thread of which computes a point."""
        return self.family in KERNELS

    def public(self, name: str) -> str:
        """What a function of the C library is called."""
        return PREFIXES.get(self.family, "") + name

    @property
    def object_format(self) -> str:
        """The format of objects: "elf", "macho", "coff" or "wasm"."""
        return {"macos": "macho", "windows": "coff", "wasm": "wasm"}.get(self.system, "elf")

    def machine(self, opt: int) -> Any:
        """A new machine of LLVM's that compiles for it at a level."""
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
        made = llvm.Target.from_triple(self.triple)
        return made.create_target_machine(
            cpu=self.cpu,
            features=self.features,
            opt=opt,
            reloc=self.relocation,
            codemodel="small",
            abiname=ABIS.get(self.family, ""),
        )

    def compiled(self, type_: str, operands: int, intrinsic: str) -> str:
        """The assembly of a function that calls one of LLVM's."""
        types, values = ", ".join([type_] * operands), ", ".join([f"{type_} %{k}" for k in range(operands)])
        text = (
            f"declare {type_} @{intrinsic}({types})\n"
            f"define {type_} @probe({types}) {{\n%r = call {type_} @{intrinsic}({values})\nret {type_} %r\n}}\n"
        )
        module = llvm.parse_assembly(text, context=llvm.create_context())
        return str(self.machine(2).emit_assembly(module))


WITH_BLAS = ("linux", "macos", "windows")
"""The systems for which there are BLAS and LAPACK."""

SYSTEMS = {
    "linux": ("linux",),
    "macos": ("darwin", "macos", "ios"),
    "windows": ("windows", "win32", "mingw"),
    "wasm": ("wasi", "emscripten"),
}
"""The words by which triples name systems."""


def family_of(triple: str) -> str:
    """The family of processors that a triple is of."""
    word = triple.split("-")[0].lower()
    return next((family for start, family in FAMILIES.items() if word.startswith(start)), word)


@functools.cache
def host_processor() -> tuple[str, str]:
    """LLVM's name of this processor, and its features."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # not every operating system tells
        features = ""
    return llvm.get_host_cpu_name(), features


@functools.cache
def has_fma() -> bool:
    """Whether this processor computes a*b + c in one instruction."""
    return machine() in ALWAYS_FUSED or "+fma" in host_processor()[1].split(",")


def _host_lanes() -> int:
    """How many doubles a vector of this machine has.

    Measured on Zen 5: eight lanes take 0.6 times as long as four. LLVM's `prefer-256-bit` of some processors does not
    touch vectors that are written out as such.
    """
    family = machine()
    if family == "aarch64":
        return 2
    if family != "x86_64":
        return 1
    features = set(host_processor()[1].split(","))
    if {"+avx512f", "+avx512dq", "+avx512vl", "+avx512bw"} <= features:
        return 8
    return 4 if "+avx2" in features else 2


@functools.cache
def host_target() -> Target:
    """`Target.host()`."""
    cpu, features = host_processor()
    return Target(
        llvm.get_process_triple(),
        cpu,
        features,
        lanes=_host_lanes(),
        has_fma=has_fma(),
        alignment=WIDE,
        status=status(),
        vector_library=LIBMVEC if machine() == "x86_64" and sys.platform.startswith("linux") else "",
        has_sincos=has_sincos(),
        is_host=True,
    )


@functools.cache
def _of(
    triple: str | None,
    cpu: str | None,
    features: str,
    relocation: str | None,
    vector_library: str | None,
    blas: bool | None,
) -> Target:
    if relocation not in (None, "pic", "static"):
        raise ArgumentError(f"relocation is {relocation!r}", hint='give "pic" or "static"')
    if vector_library not in (None, "", LIBMVEC):
        raise ArgumentError(f"vector_library is {vector_library!r}", hint=f'give "{LIBMVEC}" or ""')
    own = llvm.get_process_triple()
    triple = triple or own
    family = family_of(triple)
    if cpu == "native":
        if family != family_of(own):
            raise ArgumentError(f"the processor of this machine is no {family}", hint="name one of the target's")
        cpu, native = host_processor()
        features = ",".join(filter(None, (native, features)))
    elif (cpu or features) and (cpu, features) not in SAFE:
        _check_processor(triple, cpu or "", features)
    features = ",".join(filter(None, (DEFAULT_FEATURES.get(family, ""), features)))
    relocation = relocation or RELOCATIONS.get(family, "pic")
    base = Target(triple, DEFAULT_CPUS.get(family, "") if cpu is None else cpu, features, relocation=relocation)
    glibc = base.system == "linux" and "musl" not in triple and "android" not in triple
    known = LIBMVEC if glibc and family == "x86_64" else ""
    try:
        lanes, fused = _lanes(base), not _calls_fma(base)
    except RuntimeError as error:
        raise ArgumentError(
            f"LLVM has no target {triple!r}: {error}", hint="a triple is as aarch64-linux-gnu"
        ) from None
    return replace(
        base,
        lanes=lanes,
        has_fma=fused,
        alignment=WIDE if lanes > 1 else NARROW,
        vector_library=known if vector_library is None else vector_library,
        has_sincos=glibc,
        has_blas=base.system in WITH_BLAS if blas is None else blas,
    )


PROBE = """
import sys
import llvmlite.binding as llvm
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
triple, cpu, features = sys.argv[1:]
machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, features=features)
machine.emit_assembly(llvm.parse_assembly("define void @f() { ret void }"))
"""


@functools.cache
def _check_processor(triple: str, cpu: str, features: str) -> None:
    """Refuse what LLVM does not know: it says so on standard error, goes on without, and may end the process."""
    if not sys.executable:
        return
    command = [sys.executable, "-c", PROBE, triple, cpu, features]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0 and "is not a recognized" not in done.stderr:
        return
    said = (done.stderr.strip().splitlines() or ["it fails"])[0]
    raise ArgumentError(f"LLVM does not know the processor {cpu!r} with {features!r}: {said}")


def _lanes(target: Target) -> int:
    """How many doubles the registers of a processor take, as LLVM uses them."""
    if target.family in ("aarch64", "wasm32", "wasm64"):
        return 2 if target.family == "aarch64" or "+simd128" in target.features else 1
    if target.family != "x86_64":
        return 1
    text = target.compiled("<8 x double>", 1, "llvm.sqrt.v8f64")
    return 8 if "%zmm" in text else 4 if "%ymm" in text else 2


def _calls_fma(target: Target) -> bool:
    return re.search(CALLED.format("fma"), target.compiled("double", 3, "llvm.fma.f64")) is not None


def refuse_host(target: Target) -> None:
    """Refuse to ship code that is linked to addresses of this process."""
    if target.is_host:
        raise CompileError("code for this process cannot be shipped", hint='Target.of(cpu="native") is this machine')
