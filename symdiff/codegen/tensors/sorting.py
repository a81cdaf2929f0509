"""The order of the elements of lines, by their digits: from the last of 8 to the first, each pass stable.

Numbers become keys whose order as unsigned integers is theirs: 0.0 and -0.0 have one key, and NaN the largest. See
Knuth, "The art of computer programming", volume 3, section 5.2.5, on radix sorting.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.codegen.tensors.blas import loop
from symdiff.codegen.tensors.nests import WrittenNest
from symdiff.codegen.tensors.segments import Tools
from symdiff.optimize.planning.plan import DIGITS, Buffer, Sort, element_bytes

BITS = DIGITS.bit_length() - 1


def _at(name: str, base: str, index: str, type_: str = "i64") -> str:
    return f"{name} = getelementptr {type_}, ptr {base}, i64 {index}"


def _digit(name: str, key: str) -> list[str]:
    """The place of a key's digit among the counts."""
    return [
        f"{name}s = lshr i64 {key}, %shift",
        f"{name}d = and i64 {name}s, {DIGITS - 1}",
        _at(name, "%counts", f"{name}d"),
    ]


def write_sort(step: Sort, buffers: Sequence[Buffer], tools: Tools) -> WrittenNest:
    """The lines of a step."""
    n, one, item = step.size, tools.element, element_bytes(buffers[step.value].dtype)
    uses = frozenset((step.value, step.result, step.work))
    if not n or not step.count:
        return WrittenNest([], [], uses, False)
    widened = "%fd = fpext float %fx to double" if one == "float" else "%fd = fadd double %fx, -0.0"
    keys = loop(
        "f",
        str(n),
        [
            _at("%fa", "%source", "%fp", one),
            f"%fx = load {one}, ptr %fa, align {item}",
            widened,
            "%fz = fadd double %fd, 0.0",
            "%fb = bitcast double %fz to i64",
            "%fn = ashr i64 %fb, 63",
            f"%fm = or i64 %fn, {-(2**63)}",
            "%fu = xor i64 %fb, %fm",
            "%fl = fcmp uno double %fd, 0.0",
            "%fk = select i1 %fl, i64 -1, i64 %fu",
            _at("%fo", "%first", "%fp"),
            "store i64 %fk, ptr %fo",
            f"%fj = add i64 %fp, {n}",
            _at("%fi", "%first", "%fj"),
            "store i64 %fp, ptr %fi",
        ],
    )
    count = loop(
        "c",
        str(n),
        [
            _at("%ca", "%from", "%cp"),
            "%ck = load i64, ptr %ca",
            *_digit("%cd", "%ck"),
            "%cv = load i64, ptr %cd",
            "%cw = add i64 %cv, 1",
            "store i64 %cw, ptr %cd",
        ],
    )
    starts = loop(
        "d",
        str(DIGITS),
        [
            _at("%da", "%counts", "%dp"),
            "%dv = load i64, ptr %da",
            "%ds = load i64, ptr %sum",
            "store i64 %ds, ptr %da",
            "%dt = add i64 %ds, %dv",
            "store i64 %dt, ptr %sum",
        ],
    )
    move = loop(
        "m",
        str(n),
        [
            _at("%ma", "%from", "%mp"),
            "%mk = load i64, ptr %ma",
            f"%mj = add i64 %mp, {n}",
            _at("%mb", "%from", "%mj"),
            "%mi = load i64, ptr %mb",
            *_digit("%md", "%mk"),
            "%mv = load i64, ptr %md",
            "%mw = add i64 %mv, 1",
            "store i64 %mw, ptr %md",
            _at("%mo", "%to", "%mv"),
            "store i64 %mk, ptr %mo",
            f"%mq = add i64 %mv, {n}",
            _at("%mr", "%to", "%mq"),
            "store i64 %mi, ptr %mr",
        ],
    )
    passes = loop(
        "pass",
        str(64 // BITS),
        [
            f"%shift = mul i64 %passp, {BITS}",
            "%from = load ptr, ptr %here",
            "%to = load ptr, ptr %there",
            f"call void @llvm.memset.p0.i64(ptr %counts, i8 0, i64 {8 * DIGITS}, i1 false)",
            *count,
            "%zero = load i64, ptr %from",
            *_digit("%all", "%zero"),
            "%alike = load i64, ptr %all",
            f"%done = icmp eq i64 %alike, {n}",
            "br i1 %done, label %skipped, label %differ",
            "differ:",
            "store i64 0, ptr %sum",
            *starts,
            *move,
            "store ptr %to, ptr %here",
            "store ptr %from, ptr %there",
            "br label %skipped",
            "skipped:",
        ],
    )
    give = loop(
        "g",
        str(n),
        [
            f"%gj = add i64 %gp, {n}",
            _at("%ga", "%last", "%gj"),
            "%gi = load i64, ptr %ga",
            f"%gx = sitofp i64 %gi to {one}",
            _at("%go", "%target", "%gp", one),
            f"store {one} %gx, ptr %go, align {item}",
        ],
    )
    lines = loop(
        "line",
        str(step.count),
        [
            f"%start = mul i64 %linep, {n}",
            _at("%source", f"%b{step.value}", "%start", one),
            _at("%target", f"%b{step.result}", "%start", one),
            "store ptr %first, ptr %here",
            "store ptr %second, ptr %there",
            *keys,
            *passes,
            "%last = load ptr, ptr %here",
            *give,
        ],
    )
    pointers = [
        _at("%first", f"%b{step.work}", "0"),
        _at("%second", f"%b{step.work}", str(2 * n)),
        _at("%counts", f"%b{step.work}", str(4 * n)),
    ]
    entry = ["%here = alloca ptr", "%there = alloca ptr", "%sum = alloca i64"]
    return WrittenNest(entry, [*pointers, *lines], uses, False)
