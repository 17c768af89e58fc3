"""Board tests: decoders built as bare-metal programs and run by real emulators. What is not installed skips by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hilbert_codegen.bench.firmware import Sweep, make_sweep, selftest_files
from hilbert_codegen.bench.session import Decoder, with_strategy
from hilbert_codegen.config.loading import load
from hilbert_codegen.errors import UsageError
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets.boards import BOARDS, Board
from hilbert_codegen.targets.emulators import EMULATORS
from hilbert_codegen.targets.toolchains import TOOLCHAINS, choose
from hilbert_codegen.targets.tools import Missing
from tests.decoders import generated

CONFIG = """
[curve]
order = {order}
[heads]
scale = 0.00390625
zero_point = -128
[code]
prefix = "depth"
max_flash_bytes = 1048576
variants = "all"
"""


def plan_of(folder: Path, order: int = 3, *settings: str) -> Plan:
    """The plan of a configuration on the cell grid."""
    path = folder / "depth.toml"
    path.write_text(CONFIG.format(order=order), encoding="utf-8")
    return make_plan(load(path, settings))


def needs_emulator(name: str) -> None:
    """Skip, by name, where an emulator is not installed."""
    found = EMULATORS[name].find()
    if isinstance(found, Missing):
        pytest.skip(f"{name}: {found.reason}; {found.remedy}")


def needs_compiler(name: str) -> None:
    """Skip, by name, where a cross compiler is not installed."""
    found = TOOLCHAINS[name].find()
    if isinstance(found, Missing):
        pytest.skip(f"{name}: {found.reason}; {found.remedy}")


def needs_board(name: str, emulator: str) -> Board:
    """The board, or a skip that names what is missing."""
    board = BOARDS[name]
    needs_emulator(emulator)
    try:
        choose(board.core)
    except UsageError as error:
        pytest.skip(str(error))
    return board


def decoder_of(plan: Plan, sweep: Sweep, strategy: str, source: str | None = None) -> Decoder:
    """A generated decoder, or (with `source`) its header and self-test with another C file behind them."""
    changed = with_strategy(plan, strategy)
    files = {**generated(changed).files, **selftest_files(changed, sweep)}
    if source is not None:
        files["depth_decoder.c"] = source.encode("ascii")
    return Decoder(strategy, changed, files)


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return plan_of(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="session")
def sweep(plan: Plan) -> Sweep:
    return make_sweep(plan)


@pytest.fixture(scope="session")
def decoder(plan: Plan, sweep: Sweep) -> Callable[..., Decoder]:
    """Strategy (and a replacement for the C file) -> decoder; generated once for each strategy."""
    known: dict[tuple[str, str | None], Decoder] = {}

    def get(strategy: str, source: str | None = None) -> Decoder:
        key = (strategy, source)
        if key not in known:
            known[key] = decoder_of(plan, sweep, strategy, source)
        return known[key]

    return get
