"""Kernels for XLA, JAX's compiler: a function that its foreign function interface calls, without Python in between.

XLA hands over a frame with the buffers of operands and results (`xla/ffi/api/c_api.h`, whose structures only grow at
their ends). Every buffer has one axis before its core: that of the points, of size 1 where an operand is the same for
all.
"""

from __future__ import annotations

from symdiff.codegen import jit
from symdiff.codegen.kernel import Kernel
from symdiff.codegen.layout import BYTES, Layout
from symdiff.codegen.module import Module, assemble_module
from symdiff.native.code import Code

HANDLER, ENTRY = "handler", "entry"

VERSION = 0, 1
"""That of the interface, which XLA asks for: major and minor."""

EXTENSION, API, OPERANDS, RESULTS = 8, 16, 72, 112
"""Where in the frame there are the extension that asks for the version, XLA's own functions, and tables of buffers."""

KIND, METADATA, ASKS = 8, 24, 1
MAJOR, MINOR, TRAITS = 24, 28, 32
"""Where the kind of an extension stands, and the answers to that kind which asks; where in these the version goes."""

DATA, DIMS = 24, 40
"""Where in a buffer there are its address and its sizes."""

CREATE, OUT_OF_RANGE, ERROR_BYTES = 48, 11, 28


def _load(name: str, kind: str, base: str, offset: int) -> list[str]:
    return [f"%{name}_p = getelementptr i8, ptr {base}, i64 {offset}", f"%{name} = load {kind}, ptr %{name}_p"]


def _store(name: str, kind: str, value: object, base: str, offset: int) -> list[str]:
    return [f"%{name} = getelementptr i8, ptr {base}, i64 {offset}", f"store {kind} {value}, ptr %{name}"]


def write_handler(layout: Layout, data: int, message: str) -> Module:
    """The module of `XLA_FFI_Error *handler(XLA_FFI_CallFrame *)`; `message` is the error where the kernel fails."""
    text = message.encode("utf-8") + b"\0"
    quoted = "".join(f"\\{byte:02X}" for byte in text)
    operands, inputs = layout.operands, len(layout.inputs)
    strides = layout.contiguous_strides()
    lines = [
        f'@message = internal constant [{len(text)} x i8] c"{quoted}"',
        f"define ptr @{HANDLER}(ptr %frame) #0 {{",
        "entry:",
        f"%args = alloca [{len(operands)} x ptr]",
        f"%steps = alloca [{len(strides)} x i64]",
        "%count = alloca i64",
        "%error = alloca [4 x i64]",
        *_load("extension", "ptr", "%frame", EXTENSION),
        "%plain = icmp eq ptr %extension, null",
        "br i1 %plain, label %run, label %extended",
        "extended:",
        *_load("kind", "i32", "%extension", KIND),
        f"%asked = icmp eq i32 %kind, {ASKS}",
        "br i1 %asked, label %tell, label %run",
        "tell:",
        *_load("metadata", "ptr", "%extension", METADATA),
        *_store("major", "i32", VERSION[0], "%metadata", MAJOR),
        *_store("minor", "i32", VERSION[1], "%metadata", MINOR),
        *_store("traits", "i32", 0, "%metadata", TRAITS),
        "ret ptr null",
        "run:",
        *_load("in", "ptr", "%frame", OPERANDS),
        *_load("out", "ptr", "%frame", RESULTS),
        "%first = load ptr, ptr %out",
        *_load("sizes", "ptr", "%first", DIMS),
        "%n = load i64, ptr %sizes",
        "store i64 %n, ptr %count",
    ]
    for k, operand in enumerate(operands):
        table, at = ("%in", k) if k < inputs else ("%out", k - inputs)
        lines += [
            *_load(f"buffer{k}", "ptr", table, 8 * at),
            *_load(f"data{k}", "ptr", f"%buffer{k}", DATA),
            *_load(f"dims{k}", "ptr", f"%buffer{k}", DIMS),
            f"%size{k} = load i64, ptr %dims{k}",
            f"%moves{k} = icmp eq i64 %size{k}, %n",
            f"%step{k} = select i1 %moves{k}, i64 {operand.size * BYTES[operand.dtype]}, i64 0",
            *_store(f"arg{k}", "ptr", f"%data{k}", "%args", 8 * k),
            *_store(f"outer{k}", "i64", f"%step{k}", "%steps", 8 * k),
        ]
    for k in range(len(operands), len(strides)):
        lines += _store(f"inner{k}", "i64", strides[k], "%steps", 8 * k)
    lines += [
        f"%place = inttoptr i64 {data} to ptr",
        f"%code = call i32 @{ENTRY}(ptr %args, ptr %count, ptr %steps, ptr %place)",
        "%fine = icmp eq i32 %code, 0",
        "br i1 %fine, label %done, label %fail",
        "done:",
        "ret ptr null",
        "fail:",
        *_load("api", "ptr", "%frame", API),
        *_load("create", "ptr", "%api", CREATE),
        *_store("bytes", "i64", ERROR_BYTES, "%error", 0),
        *_store("more", "i64", 0, "%error", 8),
        *_store("text", "ptr", "@message", "%error", 16),
        *_store("which", "i32", OUT_OF_RANGE, "%error", 24),
        "%made = call ptr %create(ptr %error)",
        "ret ptr %made",
        "}",
    ]
    return assemble_module([f"declare i32 @{ENTRY}(ptr, ptr, ptr, ptr) #0"], lines, (), (HANDLER,))


def xla_handler(kernel: Kernel, name: str) -> tuple[int, tuple[Code, object]]:
    """The address of the handler for a kernel, and what has to live as long as it is called."""
    entry = kernel.batch_entry
    module = write_handler(kernel.layout, entry.data, f"{name}: an index is out of range, or there is no memory")
    code = jit.link(module.text, {ENTRY: entry.loop}, module.exports, 2, cached=False)
    return code[HANDLER], (code, entry)
