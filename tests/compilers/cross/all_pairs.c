/* Runs a generated decoder over every pair of codes, and its block functions over every short length at every
 * misalignment, between guard bytes. Freestanding: it needs no libc, only a way to write and to leave.
 * case.h, written by tests/compilers/crossrun.py, has the decoder's types and the expected codes.
 */
#include "case.h"

#if defined(__hexagon__)
static void write_text(const char *text, uint32_t length)
{
    register uint32_t call __asm("r6") = 64U;
    register uint32_t file __asm("r0") = 2U;
    register const char *from __asm("r1") = text;
    register uint32_t size __asm("r2") = length;

    __asm volatile("trap0(#1)" : "+r"(file) : "r"(call), "r"(from), "r"(size) : "memory");
}

static void leave(int status)
{
    register uint32_t call __asm("r6") = 93U;
    register int code __asm("r0") = status;

    __asm volatile("trap0(#1)" : "+r"(code) : "r"(call) : "memory");
    for (;;)
    {
    }
}
#elif defined(__riscv)
static void write_text(const char *text, uint32_t length)
{
    register long call __asm("a7") = 64;
    register long file __asm("a0") = 2;
    register const char *from __asm("a1") = text;
    register long size __asm("a2") = (long)length;

    __asm volatile("ecall" : "+r"(call), "+r"(file), "+r"(from), "+r"(size) : : "memory");
}

static void leave(int status)
{
    register long call __asm("a7") = 93;
    register long code __asm("a0") = status;

    __asm volatile("ecall" : "+r"(call), "+r"(code) : : "memory");
    for (;;)
    {
    }
}
#elif defined(__powerpc64__)
static void write_text(const char *text, uint32_t length)
{
    register long call __asm("r0") = 4;
    register long file __asm("r3") = 2;
    register const char *from __asm("r4") = text;
    register long size __asm("r5") = (long)length;

    __asm volatile("sc" : "+r"(call), "+r"(file), "+r"(from), "+r"(size) : : "memory", "cr0", "ctr", "r6", "r7", "r8", "r9", "r10", "r11", "r12");
}

static void leave(int status)
{
    register long call __asm("r0") = 1;
    register long code __asm("r3") = status;

    __asm volatile("sc" : "+r"(call), "+r"(code) : : "memory", "cr0", "ctr", "r6", "r7", "r8", "r9", "r10", "r11", "r12");
    for (;;)
    {
    }
}
#elif defined(CASE_SEMIHOSTING)
static void write_text(const char *text, uint32_t length)
{
    register uint32_t call __asm("r0") = 4U;
    register const char *from __asm("r1") = text;

    (void)length;
    __asm volatile("bkpt 0xAB" : "+r"(call) : "r"(from) : "memory");
}

static void leave(int status)
{
    uint32_t block[2] = { 0x20026U, 0U };
    register uint32_t call __asm("r0") = 0x20U;
    register const uint32_t *from __asm("r1") = block;

    block[1] = (uint32_t)status;
    __asm volatile("bkpt 0xAB" : "+r"(call) : "r"(from) : "memory");
    for (;;)
    {
    }
}
#else
#error "no way to write and to leave"
#endif

/* Compilers make calls of these from plain loops; without a libc somebody has to define them. */
void *memcpy(void *to, const void *from, __SIZE_TYPE__ size);
void *memset(void *to, int value, __SIZE_TYPE__ size);

void *memcpy(void *to, const void *from, __SIZE_TYPE__ size)
{
    for (__SIZE_TYPE__ i = 0U; i < size; i++)
    {
        ((volatile char *)to)[i] = ((const char *)from)[i];
    }
    return to;
}

void *memset(void *to, int value, __SIZE_TYPE__ size)
{
    for (__SIZE_TYPE__ i = 0U; i < size; i++)
    {
        ((volatile char *)to)[i] = (char)value;
    }
    return to;
}

static void say(const char *text)
{
    uint32_t length = 0U;

    while (text[length] != '\0')
    {
        length++;
    }
    write_text(text, length);
}

/* No division: a core without one would call a library for it. */
static void say_number(int64_t value)
{
    static const uint32_t powers[10] = { 1000000000U, 100000000U, 10000000U, 1000000U, 100000U,
                                         10000U,      1000U,      100U,      10U,      1U };
    uint32_t rest = (uint32_t)((value < 0) ? -value : value);
    char text[12];
    uint32_t at = 0U;

    if (value < 0)
    {
        text[at++] = '-';
    }
    for (uint32_t i = 0U; i < 10U; i++)
    {
        uint32_t digit = 0U;

        while (rest >= powers[i])
        {
            rest -= powers[i];
            digit++;
        }
        if ((digit > 0U) || (at > ((value < 0) ? 1U : 0U)) || (i == 9U))
        {
            text[at++] = (char)('0' + (int)digit);
        }
    }
    text[at] = '\0';
    say(text);
}

