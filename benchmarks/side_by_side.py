"""All strategies beside the full table (the published method) and beside what people write first, on every core, in one run.

On one core of each class also by every compiler, and in random order. Writes side_by_side.json (records as of
`hilbert-codegen measure --format json`), side_by_side.md (all tables) and side_by_side.svg (bytes of code and tables against
instructions per point, a panel a class) into a folder, and prints the table of the README.

    python benchmarks/side_by_side.py -o benchmarks/results
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
from elftools.elf.elffile import ELFFile
from side_by_side_plot import Point, draw

from hilbert_codegen.bench.boardrun import run_image
from hilbert_codegen.bench.firmware import Program, Sweep
from hilbert_codegen.bench.measure import Record, measure_all
from hilbert_codegen.bench.session import Decoder, How, Session
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.targets import cores as known_cores
from hilbert_codegen.targets.architectures import RISCV
from hilbert_codegen.targets.boards import BOARDS, Board
from hilbert_codegen.targets.emulators import EMULATORS, close_on_termination
from hilbert_codegen.targets.emulators import choose as choose_emulator
from hilbert_codegen.targets.toolchains import choose as choose_toolchain

HERE = Path(__file__).parent

#: The configuration that the brute-force decoders are written for.
CONFIG = """
[curve]
order = 3
[heads]
scale = 0.00390625
zero_point = -128
[code]
prefix = "depth"
max_flash_bytes = 1048576
"""

#: The same off the cell grid, for the strategies that serve any scale, inset and zero point.
ANY_SCALE = (
    CONFIG.replace("order = 3", "order = 3\ninset = 0.1").replace("0.00390625", "0.00437").replace("-128", "-97")
)
ANY_SCALE_STRATEGIES = ("octant", "segment", "line")

#: One board a core: the first that is usable here, in this order.
CORES = {
    "cortex-m0": ("microbit",),
    "cortex-m0plus": ("stm32l072", "generic-m0plus"),
    "cortex-m3": ("mps2-an385",),
    "cortex-m4": ("stm32f4_discovery", "mps2-an386"),
    "cortex-m7": ("nucleo_h753zi", "mps2-an500"),
    "cortex-m23": ("generic-m23",),
    "cortex-m33": ("stm32l552", "mps2-an505"),
    "cortex-m55": ("mps3-an547",),
    "cortex-m85": ("ek_ra8m1", "generic-m85"),
    "rv32imc": ("riscv32-virt",),
    "rv32imc_zba_zbb": ("riscv32-virt-zbb",),
    "rv32imc_zve32x": ("riscv32-virt-vector",),
}
#: Compilers by the names of --compiler, and what they are called in tables.
COMPILERS = {"gcc": "gcc", "clang": "clang", "zig": "built-in"}
#: Orders of the points, see bench.firmware.ORDERS.
ORDERS = ("sweep", "random")

BRUTE = {"brute force, integers": "brute_integer.c", "brute force, float": "brute_float.c"}


def boards_here(emulator: str) -> list[Board]:
    """A board for every core that can be run here."""
    found = []
    for names in CORES.values():
        for name in names:
            try:
                choose_emulator(BOARDS[name], emulator)
            except UsageError:
                continue
            found.append(BOARDS[name])
            break
    return found


def brute_force(session: Session) -> list[Decoder]:
    """The two decoders of baselines/, with the generated header and self-test of the same configuration."""
    full = session.decoder("full")
    vertices = ", ".join(f"{{{x}, {y}}}" for x, y in full.plan.spec.curve.points)
    result = []
    for title, name in BRUTE.items():
        text = (HERE / "baselines" / name).read_text(encoding="ascii").replace("/*VERTICES*/", vertices)
        files = {**full.files, "depth_decoder.c": text.encode("ascii")}
        result.append(replace(full, strategy=title, files=files, exact=False))
    return result


def wrong_results(found: Sequence[Decoder], board: Board, emulator: str, sweep: Sweep) -> dict[str, int]:
    """Wrong results over all pairs of the decoders that are not exact, run on one board."""
    wrong = {}
    for decoder in found:
        with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as name:
            program = Program(Path(name), board, choose_toolchain(board.core), decoder.plan.prefix, decoder.files)
            machine = choose_emulator(board, emulator)[0]
            verdict = run_image(machine, program.image(), board, decoder.plan, sweep, timeout=600)
        if verdict.outcome.problem or verdict.fault:
            raise SystemExit(f"FAIL {decoder.strategy} on {board.name}: {verdict.reason}")
        wrong[decoder.strategy] = verdict.paths["decode_block"]
    return wrong


@dataclass(frozen=True)
class Panel:
    """A class of cores in the picture.

    Attributes:
        title: of the panel.
        series: core -> what its points are called there; the first has its strategies by name.
        unit: what is counted.
    """

    title: str
    series: Mapping[str, str]
    unit: str = "instructions"


PANELS = (
    Panel("Cortex-M0+", {"cortex-m0plus": "M0+"}),
    Panel("Cortex-M4, M7, M33", {"cortex-m4": "M4"}),
    Panel("Cortex-M55 (Helium)", {"cortex-m55": "M55"}),
    Panel("RISC-V, 32 bits", {"rv32imc": "RV32IMC", "rv32imc_zve32x": "vectors of 128 bits"}),
    Panel("Hexagon (HVX of 128 bytes)", {"hexagon-v67": "scalar", "hexagon-v66-hvx": "HVX"}, "packets"),
)
#: The cores that are measured by every compiler and in random order: one of a class.
CHOSEN = ("cortex-m0plus", "cortex-m4", "cortex-m55", "rv32imc", "rv32imc_zve32x")
#: Machine -> strategies to measure there: HVX decodes by arithmetic of its own, whatever the strategy.
HEXAGON = {
    "hexagon-v67": ("full", "tile", "tile_direct", "tile_word", "octant", "segment"),
    "hexagon-v66-hvx": ("tile",),
}


def hexagon(known: Mapping[str, Session]) -> list[Record]:
    """Packets per point over all pairs in one call, by clang under qemu-hexagon; none where a tool for that is missing.

    Args:
        known: end of a strategy's name -> the session of its configuration.
    """
    sys.path.insert(0, str(HERE.parent))
    from tests.compilers.matrix.machines import MACHINES, per_point
    from tests.compilers.matrix.run import CLANG, write_sources

    found = []
    for machine, names in HEXAGON.items():
        target = MACHINES[machine]
        if target.missing:
            click.echo(f"not measured: {machine}: {target.missing} is not installed", err=True)
            continue
        for suffix, session in known.items():
            for name in [one for one in names if not suffix or one in ANY_SCALE_STRATEGIES or machine.endswith("hvx")]:
                settings = session.plan.settings
                code = settings.config.code.model_copy(update={"strategy": name, "variants": "all", "prefix": "m"})
                plan = make_plan(replace(settings, config=settings.config.model_copy(update={"code": code})))
                try:
                    generated = generate(plan)
                except UsageError:
                    continue
                with tempfile.TemporaryDirectory(prefix="hilbert_codegen-") as folder:
                    write_sources(Path(folder), plan, generated)
                    packets = per_point(Path(folder), target)
                    code_bytes, table_bytes = section_bytes(Path(folder) / "count" / "m_decoder.o")
                shown = "HVX" if machine.endswith("hvx") else name
                record = Record("qemu-hexagon", machine, "qemu", "", CLANG, shown + suffix, "default", "ok", 65536, 0)
                found.append(
                    replace(record, instructions_per_point=packets, code_bytes=code_bytes, table_bytes=table_bytes)
                )
                click.echo(f"measured {shown}{suffix} on {machine}", err=True)
    return found


def section_bytes(path: Path) -> tuple[int, int]:
    """Bytes of code and of constants in an object file."""
    with path.open("rb") as stream:
        sections = [(section.name, section.data_size) for section in ELFFile(stream).iter_sections()]
    return tuple(sum(size for name, size in sections if name.startswith(kind)) for kind in (".text", ".rodata"))


def size_of(record: Record) -> int:
    """Bytes of code and tables."""
    return (record.code_bytes or 0) + (record.table_bytes or 0)


def cell(value: float | None) -> str:
    """A figure of a table."""
    return "-" if value is None else f"{value:,.2f}" if value < 100 else f"{value:,.0f}"


def title_of(core: str) -> str:
    """A core as the head of a column."""
    if core in known_cores.CORES and known_cores.CORES[core].architecture is RISCV:
        return known_cores.CORES[core].title
    return core.removeprefix("cortex-").replace("plus", "+").upper()


def table_of(records: Sequence[Record], cores: Sequence[str]) -> list[str]:
    """Instructions a point: a row a strategy, a column a core."""
    cells = {(r.strategy, r.core): r for r in records if r.status == "ok"}
    lines = [
        "| strategy | code + tables, bytes (M4) | " + " | ".join(map(title_of, cores)) + " |",
        "|---|---:|" + "---:|" * len(cores),
    ]
    for strategy in dict.fromkeys(record.strategy for record in records):
        size = cells.get((strategy, "cortex-m4"))
        row = [strategy, f"{size_of(size):,}" if size else "-"]
        for core in cores:
            record = cells.get((strategy, core))
            row.append(cell(record.instructions_per_point if record else None))
        lines.append("| " + " | ".join(row) + " |")
    return lines


def ways_table(ways: Mapping[tuple[str, str], Sequence[Record]]) -> list[str]:
    """By compiler and order, on one core of each class: the sweep / random order, or one figure where they are the same."""
    found = {
        (record.strategy, record.core, compiler, order): record.instructions_per_point
        for (compiler, order), records in ways.items()
        for record in records
        if record.status == "ok"
    }
    columns = [
        (core, compiler)
        for core in CHOSEN
        for compiler in COMPILERS
        if any((name, core, compiler, "sweep") in found for name, *_ in found)
    ]
    lines = [
        "| strategy | " + " | ".join(f"{title_of(core)}, {COMPILERS[compiler]}" for core, compiler in columns) + " |",
        "|---|" + "---:|" * len(columns),
    ]
    for strategy in dict.fromkeys(name for name, *_ in found):
        row = []
        for core, compiler in columns:
            sweep, random = (found.get((strategy, core, compiler, order)) for order in ("sweep", "random"))
            text = cell(sweep)
            row.append(text if random is None or cell(random) == text else f"{text} / {cell(random)}")
        lines.append(f"| {strategy} | " + " | ".join(row) + " |")
    return lines


def remarks(records: Sequence[Record], wrong: Mapping[str, int]) -> list[str]:
    """What was counted, and what is not exact."""
    points = {r.points for r in records if r.strategy not in BRUTE}, {r.points for r in records if r.strategy in BRUTE}
    counted, slow = (" or ".join(f"{number:,}" for number in sorted(found)) for found in points)
    lines = [
        f"Executed instructions per point in decode_block and what it calls, counted over {counted} points spread over the "
        f"square (brute force: {slow}); order 3, uint16, on the cell grid (side_by_side.toml) and, where the name says any scale, "
        "off it (any_scale.toml).",
    ]
    for strategy, count in wrong.items():
        lines.append(f"`{strategy}` is not exact: {count} of the 65,536 results differ from the exact table.")
    return lines


def markdown(
    records: Sequence[Record],
    ways: Mapping[tuple[str, str], Sequence[Record]],
    packets: Sequence[Record],
    wrong: Mapping[str, int],
) -> str:
    """All tables."""
    lines = table_of(records, list(dict.fromkeys(record.core for record in records)))
    lines += ["", *remarks(records, wrong), "", "By compiler, in the sweep / in random order where that differs:", ""]
    lines += ways_table(ways)
    if packets:
        machines = list(dict.fromkeys(record.core for record in packets))
        found = {(record.strategy, record.core): record for record in packets}
        lines += ["", "Packets per point on Hexagon, all pairs in one call, and bytes of code and tables:", ""]
        lines += ["| strategy | " + " | ".join(f"{one} | bytes" for one in machines) + " |"]
        lines += ["|---|" + "---:|" * (2 * len(machines))]
        for strategy in dict.fromkeys(record.strategy for record in packets):
            row = []
            for machine in machines:
                record = found.get((strategy, machine))
                row += [cell(record.instructions_per_point), f"{size_of(record):,}"] if record else ["-", "-"]
            lines.append(f"| {strategy} | " + " | ".join(row) + " |")
    used = sorted({f"{r.board} ({r.emulator} {r.emulator_version}, {r.compiler})" for r in records})
    lines += ["", "Boards: " + "; ".join(used) + "."]
    return "\n".join(lines) + "\n"


def panels_of(
    records: Sequence[Record], random: Sequence[Record]
) -> list[tuple[str, str, list[str], list[Point], dict[str, tuple[int, float]]]]:
    """What the picture shows, for each panel that has points: title, unit, series, points, brute force."""
    orders = {(r.strategy, r.core): r.instructions_per_point for r in random if r.status == "ok"}
    found = []
    for panel in PANELS:
        points, brute = [], {}
        for number, core in enumerate(panel.series):
            for r in records:
                if r.core != core or r.status != "ok" or not r.instructions_per_point:
                    continue
                if r.strategy in BRUTE:
                    if number == 0:
                        brute[r.strategy] = (size_of(r), r.instructions_per_point)
                    continue
                name, _, scale = r.strategy.partition(", ")
                cost = r.instructions_per_point
                points.append(Point(name, bool(scale), number, size_of(r), cost, orders.get((r.strategy, core))))
        if points:
            found.append((panel.title, panel.unit, list(panel.series.values()), points, brute))
    return found


@click.command()
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), default=HERE / "results", show_default=False)
@click.option("--emulator", type=click.Choice(["auto", *EMULATORS.names()]), default="auto", show_default=True)
@click.option(
    "--rows", type=click.IntRange(1, 256), default=64, show_default=True, help="Rows of 256 points for the strategies."
)
@click.option("--brute-rows", type=click.IntRange(1, 256), default=1, show_default=True, help="Rows for the slow ones.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True)
def command(folder: Path, emulator: str, rows: int, brute_rows: int, jobs: int) -> None:
    """Measure every strategy, the full table and two brute-force decoders on every core that can be run here.

    On one core of each class by every compiler that is here, and in random order.
    """
    close_on_termination()
    folder.mkdir(parents=True, exist_ok=True)
    boards = boards_here(emulator)
    known = {"": session_of(folder / "side_by_side.toml", CONFIG, "sweep")}
    known[", any scale"] = session_of(folder / "any_scale.toml", ANY_SCALE, "sweep")
    found = {suffix: decoders_of(session, suffix) for suffix, session in known.items()}

    def done(what: str) -> None:
        click.echo(f"measured {what}", err=True)

    def measured(compiler: str, order: str, where: Sequence[Board]) -> list[Record]:
        records = []
        for suffix, session in known.items():
            ordered = replace(session, order=order)
            decoders = [one.tested_by(ordered.sweep) for one in found[suffix]]
            pairs = [(decoder, board) for board in where for decoder in decoders]
            records += measure_all(pairs, ordered.sweep, How(emulator, compiler, rows), jobs, done)
        return records

    records = measured("auto", "sweep", boards)
    slow = [(decoder, board) for board in boards for decoder in brute_force(known[""])]
    records += measure_all(slow, known[""].sweep, How(emulator, rows=brute_rows), jobs, done)
    ways: dict[tuple[str, str], list[Record]] = {}
    for compiler in COMPILERS:
        where = [board for board in boards if board.core_name in CHOSEN and compiles(compiler, board)]
        for order in ORDERS if where else ():
            ways[compiler, order] = measured(compiler, order, where)
    four = next((board for board in boards if board.core_name == "cortex-m4"), boards[0])
    wrong = wrong_results(brute_force(known[""]), four, emulator, known[""].sweep)
    packets = hexagon(known)
    everything = [*records, *(record for some in ways.values() for record in some), *packets]
    (folder / "side_by_side.json").write_text(
        json.dumps([asdict(record) for record in everything], indent=2) + "\n", encoding="utf-8"
    )
    (folder / "side_by_side.md").write_text(markdown(records, ways, packets, wrong), encoding="utf-8")
    usual = {(r.strategy, r.core, r.compiler): r for r in records}
    random = [r for (_, order), some in ways.items() if order == "random" for r in some]
    same = [r for r in random if (r.strategy, r.core, r.compiler) in usual]
    draw(panels_of([*records, *packets], same), folder / "side_by_side.svg")
    shown = [core for core in CHOSEN if any(record.core == core for record in records)]
    click.echo("\n".join([*table_of(records, shown), "", *remarks(records, wrong)]))
    failed = [record for record in everything if record.status == "failed"]
    if failed:
        raise SystemExit("\n".join(f"FAIL {r.strategy} on {r.board} by {r.emulator}: {r.note}" for r in failed))


def session_of(path: Path, text: str, order: str) -> Session:
    """The session of a configuration, which is written to `path`, with the variants of all cores."""
    path.write_text(text, encoding="utf-8")
    return Session(make_plan(load(path)), tuple(known_cores.core(name) for name in CORES), order=order)


def decoders_of(session: Session, suffix: str) -> list[Decoder]:
    """The decoders of all strategies that serve a session, their names with `suffix`."""
    found, refused = session.decoders(["all"] if not suffix else list(ANY_SCALE_STRATEGIES))
    for name, reason in refused.items():
        click.echo(f"not measured: {name}{suffix}: {reason}", err=True)
    return [replace(decoder, strategy=decoder.strategy + suffix) for decoder in found]


def compiles(compiler: str, board: Board) -> bool:
    """Whether a compiler is here and knows the core of a board."""
    try:
        choose_toolchain(board.core, compiler)
    except UsageError:
        return False
    return True


if __name__ == "__main__":
    command()
