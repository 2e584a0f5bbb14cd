/* A digest of a block of memory, by which a tape notices that the weights it was recorded with have changed.
 * Fast (eight independent chains of multiplies) and good against accident, not against an adversary.
 */
#include "fastrnn.h"

#include <string.h>

enum { LANES = 8 }; /* chains, to hide the latency of the multiply */

uint64_t fr_fingerprint(const void *data, size_t bytes, uint64_t seed) {
    const unsigned char *p = data;
    const uint64_t prime = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t lane[LANES], word;
    for (int j = 0; j < LANES; j++) lane[j] = seed + (uint64_t)j * prime;
    for (; bytes >= 8 * LANES; bytes -= 8 * LANES, p += 8 * LANES)
        for (int j = 0; j < LANES; j++) {
            memcpy(&word, p + 8 * j, 8);
            lane[j] = (lane[j] ^ word) * prime;
            lane[j] ^= lane[j] >> 32;
        }
    for (; bytes > 0; bytes--, p++) lane[bytes & 7] = (lane[bytes & 7] ^ *p) * prime;
    for (int j = 1; j < LANES; j++) lane[0] = (lane[0] ^ lane[j] ^ (lane[0] >> 29)) * prime;
    return lane[0] ^ (lane[0] >> 32);
}
