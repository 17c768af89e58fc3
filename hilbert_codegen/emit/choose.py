"""Which strategy and which variants a plan gets: by name, or the fastest that fits, for the core of `code.target`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hilbert_codegen.config.toml import show_value
from hilbert_codegen.errors import UsageError
from hilbert_codegen.exact.reference import Ideal
from hilbert_codegen.kernels import STRATEGIES, Built, Refused, serves
from hilbert_codegen.kernels.fusion import fused
from hilbert_codegen.spec.plan import Plan, make_plan
from hilbert_codegen.targets.cores import CORES, Core, core
from hilbert_codegen.variants import PORTABLE, VARIANTS, equipped, running_on

#: The value of code.strategy for the fastest that fits.
AUTO = "auto"
#: The value of code.target for C that goes to several cores: all variants, the strategy by the costs of `ANY_COSTS`.
ANY = "any"
ANY_COSTS = "cortex-m4"


@dataclass(frozen=True)
class Candidate:
    """One strategy for one plan: `built` with its cost, or None with the reason in `refusal`.

    Attributes:
        name: the strategy.
        built: tables and models, those of the plan's variants included, or None.
        refusal: why it can't be used, or "".
        cost: measured instructions per point on the plan's target core (costs.json), or None where never measured.
        typical: whether `cost` is that of interleaved heads, since it was not measured for the plan's layout.
        table_bytes: bytes of the tables there, 0 where refused.
        code_bytes: measured bytes of the code there, 0 where refused or never measured.
    """

    name: str
    built: Built | None
    refusal: str
    cost: float | None
    table_bytes: int
    code_bytes: int = 0
    typical: bool = False

    @property
    def flash_bytes(self) -> int:
        """Tables and code."""
        return self.table_bytes + self.code_bytes


#: measured_as -> variant -> figure, on one core.
Figures = dict[str, dict[str, float]]


def _measured(what: str) -> dict[str, Figures]:
    """Core -> the figures called `what` in costs.json (`make costs`)."""
    known: dict[str, dict[str, Figures]] = json.loads(
        (Path(__file__).parent / "costs.json").read_text(encoding="utf-8")
    )
    return known.get(what, {})


def _of_core(known: Mapping[str, Figures], name: str) -> Figures:
    return known.get(name) or known.get(CORES[name].counted_as, {})


def costs(target: str, planar: bool = False, distance: bool = False) -> Figures:
    """`measured_as` -> variant -> measured instructions per point on the core `target`: with the distance where that is
    wanted (of a core not measured so, those of ANY_COSTS), else of planar heads where those were measured."""
    if target != ANY and target not in CORES:
        raise UsageError(f"code.target = {show_value(target)}: no such core; give one of {', '.join([ANY, *CORES])}")
    name = ANY_COSTS if target == ANY else target
    if distance:
        measured = _measured("instructions_per_point_distance")
        return _of_core(measured, name) or {
            # A core that was not measured ranks them as the core of ANY_COSTS does, whatever the variant.
            kind: dict.fromkeys(VARIANTS.names(), some[PORTABLE])
            for kind, some in _of_core(measured, ANY_COSTS).items()
        }
    figures = dict(_of_core(_measured("instructions_per_point"), name))
    if planar:
        for kind, some in _of_core(_measured("instructions_per_point_planar"), name).items():
            figures[kind] = {**figures.get(kind, {}), **some}
    return figures


def variants_for(cores: Sequence[Core]) -> tuple[str, ...]:
    """Names of the variants that at least one of `cores` executes, the portable one among them."""
    return tuple(variant.name for variant in VARIANTS if any(variant.runs_on(one) for one in cores))


def variants_of(plan: Plan) -> tuple[str, ...]:
    """Names of the variants that `code.variants` asks for, the portable one always among them. Raises UsageError."""
    wanted, target = plan.config.code.variants, plan.config.code.target
    if wanted == "all" or (wanted == "auto" and target == ANY):
        return tuple(VARIANTS.names())
    if wanted == "auto":
        return variants_for([core(target)])
    names = (wanted,) if isinstance(wanted, str) else wanted
    for name in names:
        if name not in VARIANTS.names():
            choice = ", ".join(VARIANTS.names())
            raise plan.settings.error(
                "code.variants", f"no variant {name!r}", f'give "auto", "all" or names of {choice}'
            )
    return tuple(sorted({*names, PORTABLE}))


def for_cores(plan: Plan, cores: Sequence[Core]) -> Plan:
    """`plan` with the variants of `cores` in place of those of its target, where its variants are "auto"."""
    if plan.config.code.variants != "auto":
        return plan
    code = plan.config.code.model_copy(update={"variants": variants_for(cores)})
    return make_plan(replace(plan.settings, config=plan.config.model_copy(update={"code": code})))


def table_bytes(plan: Plan, built: Built) -> int:
    """Bytes of the tables on the plan's target core; for any core, on the one where they are largest."""
    target = plan.config.code.target
    cores = CORES.values() if target == ANY else [core(target)]
    return max(built.implementations[running_on(built, one)].table_bytes for one in cores)


def code_bytes(plan: Plan, built: Built) -> int:
    """Measured bytes of the code on the plan's target core; for any core, on the one where it is largest.

    With planar heads or with distances those of such a decoder where they were measured, with both the larger of the two.
    Of a kind of build that was never measured, those of the strategy's largest kind; 0 where it has none.
    """
    target = plan.config.code.target
    sizes = [0.0]
    for one in CORES.values() if target == ANY else [core(target)]:
        figures, variant = _code_bytes(one.name, plan), running_on(built, one)
        if variant in figures.get(built.measured_as, {}):
            sizes.append(figures[built.measured_as][variant])
        else:
            name = built.measured_as.split(", ")[0]
            sizes += [size for kind, some in figures.items() if kind.split(", ")[0] == name for size in some.values()]
    return int(max(sizes))


