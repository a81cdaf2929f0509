"""Objects and assembly of modules that run without this process: linked to one, for a target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import llvmlite.binding as llvm

from symdiff.codegen.jit import ADDRESS, parse_module
from symdiff.codegen.target import Target, refuse_host
from symdiff.errors import CompileError

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class LinkedModule:
    """Modules linked to one: functions that are alike are there once, and those that nobody calls are not there.

    It keeps text and none of LLVM's objects: compiling changes a module, and what is freed with its context must not be
    freed after it.

    Attributes
    ----------
    target, opt : what it is compiled for, and LLVM's level of code generation.
    text : the module in LLVM's intermediate representation.
    defined : the names of the functions that others can call.
    """

    def __init__(self, texts: Sequence[str], target: Target, opt: int) -> None:
        refuse_host(target)
        self.target, self.opt = target, opt
        self.text, self.defined = self._linked(texts)

    def _linked(self, texts: Sequence[str]) -> tuple[str, list[str]]:
        context = llvm.create_context()
        if any(ADDRESS.search(text) for text in texts):
            raise CompileError("the code holds an address of this process")
        machine = self.target.machine(self.opt)
        module = parse_module(texts[0], context=context)
        for text in texts[1:]:
            module.link_in(parse_module(text, context=context))
        module.triple = self.target.triple
        module.data_layout = str(machine.target_data)
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
        return str(module), [f.name for f in external]

    def assembly(self) -> str:
        """The module in the target's assembly language."""
        return str(self.target.machine(self.opt).emit_assembly(parse_module(self.text, verify=False)))

    def object_code(self) -> bytes:
        """The object file."""
        return bytes(self.target.machine(self.opt).emit_object(parse_module(self.text, verify=False)))

    def called(self, possible: Iterable[str]) -> list[str]:
        """Which of some functions from outside it calls, in alphabetical order."""
        words = set(WORD.findall(self.assembly()))
        mark = "_" if self.target.object_format == "macho" else ""
        return sorted({name for name in possible if mark + name in words})
