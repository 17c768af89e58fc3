/* The board program: runs the decoder over its input pairs and reports over the console.
 *
 * Line protocol, one record a line, each starting with "HC ":
 *   HC begin <prefix> hash=<8 hex> rows=<n> columns=<n> bytes=<n>
 *   HC at <path> rows=<n>                         every sixteen rows: the run goes on
 *   HC row <path> <row> <hex of every output>     only for a row whose checksum is wrong
 *   HC path <path> rows=<n> bad=<n>
 *   HC plane <path> <plane> <row> <hex of every output>  three and more heads: all rows of the first plane that is wrong
 *   HC planes <path> planes=<n> bad=<n>
 *   HC tails lengths=<n> bad=<n>
 *   HC stack bytes=<n>
 *   HC lacks zero_register                        this machine gets an instruction of the decoder wrong: nothing was run
 *   HC fault / HC stacked / HC status             from the fault handler
 *   HC end PASS | FAIL
 * A host takes a run as passed only if every record it expects has come and the last one says so.
 *
 * The host writes into the linked image what a run does (board_settings). The measuring run calls decode_block only, or
 * decode_block_distance where there is one, so that every instruction executed in the decoder's own section belongs to
 * the measurement. */
#include <stdint.h>

#include "board.h"
#include SELFTEST_HEADER

#define JOIN2(a, b) a##_##b
#define JOIN(a, b) JOIN2(a, b)
#define ST(name) JOIN(JOIN(HARNESS_PREFIX, selftest), name)

#define STRING2(x) #x
#define STRING(x) STRING2(x)

/* Set by the linker script: the first address of the stack. */
extern uint32_t __stack_limit;

/* How many of the 256 rows run; whether it is the measuring run; its points a call; elements its source is moved by; how
 * many planes run (three and more heads); whether to try the zero register of Armv8.1-M before. */
#define SETTING_ROWS 0
#define SETTING_MEASURE 1
#define SETTING_BLOCK 2
#define SETTING_SHIFT 3
#define SETTING_PLANES 4
#define SETTING_TRY 5
__attribute__((section(".settings"), used)) const volatile uint32_t board_settings[6] = {256u, 0u, 256u, 0u, 0u, 0u};

#define PAINT 0xA5C3E1B7u

/* Bytes of stack below this function's frame that a call on the given path touches, on the row prepared last. */
static __attribute__((noinline)) uint32_t touched(uint32_t path)
{
    volatile uint32_t *pSp;
    volatile uint32_t *pLow = &__stack_limit;
#if defined(__riscv)
    __asm volatile("mv %0, sp" : "=r"(pSp));
#else
    __asm volatile("mov %0, sp" : "=r"(pSp));
#endif
    /* No interrupt is enabled, so what lies below sp is nobody's. */
    for (volatile uint32_t *p = pLow; p < pSp; p++) {
        *p = PAINT;
    }
    ST(call)(path);
    while ((pLow < pSp) && (*pLow == PAINT)) {
        pLow++;
    }
    return (uint32_t)((uintptr_t)pSp - (uintptr_t)pLow);
}

/* Rows in bit-reversed order, so that the first n of them are spread over the square. */
static uint32_t spread(uint32_t i)
{
    uint32_t row = 0u;
    for (uint32_t bit = 0u; bit < 8u; bit++) {
        row |= ((i >> bit) & 1u) << (7u - bit);
    }
    return row;
}

/* Bytes of stack that decode_block uses on the row that takes most. */
static uint32_t stack_bytes(uint32_t rows)
{
    uint32_t most = 0u;
    for (uint32_t i = 0u; i < rows; i++) {
        ST(prepare)(spread(i));
        const uint32_t bytes = touched(ST(path_block)) - touched(ST(path_none));
        most = (bytes > most) ? bytes : most;
    }
    return most;
}

static void print_row(uint32_t row, uint32_t path)
{
    console_decimal(row);
    console_char(' ');
    for (uint32_t x = 0u; x < ST(columns); x++) {
        console_hex(ST(output)(path, x), 2u * ST(bytes)(path));
    }
    console_char('\n');
}

