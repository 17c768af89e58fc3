"""The compiler matrix: every generated decoder, compiled every way, run over its whole domain.

    python -m tests.compilers.matrix.run                  everything
    python -m tests.compilers.matrix.run --only host      targets whose name contains "host"
    python -m tests.compilers.matrix.run --list

For every shape of configuration and every strategy that is not refused there: gcc and clang from -O0 to -Os, C99 to
C17 and as C++, AddressSanitizer with UndefinedBehaviorSanitizer, and the same check on Arm, RISC-V,
big-endian PowerPC and Hexagon by emulation, always with the warnings of `tools.WARNINGS` as errors. The check
(check.c.j2) decodes every pair singly, in blocks, and where memory allows in one call, blocks of every length up to two of the
widest vectors and a bit from every misalignment, in place where that is allowed, between guards. What is missing on this
machine is skipped by name; --strict makes that a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
import numpy as np

from hilbert_codegen.emit.render import Generated, environment
from hilbert_codegen.emit.unit import unit_of
from hilbert_codegen.kernels import Table
from hilbert_codegen.spec.plan import Plan
from hilbert_codegen.targets.tools import WARNINGS
from tests.compilers.matrix.cases import SHAPES, cases, made

HERE = Path(__file__).parent
LONGEST = 261
SHIFTS = 128


@dataclass(frozen=True)
class Target:
    """One way to compile and run.

    Attributes:
        name: as printed; "kind/compiler/..." .
        compile: the compiler with the flags of the target.
        flags: optimization and standard, for the decoder itself.
        launch: what runs the program; empty on the host.
        main: the file with the entry point, relative to this folder.
        language: "c", or the C++ standard that its main and the decoder are compiled with.
        link: a linker with its flags, where the compiler does not link by itself.
        run: whether to run it; some only have to compile.
    """

    name: str
    compile: tuple[str, ...]
    flags: tuple[str, ...]
    launch: tuple[str, ...] = ()
    main: str = "main_hosted.c"
    language: str = "c"
    link: tuple[str, ...] = ()
    end: tuple[str, ...] = ()
    run: bool = True
    library: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """The first thing this target needs that is not installed, or ""."""
        needed = [self.compile[0], *((self.launch[:1] + self.link[:1]) if self.run else ())]
        if self.language != "c":
            needed.append(self.library[0])
        program = next((program for program in needed if shutil.which(program) is None), "")
        sanitizers = tuple(flag for flag in self.flags if flag.startswith("-fsanitize"))
        if not program and sanitizers and not _sanitizes(self.compile[0], sanitizers):
            return f"the sanitizers' runtime of {self.compile[0]}"
        return program


@cache
def _sanitizes(compiler: str, flags: tuple[str, ...]) -> bool:
    """Whether the compiler's package came with the libraries and headers, which some leave to another."""
    program = "#include <sanitizer/asan_interface.h>\nint main(void) { return 0; }\n"
    words = [compiler, *flags, "-x", "c", "-", "-o", os.devnull]
    return subprocess.run(words, input=program, capture_output=True, text=True, check=False).returncode == 0


def _first(*names: str) -> str:
    return next((name for name in names if shutil.which(name)), names[-1])


