"""The wrapper for C++20: a class for each function, with spans of the right extents and a workspace of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from symdiff.dataclass import dataclass
from symdiff.display.c_names import CNames
from symdiff.errors import ArgumentError
from symdiff.ship.header import comment, described, linked_with, where_from
from symdiff.ship.interface import Array, Exported
from symdiff.ship.package import Package

LARGEST_ARRAY = 1024
"""Numbers of a `std::array` that is returned; more are a `std::vector`, off the stack."""

OWN_NAMES = (
    "n",
    "code",
    "points",
    "words",
    "found",
    "result",
    "into",
    "batch",
    "in_strides",
    "out_strides",
    "rows",
    "columns",
    "entries",
    "starts",
    "std",
    "EOF",
    "NULL",
    "errno",
    "assert",
)
"""Names in a class, and macros of the standard headers, that no parameter may have."""

MEMBERS = frozenset(("batch", "columns", "entries", "into", "result", "row_of_entry", "rows", "starts"))
"""Members of classes: none is the name of a class, which gets a number."""

RULES = """\
A class for each function: `f()` allocates its workspace, which one thread at a time may use; make one for each.

  f(x, y, ...)                         the outputs; std::tuple where there are several
  f.into(x, y, ..., outputs...)        writes the outputs, throws nothing: 0 is success, 2 an index out of range
  f.batch(n, x, y, ..., outputs...)    n points one after the other; an input of one point's size is for all points

Arrays are in C order. Arrays of more than {largest} numbers are returned as std::vector. f(...) and f.batch throw
std::out_of_range for an index, f.batch std::invalid_argument for sizes; without exceptions they abort."""

SUPPORT = """\
[[noreturn]] inline void fail(int code)
{
#ifdef __cpp_exceptions
    if (code == 2) throw std::out_of_range("an index is out of range");
    throw std::runtime_error("a function failed");
#else
    (void)code;
    std::abort();
#endif
}

[[noreturn]] inline void fail_size()
{
#ifdef __cpp_exceptions
    throw std::invalid_argument("an array of a batch has another size");
#else
    std::abort();
#endif
}

