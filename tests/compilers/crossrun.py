"""Generated decoders on other machines: compile, link and run tests/compilers/cross/all_pairs.c, and count what a block executes."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile

from hilbert_codegen.emit.render import Generated
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.spec.specification import INTEGER_TYPES

HERE = Path(__file__).parent / "cross"
STRICT = [
    "-std=c99",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-Wcast-qual",
    "-Werror",
]


@dataclass(frozen=True)
class Machine:
    """A compiler with its flags, a linker, and an emulator's command line. No libc: not every compiler has one."""

    compiler: tuple[str, ...]
    linker: tuple[str, ...]
    emulator: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        """Programs of it that are not installed."""
        programs = [self.compiler[0], self.linker[0], self.emulator[0]]
        return [program for program in programs if shutil.which(program) is None]


def _board(name: str) -> tuple[str, ...]:
    options = "-nographic -monitor none -serial none -semihosting-config enable=on,target=native"
    return "qemu-system-arm", "-M", name, *options.split(), "-kernel"


_BARE = ("-ffreestanding", "-DCASE_SEMIHOSTING")
_LLD = ("ld.lld-19", "-static", "-e", "_start")
_BOARD_LLD = (*_LLD, "-T", str(HERE / "cortex_m.ld"))
_M55 = ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard", *_BARE)
_HEXAGON = ("clang-19", "--target=hexagon-unknown-linux-musl", "-ffreestanding")
_HVX = ("-mhvx", "-mhvx-length=128b")

MACHINES = {
    "cortex-m55-clang": Machine(("clang-19", "--target=arm-none-eabi", *_M55), _BOARD_LLD, _board("mps3-an547")),
    "cortex-m55-gcc": Machine(("arm-none-eabi-gcc", *_M55), _BOARD_LLD, _board("mps3-an547")),
    "cortex-m55-no-mve": Machine(
        ("clang-19", "--target=arm-none-eabi", "-DDEPTH_USE_MVE=0", *_M55), _BOARD_LLD, _board("mps3-an547")
    ),
    "cortex-m4-gcc": Machine(
        ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", *_BARE), _BOARD_LLD, _board("mps2-an386")
    ),
    "hexagon-v66-hvx": Machine((*_HEXAGON, "-mv66", *_HVX), _LLD, ("qemu-hexagon",)),
    "hexagon-v67-hvx": Machine((*_HEXAGON, "-mv67", *_HVX), _LLD, ("qemu-hexagon",)),
    "hexagon-v67": Machine((*_HEXAGON, "-mv67"), _LLD, ("qemu-hexagon",)),
    "riscv64": Machine(
        ("riscv64-linux-gnu-gcc", "-ffreestanding"),
        ("riscv64-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,--no-relax"),
        ("qemu-riscv64",),
    ),
    "powerpc64 (big-endian)": Machine(
        ("powerpc64-linux-gnu-gcc", "-ffreestanding"),
        ("powerpc64-linux-gnu-gcc", "-nostdlib", "-static"),
        ("qemu-ppc64",),
    ),
}


def write_case(folder: Path, plan: Plan, generated: Generated) -> None:
    """Write the decoder and case.h, what all_pairs.c needs to know of it, into `folder`."""
    for name, content in generated.files.items():
        (folder / name).write_bytes(content)
    spec = plan.spec
    planar, bits = spec.heads.layout == "planar", INTEGER_TYPES[spec.output.dtype][0]

    def rows(table: object) -> str:
        return ",\n".join(", ".join(map(str, row)) for row in table.tolist())  # type: ignore[attr-defined]

    lines = [
        "#include <stdint.h>",
        f'#include "{plan.prefix}_decoder.h"',
        f"#define P_(name) {plan.prefix}_##name",
        f"#define CASE_HEAD {spec.heads.ctype}",
        f"#define CASE_OUT {spec.output.ctype}",
        f"#define CASE_PLANAR {int(planar)}",
        f"#define CASE_DISTANCE {int(plan.distance)}",
        f"#define CASE_IN_PLACE {int(not planar and bits == 16)}",
        f"static const {spec.output.ctype} case_codes[65536] = {{\n{rows(generated.ideal.codes)} }};",
    ]
    if plan.distance:
        lines.append(f"static const uint8_t case_far[65536] = {{\n{rows(generated.ideal.distance)} }};")
    (folder / "case.h").write_text("\n".join(lines) + "\n", encoding="ascii")


def build(folder: Path, machine: Machine, prefix: str, *flags: str) -> Path:
    """Compile and link the case in `folder`; the decoder must be free of warnings."""
    objects = []
    for source, options in ((folder / f"{prefix}_decoder.c", STRICT), (HERE / "all_pairs.c", ["-std=c99", "-O2"])):
        target = folder / f"{source.stem}.o"
        _run([*machine.compiler, *options, *flags, "-I", folder, "-c", source, "-o", target])
        objects.append(target)
    program = folder / "program.elf"
    _run([*machine.linker, *objects, "-o", program])
    return program


def run(machine: Machine, program: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `program` to its end; `options` go to the emulator."""
    command = [machine.emulator[0], *options, *machine.emulator[1:], str(program)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def per_point(folder: Path, machine: Machine, prefix: str, function: str = "decode_block") -> float:
    """Instructions (on Hexagon packets) per point that one call of `function` over all pairs executes.

    The emulator is made to translate one instruction a block and to log each block of the function.
    """
    program = build(folder, machine, prefix, "-DCASE_COUNT")
    with program.open("rb") as file:
        (symbol,) = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name(f"{prefix}_{function}")
        start, size = symbol["st_value"] & ~1, symbol["st_size"]
    log = folder / "trace.log"
    options = ("-singlestep", "-d", "exec,nochain", "-dfilter", f"0x{start:x}+0x{size:x}", "-D", str(log))
    run(machine, program, *options)
    with log.open(encoding="ascii", errors="replace") as lines:
        return sum(1 for line in lines if re.match(r"Trace ", line)) / 65536


def _run(command: list[object]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
