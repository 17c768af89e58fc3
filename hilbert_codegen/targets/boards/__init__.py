"""Boards that an emulator can be. One file here a board (or a family), which registers itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hilbert_codegen.registry import Registry
from hilbert_codegen.targets.cores import Core, core


@dataclass(frozen=True)
class Region:
    """A stretch of memory: first address and size in bytes."""

    origin: int
    size: int


@dataclass(frozen=True)
class Uart:
    """The UART the board program prints on.

    Attributes:
        kind: driver in firmware_tests/board/console.c: "CMSDK", "STM32_SR", "STM32_ISR", "NRF", "NRF_DMA", "RA_SCI" or
            "NS16550".
        base: its first address.
        renode: its name in the Renode platform.
    """

    kind: str
    base: int
    renode: str = ""


@dataclass(frozen=True)
class Board:
    """One board.

    Attributes:
        name: what people type.
        title: what it is.
        core_name: its core (`hilbert_codegen.targets.cores`).
        flash: where the vector table, code and tables go.
        ram: where data and stack go.
        uart: where the program prints.
        clock_hz: the highest core clock in its data sheet, for milliseconds at no given clock; None if it has none.
        machines: emulator name -> what that emulator calls it: a QEMU machine (and further words for QEMU), or a file of renode/.
    """

    name: str
    title: str
    core_name: str
    flash: Region
    ram: Region
    uart: Uart
    machines: Mapping[str, str]
    clock_hz: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "machines", dict(self.machines))
        core(self.core_name)

    @property
    def core(self) -> Core:
        """The board's core."""
        return core(self.core_name)


BOARDS: Registry[Board] = Registry("board", __name__)


def add(board: Board) -> Board:
    """Register a board."""
    return BOARDS.add(board.name, board)
