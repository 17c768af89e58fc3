"""The board program: generated decoder + generated self-test + start-up code -> one ELF image for one board."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.curves import AXES
from hilbert_codegen.emit.prove import Domain, answers_at, distances_at, reference_for
from hilbert_codegen.emit.render import environment
from hilbert_codegen.errors import UsageError
from hilbert_codegen.exact.domain import beside_borders
from hilbert_codegen.exact.reference import Ideal, ideal_of
from hilbert_codegen.resources import resource
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import INTEGER_TYPES, type_range
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.gaps import ZERO_REGISTER, places
from hilbert_codegen.targets.image import Loaded, load
from hilbert_codegen.targets.toolchains import Toolchain
from hilbert_codegen.targets.tools import Found, ToolFailed

#: Rows of the sweep and points a row: all pairs of 8-bit codes, or a 256 x 256 grid of 16-bit codes.
ROWS = COLUMNS = 256
#: Bytes of stack of the board program.
STACK_BYTES = 2048

#: What the board program is made of, besides the decoder and the start-up code of the architecture.
SOURCES = ("console.c", "main.c")

_FNV_START = 2166136261
_FNV_PRIME = 16777619


def checksums(values: NDArray[np.int64], bits: int) -> list[int]:
    """FNV-1a over the words of each row of `values` (rows, columns), each taken as an unsigned `bits`-bit word."""
    mask = np.uint64((1 << bits) - 1)
    words = values.astype(np.int64).view(np.uint64) & mask
    total = np.full(len(values), _FNV_START, dtype=np.uint64)
    for column in words.T:
        total = ((total ^ column) * np.uint64(_FNV_PRIME)) & np.uint64(0xFFFFFFFF)
    return [int(value) for value in total]


def _random_order(position: NDArray[np.int64]) -> NDArray[np.int64]:
    """A permutation of 0..65535 without pattern: odd factors and shifts, each of which is a bijection of 16 bits."""
    value = (position * 0x6255 + 0x3619) & 0xFFFF
    value ^= value >> 7
    value = (value * 0x9E3B) & 0xFFFF
    value ^= value >> 9
    return (value * 0x5A2D) & 0xFFFF


def _frame_order(position: NDArray[np.int64]) -> NDArray[np.int64]:
    """The cell of a Hilbert curve of order 8 at each place along it: x in the low byte, y in the high one."""
    x, y = np.zeros_like(position), np.zeros_like(position)
    for level in range(8):
        quarter = (position >> (2 * level)) & 3
        right, up = quarter >> 1, (quarter ^ (quarter >> 1)) & 1
        turned, mirrored = up == 0, (up == 0) & (right == 1)
        size = 1 << level
        x, y = np.where(mirrored, size - 1 - x, x), np.where(mirrored, size - 1 - y, y)
        x, y = np.where(turned, y, x), np.where(turned, x, y)
        x, y = x + size * right, y + size * up
    return x | (y << 8)


#: Name of an order -> (what it is, position -> raw codes: x in the low byte, y in the high one).
ORDERS: dict[str, tuple[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]]] = {
    "sweep": ("row by row", lambda position: position),
    "random": ("in random order", _random_order),
    "frame": ("neighbours after one another, as in a frame of a smooth scene", _frame_order),
}


@dataclass(frozen=True)
class Sweep:
    """The pairs of codes that the board program runs over, and the exact answers.

    Attributes:
        pairs: codes (x, y, ...), int64, shape (256, 256, heads), [row, column].
        order: a name of ORDERS, or "listed" where the program must hold the pairs as data, because they follow no rule.
        output: exact results, int64, shape (256, 256), [row, column].
        distance: exact distances, int64, the same shape.
        statement: one line saying what the pairs are.
    """

    pairs: NDArray[np.int64]
    order: str
    output: NDArray[np.int64]
    distance: NDArray[np.int64]
    statement: str


def make_sweep(
    plan: Plan,
    outputs: NDArray[np.int64] | None = None,
    order: str = "sweep",
    known: tuple[Domain, Ideal] | None = None,
) -> Sweep:
    """The pairs to run.

    Args:
        plan: what the decoder computes.
        outputs: codes a network gave, shape (n, heads), 8-bit heads: those are run, from the start again until there are
            65,536. Without it, all pairs of 8-bit heads, every 257th code of both axes of 16-bit heads.
        order: the order of the pairs, a name of ORDERS: "sweep" is that of their raw bits, y the slower.
        known: the exact answers over the proof's domain, where the caller has them.

    Raises UsageError where `outputs` are not codes of the heads.
    """
    if plan.spec.inputs > 2:
        return _many_heads(plan, outputs, order, known)
    eight = plan.spec.heads.bits == 8
    codes = plan.spec.heads.codes() if eight else np.arange(-32768, 32768, 257, dtype=np.int64)
    if outputs is not None:
        low, high = type_range(plan.spec.heads.dtype)
        if not eight or outputs.ndim != 2 or outputs.shape[1] != 2 or not len(outputs):
            raise UsageError(f"the network's outputs have shape {outputs.shape}: give (n, 2) codes of 8-bit heads")
        if outputs.min() < low or outputs.max() > high:
            raise UsageError(f"the network's outputs lie in {outputs.min()}..{outputs.max()}: give {low}..{high}")
    if known is not None and all(np.array_equal(axis, codes) for axis in known[0].codes):
        exact = known[1]
    else:
        exact = reference_for(plan.spec, Domain((codes, codes), eight, ""))
    if outputs is not None:
        pairs = np.resize(outputs.astype(np.int64), (ROWS, COLUMNS, 2))
        x, y = pairs[..., 0] & 255, pairs[..., 1] & 255
        order, statement = "listed", f"65,536 pairs from {len(outputs)} outputs of the network"
    else:
        raw = ORDERS[order][1](np.arange(ROWS * COLUMNS, dtype=np.int64)).reshape(ROWS, COLUMNS)
        x, y = raw & 255, raw >> 8
        pairs = np.stack([codes[x], codes[y]], axis=-1)
        statement = (
            "all 65,536 pairs of codes"
            if eight
            else "65,536 pairs of codes: every 257th of each head, both ends included"
        )
        if order != "sweep":
            statement += f", {ORDERS[order][0]}"
    return Sweep(pairs, order, exact.codes[y, x], exact.distance[y, x].astype(np.int64), statement)


def _other(place: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    """other() of the self-test: index of the code of a further head at a place."""
    value = ((place + (axis << 16)) * 0x9E3779B1) & 0xFFFFFFFF
    value ^= value >> 15
    # Only the low 21 bits of the product count: it stays within 64 bits.
    return np.asarray((((value & 0x1FFFFF) * 0x85EBCA6B) >> 13) & 255)


def _many_heads(plan: Plan, outputs: NDArray[np.int64] | None, order: str, known: tuple[Domain, Ideal] | None) -> Sweep:
    """65,536 tuples: all pairs of the first two heads, the codes of the others by a fixed rule; or a network's outputs."""
    spec = plan.spec
    count, codes = spec.inputs, spec.heads.codes()
    if outputs is not None:
        low, high = type_range(spec.heads.dtype)
        if outputs.ndim != 2 or outputs.shape[1] != count or not len(outputs):
            raise UsageError(f"the network's outputs have shape {outputs.shape}: give (n, {count}) codes")
        if outputs.min() < low or outputs.max() > high:
            raise UsageError(f"the network's outputs lie in {outputs.min()}..{outputs.max()}: give {low}..{high}")
        tuples = np.resize(outputs.astype(np.int64), (ROWS, COLUMNS, count))
        order, statement = "listed", f"65,536 tuples from {len(outputs)} outputs of the network"
    else:
        raw = ORDERS[order][1](np.arange(ROWS * COLUMNS, dtype=np.int64)).reshape(ROWS, COLUMNS)
        index = [raw & 255, raw >> 8, *(_other(raw, axis) for axis in range(2, count))]
        tuples = np.stack([codes[i] for i in index], axis=-1)
        statement = f"65,536 of the 2^{8 * count} tuples of codes: all pairs of x and y with others by a fixed rule"
        if order != "sweep":
            statement += f", {ORDERS[order][0]}"
    flat = tuples.reshape(-1, count)
    if known is None:
        answers = ideal_of(spec, flat, plan.distance)
        exact, far = answers.codes, answers.distance.astype(np.int64)
    else:
        exact = answers_at(spec, flat, known)
        far = distances_at(spec, flat, known) if plan.distance else np.zeros(0, np.int64)
    shape = ROWS, COLUMNS
    return Sweep(tuples, order, exact.reshape(shape), np.resize(far, shape), statement)


