/*
 * Filling a store. See fill.h.
 */
#include "bench/support/fill.h"

#include "bench/support/measure.h"

enum { BATCH = 1000 };

/* Adding is timed by itself, event by event: some 50 ns of each are the clock's. */
int fill_store(varve *store, workload *work, uint64_t bytes, fill_sum *sum) {
    varve_batch *batch;
    varve_event event;
    uint64_t until = sum->bytes + bytes;
    int more = 1, result = varve_batch_new(&batch);
    while (result >= 0 && more && sum->bytes < until) {
        varve_batch_clear(batch);
        for (int i = 0; i < BATCH && result >= 0 && (more = workload_next(work, &event)); i++) {
            double begun = measure_now();
            result = varve_batch_add(batch, &event);
            sum->seconds += measure_now() - begun;
            sum->events++;
            sum->bytes += event.payload_size;
        }
        double begun = measure_now();
        if (result >= 0)
            result = varve_append(store, batch, VARVE_NONE, NULL);
        double took = measure_now() - begun;
        sum->seconds += took;
        sum->worst = took > sum->worst ? took : sum->worst;
    }
    varve_batch_free(&batch);
    return result < 0 ? result : 0;
}
