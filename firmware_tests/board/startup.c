/* Start-up of the board program: vector table, memory initialisation, coprocessors, fault handler.
 * Serves every Cortex-M from M0 to M85. No vendor code, no CMSIS headers: the few registers used
 * are architectural (Armv6-M, Armv7-M and Armv8-M Architecture Reference Manuals, System Control Block). */
#include <stdint.h>

#include "board.h"

#define SCB_VTOR (*(volatile uint32_t *)0xE000ED08u)
#define SCB_CPACR (*(volatile uint32_t *)0xE000ED88u)
#define SCB_CFSR (*(volatile uint32_t *)0xE000ED28u)
#define SCB_HFSR (*(volatile uint32_t *)0xE000ED2Cu)
#define SCB_MMFAR (*(volatile uint32_t *)0xE000ED34u)
#define SCB_BFAR (*(volatile uint32_t *)0xE000ED38u)

/* Set by the linker script. */
extern uint32_t __data_load, __data_start, __data_end, __bss_start, __bss_end, __stack_top;

void Reset_Handler(void);
void Fault_Handler(void);
void board_done(void) __attribute__((noreturn));
void fault_report(const uint32_t *pFrame, uint32_t excReturn, uint32_t exception);

/* Sixteen system vectors are enough: no interrupt is ever enabled. */
__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    &__stack_top,  (const void *)Reset_Handler, (const void *)Fault_Handler, (const void *)Fault_Handler,
    (const void *)Fault_Handler, (const void *)Fault_Handler, (const void *)Fault_Handler,
    (const void *)Fault_Handler, (const void *)Fault_Handler, (const void *)Fault_Handler,
    (const void *)Fault_Handler, (const void *)Fault_Handler, (const void *)Fault_Handler,
    (const void *)Fault_Handler, (const void *)Fault_Handler, (const void *)Fault_Handler,
};

void Reset_Handler(void)
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
#if !defined(__ARM_ARCH_6M__)
    SCB_VTOR = (uint32_t)(uintptr_t)vectors;
#endif
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    /* CP10 and CP11: without full access the first FPU or Helium instruction is a NOCP UsageFault. */
    SCB_CPACR |= 0xFu << 20;
    __asm volatile("dsb\n\tisb" ::: "memory");
#endif
    console_init();
    board_main();
    board_done();
}

/* EXC_RETURN bit 2 tells which stack holds the frame. Written for the M0's instruction set. */
__attribute__((naked)) void Fault_Handler(void)
{
    __asm volatile("movs r0, #4        \n"
                   "mov  r1, lr        \n"
                   "tst  r0, r1        \n"
                   "beq  1f            \n"
                   "mrs  r0, psp       \n"
                   "b    2f            \n"
                   "1: mrs r0, msp     \n"
                   "2: mrs r2, ipsr    \n"
                   "bl   fault_report  \n"
                   "3: b 3b            \n");
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

/* Prints the stacked frame and ends the run as a failure. */
void fault_report(const uint32_t *pFrame, uint32_t excReturn, uint32_t exception)
{
    static const char *const names[] = {"r0=", " r1=", " r2=", " r3=", " r12=", " lr=", " pc=", " xpsr="};
    console_text("\nHC fault exception=");
    console_hex(exception, 2u);
    console_text("\nHC stacked ");
    for (uint32_t i = 0u; i < 8u; i++) {
        field(names[i], pFrame[i]);
    }
#if !defined(__ARM_ARCH_6M__) && !defined(__ARM_ARCH_8M_BASE__)
    field("\nHC status cfsr=", SCB_CFSR);
    field(" hfsr=", SCB_HFSR);
    field(" mmfar=", SCB_MMFAR);
    field(" bfar=", SCB_BFAR);
    field(" exc_return=", excReturn);
#else
    /* Armv6-M and the Armv8-M baseline have no fault status registers. */
    field("\nHC status exc_return=", excReturn);
#endif
    console_text("\nHC end FAIL\n");
    board_done();
}