#if HARNESS_PLANES
/* Planes of the self-test, spread over all of them; the first wrong one is printed. */
static uint32_t run_planes(uint32_t path, const char *pName, uint32_t planes)
{
    uint32_t bad = 0u;
    for (uint32_t i = 0u; i < planes; i++) {
        const uint32_t plane = i * (ST(planes) / planes);
        if ((i & 3u) == 3u) {
            console_text("HC at ");
            console_text(pName);
            console_text(" planes=");
            console_decimal(i);
            console_char('\n');
        }
        if (ST(plane)(plane, path) == 0u) {
            for (uint32_t row = 0u; (bad == 0u) && (row < ST(rows)); row++) {
                (void)ST(plane_row)(plane, row, path);
                console_text("HC plane ");
                console_text(pName);
                console_char(' ');
                console_decimal(plane);
                console_char(' ');
                print_row(row, path);
            }
            bad++;
        }
    }
    console_text("HC planes ");
    console_text(pName);
    console_text(" planes=");
    console_decimal(planes);
    console_text(" bad=");
    console_decimal(bad);
    console_char('\n');
    return bad;
}
#endif

static uint32_t run_path(uint32_t path, const char *pName, uint32_t rows)
{
    uint32_t bad = 0u;
    for (uint32_t i = 0u; i < rows; i++) {
        const uint32_t row = spread(i);
        if ((i & 15u) == 15u) {
            console_text("HC at ");
            console_text(pName);
            console_text(" rows=");
            console_decimal(i);
            console_char('\n');
        }
        if (ST(row)(row, path) == 0u) {
            bad++;
            console_text("HC row ");
            console_text(pName);
            console_char(' ');
            print_row(row, path);
        }
    }
    console_text("HC path ");
    console_text(pName);
    console_text(" rows=");
    console_decimal(rows);
    console_text(" bad=");
    console_decimal(bad);
    console_char('\n');
    return bad;
}

#if HARNESS_ARMV8_1M
/* Whether the machine takes register 15 of CSINC for zero: CSET of a true and of a false condition. As code words, for this
 * file is compiled without Armv8.1-M. */
static uint32_t has_zero_register(void)
{
    uint32_t yes;
    uint32_t no;
    __asm volatile("cmp r0, r0\n"
                   ".inst.w 0xEA5F901F\n" /* cset r0, eq */
                   ".inst.w 0xEA5F910F\n" /* cset r1, ne */
                   "mov %0, r0\n"
                   "mov %1, r1\n"
                   : "=r"(yes), "=r"(no)
                   :
                   : "r0", "r1", "cc");
    return ((yes == 1u) && (no == 0u)) ? 1u : 0u;
}
#endif

void board_main(void)
{
    const uint32_t rows = board_settings[SETTING_ROWS];
    uint32_t bad = 0u;
    console_text("\nHC begin " STRING(HARNESS_PREFIX) " hash=");
    console_hex(ST(hash), 8u);
    console_text(" rows=");
    console_decimal(rows);
    console_text(" columns=");
    console_decimal(ST(columns));
    console_text(" bytes=");
    console_decimal(ST(bytes)(ST(path_block)));
    console_char('\n');

#if HARNESS_ARMV8_1M
    if ((board_settings[SETTING_TRY] != 0u) && (has_zero_register() == 0u)) {
        console_text("HC lacks zero_register\nHC end FAIL\n");
        return;
    }
#endif
    if (board_settings[SETTING_MEASURE] != 0u) {
        ST(shape)(board_settings[SETTING_BLOCK], board_settings[SETTING_SHIFT]);
        if (ST(has_distance) != 0u) {
            bad += run_path(ST(path_distance_output), "decode_block_distance_output", rows);
        } else {
            bad += run_path(ST(path_block), "decode_block", rows);
        }
    } else {
        bad += run_path(ST(path_decode), "decode", rows);
        bad += run_path(ST(path_block), "decode_block", rows);
        if (ST(has_distance) != 0u) {
            bad += run_path(ST(path_distance), "decode_block_distance", rows);
            bad += run_path(ST(path_distance_output), "decode_block_distance_output", rows);
        }
#if HARNESS_PLANES
        if (board_settings[SETTING_PLANES] != 0u) {
            bad += run_planes(ST(path_decode), "decode", board_settings[SETTING_PLANES]);
            bad += run_planes(ST(path_block), "decode_block", board_settings[SETTING_PLANES]);
        }
#endif
        const uint32_t tails = ST(tails)();
        console_text("HC tails lengths=");
        console_decimal(ST(tail_lengths));
        console_text(" bad=");
        console_decimal(tails);
        console_text("\nHC stack bytes=");
        console_decimal(stack_bytes(rows));
        console_char('\n');
        bad += tails;
    }
    console_text(bad == 0u ? "HC end PASS\n" : "HC end FAIL\n");
}
