"""All strategies beside the full table (the published method) and beside what people write first, on every core, in one run.

Writes side_by_side.json (records as of `hilbert-codegen measure --format json`), side_by_side.md (a table) and
side_by_side.svg (bytes of code and tables against instructions per point, both logarithmic) into a folder.

    python benchmarks/side_by_side.py -o benchmarks/results
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from hilbert_codegen.bench.boardrun import run_image
from hilbert_codegen.bench.firmware import Program, Sweep
from hilbert_codegen.bench.measure import Record, measure_all
from hilbert_codegen.bench.session import Decoder, How, Session
from hilbert_codegen.config.loading import load
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.targets import cores as known_cores
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
}

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


def markdown(records: Sequence[Record], wrong: Mapping[str, int]) -> str:
    """Instructions a point: a row a strategy, a column a core; then what is not exact, and the boards."""
    cores = list(dict.fromkeys(record.core for record in records))
    strategies = list(dict.fromkeys(record.strategy for record in records))
    cells = {(r.strategy, r.core): r for r in records if r.status == "ok"}
    heads = [core.removeprefix("cortex-").replace("plus", "+").upper() for core in cores]
    lines = [
        "| strategy | code + tables, bytes (M4) | " + " | ".join(heads) + " |",
        "|---|---:|" + "---:|" * len(cores),
    ]
    for strategy in strategies:
        size = cells.get((strategy, "cortex-m4"))
        row = [strategy, f"{(size.code_bytes or 0) + (size.table_bytes or 0):,}" if size else "-"]
        for core in cores:
            record = cells.get((strategy, core))
            value = record.instructions_per_point if record else None
            row.append("-" if value is None else f"{value:,.2f}" if value < 100 else f"{value:,.0f}")
        lines.append("| " + " | ".join(row) + " |")
    points = {r.points for r in records if r.strategy not in BRUTE}, {r.points for r in records if r.strategy in BRUTE}
    counted, slow = (" or ".join(f"{number:,}" for number in sorted(found)) for found in points)
    lines += [
        "",
        f"Executed instructions per point in decode_block and what it calls, counted over {counted} points spread over the "
        f"square (brute force: {slow}); order 3, uint16, on the cell grid (side_by_side.toml) and, where the name says any scale, "
        "off it (any_scale.toml).",
    ]
    for strategy, count in wrong.items():
        lines.append(f"`{strategy}` is not exact: {count} of the 65,536 results differ from the exact table.")
    used = sorted({f"{r.board} ({r.emulator} {r.emulator_version}, {r.compiler})" for r in records})
    lines.append("Boards: " + "; ".join(used) + ".")
    return "\n".join(lines) + "\n"


def picture(records: Sequence[Record], path: Path) -> None:
    """Bytes against instructions per point, log axes: a colour a strategy, a marker a core."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "hilbert_codegen"
    from matplotlib import pyplot

    shown = [r for r in records if r.status == "ok" and r.instructions_per_point]
    strategies = list(dict.fromkeys(r.strategy for r in shown))
    cores = list(dict.fromkeys(r.core for r in shown))
    colours = dict(zip(strategies, pyplot.get_cmap("tab20").colors, strict=False))
    markers = dict(zip(cores, "osD^v<>P*", strict=False))
    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    for record in shown:
        size = (record.code_bytes or 0) + (record.table_bytes or 0)
        axes.scatter(
            size, record.instructions_per_point, s=48, color=colours[record.strategy], marker=markers[record.core],
            edgecolor="white", linewidth=0.6, zorder=3,
        )  # fmt: skip
    axes.set(
        xscale="log", yscale="log", xlabel="flash: code and tables, bytes", ylabel="executed instructions per point"
    )
    axes.grid(True, which="major", color="#dddddd", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    one = [axes.scatter([], [], color=colours[name], s=48, label=name) for name in strategies]
    two = [
        axes.scatter(
            [],
            [],
            color="#666666",
            marker=markers[core],
            s=40,
            label=core.removeprefix("cortex-").replace("plus", "+").upper(),
        )
        for core in cores
    ]
    figure.legend(handles=one, loc="outside right upper", title="decoder", frameon=False)
    figure.legend(handles=two, loc="outside right lower", title="core", frameon=False)
    axes.set_title("Decoders of a Hilbert curve of order 3, INT8 heads, uint16 output")
    figure.savefig(path, metadata={"Date": None})


@click.command()
@click.option("-o", "--output", "folder", type=click.Path(path_type=Path), default=HERE / "results", show_default=False)
@click.option("--emulator", type=click.Choice(["auto", *EMULATORS.names()]), default="auto", show_default=True)
@click.option(
    "--rows", type=click.IntRange(1, 256), default=256, show_default=True, help="Rows of 256 points for the strategies."
)
@click.option("--brute-rows", type=click.IntRange(1, 256), default=1, show_default=True, help="Rows for the slow ones.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True)
def command(folder: Path, emulator: str, rows: int, brute_rows: int, jobs: int) -> None:
    """Measure every strategy, the full table and two brute-force decoders on every core that can be run here."""
    close_on_termination()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "side_by_side.toml"
    config.write_text(CONFIG, encoding="utf-8")
    plan = make_plan(load(config))
    session = Session(plan, tuple(known_cores.core(name) for name in CORES))
    sweep = session.sweep
    found, refused = session.decoders(["all"])
    for name, reason in refused.items():
        click.echo(f"not measured: {name}: {reason}", err=True)
    boards = boards_here(emulator)

    def done(what: str) -> None:
        click.echo(f"measured {what}", err=True)

    pairs = [(decoder, board) for board in boards for decoder in found]
    records = measure_all(pairs, sweep, How(emulator, rows=rows), jobs, done)
    elsewhere = folder / "any_scale.toml"
    elsewhere.write_text(ANY_SCALE, encoding="utf-8")
    other = Session(make_plan(load(elsewhere)), tuple(known_cores.core(name) for name in CORES))
    others, _ = other.decoders(ANY_SCALE_STRATEGIES)
    pairs = [
        (replace(decoder, strategy=f"{decoder.strategy}, any scale"), board) for board in boards for decoder in others
    ]
    records += measure_all(pairs, other.sweep, How(emulator, rows=rows), jobs, done)
    slow = [(decoder, board) for board in boards for decoder in brute_force(session)]
    records += measure_all(slow, sweep, How(emulator, rows=brute_rows), jobs, done)
    four = next((board for board in boards if board.core_name == "cortex-m4"), boards[0])
    text = markdown(records, wrong_results(brute_force(session), four, emulator, sweep))
    (folder / "side_by_side.json").write_text(
        json.dumps([asdict(record) for record in records], indent=2) + "\n", encoding="utf-8"
    )
    (folder / "side_by_side.md").write_text(text, encoding="utf-8")
    picture(records, folder / "side_by_side.svg")
    click.echo(text)
    failed = [record for record in records if record.status == "failed"]
    if failed:
        raise SystemExit("\n".join(f"FAIL {r.strategy} on {r.board} by {r.emulator}: {r.note}" for r in failed))


if __name__ == "__main__":
    command()
