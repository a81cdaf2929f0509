"""What belongs to a function of C beside itself: batches, and functions that tell its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.display.c_names import c_comment

BATCH_WORDS = ("n", "in", "in_strides", "out", "out_strides", "work", "from", "to", "status", "i", "k")
"""The names in the function of a batch."""

Described = Sequence[tuple[str, Sequence[int]]]
"""Inputs or outputs: as a person writes each, and its shape."""


def interface(name: str, number: str, inputs: Described, outputs: Described, work: bool) -> tuple[list[str], list[str]]:
    """The prototypes and the functions; `work`: whether `NAME_work_bytes` is there already."""
    prototypes: list[str] = []
    lines: list[str] = []

    def define(prototype: str, body: Sequence[str]) -> None:
        prototypes.append(f"{prototype};")
        lines.extend(["", prototype, "{", *(f"    {line}" for line in body), "}"])

    if not work:
        define(f"size_t {name}_work_bytes(void)", ["return 0;"])
    # the function is called where these are: one that has the name of one of them would be hidden by it
    own = {word: f"{word}_" if word == name else word for word in BATCH_WORDS}
    strides = (
        f"int64_t {own['n']}, const {number} *const *{own['in']}, const int64_t *{own['in_strides']},\n"
        f"    {number} *const *{own['out']}, const int64_t *{own['out_strides']}, void *{own['work']}"
    )
    define(f"int {name}_batch({strides})", _batch(name, number, len(inputs), len(outputs), own))
    define(f"size_t {name}_batch_work_bytes(void)", [f"return {name}_work_bytes();"])
    for side, arrays in (("in", inputs), ("out", outputs)):
        count = len(arrays)
        define(f"int64_t {name}_n_{side}(void)", [f"return {count};"])
        words = [_quoted(written) for written, _ in arrays]
        define(f"const char *{name}_{side}_name(int64_t k)", _one_of("const char *const", words, "0"))
        ranks = [str(len(shape)) for _, shape in arrays]
        define(f"int64_t {name}_{side}_rank(int64_t k)", _one_of("const int64_t", ranks, "-1"))
        sizes = [n for _, shape in arrays for n in shape]
        starts = [sum(len(shape) for _, shape in arrays[:k]) for k in range(count)]
        body = [f"static const int64_t sizes[{max(1, len(sizes))}] = {{{', '.join(map(str, sizes or [0]))}}};"]
        body = body if count else []
        body += _one_of("const int64_t *const", [f"sizes + {at}" for at in starts], "0")
        define(f"const int64_t *{name}_{side}_shape(int64_t k)", body)
    return prototypes, lines


def _batch(name: str, number: str, inputs: int, outputs: int, words: Mapping[str, str]) -> list[str]:
    """Point after point."""
    n, i, k, status, work = (words[word] for word in ("n", "i", "k", "status", "work"))
    sides = [("in", f"const {number} *", "from", inputs), ("out", f"{number} *", "to", outputs)]
    arrays = [f"{declared}{words[place]}[{max(1, count)}];" for _, declared, place, count in sides]
    unused = [f"(void){words[word]};" for side, *_, count in sides if not count for word in (side, f"{side}_strides")]
    body = [f"for (int64_t {i} = 0; {i} < {n}; {i}++) {{"]
    for side, _, place, count in sides:
        if count:
            body += [
                f"    for (int {k} = 0; {k} < {count}; {k}++) {{",
                f"        {words[place]}[{k}] = {words[side]}[{k}] + {i} * {words[f'{side}_strides']}[{k}];",
                "    }",
            ]
    call = [
        f"    const int {status} = {name}({words['from']}, {words['to']}, {work});",
        f"    if ({status} != 0) {{",
        f"        return {status};",
        "    }",
    ]
    return [*arrays, *unused, *body, *call, "}", "return 0;"]


def _one_of(kind: str, values: Sequence[str], otherwise: str) -> list[str]:
    """What is at the place k of a table."""
    if not values:
        return ["(void)k;", f"return {otherwise};"]
    return [
        f"static {kind} table[{len(values)}] = {{{', '.join(values)}}};",
        f"return k >= 0 && k < {len(values)} ? table[k] : {otherwise};",
    ]


def _quoted(text: str) -> str:
    """A text as a literal, in UTF-8 by the numbers of its bytes where it is not plain."""
    plain = c_comment(text).replace('"', '\\"') if text.isascii() and text.isprintable() else ""
    return f'"{plain}"' if plain else '"' + "".join(f"\\{byte:03o}" for byte in text.encode()) + '"'
