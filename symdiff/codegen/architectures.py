"""What the layout of object files has to know of a family of processors: one record each.

x86-64: System V ABI, AMD64 supplement 1.0, §4.4. AArch64: ELF for the Arm 64-bit Architecture 2024Q3, §5.7. RISC-V:
ELF psABI 1.0, §8.4.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from symdiff.dataclass import dataclass

ADDRESS, RELATIVE, CALL, TABLE, REST = "address", "relative", "call", "table", "rest"
"""What a relocation asks for: an address, a distance, a call, which may go through a stub, the distance of an entry of
the table, or the last bits of the distance whose first bits the instruction at its symbol has."""

Put = Callable[[bytearray, int, int], None]
"""Writes to a place in an image how what lies at another place is reached from there.

An image begins at a page, so places in it have the last bits of addresses. It raises OverflowError where that is too
far away, and ValueError where the processor cannot say it.
"""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A family of processors whose objects can be laid out.

    Attributes
    ----------
    family : its name, as a `Target` has it.
    number : the machine's number in ELF files.
    page : bytes of the largest pages that systems on it have.
    relocations : type → what it asks for, and how that is written.
    stub : instructions that jump to where an entry of the table says, by `put_stub`.
    """

    family: str
    number: int
    page: int
    relocations: Mapping[int, tuple[str, Put]]
    stub: bytes
    put_stub: Put


def _put(form: str, memory: bytearray, place: int, value: int) -> None:
    try:
        struct.pack_into(form, memory, place, value)
    except struct.error as error:
        raise OverflowError(str(error)) from None


def _address(memory: bytearray, place: int, target: int) -> None:
    """Where it lies from the beginning of the image; what maps it adds where that is."""
    _put("<Q", memory, place, target)


def _distance(memory: bytearray, place: int, target: int) -> None:
    _put("<i", memory, place, target - place)


def _long_distance(memory: bytearray, place: int, target: int) -> None:
    _put("<q", memory, place, target - place)


def _put_jump(memory: bytearray, place: int, target: int) -> None:
    """The distance in the stub of x86-64, which is from the end of its instruction."""
    _distance(memory, place + 2, target - 4)


X86_64 = Architecture(
    family="x86_64",
    number=62,
    page=4096,
    relocations={
        1: (ADDRESS, _address),
        2: (RELATIVE, _distance),  # PC32
        4: (CALL, _distance),  # PLT32
        9: (TABLE, _distance),  # GOTPCREL
        41: (TABLE, _distance),  # GOTPCRELX
        42: (TABLE, _distance),  # REX_GOTPCRELX
    },
    stub=bytes.fromhex("ff25000000006690"),  # jmp *distance(%rip); xchg %ax, %ax
    put_stub=_put_jump,
)


def _into(memory: bytearray, place: int, first: int, bits: int, value: int) -> None:
    """Write an unsigned number into some bits of an instruction."""
    (word,) = struct.unpack_from("<I", memory, place)
    struct.pack_into("<I", memory, place, word & ~(((1 << bits) - 1) << first) | value << first)


def _signed(value: int, bits: int) -> int:
    """A signed number as so many bits."""
    if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
        raise OverflowError(f"{value} does not fit into {bits} bits")
    return value & ((1 << bits) - 1)


def _scaled(value: int, scale: int) -> int:
    """A distance in units of 1 << scale."""
    if value % (1 << scale):
        raise ValueError(f"{value} is no multiple of {1 << scale}")
    return value >> scale


def _branch(bits: int, first: int) -> Put:
    """A distance in instructions."""

    def put(memory: bytearray, place: int, target: int) -> None:
        _into(memory, place, first, bits, _signed(_scaled(target - place, 2), bits))

    return put


def _adr(memory: bytearray, place: int, value: int) -> None:
    """The number of an `adr` or `adrp`, which stands in two parts."""
    number = _signed(value, 21)
    _into(memory, place, 29, 2, number & 3)
    _into(memory, place, 5, 19, number >> 2)


def _near(memory: bytearray, place: int, target: int) -> None:
    _adr(memory, place, target - place)


def _page(memory: bytearray, place: int, target: int) -> None:
    """How many pages of 4096 bytes further it lies."""
    _adr(memory, place, (target >> 12) - (place >> 12))


def _in_page(scale: int) -> Put:
    """The place in a page of 4096 bytes, in units of what is loaded."""

    def put(memory: bytearray, place: int, target: int) -> None:
        _into(memory, place, 10, 12, _scaled(target & 0xFFF, scale))

    return put


