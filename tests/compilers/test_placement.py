"""The placement hooks that docs/c-interface.md shows: every table and function is in its section, also under -flto."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hilbert_codegen.cli import main
from tests.conftest import needs
from tests.paths import ROOT
from tests.specs import two_heads

elffile = pytest.importorskip("elftools.elf.elffile", reason="pyelftools is not installed")

CONFIG = "[heads]\nscale = 0.00437\nzero_point = -97\n[decoder]\ndistance = {distance}\n[code]\nprefix = 'depth'\n"
MEAN = '[heads]\nscale = 0.00390625\nzero_point = -128\n[decoder]\nestimator = "mean"\nsigma = 0.4\ngate = 0.25\n'
MAIN = """#include "depth_decoder.h"

int main(int count, char **words)
{
    const int8_t heads[4] = {(int8_t)count, 3, (int8_t)(words[0][0]), 5};
    uint16_t codes[2];

    depth_decode_block(heads, codes, 2U);
    return (int)codes[1] - (int)depth_decode((int8_t)count, 3);
}
"""
#: -O0 keeps every function, -Os those that are called twice, and -flto inlines what may be inlined.
OPTIONS = (("-O0",), ("-Os",), ("-O2", "-flto"), ("-Os", "-flto"))


def documented() -> list[str]:
    """The three definitions of the page as options, with sections that a hosted program may have."""
    text = (ROOT / "docs" / "c-interface.md").read_text(encoding="utf-8")
    found = re.findall(r"^#define (DEPTH_\w+_ATTR) (.*)$", text, flags=re.MULTILINE)
    assert [name for name, _ in found] == ["DEPTH_TABLE_ATTR", "DEPTH_CODE_ATTR", "DEPTH_INNER_ATTR"]
    return [f"-D{name}={value}" for name, value in found]


def placed(path: Path) -> dict[str, str]:
    """Section of every table and function of the decoder in an ELF file."""
    with path.open("rb") as stream:
        elf = elffile.ELFFile(stream)
        return {
            symbol.name: elf.get_section(symbol["st_shndx"]).name
            for symbol in elf.get_section_by_name(".symtab").iter_symbols()
            if symbol.name.startswith("depth_") and symbol["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT")
        }


@needs("gcc")
@pytest.mark.parametrize("strategy", two_heads())
def test_everything_is_where_the_hooks_say(strategy: str, tmp_path: Path) -> None:
    config = tmp_path / "depth.toml"
    distance = str(strategy not in ("segment", "octant", "line", "patch")).lower()
    if strategy == "patch":
        pytest.importorskip("flint", reason="the mean's exact table needs python-flint")
    config.write_text(MEAN + "[code]\nprefix = 'depth'\n" if strategy == "patch" else CONFIG.format(distance=distance))
    words = ["--set", f"code.strategy={strategy}", "--set", "code.max_flash_bytes=1048576", "-q"]
    main(["generate", str(config), *words, "-o", str(tmp_path)])
    (tmp_path / "main.c").write_text(MAIN)
    for options in OPTIONS:
        command = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", *options, *documented()]
        done = subprocess.run(
            [*command, "main.c", "depth_decoder.c", "-o", "app"],
            cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        sections = placed(tmp_path / "app")
        assert any(name.startswith("depth_decode_block") for name in sections), "the function went into its caller"
        assert {section for name, section in sections.items()} == {".itcm", ".dtcm"}, (options, sections)


@needs("arm-none-eabi-gcc")
def test_for_a_core(tmp_path: Path) -> None:
    """The same on the compiler that the hooks are for."""
    (tmp_path / "depth.toml").write_text(CONFIG.format(distance="true"))
    main(["generate", str(tmp_path / "depth.toml"), "--set", "code.strategy=closed", "-q", "-o", str(tmp_path)])
    (tmp_path / "main.c").write_text(MAIN)
    command = ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-Os", "-flto", "-Werror", "--specs=nosys.specs"]
    subprocess.run(
        [*command, *documented(), "main.c", "depth_decoder.c", "-o", "app"],
        cwd=tmp_path, capture_output=True, timeout=200, check=True,
    )  # fmt: skip
    assert set(placed(tmp_path / "app").values()) == {".itcm", ".dtcm"}
