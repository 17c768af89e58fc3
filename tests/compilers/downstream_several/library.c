#include "shared_decoder.h"

int library(void);

int library(void)
{
    return (shared_decode(-128, -128) == 0U) ? 0 : 1;
}
