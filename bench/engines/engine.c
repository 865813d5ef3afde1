/*
 * What all engines share. See engine.h.
 */
#include "bench/engines/engine.h"

#include <string.h>

/* Four sums beside each other, so that the processor need not wait for one addition after another.
 */
uint64_t check_payload(const void *bytes, size_t size) {
    const char *at = bytes;
    uint64_t word[4], sum[4] = {size, 0, 0, 0};
    for (; size >= sizeof word; at += sizeof word, size -= sizeof word) {
        memcpy(word, at, sizeof word);
        for (int i = 0; i < 4; i++)
            sum[i] += word[i];
    }
    memset(word, 0, sizeof word);
    memcpy(word, at, size);
    for (int i = 0; i < 4; i++)
        sum[i] += word[i];
    return sum[0] + sum[1] * 3 + sum[2] * 5 + sum[3] * 7;
}

void engine_saw(engine_sum *sum, const void *payload, size_t size) {
    sum->events++;
    sum->bytes += size;
    sum->check += check_payload(payload, size);
}
