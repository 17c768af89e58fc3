/* The same in float, as a prototype carried over from Python would be: dequantize, project on every segment, keep the
 * nearest, scale. For scale 1/256, zero point -128 and the Hilbert curve of order 3 with the cell-centred inset. */
#include "depth_decoder.h"

#define VERTICES 64

static const uint8_t depth_vertices[VERTICES][2] = {
    /*VERTICES*/
};

uint16_t depth_decode(int8_t x, int8_t y)
{
    const float px = ((((float)x + 128.0f) / 256.0f) - 0.0625f) * 8.0f;
    const float py = ((((float)y + 128.0f) / 256.0f) - 0.0625f) * 8.0f;
    float best = 1e9f;
    float arc = 0.0f;

    for (int32_t k = 0; k < (VERTICES - 1); k++) {
        const float ax = (float)depth_vertices[k][0];
        const float ay = (float)depth_vertices[k][1];
        const float dx = (float)depth_vertices[k + 1][0] - ax;
        const float dy = (float)depth_vertices[k + 1][1] - ay;
        float along = ((px - ax) * dx) + ((py - ay) * dy);
        along = (along < 0.0f) ? 0.0f : ((along > 1.0f) ? 1.0f : along);
        const float rx = px - ax - (along * dx);
        const float ry = py - ay - (along * dy);
        const float square = (rx * rx) + (ry * ry);
        if (square < best) {
            best = square;
            arc = (float)k + along;
        }
    }
    return (uint16_t)((arc / 63.0f * 65535.0f) + 0.5f);
}

void depth_decode_block(const int8_t *pSrc, uint16_t *pDst, uint32_t blockSize)
{
    for (uint32_t i = 0u; i < blockSize; i++) {
        pDst[i] = depth_decode(pSrc[2u * i], pSrc[(2u * i) + 1u]);
    }
}
