"""Configurations that between them reach every strategy and every shape of the generated C."""

from __future__ import annotations

from pathlib import Path

from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.choose import build
from hilbert_codegen.emit.prove import proof_domain, reference_for
from hilbert_codegen.emit.render import Generated
from hilbert_codegen.kernels import STRATEGIES, Refused
from hilbert_codegen.spec.plan import Plan, make_plan
from tests.decoders import generated

#: Name -> TOML. The prefix is `m` everywhere, because the mains of the matrix include m_decoder.h.
SHAPES = {
    "cell": """
[heads]
scale = 0.00390625
zero_point = -128
""",
    "odd": """
[curve]
order = 3
inset = 0.1
orientation = "rotate_90"
[heads]
scale = [0.00437, 0.0041]
zero_point = [-97, -120]
layout = "planar"
[output]
codes = [10000, 500]
[decoder]
distance = true
""",
    "plain": """
[curve]
order = 3
inset = 0.1
[heads]
scale = 0.00437
zero_point = -97
""",
    "odds": """
[curve]
order = 3
inset = 0.1
[heads]
scale = [0.00437, 0.0041]
zero_point = [-97, -120]
layout = "planar"
[output]
dtype = "int16"
codes = [-3000, 32767]
""",
    "split": """
[heads]
scale = 0.00390625
zero_point = -128
layout = "planar"
[output]
dtype = "uint8"
""",
    "ring": """
[curve]
kind = "moore"
order = 3
orientation = "anti_transpose"
[heads]
scale = 0.00390625
zero_point = -128
[output]
codes = [0, 65535]
""",
    "fine": """
[curve]
order = 5
inset = 0.04
[heads]
dtype = "uint8"
scale = 0.00390625
zero_point = 0
[output]
dtype = "int32"
codes = [-2147483648, 2147483647]
""",
    "angle": """
[curve]
kind = "moore"
order = 2
[heads]
scale = 0.0078125
zero_point = 0
range = [-1.0, 1.0]
[output]
dtype = "int16"
codes = [-32768, 32768]
[decoder]
distance = true
""",
    "byte": """
[curve]
order = 1
[heads]
scale = 0.00390625
zero_point = -128
[output]
dtype = "uint8"
""",
    "wide": """
[curve]
order = 3
[heads]
dtype = "int16"
scale = 0.000030517578125
zero_point = 0
""",
    "soft": """
[curve]
order = 3
[heads]
scale = 0.00390625
zero_point = -128
[decoder]
estimator = "mean"
sigma = 0.4
gate = 0.25
""",
}


def plan_of(shape: str, strategy: str, folder: Path) -> Plan:
    """The plan of a shape with the strategy forced; `folder` receives the configuration file."""
    config = folder / f"{shape}.toml"
    config.write_text(SHAPES[shape], encoding="utf-8")
    settings = ["code.prefix=m", f"code.strategy={strategy}", "code.max_flash_bytes=1048576", "code.variants=all"]
    return make_plan(load(config, settings))


def cases(folder: Path, shapes: list[str] | None = None, strategies: list[str] | None = None) -> list[tuple[str, str]]:
    """All (shape, strategy) for which the strategy is not refused."""
    found = []
    for shape in shapes or SHAPES:
        plan = plan_of(shape, "auto", folder)
        ideal = reference_for(plan.spec, proof_domain(plan.spec))
        for strategy in strategies or STRATEGIES.names():
            try:
                build(plan, ideal, strategy)
            except Refused:
                continue
            found.append((shape, strategy))
    return found


def made(shape: str, strategy: str, folder: Path) -> tuple[Plan, Generated]:
    """One case, generated."""
    plan = plan_of(shape, strategy, folder)
    return plan, generated(plan)