static void fail(const char *what, int64_t index, int64_t wanted, int64_t got)
{
    say("FAIL ");
    say(what);
    say(" at ");
    say_number(index);
    say(": expected ");
    say_number(wanted);
    say(", got ");
    say_number(got);
    say("\n");
    leave(1);
}

#define PAIRS 65536U
#define LONGEST 300U
#define GUARD 0x5AU

static CASE_HEAD source[2U * PAIRS + 64U];
static CASE_OUT codes[PAIRS + 64U];
static uint8_t far[PAIRS + 64U];

#if CASE_PLANAR
#define BLOCK(first, to, count) P_(decode_block)(source + (first), source + PAIRS + 32U + (first), (to), (count))
#define BLOCK_FAR(first, to, away, count) \
    P_(decode_block_distance)(source + (first), source + PAIRS + 32U + (first), (to), (away), (count))
#else
#define BLOCK(first, to, count) P_(decode_block)(source + 2U * (first), (to), (count))
#define BLOCK_FAR(first, to, away, count) P_(decode_block_distance)(source + 2U * (first), (to), (away), (count))
#endif

/* Point i is raw word `(i * 40503 + seed) mod 65536`, a permutation; with seed 0 and factor 1 the identity. */
static void fill(uint32_t factor, uint32_t shift)
{
    for (uint32_t i = 0U; i < PAIRS; i++)
    {
        const uint32_t word = (i * factor) & 0xFFFFU;
#if CASE_PLANAR
        source[shift + i] = (CASE_HEAD)(uint8_t)word;
        source[PAIRS + 32U + shift + i] = (CASE_HEAD)(uint8_t)(word >> 8);
#else
        source[shift + 2U * i] = (CASE_HEAD)(uint8_t)word;
        source[shift + 2U * i + 1U] = (CASE_HEAD)(uint8_t)(word >> 8);
#endif
    }
}

static void clear(void)
{
    for (uint32_t i = 0U; i < sizeof codes; i++)
    {
        ((uint8_t *)codes)[i] = GUARD;
    }
    for (uint32_t i = 0U; i < sizeof far; i++)
    {
        far[i] = GUARD;
    }
}

/* The block of `count` points from `first` stands at codes[16] (and far[17]), and nothing else was written. */
static void check(const char *what, uint32_t first, uint32_t count, uint32_t factor, uint32_t start, int with_far)
{
    CASE_OUT guard;

    for (uint32_t i = 0U; i < sizeof guard; i++)
    {
        ((uint8_t *)&guard)[i] = GUARD;
    }
    for (uint32_t i = 0U; i < PAIRS + 64U; i++)
    {
        const int inside = (i >= start) && (i < start + count);
        const uint32_t word = ((first + i - start) * factor) & 0xFFFFU;
        const CASE_OUT wanted = inside ? case_codes[word] : guard;

        if (codes[i] != wanted)
        {
            fail(what, inside ? (int64_t)word : -(int64_t)i, wanted, codes[i]);
        }
#if CASE_DISTANCE
        if (with_far)
        {
            const uint8_t away = inside ? case_far[word] : (uint8_t)GUARD;

            if (far[i] != away)
            {
                fail("distance", inside ? (int64_t)word : -(int64_t)i, away, far[i]);
            }
        }
#endif
    }
    (void)with_far;
}

static void check_short(uint32_t first, uint32_t count, uint32_t factor, uint32_t start, int with_far)
{
    const CASE_OUT *from = codes + start;
    CASE_OUT guard;

    for (uint32_t i = 0U; i < sizeof guard; i++)
    {
        ((uint8_t *)&guard)[i] = GUARD;
    }
    for (uint32_t i = 0U; i < count; i++)
    {
        const uint32_t word = ((first + i) * factor) & 0xFFFFU;

        if (from[i] != case_codes[word])
        {
            fail("short block", count, case_codes[word], from[i]);
        }
#if CASE_DISTANCE
        if (with_far && far[start + i] != case_far[word])
        {
            fail("short distance", count, case_far[word], far[start + i]);
        }
        far[start + i] = GUARD;
#endif
        codes[start + i] = guard;
    }
    for (uint32_t i = 0U; i < start + LONGEST + 64U; i++)
    {
        if (codes[i] != guard)
        {
            fail("guard of a short block", count, guard, codes[i]);
        }
#if CASE_DISTANCE
        if (far[i] != GUARD)
        {
            fail("guard of a short distance", count, GUARD, far[i]);
        }
#endif
    }
    (void)with_far;
}