/* How far the points of an array of `size` numbers are apart; 0 where it is one of `each` for all n. */
inline std::int64_t stride(std::size_t size, std::size_t n, std::size_t each, bool shared)
{
    if (each == 0 ? size == 0 : size / each == n && size % each == 0) return static_cast<std::int64_t>(each);
    if (!shared || size != each) fail_size();
    return 0;
}
"""


def write_cpp_header(package: Package) -> str:
    """The text of the wrapper.

    Raises
    ------
    ArgumentError
        For a name that the standard library of C++ has.
    """
    names = [f.name for f in package.functions]
    if "std" in (package.name, *names):
        raise ArgumentError("std has a meaning in C++", hint="another name")
    guard = f"SYMDIFF_{package.name}_HPP"
    within = CNames()
    for name in names:
        within.new(name)
    classes = [within.new(name) if name in MEMBERS else name for name in names]
    calls, support = within.new("c_functions"), within.new("support")
    head = [f"{package.name}.hpp: {where_from(package)}, in C++20", ""]
    head += [*RULES.format(largest=LARGEST_ARRAY).splitlines(), "", *linked_with(package)]
    headers = ("array", "cstddef", "cstdint", "cstdlib", "span", "stdexcept", "tuple", "vector")
    parts = [
        comment(head),
        f"#ifndef {guard}\n#define {guard}\n",
        "#if !defined(__cpp_concepts)\n#error this header needs C++20\n#endif\n",
        "".join([f"#include <{name}>\n" for name in headers]),
        f"namespace {package.name} {{\n",
        f'namespace {calls} {{\nextern "C" {{',
        *(_declared(f) for f in package.functions),
        f"}}\n}} // namespace {calls}\n",
        f"namespace {support} {{\n{SUPPORT}}} // namespace {support}\n",
        *(_Class(f, name, calls, support).text() for f, name in zip(package.functions, classes, strict=True)),
        f"}} // namespace {package.name}\n\n#endif // {guard}\n",
    ]
    return "\n".join(parts)


def _declared(function: Exported) -> str:
    """What C calls: the namespace of the library may have the name of a function, so NAME.h is not included."""
    name, number = function.name, function.element
    lines = [
        f"int {name}(const {number} *const *in, {number} *const *out, void *work);",
        f"std::size_t {name}_work_bytes(void);",
        f"int {name}_batch(std::int64_t n, const {number} *const *in, const std::int64_t *in_strides,",
        f"    {number} *const *out, const std::int64_t *out_strides, void *work);",
        f"std::size_t {name}_batch_work_bytes(void);",
    ]
    if function.sparsity is not None:
        lines.append(f"const std::int64_t *{name}_sparsity(void);")
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Value:
    """An input or output as a parameter."""

    name: str
    size: int
    is_number: bool
    number: str

    @staticmethod
    def of(array: Array, name: str, number: str) -> _Value:
        return _Value(name, math.prod(array.shape), not array.shape, number)

    @property
    def taken(self) -> str:
        """As an input."""
        kind = self.number if self.is_number else f"std::span<const {self.number}, {self.size}>"
        return f"{kind} {self.name}"

    @property
    def written(self) -> str:
        """As an output."""
        return f"{self.number} &{self.name}" if self.is_number else f"std::span<{self.number}, {self.size}> {self.name}"

    @property
    def pointer(self) -> str:
        return f"&{self.name}" if self.is_number else f"{self.name}.data()"

    @property
    def returned(self) -> str:
        """The type of an output that is returned."""
        if self.is_number:
            return self.number
        return f"std::vector<{self.number}>" if self._long else f"std::array<{self.number}, {self.size}>"

    @property
    def start(self) -> str:
        """What an output that is returned is at first."""
        return f"{self.returned}({self.size})" if self._long else f"{self.returned}{{}}"

    def within(self, found: str) -> str:
        """What `into` is given for an output that is returned."""
        return f"std::span<{self.number}, {self.size}>({found})" if self._long else found

    @property
    def _long(self) -> bool:
        return not self.is_number and self.size > LARGEST_ARRAY


class _Class:
    """The class of one function."""

    def __init__(self, function: Exported, name: str, calls: str, support: str) -> None:
        self.function, self.name, self.calls, self.support = function, name, calls, support
        names = CNames()
        for taken in (*OWN_NAMES, name, calls, support):
            names.new(taken)
        number = function.element
        self.inputs = [_Value.of(a, names.new(a.name), number) for a in function.inputs]
        self.outputs = [_Value.of(a, names.new(a.name), number) for a in function.outputs]

    def text(self) -> str:
        name = self.function.name
        words = f"(({self.calls}::{name}_work_bytes() + 7) / 8)"
        lines = [described(self.function, numbered=False), f"class {self.name} {{", "public:", *self._alias()]
        lines += [f"    {self.name}() : memory_{words} {{}}", "", *self._into(), "", *self._call(), "", *self._batch()]
        if self.function.sparsity is not None:
            lines += ["", *self._sparsity()]
        return "\n".join([*lines, "", "private:", "    std::vector<std::uint64_t> memory_;", "};", ""])

    def _alias(self) -> list[str]:
        types = [value.returned for value in self.outputs]
        result = types[0] if len(types) == 1 else f"std::tuple<{', '.join(types)}>"
        return [f"    using result = {result};", ""]

    def _into(self) -> list[str]:
        parameters = [v.taken for v in self.inputs] + [v.written for v in self.outputs]
        return [
            *_signature("[[nodiscard]] int into", parameters, "noexcept"),
            *self._arrays(),
            f"        return {self.calls}::{self.function.name}(in, out, memory_.data());",
            "    }",
        ]

    def _call(self) -> list[str]:
        several = len(self.outputs) > 1
        starts = ", ".join([value.start for value in self.outputs])
        given = [value.name for value in self.inputs]
        for k, value in enumerate(self.outputs):
            given.append(value.within(f"std::get<{k}>(found)" if several else "found"))
        return [
            *_signature("result operator()", [v.taken for v in self.inputs]),
            f"        result found{{{starts}}};" if several else f"        result found = {starts};",
            f"        if (const int code = into({', '.join(given)})) {self.support}::fail(code);",
            "        return found;",
            "    }",
        ]

    def _batch(self) -> list[str]:
        name, number = self.function.name, self.function.element
        parameters = [f"std::span<const {number}> {v.name}" for v in self.inputs]
        parameters += [f"std::span<{number}> {v.name}" for v in self.outputs]
        return [
            *_signature("void batch", ["std::size_t n", *parameters]),
            *self._arrays(spans=True),
            f"        const std::int64_t in_strides[] = {{{self._strides(self.inputs, 'true')}}};",
            f"        const std::int64_t out_strides[] = {{{self._strides(self.outputs, 'false')}}};",
            f"        const std::size_t words = ({self.calls}::{name}_batch_work_bytes() + 7) / 8;",
            "        if (memory_.size() < words) memory_.resize(words);",
            "        const auto points = static_cast<std::int64_t>(n);",
            "        void *const work = memory_.data();",
            f"        const int code = {self.calls}::{name}_batch(points, in, in_strides, out, out_strides, work);",
            f"        if (code) {self.support}::fail(code);",
            "    }",
        ]

    def _arrays(self, spans: bool = False) -> list[str]:
        number = self.function.element
        inputs = [f"{v.name}.data()" if spans else v.pointer for v in self.inputs]
        outputs = [f"{v.name}.data()" if spans else v.pointer for v in self.outputs]
        return [
            f"        const {number} *const in[] = {{{', '.join(inputs) or 'nullptr'}}};",
            f"        {number} *const out[] = {{{', '.join(outputs)}}};",
        ]

    def _strides(self, values: Iterable[_Value], shared: str) -> str:
        each = [f"{self.support}::stride({v.name}.size(), n, {v.size}, {shared})" for v in values]
        return ",\n            ".join(each) or "0"

    def _sparsity(self) -> list[str]:
        sparsity = self.function.sparsity
        assert sparsity is not None
        (rows, columns), count = sparsity.shape, len(sparsity.rows)
        numbers = f"{self.calls}::{self.function.name}_sparsity()"
        return [
            "    /* By compressed columns: the entries of column j are starts()[j] to before starts()[j + 1]. */",
            f"    static constexpr std::size_t rows = {rows}, columns = {columns}, entries = {count};",
            f"    static std::span<const std::int64_t, {columns + 1}> starts() noexcept",
            "    {",
            f"        return std::span<const std::int64_t, {columns + 1}>({numbers} + 2, {columns + 1});",
            "    }",
            f"    static std::span<const std::int64_t, {count}> row_of_entry() noexcept",
            "    {",
            f"        return std::span<const std::int64_t, {count}>({numbers} + {columns + 3}, {count});",
            "    }",
        ]


def _signature(start: str, parameters: Sequence[str], end: str = "") -> list[str]:
    """The head of a member function, with a line for each parameter where one line is too long."""
    line = f"    {start}({', '.join(parameters)}){f' {end}' if end else ''}"
    if len(line) > 110:
        line = f"    {start}(\n        " + ",\n        ".join(parameters) + f"){f' {end}' if end else ''}"
    return [line, "    {"]
