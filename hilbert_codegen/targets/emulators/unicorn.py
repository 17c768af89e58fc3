"""Unicorn, the CPU emulator that comes from PyPI: runs the scalar cores in a process of ours, counts by basic blocks.

Unicorn is a core and memory and nothing else. What the board program touches besides is here: the registers of the UART
that it polls, plain memory in place of the System Control Space, and the entry into the fault handler.
"""

from __future__ import annotations

import atexit
import importlib.metadata
import importlib.util
import os
import pickle
import subprocess
import sys
import threading
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hilbert_codegen.targets.architectures import ARM, RISCV, Architecture
from hilbert_codegen.targets.boards import Board, Region
from hilbert_codegen.targets.emulators import EMULATORS, END, PATH_LENGTH, Job, Outcome, Watch
from hilbert_codegen.targets.image import Loaded, load
from hilbert_codegen.targets.tools import Found, Missing, dying_with_us

REMEDY = "install it with: pip install 'hilbert_codegen[boards]'"

#: Core -> Unicorn's model of it. Armv6-M has two cores of one instruction set; Unicorn has no M23, no Helium, and of RISC-V
#: neither Zba and Zbb nor the vectors that were standardized.
MODELS = {
    "cortex-m0": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m0plus": "UC_CPU_ARM_CORTEX_M0",
    "cortex-m3": "UC_CPU_ARM_CORTEX_M3",
    "cortex-m4": "UC_CPU_ARM_CORTEX_M4",
    "cortex-m7": "UC_CPU_ARM_CORTEX_M7",
    "cortex-m33": "UC_CPU_ARM_CORTEX_M33",
    "rv32imc": "UC_CPU_RISCV32_ANY",
}

_PAGE = 0x1000
#: System Control Space: SysTick, NVIC, System Control Block (Armv7-M ARM, B3.1).
_SCS = 0xE000E000
_CFSR, _HFSR = 0xD28, 0xD2C
_UNDEFINED, _PRECISE, _FORCED = 1 << 16, 1 << 9, 1 << 30
_HARD_FAULT = 3
#: mcause of an illegal instruction, and of access faults of a load and of a store (RISC-V privileged ISA).
_ILLEGAL, _LOAD, _STORE = 2, 5, 7
#: EXC_RETURN of an exception out of thread mode on the main stack, no floating-point frame.
_EXC_RETURN = 0xFFFFFFF9
#: An address that is never reached: runs end by what the program prints.
_NOWHERE = 0xFFFFFFFE


@dataclass(frozen=True)
class _Registers:
    """What the polling driver of one kind of UART (firmware_tests/board/console.c) reads and writes.

    Attributes:
        status: offset of the register that it waits on.
        ready: what that reads when a character can be sent.
        data: offset that a character is written to; with `start`, that its address is written to.
        start: offset that a write to sends the character in memory, or None.
    """

    status: int
    ready: int
    data: int
    start: int | None = None


UARTS = {
    "CMSDK": _Registers(0x04, 0, 0x00),
    "STM32_SR": _Registers(0x00, 1 << 7, 0x04),
    "STM32_ISR": _Registers(0x1C, 1 << 7, 0x28),
    "NRF": _Registers(0x11C, 1, 0x51C),
    "NRF_DMA": _Registers(0x120, 1, 0x544, 0x008),
    "RA_SCI": _Registers(0x48, 1 << 30, 0x04),
    "NS16550": _Registers(0x05, 1 << 5, 0x00),
}


