"""ST Nucleo-H753ZI. Memory map: ST RM0433; RAM is the AXI SRAM."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

add(
    Board(
        name="nucleo_h753zi",
        title="ST Nucleo-144, STM32H753ZI",
        core_name="cortex-m7",
        flash=Region(0x08000000, 2048 * 1024),
        ram=Region(0x24000000, 512 * 1024),
        uart=Uart("STM32_ISR", 0x40004800, "usart3"),
        machines={"renode": "nucleo_h753zi.resc"},
        clock_hz=480_000_000,
    )
)
