"""Arm MPS2+ FPGA board with image AN500. Memory map: Arm application note 500 (AN500)."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="mps2-an500",
        title="Arm MPS2+ FPGA, image AN500",
        core_name="cortex-m7",
        flash=Region(0x00000000, 4096 * 1024),
        ram=Region(0x20000000, 4096 * 1024),
        uart=Uart("CMSDK", 0x40004000, "uart"),
        machines={"qemu": "mps2-an500", "renode": "cortex-m7.resc"},
        clock_hz=25_000_000,
    )
)
