"""One-core platforms of this project's own for the cores that no other board here has on their own."""

from hilbert_codegen.targets.boards import Board, Region, Uart, add

for _name, _title in (("m0plus", "M0+"), ("m23", "M23"), ("m85", "M85")):
    add(
        Board(
            name=f"generic-{_name}",
            title=f"one-core platform, Cortex-{_title}",
            core_name=f"cortex-{_name}",
            flash=Region(0x00000000, 4096 * 1024),
            ram=Region(0x20000000, 4096 * 1024),
            uart=Uart("CMSDK", 0x40004000, "uart"),
            machines={"renode": f"cortex-{_name}.resc"},
        )
    )
