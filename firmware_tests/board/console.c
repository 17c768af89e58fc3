/* Console output over the UART that a board has. Polled, transmit only, 8N1.
 *
 * Enough for an emulator. On hardware console_init() must also switch on the peripheral's clock and its pin,
 * which differ from board to board; the clock tree is left as reset leaves it.
 * CONSOLE_KIND and CONSOLE_BASE are given on the compiler's command line. */
#include <stdint.h>

#include "board.h"

#define CONSOLE_CMSDK 1     /* Arm CMSDK APB UART: the MPS2 and MPS3 boards */
#define CONSOLE_STM32_SR 2  /* STM32 USART with SR and DR: F1, F2, F4 */
#define CONSOLE_STM32_ISR 3 /* STM32 USART and LPUART with ISR and TDR: F0, F3, F7, G0, G4, H7, L0, L4, L5, U5 */
#define CONSOLE_NRF 4       /* Nordic UART: nRF51 */
#define CONSOLE_RA_SCI 5    /* Renesas RA8 SCI */
#define CONSOLE_NRF_DMA 6   /* Nordic UARTE: nRF52, nRF53 */

#define CONSOLE_NS16550 7   /* 16550 with registers of bytes: RISC-V machines */

#define REG8(offset) (*(volatile uint8_t *)(CONSOLE_BASE + (offset)))
#define REG(offset) (*(volatile uint32_t *)(CONSOLE_BASE + (offset)))

void console_init(void)
{
#if CONSOLE_KIND == CONSOLE_CMSDK
    REG(0x10u) = 16u; /* BAUDDIV, at least 16 */
    REG(0x08u) = 1u;  /* CTRL: transmit enable */
#elif CONSOLE_KIND == CONSOLE_STM32_SR
    REG(0x08u) = 0x8Bu;                /* BRR: 115200 baud from 16 MHz */
    REG(0x0Cu) = (1u << 13) | (1u << 3); /* CR1: UE, TE */
#elif CONSOLE_KIND == CONSOLE_STM32_ISR
    REG(0x0Cu) = 0x8Bu;              /* BRR: 115200 baud from 16 MHz */
    REG(0x00u) = (1u << 3) | 1u;     /* CR1: TE, UE */
#elif CONSOLE_KIND == CONSOLE_NRF
    REG(0x500u) = 4u;          /* ENABLE: UART */
    REG(0x524u) = 0x01D7E000u; /* BAUDRATE: 115200 */
    REG(0x008u) = 1u;          /* TASKS_STARTTX */
#elif CONSOLE_KIND == CONSOLE_NRF_DMA
    REG(0x500u) = 8u;          /* ENABLE: UARTE */
    REG(0x524u) = 0x01D7E000u; /* BAUDRATE: 115200 */
#elif CONSOLE_KIND == CONSOLE_RA_SCI
    REG(0x08u) = 1u << 4; /* CCR0: TE */
#elif CONSOLE_KIND == CONSOLE_NS16550
    REG8(3u) = 3u; /* LCR: 8N1 */
#endif
}

void console_char(char c)
{
#if CONSOLE_KIND == CONSOLE_CMSDK
    while ((REG(0x04u) & 1u) != 0u) { /* STATE: transmit buffer full */
    }
    REG(0x00u) = (uint8_t)c;
#elif CONSOLE_KIND == CONSOLE_STM32_SR
    while ((REG(0x00u) & (1u << 7)) == 0u) { /* SR: TXE */
    }
    REG(0x04u) = (uint8_t)c;
#elif CONSOLE_KIND == CONSOLE_STM32_ISR
    while ((REG(0x1Cu) & (1u << 7)) == 0u) { /* ISR: TXE */
    }
    REG(0x28u) = (uint8_t)c;
#elif CONSOLE_KIND == CONSOLE_NRF
    REG(0x11Cu) = 0u; /* EVENTS_TXDRDY */
    REG(0x51Cu) = (uint8_t)c;
    while (REG(0x11Cu) == 0u) {
    }
#elif CONSOLE_KIND == CONSOLE_NRF_DMA
    static volatile char buffer; /* DMA reads from RAM only */
    buffer = c;
    REG(0x120u) = 0u;                              /* EVENTS_ENDTX */
    REG(0x544u) = (uint32_t)(uintptr_t)&buffer;    /* TXD.PTR */
    REG(0x548u) = 1u;                              /* TXD.MAXCNT */
    REG(0x008u) = 1u;                              /* TASKS_STARTTX */
    while (REG(0x120u) == 0u) {
    }
#elif CONSOLE_KIND == CONSOLE_RA_SCI
    while ((REG(0x48u) & (1u << 30)) == 0u) { /* CSR: TEND */
    }
    REG(0x04u) = (uint8_t)c;
#elif CONSOLE_KIND == CONSOLE_NS16550
    while ((REG8(5u) & 0x20u) == 0u) { /* LSR: THRE */
    }
    REG8(0u) = (uint8_t)c;
#else
#error "CONSOLE_KIND is not one of the kinds above"
#endif
}

void console_text(const char *pText)
{
    while (*pText != '\0') {
        console_char(*pText);
        pText++;
    }
}

void console_hex(uint32_t value, uint32_t digits)
{
    for (uint32_t i = digits; i > 0u; i--) {
        console_char("0123456789abcdef"[(value >> (4u * (i - 1u))) & 15u]);
    }
}

void console_decimal(uint32_t value)
{
    static const uint32_t powers[] = {1000000000u, 100000000u, 10000000u, 1000000u, 100000u,
                                      10000u,      1000u,      100u,      10u,      1u};
    uint32_t started = 0u;
    /* By subtraction: a division would pull in a library routine on cores without one. */
    for (uint32_t i = 0u; i < 10u; i++) {
        char digit = '0';
        while (value >= powers[i]) {
            value -= powers[i];
            digit++;
        }
        if ((digit != '0') || (started != 0u) || (i == 9u)) {
            console_char(digit);
            started = 1u;
        }
    }
}
