/* What the parts of the board program share. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Console: the board's UART (CONSOLE_KIND and CONSOLE_BASE come from the board's record). */
void console_init(void);
void console_char(char c);
void console_text(const char *pText);
void console_hex(uint32_t value, uint32_t digits);
void console_decimal(uint32_t value);

/* The program proper; returns when it has printed "HC end PASS" or "HC end FAIL". */
void board_main(void);

#endif
