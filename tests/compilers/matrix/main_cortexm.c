/* Runs the check on a Cortex-M board under qemu-system-arm (STACK_TOP comes from the command line): vector table, floating point and Helium switched on,
   report and exit by semihosting. The emulator loads the ELF where it was linked, so nothing is copied at the start. */
#include "freestanding.h"

void reset(void);
static void fault(void);

__attribute__((section(".vectors"), used)) static const struct
{
    uint32_t stack;
    void (*handlers[15])(void);
} vectors = {
    STACK_TOP,
    {reset, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault}
};

static uint32_t semihosting(uint32_t operation, const void *argument)
{
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;

    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void say(const char *text)
{
    (void)semihosting(0x04U, text);
}

static void leave(uint32_t status)
{
    uint32_t arguments[2];

    arguments[0] = 0x20026U; /* ADP_Stopped_ApplicationExit */
    arguments[1] = status;
    (void)semihosting(0x20U, arguments);
    for (;;) { }
}

static void fault(void)
{
    say("FAIL fault\n");
    leave(2U);
}

void reset(void)
{
    volatile uint32_t *const cpacr = (volatile uint32_t *)0xE000ED88U;

    *cpacr |= 0xFU << 20;
    __asm__ volatile("dsb\n isb" : : : "memory");
    leave(check_and_say());
}