def _code_bytes(name: str, plan: Plan) -> Figures:
    """`measured_as` -> variant -> measured bytes of code on the core `name`, for the plan's layout and distances."""
    plain = _of_core(_measured("code_bytes"), name)
    planar = _of_core(_measured("code_bytes_planar"), name) if plan.spec.heads.layout == "planar" else {}
    distance = _of_core(_measured("code_bytes_distance"), name) if plan.distance else {}
    figures = {**plain, **planar}
    for kind, some in distance.items():
        more = planar.get(kind, {})
        figures[kind] = {variant: max(size, more.get(variant, 0.0)) for variant, size in some.items()}
    return figures


def too_large(plan: Plan, built: Built) -> str:
    """What to say of a decoder whose tables and code are larger than `code.max_flash_bytes`; "" if they are not."""
    tables, code, limit = table_bytes(plan, built), code_bytes(plan, built), plan.config.code.max_flash_bytes
    if tables + code <= limit:
        return ""
    return (
        f"code.max_flash_bytes = {limit}: {built.strategy} takes {tables + code} bytes on {plan.config.code.target}, "
        f"{tables} of tables and {code} of code; raise it, or choose another strategy"
    )


def _cost(plan: Plan, built: Built, known: Mapping[str, Mapping[str, float]]) -> float | None:
    """Instructions per point of what runs on the target core. A fused head adds the same to all, which is left out."""
    target = plan.config.code.target
    return known.get(built.measured_as, {}).get(running_on(built, CORES[ANY_COSTS if target == ANY else target]))


def build(plan: Plan, expected: Ideal, name: str) -> Built:
    """The strategy `name` with the plan's variants. Raises Refused, or UsageError where there is no such variant."""
    names = variants_of(plan)
    strategy = STRATEGIES[name]
    if not serves(strategy, plan.spec.dimensions):
        raise Refused(f"it is not made for {plan.spec.dimensions} heads")
    if plan.spec.fusion is not None:
        assert expected.curve is not None
        return fused(strategy.build(plan.spec.of_curve, expected.curve, False), plan.spec)
    return equipped(strategy.build(plan.spec, expected, plan.distance), names, plan.spec, expected)


def survey(plan: Plan, expected: Ideal, names: Sequence[str] | None = None) -> Iterator[Candidate]:
    """Try the strategies `names` (all by default) on `plan`, cheapest first; each is built when it is asked for.

    A strategy is tried at the cost of its fastest build; if the build is of a slower kind, it is placed by the cost of that kind.
    """
    planar = plan.spec.heads.layout == "planar"
    known, usual = (costs(plan.config.code.target, wanted, plan.distance) for wanted in (planar, False))

    def least(name: str) -> float:
        kinds = [cost for entry, some in known.items() if entry.split(", ")[0] == name for cost in some.values()]
        return min(kinds, default=math.inf)

    everyone = [name for name in STRATEGIES.names() if serves(STRATEGIES[name], plan.spec.dimensions)]
    waiting: list[tuple[float, str, Candidate | None]] = [
        (least(name), name, None) for name in (everyone if names is None else names)
    ]
    while waiting:
        next_one = min(waiting, key=lambda one: one[:2])
        waiting.remove(next_one)
        lowest, name, candidate = next_one
        if candidate is None:
            try:
                built = build(plan, expected, name)
                cost = _cost(plan, built, known)
                typical = planar and cost is not None and cost == _cost(plan, built, usual)
                sizes = table_bytes(plan, built), code_bytes(plan, built)
                candidate = Candidate(name, built, "", cost, *sizes, typical)
            except Refused as refusal:
                candidate = Candidate(name, None, str(refusal), None, 0)
        place = lowest if candidate.built is None else math.inf if candidate.cost is None else candidate.cost
        if place > lowest:
            waiting.append((place, name, candidate))
        else:
            yield candidate


def check_strategies(plan: Plan, names: Iterable[str]) -> None:
    """Raise UsageError with the names that exist where one is neither a strategy nor "auto" or "all"."""
    if not {AUTO, "all", *STRATEGIES.names()}.issuperset(names):
        raise plan.settings.error(
            "code.strategy", "no such strategy", f"choose auto or one of {', '.join(STRATEGIES.names())}"
        )


def choose(plan: Plan, expected: Ideal) -> Built:
    """What `code.strategy` asks for: a strategy by name, or the fastest that fits. Raises UsageError."""
    settings = plan.settings
    wanted = plan.config.code.strategy
    if wanted != AUTO:
        check_strategies(plan, [wanted])
        candidate = next(survey(plan, expected, [wanted]))
        if candidate.built is None:
            raise settings.error("code.strategy", candidate.refusal, 'choose another, or "auto"')
        return candidate.built
    limit = plan.config.code.max_flash_bytes
    tried = []
    for candidate in survey(plan, expected):
        tried.append(candidate)
        if candidate.built is not None and candidate.flash_bytes <= limit:
            return candidate.built
    sizes = ", ".join(
        f"{c.name} {c.flash_bytes} bytes" if c.built else f"{c.name} refused ({c.refusal})" for c in tried
    )
    raise settings.error("code.max_flash_bytes", f"no strategy fits: {sizes}", "raise it, or lower curve.order")
