"""What code is kept for: this machine, levels of x86-64 on this system, and other systems.

Code for this system may call what its C library has. Code for another one calls only what every GNU C library has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from symdiff.codegen.status import X86, machine, portable
from symdiff.codegen.target import WIDE, Target
from symdiff.content import shown
from symdiff.errors import StorageError

NATIVE = "native"
LEVELS = {
    "x86-64": "fpu cmov cx8 fxsr mmx syscall sse sse2",
    "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "x86-64-v3": "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}
"""The levels of x86-64 (System V ABI, AMD64 supplement, §3.1.1), and what the system says of a processor that has what
each adds to those before."""


def level_features(level: str) -> tuple[str, ...]:
    """What a processor has of a level of x86-64, as the system names it."""
    names = list(LEVELS)
    return tuple(" ".join([LEVELS[name] for name in names[: names.index(level) + 1]]).split())


SYSTEMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "x86_64-linux": ("x86-64", level_features("x86-64")),
    "x86_64-v2-linux": ("x86-64-v2", level_features("x86-64-v2")),
    "x86_64-v3-linux": ("x86-64-v3", level_features("x86-64-v3")),
    "x86_64-v4-linux": ("x86-64-v4", level_features("x86-64-v4")),
    "aarch64-linux": ("", ("hwcap_0", "hwcap_1")),
    "riscv64-linux": ("", ("hwcap_0", "hwcap_2", "hwcap_3", "hwcap_5", "hwcap_8", "hwcap_12")),
}
"""Systems, with the least processor of theirs: LLVM's name, and what the system says of all: on AArch64 floating-point
numbers and vectors of them, on RISC-V the extensions a, c, d, f, i, m."""

SUGGESTION = f"one of {', '.join([NATIVE, *LEVELS, *SYSTEMS])}; wherever no code fits, load compiles"


class KeptTarget(NamedTuple):
    """What code is made for.

    Attributes
    ----------
    target : the processor, and what may be called.
    features : what a processor needs, as the system names it; None: all that this one has.
    is_own : whether it is for this system and its C library alone.
    """

    target: Target
    features: tuple[str, ...] | None
    is_own: bool


def kept_target(name: str) -> KeptTarget:
    """The target of a name: "native", a level of x86-64, or a system.

    Raises
    ------
    StorageError
        For one that no code is kept for.
    """
    if name == NATIVE:
        return KeptTarget(Target.host(), None, True)
    if name in LEVELS and machine() == "x86_64":
        host, level = Target.host(), Target.of(cpu=name)
        target = replace(host, cpu=name, features="", lanes=level.lanes, has_fma=level.has_fma)
        return KeptTarget(target, level_features(name), True)
    if name in LEVELS:
        return KeptTarget(_elsewhere("x86_64", name), level_features(name), False)
    if name in SYSTEMS:
        cpu, features = SYSTEMS[name]
        return KeptTarget(_elsewhere(name.split("-")[0], cpu), features, False)
    raise StorageError(
        f"no machine code is kept for {shown(name)}: it is for Linux, on {', '.join(SYSTEMS)}", hint=SUGGESTION
    )


def _elsewhere(family: str, cpu: str) -> Target:
    """A processor on Linux, in a process that is as this one but for its C library."""
    target = Target.of(f"{family}-linux-gnu", cpu=cpu or None, vector_library="")
    status = X86 if family == "x86_64" else portable(family)
    return replace(target, status=status, alignment=WIDE, is_host=True)
