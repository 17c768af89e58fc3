"""Renesas EK-RA8M1. Memory map: RA8M1 Group User's Manual: Hardware."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="ek_ra8m1",
        title="Renesas EK-RA8M1, R7FA8M1AH",
        core_name="cortex-m85",
        flash=Region(0x02000000, 2016 * 1024),
        ram=Region(0x22000000, 896 * 1024),
        uart=Uart("RA_SCI", 0x40358900, "sci9"),
        machines={"renode": "ek_ra8m1.resc"},
        clock_hz=480_000_000,
    )
)
