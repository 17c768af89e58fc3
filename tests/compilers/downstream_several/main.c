#include "angle_decoder.h"
#include "depth_decoder.h"
#include "first_decoder.h"
#include "named_decoder.h"
#include "part_decoder.h"
#include "second_decoder.h"

#include <stdio.h>

int main(void)
{
    (void)printf("%u %u %u %u %u %u\n", (unsigned)depth_decode(40, 50), (unsigned)angle_decode(40, 50),
                 (unsigned)named_decode(40, 50), (unsigned)part_decode(40, 50),
                 (unsigned)first_decode(40, 50), (unsigned)second_decode(40, 50));
    return 0;
}
