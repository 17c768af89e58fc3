"""Arm MPS3 FPGA board with image AN547 (SSE-300, secure state). Memory map: Arm application note AN547."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="mps3-an547",
        title="Arm MPS3 FPGA, image AN547 (SSE-300)",
        core_name="cortex-m55",
        flash=Region(0x10000000, 512 * 1024),
        ram=Region(0x30000000, 512 * 1024),
        uart=Uart("CMSDK", 0x59303000, "uart"),
        machines={"qemu": "mps3-an547", "renode": "cortex-m55.resc"},
        clock_hz=32_000_000,
    )
)
