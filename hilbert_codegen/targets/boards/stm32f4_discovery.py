"""ST STM32F4-Discovery (STM32F407VG). Memory map: ST RM0090 and the STM32F407 data sheet."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="stm32f4_discovery",
        title="ST STM32F4-Discovery, STM32F407VG",
        core_name="cortex-m4",
        flash=Region(0x08000000, 1024 * 1024),
        ram=Region(0x20000000, 112 * 1024),
        uart=Uart("STM32_SR", 0x40004400, "usart2"),
        machines={"renode": "stm32f4_discovery.resc"},
        clock_hz=168_000_000,
    )
)
