"""ST STM32L072CZ. Memory map: ST RM0376."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="stm32l072",
        title="ST STM32L072CZ",
        core_name="cortex-m0plus",
        flash=Region(0x08000000, 192 * 1024),
        ram=Region(0x20000000, 20 * 1024),
        uart=Uart("STM32_ISR", 0x40004400, "usart2"),
        machines={"renode": "stm32l072.resc"},
        clock_hz=32_000_000,
    )
)