def _put_far_jump(memory: bytearray, place: int, target: int) -> None:
    _page(memory, place, target)
    _in_page(3)(memory, place + 4, target)


AARCH64 = Architecture(
    family="aarch64",
    number=183,
    page=65536,
    relocations={
        257: (ADDRESS, _address),  # ABS64
        260: (RELATIVE, _long_distance),  # PREL64
        261: (RELATIVE, _distance),  # PREL32
        273: (RELATIVE, _branch(19, 5)),  # LD_PREL_LO19
        274: (RELATIVE, _near),  # ADR_PREL_LO21
        275: (RELATIVE, _page),  # ADR_PREL_PG_HI21
        277: (RELATIVE, _in_page(0)),  # ADD_ABS_LO12_NC
        278: (RELATIVE, _in_page(0)),  # LDST8_ABS_LO12_NC
        279: (RELATIVE, _branch(14, 5)),  # TSTBR14
        280: (RELATIVE, _branch(19, 5)),  # CONDBR19
        282: (CALL, _branch(26, 0)),  # JUMP26
        283: (CALL, _branch(26, 0)),  # CALL26
        284: (RELATIVE, _in_page(1)),  # LDST16_ABS_LO12_NC
        285: (RELATIVE, _in_page(2)),  # LDST32_ABS_LO12_NC
        286: (RELATIVE, _in_page(3)),  # LDST64_ABS_LO12_NC
        299: (RELATIVE, _in_page(4)),  # LDST128_ABS_LO12_NC
        311: (TABLE, _page),  # ADR_GOT_PAGE
        312: (TABLE, _in_page(3)),  # LD64_GOT_LO12_NC
    },
    stub=bytes.fromhex("10000090 110240f9 20021fd6 1f2003d5"),  # adrp x16; ldr x17, [x16]; br x17; nop
    put_stub=_put_far_jump,
)


def _pieces(*pieces: tuple[int, int, int]) -> Put:
    """A distance of which some bits, from one on, so many of them, stand at some place in an instruction."""
    last = max(first + bits for first, bits, _ in pieces)

    def put(memory: bytearray, place: int, target: int) -> None:
        distance = _signed(_scaled(target - place, 1) << 1, last)
        for first, bits, at in pieces:
            _into(memory, place, at, bits, distance >> first & ((1 << bits) - 1))

    return put


def _upper(memory: bytearray, place: int, target: int) -> None:
    """The first bits of a distance, such that the rest is a signed number."""
    _into(memory, place, 12, 20, _signed((target - place + 0x800) >> 12, 20))


def _rest_of_load(memory: bytearray, place: int, target: int) -> None:
    _into(memory, place, 20, 12, (target - place) & 0xFFF)


def _rest_of_store(memory: bytearray, place: int, target: int) -> None:
    distance = (target - place) & 0xFFF
    _into(memory, place, 25, 7, distance >> 5)
    _into(memory, place, 7, 5, distance & 31)


def _upper_and_rest(memory: bytearray, place: int, target: int) -> None:
    """Two instructions; the distance is from the first."""
    _upper(memory, place, target)
    _rest_of_load(memory, place + 4, target + 4)


RISCV64 = Architecture(
    family="riscv64",
    number=243,
    page=4096,
    relocations={
        2: (ADDRESS, _address),  # 64
        16: (RELATIVE, _pieces((1, 4, 8), (5, 6, 25), (11, 1, 7), (12, 1, 31))),  # BRANCH
        17: (RELATIVE, _pieces((1, 10, 21), (11, 1, 20), (12, 8, 12), (20, 1, 31))),  # JAL
        19: (CALL, _upper_and_rest),  # CALL_PLT
        20: (TABLE, _upper),  # GOT_HI20
        23: (RELATIVE, _upper),  # PCREL_HI20
        24: (REST, _rest_of_load),  # PCREL_LO12_I
        25: (REST, _rest_of_store),  # PCREL_LO12_S
        57: (RELATIVE, _distance),  # 32_PCREL
    },
    stub=bytes.fromhex("170e0000 033e0e00 67000e00 13000000"),  # auipc t3; ld t3, (t3); jr t3; nop
    put_stub=_upper_and_rest,
)

ARCHITECTURES = {each.number: each for each in (X86_64, AARCH64, RISCV64)}
