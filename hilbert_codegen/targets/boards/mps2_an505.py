"""Arm MPS2+ FPGA board with image AN505 (IoT Kit, secure state). Memory map: Arm application note AN505."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="mps2-an505",
        title="Arm MPS2+ FPGA, image AN505",
        core_name="cortex-m33",
        flash=Region(0x10000000, 4096 * 1024),
        ram=Region(0x38000000, 2048 * 1024),
        uart=Uart("CMSDK", 0x50200000, "uart"),
        machines={"qemu": "mps2-an505", "renode": "cortex-m33.resc"},
        clock_hz=20_000_000,
    )
)
