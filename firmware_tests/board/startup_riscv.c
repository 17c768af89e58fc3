/* Start-up of the board program on a RISC-V core in machine mode: stack, memory initialisation, vectors, handler of exceptions.
 * The registers used are those of the RISC-V privileged ISA. */
#include <stdint.h>

#include "board.h"

/* Set by the linker script. */
extern uint32_t __data_load, __data_start, __data_end, __bss_start, __bss_end;

void Reset_Handler(void);
void board_start(void);
void board_done(void) __attribute__((noreturn));
void fault_report(uint32_t cause, uint32_t pc, uint32_t value, uint32_t sp, uint32_t ra) __attribute__((noreturn));

/* The first instructions of the image, where the core starts. Field VS of mstatus switches vectors on, and stays 0 where there
 * are none. A handler of exceptions lies at a multiple of four. */
__attribute__((naked, section(".vectors"), used)) void Reset_Handler(void)
{
    __asm volatile(".option push            \n"
                   ".option arch, +zicsr    \n"
                   ".option norelax         \n"
                   "la   sp, __stack_top    \n"
                   "la   t0, 1f             \n"
                   "csrw mtvec, t0          \n"
                   "li   t0, 0x600          \n"
                   "csrs mstatus, t0        \n"
                   "j    board_start        \n"
                   ".balign 4               \n"
                   "1: mv a3, sp            \n"
                   "mv   a4, ra             \n"
                   "la   sp, __stack_top    \n"
                   "csrr a0, mcause         \n"
                   "csrr a1, mepc           \n"
                   "csrr a2, mtval          \n"
                   "j    fault_report       \n"
                   ".option pop             \n");
}

void board_start(void)
{
    /* volatile keeps the compiler from turning the loops into calls of memcpy and memset. */
    const volatile uint32_t *pFrom = &__data_load;
    for (volatile uint32_t *pTo = &__data_start; pTo < &__data_end; pTo++) {
        *pTo = *pFrom;
        pFrom++;
    }
    for (volatile uint32_t *pTo = &__bss_start; pTo < &__bss_end; pTo++) {
        *pTo = 0u;
    }
    console_init();
    board_main();
    board_done();
}

/* Where every run ends; a debugger or an emulator can stop here. */
__attribute__((noinline, noreturn)) void board_done(void)
{
    for (;;) {
    }
}

static void field(const char *name, uint32_t value)
{
    console_text(name);
    console_hex(value, 8u);
}

/* Prints what the core says of an exception and ends the run as a failure. */
void fault_report(uint32_t cause, uint32_t pc, uint32_t value, uint32_t sp, uint32_t ra)
{
    console_text("\nHC fault exception=");
    console_hex(cause, 2u);
    field("\nHC stacked pc=", pc);
    field(" ra=", ra);
    field(" sp=", sp);
    field("\nHC status mtval=", value);
    console_text("\nHC end FAIL\n");
    board_done();
}
