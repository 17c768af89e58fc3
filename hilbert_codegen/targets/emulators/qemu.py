"""QEMU: qemu-system-arm. Counts by running one instruction a translation block and logging each block executed."""

from __future__ import annotations

import re
import subprocess
from collections import Counter

from hilbert_codegen.targets.emulators import EMULATORS, PATH_LENGTH, Job, Outcome, follow
from hilbert_codegen.targets.tools import Found, Missing, dying_with_us, find, platform_hint

REMEDY = platform_hint(
    "install it with: sudo apt install qemu-system-arm",
    "install it with: brew install qemu",
    "install it with: winget install SoftwareFreedomConservancy.QEMU",
)

#: A block that runs: "Trace 0: 0x7f0b0c000100 [00000000/00008000/00000110/ff200201] name". Field two is the address.
_BLOCK = re.compile(rb"^Trace \d+: \S+ \[[0-9a-f]+/([0-9a-f]+)/", re.MULTILINE)
#: A block that was announced by a "Trace" line but left before its first instruction; it is announced again later.
_UNDONE = b"Stopped execution of TB chain before"


def one_instruction_a_block(version: str) -> list[str]:
    """The words that make a QEMU of this version translate one instruction at a time."""
    major, minor = (int(part) for part in version.split(".")[:2])
    # -singlestep was renamed in 8.1 and removed in 9.
    return ["-accel", "tcg,one-insn-per-tb=on"] if (major, minor) >= (8, 1) else ["-singlestep"]


class Qemu:
    """qemu-system-arm on PATH, or the command in the environment variable QEMU."""

    name = "qemu"

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()

    def close(self) -> None:
        """Kill every run that is under way."""
        for process in list(self._running):
            process.kill()

    def find(self) -> Found | Missing:
        """The emulator and its version."""
        return find(["qemu-system-arm"], r"QEMU emulator version (\d+\.\d+\S*)", REMEDY, variable="QEMU")

    def run(self, job: Job) -> Outcome:
        """Run the image; the board's first UART is the program's console, standard error the log of blocks."""
        found = self.find()
        if isinstance(found, Missing):
            raise found.error()
        command = [
            *found.command,
            "-M",
            job.board.machines[self.name],
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
            command += one_instruction_a_block(found.version)
            command += ["-d", "exec,nochain", "-dfilter", f"0x{start:x}+0x{end - start:x}"]
        outcome = Outcome(instructions=0 if job.count is not None else None)
        process = subprocess.Popen(
            dying_with_us(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=1 << 16,
        )
        assert process.stdout is not None and process.stderr is not None
        log = process.stderr
        steps: Counter[tuple[int, int]] = Counter()

        def drain() -> None:
            rest = b""
            count = 0
            last: int | None = None
            noise = b""
            while chunk := log.read1(1 << 20):  # type: ignore[attr-defined]
                chunk = rest + chunk
                cut = chunk.rfind(b"\n") + 1
                chunk, rest = chunk[:cut], chunk[cut:]
                blocks = chunk.count(b"Trace ")
                undone = chunk.count(_UNDONE)
                count += blocks - undone
                if job.trace:
                    for match in _BLOCK.finditer(chunk):
                        address = int(match.group(1), 16)
                        if last is not None:
                            steps[last, address] += 1
                        last = address
                        if len(outcome.path) < PATH_LENGTH:
                            outcome.path.append(address)
                if blocks == 0:
                    noise = (noise + chunk)[-4096:]
            if last is not None:
                steps[last, -1] += 1
            if outcome.instructions is not None:
                outcome.instructions = count
            outcome.noise = (noise + rest).decode("utf-8", "replace").strip()

        self._running.add(process)
        try:
            outcome.lines, outcome.problem = follow(process, process.stdout, job.timeout, drain)
        finally:
            self._running.discard(process)
        outcome.steps = steps
        process.stdout.close()
        log.close()
        if outcome.problem and outcome.noise and "status" in outcome.problem:
            outcome.problem += f" ({outcome.noise.splitlines()[-1]})"
        return outcome


EMULATORS.add(Qemu.name, Qemu())
