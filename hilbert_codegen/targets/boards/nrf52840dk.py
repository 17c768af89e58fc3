"""Nordic nRF52840 DK. Memory map: nRF52840 Product Specification."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="nrf52840dk",
        title="Nordic nRF52840 DK",
        core_name="cortex-m4",
        flash=Region(0x00000000, 1024 * 1024),
        ram=Region(0x20000000, 256 * 1024),
        uart=Uart("NRF_DMA", 0x40002000, "uart0"),
        machines={"renode": "nrf52840dk.resc"},
        clock_hz=64_000_000,
    )
)
