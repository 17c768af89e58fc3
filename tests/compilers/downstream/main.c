#include "depth_decoder.h"

int main(void)
{
    const int8_t heads[4] = {-112, -112, 127, -128};
    uint16_t codes[2];

    depth_decode_block(heads, codes, 2U);
    return ((codes[0] == depth_decode(-112, -112)) && (codes[1] == depth_decode(127, -128))) ? 0 : 1;
}
