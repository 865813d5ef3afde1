/*
 * Events and batches of them. See source.h.
 */
#include "bench/support/source.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define BATCH_BYTES (UINT64_C(1) << 32) /* of address space: only what is used takes memory */

struct source {
    source_spec spec;
    workload *work;
    uint64_t done;
    char id[WORKLOAD_ID_ROOM];
};

int source_open(const source_spec *spec, source **ret_source) {
    source *from = calloc(1, sizeof *from);
    if (from == NULL)
        return -1;
    from->spec = *spec;
    if (!spec->wide && workload_open(spec->seed, spec->events, &from->work) < 0) {
        free(from);
        return -1;
    }
    *ret_source = from;
    return 0;
}

static void make_small(source *from, varve_event *event) {
    static const char payload[] =
        "{\"type\":\"user\",\"message\":{\"role\":\"user\",\"content\":\"one small event of a "
        "session of which there are many: it is here so that the session has a record\"}}";
    source_id(&from->spec, from->done, from->id);
    varve_event_init(event);
    event->session_id = (varve_str){from->id, WORKLOAD_ID_ROOM - 1};
    event->type = varve_cstr("user");
    event->source = VARVE_SOURCE_TRANSCRIPT;
    event->present = VARVE_HAS_TIME | VARVE_HAS_PAYLOAD;
    event->time = INT64_C(1735689600000000000) + (int64_t)from->done * 1000000;
    event->payload = payload;
    event->payload_size = sizeof payload - 1;
}

int source_next(source *from, varve_event *ret_event) {
    if (from->work != NULL)
        return workload_next(from->work, ret_event);
    if (from->done == from->spec.events)
        return 0;
    make_small(from, ret_event);
    from->done++;
    return 1;
}

uint64_t source_session(const source *from) {
    return from->work != NULL ? workload_session(from->work) : from->done - 1;
}

void source_close(source **from) {
    if (*from != NULL && (*from)->work != NULL)
        workload_close(&(*from)->work);
    free(*from);
    *from = NULL;
}

void source_id(const source_spec *spec, uint64_t number, char ret_id[WORKLOAD_ID_ROOM]) {
    workload_session_id(spec->wide ? number + (UINT64_C(1) << 40) : number, ret_id);
}

int source_batch_open(size_t room, size_t warm, source_batch *ret_batch) {
    *ret_batch = (source_batch){.room = room, .events = calloc(room, sizeof *ret_batch->events)};
    ret_batch->bytes = mmap(NULL, BATCH_BYTES, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ret_batch->events == NULL || ret_batch->bytes == MAP_FAILED)
        return -1;
    memset(ret_batch->bytes, 1, warm);
    return 0;
}

static const char *keep(source_batch *batch, const void *bytes, size_t size) {
    char *at = batch->bytes + batch->size;
    memcpy(at, bytes, size);
    batch->size += size;
    return at;
}

static void keep_text(source_batch *batch, varve_str *text) {
    if (text->ptr != NULL)
        text->ptr = keep(batch, text->ptr, text->size);
}

int source_batch_fill(source_batch *batch, source *from) {
    batch->count = batch->size = 0;
    while (batch->count < batch->room && batch->size < BATCH_BYTES / 2 &&
           source_next(from, &batch->events[batch->count])) {
        varve_event *event = &batch->events[batch->count++];
        uint64_t session = source_session(from);
        batch->sessions = session >= batch->sessions ? session + 1 : batch->sessions;
        keep_text(batch, &event->session_id);
        for (int s = 0; s < VARVE_STRS; s++)
            keep_text(batch, &event->str[s]);
        event->payload = keep(batch, event->payload, event->payload_size);
    }
    return batch->count > 0;
}

void source_batch_close(source_batch *batch) {
    free(batch->events);
    if (batch->bytes != NULL)
        munmap(batch->bytes, BATCH_BYTES);
    *batch = (source_batch){0};
}
