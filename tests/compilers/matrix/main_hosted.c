/* Runs the check where there is a C library (host, qemu-user, semihosting). Also compiled as C++: the header serves both. */
#include "check.h"
#include "m_decoder.h"
#include <stdio.h>

int main(void)
{
    if (check_run() != 0U)
    {
        printf("FAIL %s: x = %ld, y = %ld: expected %ld, got %ld\n", check_failure.what, (long)check_failure.x,
               (long)check_failure.y, (long)check_failure.expected, (long)check_failure.got);
        return 1;
    }
    printf("PASS\n");
    return 0;
}
