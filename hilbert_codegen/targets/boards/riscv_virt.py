"""QEMU's machine `virt` for RISC-V with the instructions of microcontrollers. Memory map: QEMU's hw/riscv/virt.c.

The program starts where the RAM does, without firmware before it.
"""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

#: End of the board's name, core, what the emulated processor has.
_PROCESSORS = (
    ("", "rv32imc", "zba=false,zbb=false,zbc=false,zbs=false"),
    ("-zbb", "rv32imc_zba_zbb", "zba=true,zbb=true"),
    ("-vector", "rv32imc_zve32x", "v=true,vext_spec=v1.0,vlen=128"),
)

for _end, _core, _features in _PROCESSORS:
    add(
        Board(
            name=f"riscv32-virt{_end}",
            title=f"QEMU's RISC-V machine virt{', vectors of 128 bits' if 'vlen' in _features else ''}",
            core_name=_core,
            flash=Region(0x80000000, 4096 * 1024),
            ram=Region(0x80400000, 4096 * 1024),
            uart=Uart("NS16550", 0x10000000),
            machines={"qemu": f"virt -bios none -cpu rv32,{_features}"},
        )
    )
