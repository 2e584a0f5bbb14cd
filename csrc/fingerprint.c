/* A digest of a block of memory, by which a tape notices that the weights it was recorded with have changed.
 * Fast (four independent chains of multiplies) and good against accident, not against an adversary.
 */
#include "fastrnn.h"

#include <string.h>

uint64_t fr_fingerprint(const void *data, size_t bytes, uint64_t seed) {
    const unsigned char *p = data;
    const uint64_t prime = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t lane[4] = {seed, seed + prime, seed ^ prime, seed - prime}, word;
    for (; bytes >= 32; bytes -= 32, p += 32)
        for (int j = 0; j < 4; j++) { /* four chains, to hide the latency of the multiply */
            memcpy(&word, p + 8 * j, 8);
            lane[j] = (lane[j] ^ word) * prime;
            lane[j] ^= lane[j] >> 32;
        }
    for (; bytes > 0; bytes--, p++) lane[bytes & 3] = (lane[bytes & 3] ^ *p) * prime;
    for (int j = 1; j < 4; j++) lane[0] = (lane[0] ^ lane[j] ^ (lane[0] >> 29)) * prime;
    return lane[0] ^ (lane[0] >> 32);
}
