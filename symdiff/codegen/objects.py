"""Objects and assembly of modules that run without this process: linked to one, for a target."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from symdiff.codegen.jit import ADDRESS, parse_module
from symdiff.codegen.llvm import llvm
from symdiff.codegen.module import FALLBACKS
from symdiff.codegen.target import CALLED, Target, refuse_host
from symdiff.errors import CompileError

INTRINSIC = re.compile(r"llvm\.(\w+)\.(?:v(\d+))?f(32|64)")
"""The names of LLVM's functions of numbers."""

MEMORY = ("memset", "memcpy", "memmove")
"""Functions of C that LLVM calls where much is written or copied."""


class LinkedModule:
    """Modules linked to one: functions that are alike are there once, and those that nobody calls are not there.

    It keeps text and none of LLVM's objects: compiling changes a module, and what is freed with its context must not be
    freed after it.

    Attributes
    ----------
    target, opt : what it is compiled for, and LLVM's level of code generation.
    text : the module in LLVM's intermediate representation.
    defined : the names of the functions that others can call.
    declared : the names of the functions from outside, and LLVM's own, that it calls.
    """

    def __init__(self, texts: Sequence[str], target: Target, opt: int, bitcode: bytes = b"") -> None:
        """`bitcode` is a module of functions that are called, which become a part of this one."""
        refuse_host(target)
        self.target, self.opt = target, opt
        self.text, self.defined, self.declared = self._linked(texts, bitcode)

    def _linked(self, texts: Sequence[str], bitcode: bytes) -> tuple[str, list[str], list[str]]:
        context = llvm.create_context()
        if any(ADDRESS.search(text) for text in texts):
            raise CompileError("the code holds an address of this process")
        machine = self.target.machine(self.opt)
        # what is right depends on the target: the width of addresses, say
        head = f'target datalayout = "{machine.target_data}"\ntarget triple = "{self.target.triple}"\n'
        module, *others = (parse_module(head + text, context=context) for text in texts)
        for one in (module, *others):
            _rename(one)
        for one in others:
            module.link_in(one)
        if bitcode:
            _take_in(module, bitcode, context)
        builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=2))
        passes = llvm.create_new_module_pass_manager()  # none of them changes a floating-point operation
        passes.add_always_inliner_pass()
        passes.add_simplify_cfg_pass()
        passes.add_global_dead_code_eliminate_pass()
        passes.add_merge_functions_pass()
        passes.add_constant_merge_pass()
        passes.add_strip_dead_prototype_pass()
        passes.run(module, builder)
        external = [f for f in module.functions if not f.is_declaration and f.linkage == llvm.Linkage.external]
        return str(module), [f.name for f in external], [f.name for f in module.functions if f.is_declaration]

    def assembly(self) -> str:
        """The module in the target's assembly language."""
        return str(self.target.machine(self.opt).emit_assembly(parse_module(self.text, verify=False)))

    def object_code(self) -> bytes:
        """The object file."""
        return bytes(self.target.machine(self.opt).emit_object(parse_module(self.text, verify=False)))

    @property
    def called(self) -> list[str]:
        """The functions from outside that it may call, in alphabetical order."""
        found = {name for name in self.declared if not name.startswith("llvm.")}
        for name in self.declared:
            if name.startswith("llvm."):
                found.update(_standing_for(name, self.target))
        return sorted(found)


def _take_in(module: Any, bitcode: bytes, context: Any) -> None:
    """Make the functions of another module functions of this one alone."""
    own = {function.name for function in module.functions if not function.is_declaration}
    other = llvm.parse_bitcode(bitcode, context)
    other.triple, other.data_layout = module.triple, module.data_layout
    module.link_in(other)
    for function in module.functions:
        if not function.is_declaration and function.name not in own:
            function.linkage = llvm.Linkage.internal


def _rename(module: Any) -> None:
    """Give exported functions their names, out of the way of which the module's own things go."""
    own = (llvm.Linkage.internal, llvm.Linkage.private)
    for thing in (*module.functions, *module.global_variables):
        if thing.linkage in own:
            thing.name = f"own.{thing.name}"
    for function in module.functions:
        if not function.is_declaration and function.linkage == llvm.Linkage.external:
            function.name = function.name.replace(".", "")


@functools.cache
def _standing_for(intrinsic: str, target: Target) -> tuple[str, ...]:
    """The functions of C that one of LLVM's may become."""
    word = intrinsic.split(".")[1]
    if word in MEMORY:
        return (word,)
    match = INTRINSIC.fullmatch(intrinsic)
    if match is None or match[1] not in FALLBACKS:
        return ()
    element = "double" if match[3] == "64" else "float"
    name = match[1] if element == "double" else match[1] + "f"
    type_ = element if match[2] is None else f"<{match[2]} x {element}>"
    text = target.compiled(type_, 3 if word == "fma" else 1, intrinsic)
    return (name,) if re.search(CALLED.format(name), text) else ()
