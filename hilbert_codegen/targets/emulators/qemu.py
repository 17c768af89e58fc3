"""QEMU: qemu-system-arm, qemu-system-riscv32. Counts by its log of translation blocks: the instructions of each when it is made, and each run."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections import Counter

from hilbert_codegen.targets.architectures import ARM, Architecture
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.emulators import EMULATORS, PATH_LENGTH, Job, Outcome, follow
from hilbert_codegen.targets.tools import Found, Missing, dying_with_us, find

#: A block that runs: "Trace 0: 0x7f0b0c000100 [00000000/00008000/00000110/ff200201] name". Its host code, its address.
_RUN = re.compile(rb"^Trace \d+: (\S+) \[[0-9a-f]+/([0-9a-f]+)/", re.MULTILINE)
#: A block that was announced by a "Trace" line but left before its first instruction; it is announced again later.
_UNDONE = re.compile(rb"^Stopped execution of TB chain before (\S+)", re.MULTILINE)
#: A block that was made: "IN: name", then its code, a line for an instruction: "0x00008130:  f012 020f  ands r2, r2, #0xf".
#: That of RISC-V says first: "Priv: 3; Virt: 0".
_MADE = re.compile(rb"^IN: .*\n(?:Priv: .*\n)?((?:0x[0-9a-f]+: .*\n)+)", re.MULTILINE)
_CODE = re.compile(rb"^0x[0-9a-f]+:\s+((?:[0-9a-f]{4} )+)", re.MULTILINE)


def instructions_in(listing: bytes, architecture: Architecture = ARM) -> int:
    """How many instructions the code of a block has.

    On Arm by its halfwords, not by the lines: the disassembler of some builds does not know Helium, and splits such
    instructions. That of RISC-V knows the length of any, and has a line for each.
    """
    if architecture is not ARM:
        return listing.count(b"\n")
    code = b" ".join(_CODE.findall(listing)).split()
    return len(architecture.lengths(0, b"".join(int(half, 16).to_bytes(2, "little") for half in code)))


def one_instruction_a_block(version: str) -> list[str]:
    """The words that make a QEMU of this version translate one instruction at a time."""
    major, minor = (int(part) for part in version.split(".")[:2])
    # -singlestep was renamed in 8.1 and removed in 9.
    return ["-accel", "tcg,one-insn-per-tb=on"] if (major, minor) >= (8, 1) else ["-singlestep"]


class _Blocks:
    """What the log tells: how often each translation block ran, and how many instructions it has."""

    def __init__(self, trace: bool, architecture: Architecture = ARM) -> None:
        self._trace, self._architecture = trace, architecture
        self._last: int | None = None
        #: Host code of a block -> times that it ran since it was made, and its instructions.
        self._runs: Counter[bytes] = Counter()
        self._sizes: dict[bytes, int] = {}
        #: Instructions of the block that was made last and has not run yet; the next to run is that one.
        self._made: int | None = None
        self._total = 0
        self.steps: Counter[tuple[int, int]] = Counter()
        self.path: list[int] = []
        self.noise = b""

    def read(self, text: bytes) -> None:
        """Take whole lines of the log."""
        at = 0
        for made in _MADE.finditer(text):
            self._ran(text[at : made.start()])
            self._made = instructions_in(made[1], self._architecture)
            at = made.end()
        self._ran(text[at:])

    def _ran(self, text: bytes) -> None:
        runs = _RUN.findall(text)
        if not runs:
            self.noise = (self.noise + text)[-4096:]
            return
        if self._made is not None:
            host = runs[0][0]
            if self._sizes.get(host, self._made) != self._made:
                self._settle()  # another block in the place of one that was thrown away
            self._sizes[host], self._made = self._made, None
        self._runs.update([host for host, _ in runs])
        self._runs.subtract(_UNDONE.findall(text))
        if self._trace:
            for _, word in runs:
                address = int(word, 16)
                if self._last is not None:
                    self.steps[self._last, address] += 1
                self._last = address
                if len(self.path) < PATH_LENGTH:
                    self.path.append(address)

    def _settle(self) -> None:
        self._total += sum(times * self._sizes[host] for host, times in self._runs.items())
        self._runs.clear()

    def instructions(self) -> int:
        """Executed until now; closes the steps."""
        self._settle()
        if self._last is not None:
            self.steps[self._last, -1] += 1
            self._last = None
        return self._total


class Qemu:
    """qemu-system-arm and qemu-system-riscv32 on PATH, or the commands in the environment variables QEMU and QEMU_RISCV."""

    name = "qemu"
    rank = 20
    notes_reads = False

    def has(self, board: Board) -> bool:
        """Every board that names a machine of QEMU."""
        return self.name in board.machines

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def close(self) -> None:
        """Kill every run that is under way."""
        for process in list(self._running):
            process.kill()

    def find(self, architecture: Architecture = ARM) -> Found | Missing:
        """The emulator and its version."""
        one = architecture
        return find([one.qemu], r"QEMU emulator version (\d+\.\d+\S*)", one.qemu_remedy, variable=one.qemu_variable)

    def run(self, job: Job) -> Outcome:
        """Run the image; the board's first UART is the program's console, standard error the log of blocks."""
        architecture = job.board.core.architecture
        found = self.find(architecture)
        if isinstance(found, Missing):
            raise found.error()
        command = [
            *found.command,
            "-M",
            *shlex.split(job.board.machines[self.name]),
            "-nodefaults",
            "-display",
            "none",
            "-monitor",
            "none",
            "-serial",
            "stdio",
            "-kernel",
            str(job.elf),
        ]
        if job.count is not None:
            start, end = job.count
            command += one_instruction_a_block(found.version) if job.trace else []
            command += ["-d", "exec,in_asm,nochain", "-dfilter", f"0x{start:x}+0x{end - start:x}"]
        process = subprocess.Popen(
            dying_with_us(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=1 << 16,
        )
        assert process.stdout is not None and process.stderr is not None
        outcome = Outcome()
        blocks = _Blocks(job.trace, architecture)
        log = process.stderr

        def drain() -> None:
            rest = b""
            while chunk := log.read1(1 << 20):  # type: ignore[attr-defined]
                chunk = rest + chunk
                # A block's instructions stay together: cut before the line of the last one that runs.
                cut = max(chunk.rfind(b"\nTrace ") + 1, 0)
                chunk, rest = chunk[:cut], chunk[cut:]
                blocks.read(chunk)
            blocks.read(rest)

        self._running.add(process)
        try:
            outcome.lines, outcome.problem = follow(process, process.stdout, job.timeout, drain)
        finally:
            self._running.discard(process)
        process.stdout.close()
        log.close()
        outcome.noise = blocks.noise.decode("utf-8", "replace").strip()
        if job.count is not None:
            outcome.instructions = blocks.instructions()
            outcome.steps, outcome.path = blocks.steps, blocks.path
        if outcome.problem and outcome.noise and "status" in outcome.problem:
            outcome.problem += f" ({outcome.noise.splitlines()[-1]})"
        return outcome


EMULATORS.add(Qemu.name, Qemu())