CLANG = _first("clang", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14")
CLANGXX = CLANG.replace("clang", "clang++", 1)
LLD = _first("ld.lld", "ld.lld-19")
LEVELS = ("-O0", "-O1", "-O2", "-O3", "-Os")


#: Emulated board -> where its vectors and code lie, where its RAM starts, and where it ends in a fault (0: in an alias).
BOARDS = {
    "mps2-an385": (0, 0x1000, 0x20000000, 0),
    "mps2-an386": (0, 0x1000, 0x20000000, 0),
    "mps2-an500": (0, 0x1000, 0x20000000, 0),
    "mps2-an505": (0x10000000, 0x10001000, 0x38000000, 0),
    "mps3-an547": (0, 0x01000000, 0x20000000, 0x20080000),
}


def _cortex_m() -> list[Target]:
    """Arm cores under qemu-system-arm, by gcc and by clang (whose objects gcc's linker joins, for libgcc)."""
    gcc = "arm-none-eabi-gcc"
    clang = (CLANG, "--target=arm-none-eabi", "-ffreestanding")
    hard = ("-mfloat-abi=hard",)
    found = []
    for compiler, core, abi, board, levels in (
        # No emulated M0+ has the memory; an M55 has its instructions too.
        ((gcc,), "cortex-m0plus", (), "mps3-an547", ("-O2", "-Os")),
        ((gcc,), "cortex-m3", (), "mps2-an385", ("-O2",)),
        ((gcc,), "cortex-m4", (), "mps2-an386", LEVELS),
        ((gcc,), "cortex-m7", (), "mps2-an500", ("-O2",)),
        ((gcc,), "cortex-m33", (), "mps2-an505", ("-O2",)),
        ((gcc,), "cortex-m55", hard, "mps3-an547", ("-O0", "-O2", "-O3", "-Os")),
        (clang, "cortex-m0plus", ("-mfloat-abi=soft",), "mps3-an547", ("-O2",)),
        (clang, "cortex-m4", hard, "mps2-an386", ("-O0", "-O2", "-Os")),
        (clang, "cortex-m55", hard, "mps3-an547", ("-O0", "-O2", "-O3", "-Os")),
        (clang, "cortex-m85", hard, "", ("-O2",)),  # QEMU has no M85: it only has to compile
    ):
        vectors, text, ram, edge = BOARDS.get(board, (0, 0, 0x20000000, 0))
        flags = (f"-mcpu={core}", "-mthumb", *abi)
        defines = (f"-DSTACK_TOP=0x{ram + 0x10000:x}", *([f"-DCHECK_EDGE=0x{edge:X}U"] if edge else []))
        place: tuple[str, ...] = (f"--section-start=.vectors=0x{vectors:x}", f"-Ttext=0x{text:x}")
        place += (f"-Tdata=0x{ram + 0x10000:x}", f"-Tbss=0x{ram + 0x20000:x}")
        found += [
            Target(
                f"arm/{compiler[0]}{level}/{core}",
                (*compiler, *flags, *defines),
                (level, "-std=c99"),
                main="main_cortexm.c",
                link=() if compiler == (gcc,) else (gcc, *flags),
                end=("-nostdlib", "-Wl,-e,reset", *(f"-Wl,{option}" for option in place), "-lgcc"),
                run=bool(board),
                launch=(
                    "qemu-system-arm",
                    "-machine",
                    board,
                    "-nographic",
                    "-semihosting-config",
                    "enable=on,target=native",
                    "-kernel",
                ),
            )
            for level in levels
        ]
    return found


def _riscv() -> list[Target]:
    """RISC-V under QEMU's programs for users: microcontrollers of 32 bits, vectors of several lengths, and 64 bits with both."""
    gcc = "riscv64-unknown-elf-gcc"
    narrow, wide = ("-mabi=ilp32", "-ffreestanding"), ("-mabi=lp64d", "-ffreestanding")
    vectors = "v=true,vext_spec=v1.0,vlen="
    found = []
    for compiler, core, processor, levels in (
        (gcc, "rv32imc", "", ("-O0", "-O2", "-Os")),
        (gcc, "rv32imc_zba_zbb", "", ("-O2",)),
        (CLANG, "rv32imc", "", ("-O2", "-Os")),
        (CLANG, "rv32imc_zve32x", "128", ("-O0", "-O2", "-Os")),
        (CLANG, "rv32imc_zve32x", "256", ("-O2",)),
        (CLANG, "rv32imc_zve32x", "512", ("-O2",)),
        (CLANG, "rv64gcv", "128", ("-O2",)),
    ):
        bits = core[2:4]
        abi = narrow if bits == "32" else wide
        triple = () if compiler == gcc else (f"--target=riscv{bits}-unknown-elf",)
        model = ("-mcmodel=medany",) if bits == "64" else ()
        plain = "rv32imc" if bits == "32" else "rv64gc"
        found += [
            Target(
                f"riscv/{compiler}{level}/{core}{'/' + processor if processor else ''}",
                (compiler, *triple, f"-march={core}", *abi, *model),
                (level, "-std=c99"),
                main="main_riscv.c",
                # GNU's linker for its libgcc; what it relaxes it takes from gp, which nothing sets here.
                link=(gcc, f"-march={plain}", abi[0], *model),
                end=("-nostdlib", "-static", "-Wl,-e,_start", "-Wl,--no-relax", "-lgcc"),
                launch=(f"qemu-riscv{bits}", *(("-cpu", f"rv{bits},{vectors}{processor}") if processor else ())),
            )
            for level in levels
        ]
    return found


def targets() -> list[Target]:
    """The whole matrix."""
    found = []
    for compiler, cxx in (("gcc", "g++"), (CLANG, CLANGXX)):
        found += [Target(f"host/{compiler}{level}/c99", (compiler,), (level, "-std=c99")) for level in LEVELS]
        found += [
            Target(f"host/{compiler}-O2/{std}", (compiler,), ("-O2", f"-std={std}"), run=False)
            for std in ("c11", "c17", "gnu17")
        ]
        found += [
            Target(f"host/{compiler}-O2/{std}", (compiler,), ("-O2", "-std=c99"), language=std, library=(cxx,))
            for std in ("c++11", "c++17")
        ]
        found.append(
            Target(
                f"host/{compiler}/sanitizers",
                (compiler,),
                (
                    "-O1",
                    "-g",
                    "-std=c99",
                    "-fsanitize=address,undefined",
                    "-fno-sanitize-recover=all",
                    "-DCHECK_POISON",
                ),
            )
        )
    found.append(
        Target(
            f"host/{CLANG}/integer-sanitizer",
            (CLANG,),
            ("-O1", "-std=c99", "-fsanitize=implicit-conversion", "-fno-sanitize-recover=all"),
        )
    )
    found += _cortex_m()
    found += _riscv()
    for level in ("-O0", "-O2", "-Os"):
        found.append(
            Target(
                f"riscv/riscv64-linux-gnu-gcc{level}",
                ("riscv64-linux-gnu-gcc", "-static"),
                (level, "-std=c99"),
                launch=("qemu-riscv64",),
            )
        )
        found.append(
            Target(
                f"big-endian/powerpc64-linux-gnu-gcc{level}",
                ("powerpc64-linux-gnu-gcc", "-static"),
                (level, "-std=c99"),
                launch=("qemu-ppc64",),
            )
        )
    hexagon = (CLANG, "--target=hexagon-unknown-linux-musl", "-mv67", "-ffreestanding", "-fno-builtin")
    wide = ("-mhvx", "-mhvx-length=128b")
    for name, extra in (("scalar", ()), ("hvx", wide)):
        found.append(
            Target(
                f"hexagon/{CLANG}-O2/{name}",
                (*hexagon, *extra),
                ("-O2", "-std=c99"),
                main="main_hexagon.c",
                launch=("qemu-hexagon",),
                link=(LLD, "-static", "-e", "_start"),
            )
        )
    return found


@cache
def _environment() -> jinja2.Environment:
    """That of the product's templates, for those that lie beside this file."""
    return environment().overlay(loader=jinja2.FileSystemLoader(HERE))


def write_sources(folder: Path, plan: Plan, generated: Generated) -> None:
    """The decoder, the check and the exact answers of one case."""
    heads, output = plan.spec.heads.dtype, plan.spec.output.dtype
    domain, ideal = generated.domain, generated.ideal
    tables = {
        "x": Table("x", heads, domain.codes[0], ""),
        "y": Table("y", heads, domain.codes[1], ""),
        "codes": Table("codes", output, ideal.codes.reshape(-1), ""),
        "distances": Table("distances", "uint8", ideal.distance.reshape(-1).astype(np.int64), ""),
    }
    size = {"rows": len(domain.codes[1]), "columns": len(domain.codes[0]), "longest": LONGEST, "shifts": SHIFTS}
    env = _environment()
    names = {"d": unit_of(plan, generated.built, domain), "whole": fits_in_memory(plan, generated), **size, **tables}
    for name, content in generated.files.items():
        (folder / name).write_bytes(content)
    for name in ("check.h", "check.c", "check_expected.c"):
        (folder / name).write_text(env.get_template(f"{name}.j2").render(names), encoding="ascii")


def fits_in_memory(plan: Plan, generated: Generated) -> bool:
    """Whether the boards have room for all pairs with their answers at once."""
    domain = generated.domain
    return (
        domain.complete and len(domain.codes[0]) * len(domain.codes[1]) == 65536 and plan.spec.output.dtype != "int32"
    )


def _run(command: list[str], folder: Path, seconds: float) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {seconds:g} s: {' '.join(command)}"
    if done.returncode != 0:
        tail = "\n    ".join((done.stdout + done.stderr).strip().splitlines()[-12:])
        return f"exit status {done.returncode} of {' '.join(command)}\n    {tail}"
    return done.stdout + done.stderr


def build(folder: Path, target: Target, work: Path, seconds: float = 300.0) -> str:
    """Compile the sources in `folder` (from write_sources) and link work/program; "" or what went wrong."""
    include = ["-I", str(folder)]
    objects = []
    answers = folder / f"expected-{abs(hash((target.compile, target.end)))}.o"
    steps: list[list[str]] = []
    if not answers.exists():
        steps.append(
            [*target.compile, "-O0", "-std=c99", *include, "-c", str(folder / "check_expected.c"), "-o", str(answers)]
        )
    for source in (folder / "m_decoder.c", folder / "check.c"):
        objects.append(work / f"{source.stem}.o")
        compiler = [*target.compile, *target.flags]
        if target.language != "c" and source.stem == "m_decoder":  # the decoder itself is C++ too
            compiler = [*target.library, "-O2", f"-std={target.language}", "-x", "c++"]
        steps.append([*compiler, *WARNINGS, *include, "-c", str(source), "-o", str(objects[-1])])
    main, entry = HERE / target.main, work / "main.o"
    if target.language == "c":
        steps.append([*target.compile, *target.flags, *include, "-c", str(main), "-o", str(entry)])
    else:
        steps.append(
            [
                *target.library,
                f"-std={target.language}",
                *WARNINGS,
                *include,
                "-x",
                "c++",
                "-c",
                str(main),
                "-o",
                str(entry),
            ]
        )
    if target.run:
        inputs = [str(entry), *map(str, objects), str(answers)]
        sanitize = [flag for flag in target.flags if flag.startswith("-fsanitize")]
        linker = [*target.link] if target.link else [*target.compile, *sanitize]
        steps.append([*linker, *inputs, *target.end, "-o", str(work / "program")])
    for step in steps:
        problem = _run(step, work, seconds)
        if problem.startswith(("exit status", "no end")):
            return problem
    return ""


def check(folder: Path, target: Target, seconds: float = 300.0) -> str:
    """Compile and run one target in `folder` (from write_sources); "" if all is right, else what is not."""
    work = folder / target.name.replace("/", "_").replace("+", "x")
    work.mkdir(exist_ok=True)
    problem = build(folder, target, work, seconds)
    if problem:
        return problem
    if target.run:
        said = _run([*target.launch, str(work / "program")], work, seconds)
        if "PASS" not in said.split():
            return said or "printed nothing"
    shutil.rmtree(work)
    return ""


def main() -> int:
    """Run the matrix; 0 if every cell passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="targets whose name contains this")
    parser.add_argument("--case", default="", help="cases shape/strategy whose name contains this")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--strict", action="store_true", help="fail where a tool is missing")
    parser.add_argument("--list", action="store_true", help="list cases and targets")
    options = parser.parse_args()
    wanted = [target for target in targets() if options.only in target.name]
    failures, skipped, passed = 0, 0, 0
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="hilbert_codegen-matrix-") as name,
        ThreadPoolExecutor(options.jobs) as pool,
    ):
        root = Path(name)
        chosen = [case for case in cases(root, list(SHAPES)) if options.case in "/".join(case)]
        if options.list:
            print("\n".join(["/".join(case) for case in chosen] + [target.name for target in wanted]))
            return 0
        for target in wanted:
            if target.missing:
                skipped += 1
                print(f"SKIP  {target.name}: {target.missing} is not installed")
        usable = [target for target in wanted if not target.missing]
        for shape, strategy in chosen:
            folder = root / f"{shape}-{strategy}"
            folder.mkdir()
            write_sources(folder, *made(shape, strategy, root))
            # One after another where they share an object of the exact answers: the first of each compiler alone.
            first = list({target.compile: target for target in usable}.values())
            rest = [target for target in usable if target not in first]
            for batch in (first, rest):
                for target, problem in zip(batch, pool.map(lambda t, at=folder: check(at, t), batch), strict=True):
                    if problem:
                        failures += 1
                        print(f"FAIL  {shape}/{strategy}  {target.name}\n    {problem}", flush=True)
                    else:
                        passed += 1
            print(f"done  {shape}/{strategy}: {len(usable)} targets, {time.monotonic() - started:.0f} s", flush=True)
            shutil.rmtree(folder)
    print(f"{passed} passed, {failures} failed, {skipped} skipped")
    return 1 if failures or (skipped and options.strict) or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
