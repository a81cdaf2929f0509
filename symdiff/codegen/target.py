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
from symdiff.codegen.triples import WITH_NUMBERS, family_of, normal, passes_in_registers, system_of
from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, CompileError, nearest

DEFAULT_CPUS = {"x86_64": "x86-64-v3", "i386": "pentium4", "nvptx64": "sm_75"}
"""The processors that code is shipped for where none is named: since 2013 those of x86-64 have AVX2 and FMA, since 2018
those of NVIDIA are as this one or better."""

DEFAULT_FEATURES = {"riscv64": "+m,+a,+f,+d,+c"}
"""Features of most processors, where LLVM takes less for granted."""

SAFE = (("x86-64", ""), ("x86-64-v2", ""), ("x86-64-v3", ""), ("x86-64-v4", ""))
"""Processors and features that LLVM is known to know."""

ABIS = {"riscv64": "lp64", "riscv32": "ilp32"}
"""How numbers are passed, where that is not LLVM's choice; a letter says which are in registers of their own."""

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
    symbols : functions of ours, by their words, with the names of C functions that are called for them.
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
    symbols: tuple[tuple[str, str], ...] = ()
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
        return system_of(self.triple)

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
        return name if name in dict(self.symbols).values() else PREFIXES.get(self.family, "") + name

    def symbol_for(self, word: str) -> str:
        """The C function that a user names for one of ours; "": there is none."""
        return dict(self.symbols).get(word, "")

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
            abiname=self._abi,
        )

    @property
    def _abi(self) -> str:
        features = self.features.split(",")
        letter = "d" if "+d" in features else "f" if "+f" in features else ""
        return ABIS[self.family] + letter if self.family in ABIS else ""

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
    triple = normal(triple or own)
    family = family_of(triple)
    if cpu == "native":
        if family != family_of(own):
            raise ArgumentError(f"the processor of this machine is no {family}", hint="name one of the target's")
        cpu, native = host_processor()
        if features:
            _check_processor(triple, cpu, features)
        features = ",".join(filter(None, (native, features)))
    elif (cpu or features) and (cpu, features) not in SAFE:
        _check_processor(triple, cpu or "", features)
    usual = DEFAULT_FEATURES.get("riscv64" if triple.startswith("riscv32") and "linux" in triple else family, "")
    if passes_in_registers(triple) and not cpu:
        usual = next((own for word, own in WITH_NUMBERS.items() if triple.startswith(word)), "")
    features = ",".join(filter(None, (usual, features)))
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
    if passes_in_registers(triple) and " s0" not in base.compiled("float", 1, "llvm.fabs.f32").replace("\ts0", " s0"):
        raise ArgumentError(
            f"{triple} passes numbers in registers for them, and {cpu or 'its processors'} may have none",
            hint="name a processor that has: cpu=…, or a triple without hf",
        )
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
text = "define double @f(double %x, float %y) { %z = fpext float %y to double %r = fmul double %x, %z ret double %r }"
machine.emit_assembly(llvm.parse_assembly(text))
"""

FEATURES = re.compile(r"(?:[+-][\w.-]+,?)+")
"""How features are written: LLVM ends the process where there is no sign."""


@functools.cache
def _check_processor(triple: str, cpu: str, features: str) -> None:
    """Refuse what LLVM does not know: it says so on standard error, goes on without, and may end the process."""
    if features and not FEATURES.fullmatch(features):
        raise ArgumentError(f"features are {features!r}", hint='each with its sign: "+avx2,-fma"')
    if not sys.executable:
        return
    said = _probed(triple, cpu, features)
    if not said and cpu != "help" and "help" not in re.split("[+,-]", features):
        return
    processors, _, known = _probed(triple, "help", "").partition("Available features")
    for given, listed in ((cpu, processors), *((word[1:], known) for word in features.split(","))):
        names = re.findall(r"(?m)^  (\S+) +- ", listed)
        if given and names and given not in names:
            what = "processor" if listed is processors else "feature"
            hint = nearest(given, names, 0.5) or f"such as {', '.join(names[-4:])}"
            raise ArgumentError(f"LLVM knows no {what} {given!r} for {triple}", hint=hint)
    raise ArgumentError(f"LLVM makes no code for {triple} with {cpu!r} and {features!r}: {said.splitlines()[0]}")


def _probed(triple: str, cpu: str, features: str) -> str:
    """What LLVM has to say about a processor."""
    command = [sys.executable, "-c", PROBE, triple, cpu, features]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip() or ("it fails" if done.returncode else "")


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
