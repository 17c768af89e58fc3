"""ST STM32L552ZE (Nucleo-L552ZE-Q). Memory map: ST RM0438."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="stm32l552",
        title="ST STM32L552ZE, Nucleo-L552ZE-Q",
        core_name="cortex-m33",
        flash=Region(0x08000000, 512 * 1024),
        ram=Region(0x20000000, 192 * 1024),
        uart=Uart("STM32_ISR", 0x40008000, "lpuart1"),
        machines={"renode": "stm32l552.resc"},
        clock_hz=110_000_000,
    )
)
