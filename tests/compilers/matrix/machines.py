"""The machines of the matrix that tests and benchmarks ask for by name, and what a call executes on one."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from elftools.elf.elffile import ELFFile

from hilbert_codegen.targets.emulators.qemu import one_instruction_a_block
from tests.compilers.matrix.run import CLANG, Target, build, targets

_ALL = {target.name: target for target in targets()}
_M55 = _ALL[f"arm/{CLANG}-O2/cortex-m55"]
_HVX = _ALL[f"hexagon/{CLANG}-O2/hvx"]

#: Name -> target.
MACHINES: dict[str, Target] = {
    "cortex-m55-clang": _M55,
    "cortex-m55-gcc": _ALL["arm/arm-none-eabi-gcc-O2/cortex-m55"],
    "cortex-m55-no-mve": replace(_M55, name=f"{_M55.name} without Helium", compile=(*_M55.compile, "-DM_USE_MVE=0")),
    "cortex-m4-gcc": _ALL["arm/arm-none-eabi-gcc-O2/cortex-m4"],
    "hexagon-v66-hvx": replace(
        _HVX,
        name=f"{_HVX.name}, v66",
        compile=tuple("-mv66" if word == "-mv67" else word for word in _HVX.compile),
    ),
    "hexagon-v67-hvx": _HVX,
    "hexagon-v67": _ALL[f"hexagon/{CLANG}-O2/scalar"],
    "rv32imc": _ALL["riscv/riscv64-unknown-elf-gcc-O2/rv32imc"],
    **{f"rv32 vectors of {bits}": _ALL[f"riscv/{CLANG}-O2/rv32imc_zve32x/{bits}"] for bits in (128, 256, 512)},
    "riscv64": _ALL["riscv/riscv64-linux-gnu-gcc-O2"],
    "powerpc64 (big-endian)": _ALL["big-endian/powerpc64-linux-gnu-gcc-O2"],
}

#: A factor of `per_point`.
SCATTERED = 40503


def one_at_a_time(emulator: str) -> list[str]:
    """The words that make this QEMU translate one instruction at a time; its programs for users have their own."""
    said = subprocess.run([emulator, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version (\d+\.\d+)", said)
    assert found is not None, said
    words = one_instruction_a_block(found[1])
    return ["-one-insn-per-tb"] if "system" not in Path(emulator).name and len(words) == 2 else words


def per_point(folder: Path, machine: Target, function: str = "decode_block", factor: int = 1) -> float:
    """Instructions (on Hexagon packets) a point that one call of m_`function` over all 65,536 pairs executes.

    `folder` holds a case from write_sources. Point i is pair i * `factor` modulo 65,536: 1 is the sweep, and SCATTERED an
    order in which neighbouring points are far from each other. The emulator is made to translate one instruction a block, and to log each
    block of the function.
    """
    work = folder / "count"
    work.mkdir(exist_ok=True)
    problem = build(folder, replace(machine, compile=(*machine.compile, f"-DCHECK_COUNT={factor}U")), work)
    assert problem == "", problem
    with (work / "program").open("rb") as file:
        (symbol,) = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(f"m_{function}")
        start, size = symbol["st_value"] & ~1, symbol["st_size"]
    emulator, *rest = machine.launch
    logged = ["-d", "exec,nochain", "-dfilter", f"0x{start:x}+0x{size:x}", "-D", "trace.log"]
    done = subprocess.run(
        [emulator, *one_at_a_time(emulator), *logged, *rest, "program"],
        cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert (done.returncode, (done.stdout + done.stderr).split()) == (0, ["PASS"]), done.stdout + done.stderr
    with (work / "trace.log").open(encoding="ascii", errors="replace") as lines:
        return sum(1 for line in lines if line.startswith("Trace ")) / 65536