static void run(void)
{
    static const uint32_t factors[2] = { 1U, 40503U };

#if defined(CASE_COUNT)
    /* One call over all pairs, for a count of what it executes. */
    fill(1U, 0U);
#if CASE_DISTANCE
    BLOCK_FAR(0U, codes + 16U, far + 16U, PAIRS);
#else
    BLOCK(0U, codes + 16U, PAIRS);
#endif
    leave(0);
#endif
    for (uint32_t w = 0U; w < PAIRS; w++)
    {
        const CASE_OUT got = P_(decode)((CASE_HEAD)(uint8_t)w, (CASE_HEAD)(uint8_t)(w >> 8));

        if (got != case_codes[w])
        {
            fail("decode", w, case_codes[w], got);
        }
#if CASE_DISTANCE
        if (P_(distance)((CASE_HEAD)(uint8_t)w, (CASE_HEAD)(uint8_t)(w >> 8)) != case_far[w])
        {
            fail("distance of one", w, case_far[w], P_(distance)((CASE_HEAD)(uint8_t)w, (CASE_HEAD)(uint8_t)(w >> 8)));
        }
#endif
    }
    for (uint32_t f = 0U; f < 2U; f++)
    {
        fill(factors[f], 0U);
        clear();
        BLOCK(0U, codes + 16U, PAIRS);
        check("decode_block", 0U, PAIRS, factors[f], 16U, 0);
#if CASE_DISTANCE
        clear();
        BLOCK_FAR(0U, codes + 16U, far + 16U, PAIRS);
        check("decode_block_distance", 0U, PAIRS, factors[f], 16U, 1);
#endif
    }
    clear();
    for (uint32_t shift = 0U; shift < 4U; shift++)
    {
        fill(factors[1], shift);
        for (uint32_t count = 0U; count <= LONGEST; count++)
        {
            const uint32_t start = 3U + (count & 7U);
            const uint32_t first = 977U * count;
#if CASE_PLANAR
            P_(decode_block)(source + shift + first % 60000U, source + PAIRS + 32U + shift + first % 60000U,
                             codes + start, count);
            check_short(first % 60000U, count, factors[1], start, 0);
#if CASE_DISTANCE
            P_(decode_block_distance)(source + shift + first % 60000U, source + PAIRS + 32U + shift + first % 60000U,
                                      codes + start, far + start, count);
            check_short(first % 60000U, count, factors[1], start, 1);
#endif
#else
            P_(decode_block)(source + shift + 2U * (first % 60000U), codes + start, count);
            check_short(first % 60000U, count, factors[1], start, 0);
#if CASE_DISTANCE
            P_(decode_block_distance)(source + shift + 2U * (first % 60000U), codes + start, far + start, count);
            check_short(first % 60000U, count, factors[1], start, 1);
#endif
#endif
        }
    }
#if CASE_IN_PLACE
    /* Decoding in place: the source is laid where the results go. */
    clear();
    for (uint32_t i = 0U; i < PAIRS; i++)
    {
        const uint32_t word = (i * factors[1]) & 0xFFFFU;

        ((uint8_t *)codes)[2U * (16U + i)] = (uint8_t)word;
        ((uint8_t *)codes)[2U * (16U + i) + 1U] = (uint8_t)(word >> 8);
    }
    P_(decode_block)((const CASE_HEAD *)(const void *)(codes + 16U), codes + 16U, PAIRS);
    check("in place", 0U, PAIRS, factors[1], 16U, 0);
#endif
    say("PASS\n");
    leave(0);
}

#if defined(CASE_SEMIHOSTING)
/* A Cortex-M without an operating system: vectors at 0, zeroed RAM (the emulator's), coprocessors on. */
extern char stack_top[];
void _start(void);

static void fault(void)
{
    say("FAIL a fault\n");
    leave(3);
}

void _start(void)
{
    *(volatile uint32_t *)0xE000ED88U |= 0xFU << 20;
    __asm volatile("dsb\n\tisb" : : : "memory");
    run();
}

typedef void (*vector_t)(void);

__attribute__((section(".vectors"), used)) static const vector_t vectors[16] = {
    (vector_t)stack_top, _start, fault, fault, fault, fault, fault, fault,
    fault,               fault,  fault, fault, fault, fault, fault, fault
};
#else
void _start(void);

void _start(void)
{
    run();
}
#endif
