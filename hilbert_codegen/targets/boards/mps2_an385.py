"""Arm MPS2+ FPGA board with image AN385. Memory map: Arm application note 385 (AN385)."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="mps2-an385",
        title="Arm MPS2+ FPGA, image AN385",
        core_name="cortex-m3",
        flash=Region(0x00000000, 4096 * 1024),
        ram=Region(0x20000000, 4096 * 1024),
        uart=Uart("CMSDK", 0x40004000, "uart"),
        machines={"qemu": "mps2-an385", "renode": "cortex-m3.resc"},
        clock_hz=25_000_000,
    )
)
