"""All tuples of four heads by compiled C: the program's own reference, box by box, and that it notices a wrong table."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from hilbert_codegen.bench.exhaustive import _boxes, _Share, reference
from hilbert_codegen.bench.verify import compile_host
from hilbert_codegen.cli import group
from hilbert_codegen.config.loading import load
from hilbert_codegen.emit.generate import generate
from hilbert_codegen.emit.render import render_harness
from hilbert_codegen.errors import UsageError
from hilbert_codegen.exact.many import ManyHeads
from hilbert_codegen.spec.plan import make_plan
from hilbert_codegen.targets.host import host_compiler
from tests.unit.exact.test_many import spec_of

HEADS = "[curve]\ndimensions = {heads}\norder = 1\n[heads]\nscale = {scale}\nzero_point = -128\n[code]\nprefix = 'q'\n"


@pytest.mark.slow
@pytest.mark.compilers
@pytest.mark.parametrize(("scale", "layout"), [("0.00390625", "interleaved"), ("0.0041", "planar")])
def test_a_box_of_all_tuples_is_right_and_a_wrong_entry_in_it_is_noticed(
    tmp_path: Path, scale: str, layout: str
) -> None:
    config = tmp_path / "q.toml"
    config.write_text(HEADS.format(heads=4, scale=scale), encoding="utf-8")
    plan = make_plan(load(config, [f"heads.layout={layout}", "code.strategy=boxes"]))
    generated = generate(plan)
    expected = reference(plan.spec)
    main = render_harness(plan, generated, "harness/exhaustive_main.c.j2", words=expected.words)
    (tmp_path / "reference.bin").write_bytes(expected.data)
    # The corner box has the first half cells of all heads: the fewest codes.
    command = ["./verify", "reference.bin", "0", str(expected.boxes)]

    def run(source: bytes) -> list[str]:
        files = {**generated.files, "exhaustive_main.c": main, "q_decoder.c": source}
        compile_host(tmp_path, files, host_compiler())
        return _Share(1, lambda done: None).run(command, tmp_path)

    right = run(generated.files["q_decoder.c"])
    points = int(right[0].split()[2])
    assert right == [f"end decode {points} 0", f"end decode_block {points} 0"]
    assert points > 1 << 20
    text = generated.files["q_decoder.c"].decode()
    table = re.search(r"q_vertex\[16\] \w+ = \{[^0-9]*(0)", text)
    assert table is not None
    start, end = table.span(1)
    wrong = run(f"{text[:start]}1{text[end:]}".encode())
    assert [line.split()[:2] for line in wrong[:2]] == [["bad", "decode"], ["bad", "decode_block"]]
    assert [int(line.split()[3]) > 0 for line in wrong[2:]] == [True, True]


def test_more_heads_than_four_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    config = tmp_path / "q.toml"
    config.write_text(HEADS.format(heads=5, scale=0.00390625), encoding="utf-8")
    with pytest.raises(UsageError, match=r"--exhaustive: 5 heads have 2\^40 tuples, which take days; leave it out"):
        group.main(["verify", str(config), "--exhaustive", "-q"], standalone_mode=False)


@pytest.mark.parametrize(
    ("heads", "said"), [(3, "its reference knows no fused head"), (4, "5 heads have 2\\^40 tuples")]
)
def test_a_fused_head_is_refused_before_anything_is_made(heads: int, said: str, tmp_path: Path) -> None:
    config = tmp_path / "q.toml"
    fused = "[decoder]\nestimator = 'fused'\nthreshold = 0.04\n"
    config.write_text(HEADS.format(heads=heads, scale=0.00390625) + fused, encoding="utf-8")
    with pytest.raises(UsageError, match=f"--exhaustive: {said}"):
        group.main(["verify", str(config), "--exhaustive", "-q"], standalone_mode=False)


def test_the_first_of_equally_near_half_segments_is_the_one_of_the_definition() -> None:
    """In every box, on places that tie: those at the same distance from a border on every axis."""
    spec = spec_of(4, 1)
    heads = ManyHeads(spec, [spec.heads.codes()] * 4)
    generator = np.random.default_rng(6)
    for picked, listed in _boxes(heads, heads.exact):
        from_end = generator.integers(0, 2, (4, 24))
        offset = generator.integers(0, min(map(len, picked)), 24)
        index = [
            codes[np.where(end, len(codes) - 1 - offset, offset)] for codes, end in zip(picked, from_end, strict=True)
        ]
        square = sum(table[listed][:, i] for table, i in zip(heads.exact, index, strict=True))
        half = np.array(listed)[np.argmin(np.asarray(square), axis=0)]
        got = heads.output[half, np.stack(index)[heads.axis[half], np.arange(24)]]
        assert (got == heads.decode(index)).all()
