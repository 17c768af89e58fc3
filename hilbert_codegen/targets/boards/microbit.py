"""BBC micro:bit (nRF51822). Memory map: nRF51 Reference Manual; QEMU machine microbit. Renode: a one-core platform with this map."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="microbit",
        title="BBC micro:bit, nRF51822",
        core_name="cortex-m0",
        flash=Region(0x00000000, 256 * 1024),
        ram=Region(0x20000000, 16 * 1024),
        uart=Uart("NRF", 0x40002000, "uart"),
        machines={"qemu": "microbit", "renode": "cortex-m0.resc"},
        clock_hz=16_000_000,
    )
)
