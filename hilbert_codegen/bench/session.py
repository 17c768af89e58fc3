"""What one command works with: the exact reference and the sweep, made once; decoders; which emulators run them.

Behind `run`, `measure` and `verify` alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hilbert_codegen.bench.firmware import COLUMNS, ROWS, Planes, Sweep, make_planes, make_sweep, selftest_files
from hilbert_codegen.emit.choose import AUTO, choose, for_cores, variants_for, variants_of
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.prove import Domain, proof_domain, reference_for
from hilbert_codegen.emit.render import Generated
from hilbert_codegen.errors import UsageError
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets import emulators
from hilbert_codegen.targets.boards import Board
from hilbert_codegen.targets.caches import Cache
from hilbert_codegen.targets.cores import Core
from hilbert_codegen.targets.emulators import Emulator
from hilbert_codegen.variants import PORTABLE, VARIANTS

J = TypeVar("J")
T = TypeVar("T")

#: Seconds that a run may take from one line of the program to the next: a sixteenth of the pairs on one path.
TIMEOUT = 60.0


@dataclass(frozen=True)
class How:
    """How boards are run.

    Attributes:
        emulator: a name, "auto" (the first that is there) or "all" (each that is there).
        compiler: a name or "auto".
        rows: how many of the 256 rows of 256 points run.
        timeout: seconds without a line of the program after which a run has failed.
        block: points a call of decode_block, when measuring.
        shift: elements that the source is moved by, when measuring: 1 makes its address odd.
        flags: further flags of the compiler for the decoder ("-Os").
        cache: a flash accelerator whose misses are counted where an emulator notes reads, or None.
        cycles: whether they are estimated, which takes a run of its own.
    """

    emulator: str = "auto"
    compiler: str = "auto"
    rows: int = ROWS
    timeout: float = TIMEOUT
    block: int = COLUMNS
    shift: int = 0
    flags: tuple[str, ...] = ()
    cache: Cache | None = None
    cycles: bool = True


DEFAULT = How()


@dataclass(frozen=True)
class Decoder:
    """Decoder sources to run on boards.

    Attributes:
        strategy: name shown.
        plan: what it computes; its prefix is that of the sources.
        files: name -> content, self-test included.
        defines: macros to compile it with.
        variant: "default", or what the macros select.
        plain: whether it is compiled without what Armv8.1-M has more than Armv8-M.
        exact: whether anything but the exact answer is a failure (benchmarks also time decoders that are not exact).
    """

    strategy: str
    plan: Plan
    files: Mapping[str, bytes]
    defines: Mapping[str, str] = field(default_factory=dict)
    variant: str = "default"
    plain: bool = False
    exact: bool = True

    def portable(self, core: Core) -> Decoder:
        """The same without the variants that `core` executes, for an emulator that lacks some of their instructions.

        Compilers use Armv8.1-M (long shifts, low-overhead loops) in portable C too, so it is compiled without.
        """
        names = [name for name in variants_for([core]) if name != PORTABLE]
        macros = {f"{self.plan.prefix.upper()}_{VARIANTS[name].switch}": "0" for name in names}
        variant = ", ".join(f"{macro}={value}" for macro, value in macros.items())
        return replace(self, defines={**self.defines, **macros}, variant=variant, plain=True)

    def tested_by(self, sweep: Sweep) -> Decoder:
        """The same with the self-test of another sweep."""
        return replace(self, files={**self.files, **selftest_files(self.plan, sweep)})


def with_strategy(plan: Plan, name: str) -> Plan:
    """The same plan with another strategy."""
    config = plan.settings.config
    code = config.code.model_copy(update={"strategy": name})
    return make_plan(replace(plan.settings, config=config.model_copy(update={"code": code})))


@dataclass(frozen=True)
class Session:
    """One configuration, and what is computed from it once.

    Attributes:
        plan: what the decoders compute.
        cores: whose variants they have, unless the configuration names others; none for those of the configuration. The
            strategy is that of the configuration in any case.
        outputs: codes of a network to run over instead of all pairs, shape (n, heads), or None.
        order: the order of the pairs (bench.firmware.ORDERS).
    """

    plan: Plan
    cores: tuple[Core, ...] = ()
    outputs: NDArray[np.int64] | None = None
    order: str = "sweep"

    @cached_property
    def known(self) -> tuple[Domain, Ideal]:
        """The domain of the proof and the exact answers there."""
        domain = proof_domain(self.plan.spec)
        return domain, reference_for(self.plan.spec, domain, distance=self.plan.distance)

    @cached_property
    def sweep(self) -> Sweep:
        """The pairs that boards run over."""
        return make_sweep(self.plan, self.outputs, self.order, self.known)

    @cached_property
    def planes(self) -> Planes | None:
        """What boards run beside the sweep, where a point has three and more codes; None with a network's outputs."""
        return make_planes(self.plan, self.known) if self.outputs is None and self.order == "sweep" else None

    @cached_property
    def _generated(self) -> dict[str | None, Generated]:
        return {}

    @cached_property
    def strategy(self) -> str:
        """The strategy of the file that `generate` writes."""
        return choose(self.plan, self.known[1]).strategy

    def _plan(self, strategy: str | None) -> Plan:
        if not self.cores:
            return self.plan if strategy is None else with_strategy(self.plan, strategy)
        wanted = self.plan.config.code.strategy if strategy is None else strategy
        return with_strategy(for_cores(self.plan, self.cores), self.strategy if wanted == AUTO else wanted)

    def added(self) -> tuple[str, ...]:
        """Variants that decoders generated so far have for the cores, and the file that `generate` writes has not."""
        found = {name for generated in self._generated.values() for name in generated.built.variants}
        return tuple(sorted(found.difference(variants_of(self.plan))))

    def generate(self, strategy: str | None = None, progress: Callable[[str], None] = lambda _: None) -> Generated:
        """Generate and prove the decoder of the configuration, or that of another strategy; each once."""
        if strategy not in self._generated:
            self._generated[strategy] = generate(self._plan(strategy), progress, self.known)
        return self._generated[strategy]

    def decoder(self, strategy: str | None = None, progress: Callable[[str], None] = lambda _: None) -> Decoder:
        """The same as a decoder for boards."""
        generated = self.generate(strategy, progress)
        plan = self._plan(strategy)
        return Decoder(
            generated.built.strategy, plan, {**generated.files, **selftest_files(plan, self.sweep, self.planes)}
        )

    def decoders(
        self, names: Sequence[str], progress: Callable[[str], None] = lambda _: None
    ) -> tuple[list[Decoder], dict[str, str]]:
        """The decoders of the strategies `names` ("all", or none for the configuration's own).

        Returns (decoders, strategy -> reason of refusal). A strategy asked for by name that refuses is a UsageError.
        """
        every = "all" in names
        found, refused = [], {}
        for name in STRATEGIES.names() if every else list(names) or [self.plan.config.code.strategy]:
            try:
                found.append(self.decoder(name, lambda step, name=name: progress(f"{name}: {step}")))  # type: ignore[misc]
            except UsageError as error:
                if not every:
                    raise
                refused[name] = str(error)
        return found, refused


def attempts(
    decoder: Decoder,
    board: Board,
    wanted: str,
    once: Callable[[Decoder, Emulator], T],
    lacking: Callable[[T], bool],
) -> list[T]:
    """What `once` gives for a decoder on a board, by every emulator that is due; each pair of the two at most once.

    Where the emulator lacks a Helium instruction (`lacking`), that is never a pass: the variant without Helium runs in
    its place, and the Helium one on the other emulators that have the board.
    """
    machines = emulators.choose(board, wanted)
    results, others = [], False
    for machine in machines:
        results.append(once(decoder, machine))
        if lacking(results[-1]):
            results.append(once(decoder.portable(board.core), machine))
            others = True
    if others:
        results += [once(decoder, machine) for machine in emulators.present(board) if machine not in machines]
    return results


def each(work: Callable[[J], Sequence[T]], jobs: Sequence[J], workers: int) -> list[T]:
    """What `work` gives for each job, `workers` at a time, in the order of the jobs."""
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            return [result for results in pool.map(work, jobs) for result in results]
        except BaseException:
            # Interrupted, or one job can't be done at all: the pool waits for the runs under way, so end them.
            pool.shutdown(wait=False, cancel_futures=True)
            emulators.close_all()
            raise