#: Planes of 65,536 tuples that a board runs of four and more codes: random tuples and neighbours of borders, by turns.
PLANES = 8
#: Places in the table of codes beside borders.
_BESIDE = 64


def _drawn(place: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    """drawn() of the self-test for a random code: index of the code of a head at plane << 16 | row << 8 | column."""
    value = (((place << 3) + 1 + axis) * 0x9E3779B1) & 0xFFFFFFFF
    value ^= value >> 15
    return np.asarray((((value & 0x1FFFFF) * 0x85EBCA6B) >> 13) & 255)


@dataclass(frozen=True)
class Planes:
    """What a board runs of three and more codes beside the sweep, 65,536 points a plane, and the exact answers.

    Attributes:
        count: planes: those of all triples by the third code, or PLANES.
        beside: for each of four and more codes _BESIDE raw codes beside borders.
        output: exact results of every plane, int64, shape (count, 256, 256), [plane, row, column].
        statement: one line saying what they are.
    """

    plan: Plan
    count: int
    beside: NDArray[np.int64]
    output: NDArray[np.int64]
    statement: str

    def codes(self, plane: int) -> NDArray[np.int64]:
        """The codes of a plane, shape (256, 256, heads)."""
        place = (plane << 16) + np.arange(ROWS * COLUMNS, dtype=np.int64).reshape(ROWS, COLUMNS)
        return _plane_codes(self.plan, place, self.beside)

    @cached_property
    def sums(self) -> list[int]:
        """Checksum of the rows' checksums of every plane."""
        bits = INTEGER_TYPES[self.plan.spec.output.dtype][0]
        rows = np.array(checksums(self.output.reshape(-1, COLUMNS), bits), dtype=np.int64)
        return checksums(rows.reshape(self.count, ROWS), 32)


def _plane_codes(plan: Plan, place: NDArray[np.int64], beside: NDArray[np.int64]) -> NDArray[np.int64]:
    count, codes = plan.spec.inputs, plan.spec.heads.codes()
    if count == 3:
        index = [place & 255, (place >> 8) & 255, place >> 16]
    else:
        border = (place >> 16) & 1
        drawn = [_drawn(place, axis) for axis in range(count)]
        index = [np.where(border, beside[axis][value & (_BESIDE - 1)], value) for axis, value in enumerate(drawn)]
    return np.stack([codes[i] for i in index], axis=-1)


def make_planes(plan: Plan, known: tuple[Domain, Ideal]) -> Planes | None:
    """The planes to run: of three codes a point all triples, of more PLANES planes of tuples; None for two.

    `known` are the exact answers over the proof's domain.
    """
    spec = plan.spec
    if spec.inputs == 2:
        return None
    if spec.inputs == 3:
        return Planes(plan, 256, np.zeros((0, 0), np.int64), known[1].codes, f"all {256**3} triples of codes")
    mask = (1 << spec.heads.bits) - 1
    beside = np.stack([np.resize(beside_borders(spec, axis) & mask, _BESIDE) for axis in range(spec.inputs)])
    place = np.arange(PLANES * ROWS * COLUMNS, dtype=np.int64)
    output = answers_at(spec, _plane_codes(plan, place, beside), known).reshape(PLANES, ROWS, COLUMNS)
    statement = f"{PLANES * ROWS * COLUMNS} tuples of codes, random ones and neighbours of borders"
    return Planes(plan, PLANES, beside, output, statement)


def selftest_files(plan: Plan, sweep: Sweep, planes: Planes | None = None) -> dict[str, bytes]:
    """The generated self-test, `<prefix>_selftest.h` and `.c`: name -> bytes. It has `planes` where they are given."""
    spec = plan.spec
    head, out = spec.heads.ctype, spec.output.ctype
    bits = INTEGER_TYPES[spec.output.dtype][0]
    index = "-32768 + 257 i" if spec.heads.bits == 16 else "with the bits of i"
    column, row = ("the column", "the row") if sweep.order == "sweep" else ("the low byte of pair()", "its high byte")
    values = {
        "p": plan.prefix,
        "P": plan.prefix.upper(),
        "hash": int(plan.digest[:8], 16),
        "domain": sweep.statement,
        "order": sweep.order,
        "pairs": sweep.pairs.reshape(-1).tolist() if sweep.order == "listed" else [],
        "x_of": "listed" if sweep.order == "listed" else f"{index}, i {column}",
        "y_of": "listed" if sweep.order == "listed" else f"{index}, i {row}",
        "in_type": head,
        "out_type": out,
        "out_unsigned": f"uint{bits}_t",
        "n": spec.inputs,
        "planes": [axis.upper() for axis in AXES[: spec.inputs]],
        "others_of": ", those of the other heads by other()" if spec.inputs > 2 and sweep.order != "listed" else "",
        "planar": spec.heads.layout == "planar",
        "distance": plan.distance,
        "output_sums": checksums(sweep.output, bits),
        "distance_sums": checksums(sweep.distance, 8),
        "layers": planes.count if planes is not None else 0,
        "layers_of": planes.statement if planes is not None else "",
        "plane_sums": planes.sums if planes is not None else [],
        "beside": planes.beside.tolist() if planes is not None else [],
    }
    env = environment(trimmed=True)
    return {
        f"{plan.prefix}_selftest{suffix}": env.get_template(f"harness/selftest{suffix}.j2")
        .render(values)
        .encode("ascii")
        for suffix in (".c", ".h")
    }


@dataclass(frozen=True)
class Image:
    """A linked board program.

    Attributes:
        elf: the file.
        compiler: "gcc 12.2.1", "clang 19.1.7".
        decoder: address range [start, end) of the decoder's functions and of what they call.
        entry: address of what is measured: decode_block, or decode_block_distance where there is one.
        code_bytes: of the decoder's functions and what they call, constants in the code included.
        table_bytes: of the decoder's constant tables.
    """

    elf: Path
    compiler: str
    decoder: tuple[int, int]
    entry: int
    code_bytes: int
    table_bytes: int
    symbols: Mapping[str, int]

    @property
    def constants(self) -> tuple[int, int]:
        """Address range [start, end) of what the decoder reads from flash: constants in its code, and its tables."""
        return self.decoder[0], self.symbols["__tables_end"]


class DoesNotFit(UsageError):  # noqa: N818 - named as CheckFailed is
    """The program is larger than the board's flash or RAM."""


class Program:
    """The board program for one decoder on one board: compiled once, linked for each kind of run.

    Args:
        folder: where sources, objects and images go (made if missing).
        board: memory map, UART and core.
        toolchain: what compiles it.
        prefix: prefix of the decoder's C names.
        files: decoder and self-test: name -> content.
        defines: macros for the decoder ("DEPTH_USE_MVE": "0").
        flags: further flags of the compiler for the decoder, after the usual ones ("-Os").
        plain: whether the decoder too is compiled without vectors and without Armv8.1-M.
        planes: whether the program can run planes; only where the self-test has them (selftest_files).

    UsageError names the compiler's first error, or the sizes where the image does not fit the board.
    """

    def __init__(
        self,
        folder: Path,
        board: Board,
        toolchain: Toolchain,
        prefix: str,
        files: Mapping[str, bytes],
        defines: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
        plain: bool = False,
        planes: bool = False,
    ) -> None:
        self.folder, self.board, self.toolchain, self.prefix = folder, board, toolchain, prefix
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self._objects: list[Path] = []
        self._harness: list[str] = []
        self._linked: Path | None = None
        self._planes = planes
        for name in (board.core.architecture.startup, *SOURCES):
            self._harness_object(name)
        for name in sorted(files):
            if name.endswith(".c"):
                target = folder / f"{name[:-2]}.o"
                selftest = name == f"{prefix}_selftest.c"
                core = board.core.plain if selftest or plain else board.core
                toolchain.compile(core, folder / name, target, [folder], defines or {}, () if selftest else flags)
                self._objects.append(target)
                if selftest:
                    self._harness.append(target.name)

    def _harness_object(self, name: str) -> None:
        firmware = resource("firmware_tests") / "board"
        target = self.folder / f"board_{name[:-2]}.o"
        uart = self.board.uart
        macros = {
            "CONSOLE_KIND": f"CONSOLE_{uart.kind}",
            "CONSOLE_BASE": f"0x{uart.base:08X}u",
            "SELFTEST_HEADER": f'"{self.prefix}_selftest.h"',
            "HARNESS_PREFIX": self.prefix,
            "HARNESS_PLANES": str(int(self._planes)),
            "HARNESS_ARMV8_1M": str(int(self.board.core.helium)),
        }
        include = [firmware, self.folder]
        # What judges the decoder has no instruction that an emulator may lack or get wrong: no vectors, none of Armv8.1-M.
        self.toolchain.compile(self.board.core.plain, firmware / name, target, include, macros, ())
        self._objects.append(target)
        self._harness.append(target.name)

    def _link(self) -> Path:
        script, elf = self.folder / "link.ld", self.folder / "linked.elf"
        values = {"board": self.board, "harness": self._harness, "stack_bytes": STACK_BYTES}
        script.write_text(environment().get_template("harness/link.ld.j2").render(values), encoding="ascii")
        try:
            self.toolchain.link(self.board.core, self._objects, script, elf)
        except ToolFailed as error:
            over = re.findall(r"(FLASH|RAM)['` ].*?overflowed by (\d+) bytes", error.output)
            if not over:
                raise
            sizes = ", ".join(
                f"{region} has {getattr(self.board, region.lower()).size} bytes, {extra} too few"
                for region, extra in dict(over).items()
            )
            raise DoesNotFit(
                f"the program does not fit {self.board.name} ({sizes}): lower code.max_flash_bytes, choose a smaller "
                "strategy or a larger board"
            ) from None
        return elf

    def _selects_zero(self, loaded: Loaded) -> bool:
        """Whether the decoder has instructions that some emulators get wrong, so that the program tries them first."""
        start, end = loaded.symbols["__decoder_start"], loaded.symbols["__decoder_end"]
        return self.board.core.helium and any(places(ZERO_REGISTER, start, loaded.read(start, end - start)))

    def image(
        self, measure: bool = False, rows: int = ROWS, block: int = COLUMNS, shift: int = 0, planes: int = 0
    ) -> Image:
        """An image for one kind of run.

        Args:
            measure: only decode_block runs, or decode_block_distance where there is one, so that all that is executed in the decoder belongs to it.
            rows: how many of the 256 rows run, spread over the square.
            block: points a call of decode_block, when measuring.
            shift: elements that the source is moved by, when measuring: 1 makes its address odd.
            planes: how many planes of the self-test run, spread over all, when not measuring; 0 unless the program can.

        All are one linked program, with the settings of the run (main.c) written into it.
        """
        assert self._planes or not planes, "the program was made without planes"
        if self._linked is None:
            self._linked = self._link()
        loaded = load(self._linked)
        content = bytearray(self._linked.read_bytes())
        at = loaded.place(loaded.symbols["board_settings"])
        settings = (rows, int(measure), block, shift, planes, int(self._selects_zero(loaded)))
        content[at : at + 4 * len(settings)] = b"".join(value.to_bytes(4, "little") for value in settings)
        shape = "" if (block, shift) == (COLUMNS, 0) else f"-{block}-{shift}"
        elf = self.folder / (f"measure{rows}{shape}.elf" if measure else f"run{rows}.elf")
        elf.write_bytes(content)
        found = self.toolchain.find(self.board.core.architecture)
        assert isinstance(found, Found)
        return _inspect(elf, loaded.symbols, f"{self.toolchain.name} {found.version}", self.prefix)


def _inspect(elf: Path, symbols: Mapping[str, int], compiler: str, prefix: str) -> Image:
    start, end = symbols["__decoder_start"], symbols["__decoder_end"]
    name = f"{prefix}_decode_block_distance"
    name = name if name in symbols else f"{prefix}_decode_block"
    return Image(
        elf=elf,
        compiler=compiler,
        decoder=(start, end),
        entry=symbols[name] & ~1,
        code_bytes=end - start,
        table_bytes=symbols["__tables_end"] - symbols["__tables_start"],
        symbols=symbols,
    )
