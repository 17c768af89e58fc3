/* What the mains without a C library share: the functions compilers call on their own, and the report. */
#ifndef FREESTANDING_H
#define FREESTANDING_H

#include "check.h"
#include "m_decoder.h"
#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
static void say(const char *text);

void *memcpy(void *to, const void *from, size_t bytes)
{
    volatile uint8_t *target = (volatile uint8_t *)to;
    const uint8_t *origin = (const uint8_t *)from;

    while (bytes > 0U)
    {
        bytes--;
        target[bytes] = origin[bytes];
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    volatile uint8_t *target = (volatile uint8_t *)to;

    while (bytes > 0U)
    {
        bytes--;
        target[bytes] = (uint8_t)value;
    }
    return to;
}

static void say_number(int64_t value)
{
    char text[24];
    uint32_t at = 23U;
    uint64_t rest = (value < 0) ? (0U - (uint64_t)value) : (uint64_t)value;

    text[at] = '\0';
    do
    {
        at--;
        text[at] = (char)('0' + (int)(rest % 10U));
        rest /= 10U;
    } while (rest != 0U);
    if (value < 0)
    {
        at--;
        text[at] = '-';
    }
    say(&text[at]);
}

static uint32_t check_and_say(void)
{
    const uint32_t wrong = check_run();

    if (wrong != 0U)
    {
        say("FAIL ");
        say(check_failure.what);
        say(": x, y, expected, got: ");
        say_number(check_failure.x);
        say(" ");
        say_number(check_failure.y);
        say(" ");
        say_number(check_failure.expected);
        say(" ");
        say_number(check_failure.got);
        say("\n");
    }
    else
    {
        say("PASS\n");
    }
    return wrong;
}

#endif