class _Run:
    """One image in one emulated core; `say` is told every line that the program prints."""

    def __init__(self, job: Job, image: Loaded, say: Callable[[str], None]) -> None:
        import unicorn
        from unicorn import arm_const, riscv_const

        self.architecture = job.board.core.architecture
        if self.architecture is RISCV:
            self.names, kind = riscv_const, (unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
        else:
            self.names, kind = arm_const, (unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        self.unicorn, self.job, self.image = unicorn, job, image
        self.core = unicorn.Uc(*kind)
        self.core.ctl_set_cpu_model(getattr(self.names, MODELS[job.board.core_name]))
        self.say = say
        #: Basic blocks of the counted range: address -> times, address -> bytes; and one after another, if traced.
        self.counts: dict[int, int] = {}
        self.sizes: dict[int, int] = {}
        self.order: list[int] = []
        self.reads = array("Q")
        self._text = bytearray()
        self._pointer = 0
        self._map()

    def _map(self) -> None:
        board = self.job.board
        for region in (board.flash, board.ram, *([Region(_SCS, _PAGE)] if self.architecture is ARM else [])):
            start = region.origin // _PAGE * _PAGE
            end = -(-(region.origin + region.size) // _PAGE) * _PAGE
            self.core.mem_map(start, end - start)
        for address, content in self.image.segments:
            self.core.mem_write(address, content)
        uart = board.uart
        page = uart.base // _PAGE * _PAGE
        registers, base = UARTS[uart.kind], uart.base - page

        def read(_: Any, offset: int, __: int, ___: Any) -> int:
            return registers.ready if offset - base == registers.status else 0

        def write(_: Any, offset: int, __: int, value: int, ___: Any) -> None:
            if offset - base == registers.data and registers.start is None:
                self._say(value & 0xFF)
            elif offset - base == registers.data:
                self._pointer = value
            elif offset - base == registers.start and registers.start is not None:
                self._say(self.core.mem_read(self._pointer, 1)[0])

        self.core.mmio_map(page, _PAGE, read, None, write, None)

    def _say(self, character: int) -> None:
        if character != 0x0A:
            self._text.append(character)
            return
        line = self._text.decode("ascii", "backslashreplace").rstrip("\r")
        self._text.clear()
        self.say(line)
        if line.startswith(END):
            self.core.emu_stop()

    def _count(self, start: int, end: int) -> None:
        counts, order, sizes = self.counts, self.order, self.sizes

        def count(_: Any, address: int, size: int, __: Any) -> None:
            try:
                counts[address] += 1
            except KeyError:
                counts[address], sizes[address] = 1, size

        def follow(_: Any, address: int, size: int, __: Any) -> None:
            order.append(address)
            count(_, address, size, __)

        # Added before anything runs: blocks that are already translated are not hooked.
        self.core.hook_add(self.unicorn.UC_HOOK_BLOCK, follow if self.job.trace else count, None, start, end - 1)

    def _note(self, _: Any, __: int, address: int, *___: Any) -> None:
        self.reads.append(address)

    def go(self) -> str | None:
        """Run to the program's last line; returns None, or why it did not come.

        Never stopped in between: whether the block at a stop was counted already could not be told.
        """
        if self.job.count is not None:
            self._count(*self.job.count)
        if self.job.reads is not None:
            start, end = self.job.reads
            self.core.hook_add(self.unicorn.UC_HOOK_MEM_READ, self._note, None, start, end - 1)
        riscv = self.architecture is RISCV
        begin, fault = (self._start_riscv, self._trap) if riscv else (self._start, self._fault)
        counter = self.names.UC_RISCV_REG_PC if riscv else self.names.UC_ARM_REG_PC
        try:
            self.core.emu_start(begin(), _NOWHERE)
        except self.unicorn.UcError as error:
            handler = fault(error)
            try:
                self.core.emu_start(handler, _NOWHERE)
            except self.unicorn.UcError as second:
                return f"the core stopped at 0x{self.core.reg_read(counter):08x}, in its fault handler: {second}"
        return None

    def _start(self) -> int:
        """Take stack and start from the vector table, as a Cortex-M does."""
        flash = self.job.board.flash.origin
        stack, place = (int.from_bytes(self.core.mem_read(flash + 4 * i, 4), "little") for i in range(2))
        self.core.reg_write(self.names.UC_ARM_REG_SP, stack)
        return place | 1

    def _start_riscv(self) -> int:
        """RISC-V starts at the first instruction, and sets its stack itself."""
        return self.job.board.flash.origin

    def _trap(self, error: Any) -> int:
        """Enter the handler of exceptions as the core would (RISC-V privileged ISA, 3.1); returns its address."""
        names, core = self.names, self.core
        undefined = error.errno in (self.unicorn.UC_ERR_INSN_INVALID, self.unicorn.UC_ERR_EXCEPTION)
        written = error.errno in (self.unicorn.UC_ERR_WRITE_UNMAPPED, self.unicorn.UC_ERR_WRITE_PROT)
        # Unicorn 2.1 stops four bytes behind an instruction that is none, whatever its length.
        behind = 4 if error.errno == self.unicorn.UC_ERR_EXCEPTION else 0
        core.reg_write(names.UC_RISCV_REG_MEPC, core.reg_read(names.UC_RISCV_REG_PC) - behind)
        core.reg_write(names.UC_RISCV_REG_MCAUSE, _ILLEGAL if undefined else _STORE if written else _LOAD)
        return int(core.reg_read(names.UC_RISCV_REG_MTVEC))

    def _fault(self, error: Any) -> int:
        """Enter the hard fault handler as the core would (Armv7-M ARM, B1.5.6); returns its address."""
        names, core, board = self.names, self.core, self.job.board
        registers = [
            getattr(names, f"UC_ARM_REG_{name}") for name in ("R0", "R1", "R2", "R3", "R12", "LR", "PC", "XPSR")
        ]
        values = [core.reg_read(register) for register in registers]
        stack = (core.reg_read(names.UC_ARM_REG_SP) - 32) & ~7
        core.mem_write(stack, b"".join((value & 0xFFFFFFFF).to_bytes(4, "little") for value in values))
        core.reg_write(names.UC_ARM_REG_SP, stack)
        core.reg_write(names.UC_ARM_REG_LR, _EXC_RETURN)
        core.reg_write(names.UC_ARM_REG_IPSR, _HARD_FAULT)
        undefined = error.errno in (self.unicorn.UC_ERR_INSN_INVALID, self.unicorn.UC_ERR_EXCEPTION)
        core.mem_write(_SCS + _CFSR, (_UNDEFINED if undefined else _PRECISE).to_bytes(4, "little"))
        core.mem_write(_SCS + _HFSR, _FORCED.to_bytes(4, "little"))
        return int.from_bytes(core.mem_read(board.flash.origin + 4 * _HARD_FAULT, 4), "little") | 1

    def counted(self, outcome: Outcome) -> None:
        """Add what was counted to `outcome`: a block's times, times its instructions."""
        lengths = self.architecture.lengths
        inside = {address: lengths(address, self.image.read(address, size)) for address, size in self.sizes.items()}
        outcome.instructions = sum(times * len(inside[address]) for address, times in self.counts.items())
        if not self.order:
            return
        for address, times in self.counts.items():
            for step in pairwise(inside[address]):
                outcome.steps[step] += times
        for (before, block), times in Counter(pairwise(self.order)).items():
            outcome.steps[inside[before][-1], block] += times
        outcome.steps[inside[self.order[-1]][-1], -1] += 1
        outcome.path = [place for address in self.order[:PATH_LENGTH] for place in inside[address]][:PATH_LENGTH]


def serve() -> None:
    """What a worker process does: reads jobs from standard input; writes their lines, then their outcome, to standard output."""

    def tell(what: str | Outcome) -> None:
        pickle.dump(what, sys.stdout.buffer)
        sys.stdout.buffer.flush()

    with suppress(EOFError):
        while True:
            job = pickle.load(sys.stdin.buffer)
            assert isinstance(job, Job)
            run = _Run(job, load(job.elf), tell)
            outcome = Outcome(problem=run.go(), reads=run.reads)
            if job.count is not None:
                run.counted(outcome)
            tell(outcome)


class Unicorn:
    """The Python package unicorn, in a worker process for every thread that runs boards."""

    name = "unicorn"
    rank = 30
    notes_reads = True

    def __init__(self) -> None:
        self._mine = threading.local()
        self._all: set[subprocess.Popen[bytes]] = set()

    def find(self, architecture: Architecture = ARM) -> Found | Missing:
        """The package and its version."""
        if importlib.util.find_spec("unicorn") is None:
            return Missing("the Python package unicorn is not installed", REMEDY)
        return Found(("unicorn",), importlib.metadata.version("unicorn"))

    def has(self, board: Board) -> bool:
        """Every board of a core that Unicorn models."""
        return board.core_name in MODELS and board.uart.kind in UARTS

    def _worker(self) -> subprocess.Popen[bytes]:
        worker: subprocess.Popen[bytes] | None = getattr(self._mine, "worker", None)
        if worker is None or worker.poll() is not None:
            package = str(Path(__file__).parents[3])
            paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
            worker = subprocess.Popen(
                dying_with_us([sys.executable, "-c", f"from {__name__} import serve; serve()"]),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
            self._mine.worker = worker
            if not self._all:
                atexit.register(self.close)
            self._all.add(worker)
        return worker

    def run(self, job: Job) -> Outcome:
        """Run the image in this thread's worker; a worker that ends meanwhile is the run's failure."""
        found = self.find()
        if isinstance(found, Missing):
            raise found.error()
        worker = self._worker()
        assert worker.stdin is not None and worker.stdout is not None
        lines: list[str] = []
        watch, done = Watch(job.timeout), threading.Event()

        def guard() -> None:
            while not done.wait(0.05):
                if watch.left <= 0:
                    worker.kill()
                    return

        threading.Thread(target=guard, daemon=True).start()
        try:
            pickle.dump(job, worker.stdin)
            worker.stdin.flush()
            while isinstance(said := pickle.load(worker.stdout), str):
                lines.append(said)
                watch.line()
            assert isinstance(said, Outcome)
            said.lines = lines
            return said
        except (EOFError, OSError, pickle.UnpicklingError):
            worker.kill()
            status = worker.wait()
            late = watch.left <= 0
            return Outcome(lines, watch.problem if late else f"the emulator ended early with status {status}")
        finally:
            done.set()

    def close(self) -> None:
        """Kill every worker; runs that are under way end with a problem."""
        workers, self._all = list(self._all), set()
        for worker in workers:
            worker.kill()
            worker.wait()
            for stream in (worker.stdin, worker.stdout):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()


EMULATORS.add(Unicorn.name, Unicorn())
