/* What people write first: the nearest of all segments, in integers. For the cell grid of scale 1/256, zero point -128
 * and the Hilbert curve of order 3: a cell is 32 codes, a vertex in the middle of its cell. Of equally near points the
 * one of smallest s is taken, so that at ties it differs from the exact table, which prefers the query's own cell. */
#include "depth_decoder.h"

#define VERTICES 64

static const uint8_t depth_vertices[VERTICES][2] = {
    /*VERTICES*/
};

static int32_t clamp(int32_t value, int32_t low, int32_t high)
{
    return (value < low) ? low : ((value > high) ? high : value);
}

uint16_t depth_decode(int8_t x, int8_t y)
{
    const int32_t qx = (int32_t)x + 128;
    const int32_t qy = (int32_t)y + 128;
    uint32_t best = 0xFFFFFFFFu;
    int32_t arc = 0;

    for (int32_t k = 0; k < (VERTICES - 1); k++) {
        const int32_t ax = 16 + (32 * (int32_t)depth_vertices[k][0]);
        const int32_t ay = 16 + (32 * (int32_t)depth_vertices[k][1]);
        const int32_t dx = (int32_t)depth_vertices[k + 1][0] - (int32_t)depth_vertices[k][0];
        const int32_t dy = (int32_t)depth_vertices[k + 1][1] - (int32_t)depth_vertices[k][1];
        const int32_t along = clamp(((qx - ax) * dx) + ((qy - ay) * dy), 0, 32);
        const int32_t rx = qx - ax - (along * dx);
        const int32_t ry = qy - ay - (along * dy);
        const uint32_t square = (uint32_t)((rx * rx) + (ry * ry));
        if (square < best) {
            best = square;
            arc = (32 * k) + along;
        }
    }
    /* s / M of the whole range, rounded: M is 63 cells of 32 codes. */
    return (uint16_t)((((uint32_t)arc * 65535u * 2u) + (63u * 32u)) / (63u * 32u * 2u));
}

void depth_decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)
{
    for (uint32_t i = 0u; i < blockSize; i++) {
        pDst[i] = depth_decode(pSrc[2u * i], pSrc[(2u * i) + 1u]);
    }
}
