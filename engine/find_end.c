/*
 * Where a log ends, when no CONTROL is to be believed: every record is walked; what fails its
 * checks is either a torn tail that was never acknowledged, or damage to what was. SPEC.md
 * "Recovery".
 */
#include "engine/recover.h"
#include "engine/store.h"

#include <fcntl.h>

typedef struct {
    varve *store;
    uint64_t (*record)(void *context, uint64_t lsn, const vf_frame *frame,
                       const uint8_t *bytes); /* != 0: stop */
    uint64_t (*damage)(void *context, uint64_t from, uint64_t to);
    void *context;
    void (*begins)(void *context, const ve_segment *segment); /* NULL: not asked for */
} walker;

/* Bytes of segment 'number' that its records may take: named by a successor, else the whole file.
 */
static uint64_t walk_limit(varve *store, const ve_segment *segment) {
    ve_segment *next =
        segment->number < store->log.count ? ve_log_segment(store, segment->number + 1) : NULL;
    if (next != NULL && vf_lsn_segment(next->prev_end) == segment->number)
        return vf_lsn_offset(next->prev_end);
    return segment->file_size;
}

static bool all_zero(const uint8_t *bytes, uint64_t size) {
    for (uint64_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static int walk_segment(walker *w, const ve_segment *segment) {
    uint64_t named = walk_limit(w->store, segment);
    uint64_t end = named < segment->file_size ? named : segment->file_size,
             offset = VF_SEGMENT_HEADER;
    bool last = named == segment->file_size && segment->number == w->store->log.count,
         chained = true;
    uint32_t chain = segment->first_chain;
    vf_frame frame;
    while (offset < end) {
        uint64_t lsn = vf_lsn(segment->number, (uint32_t)offset);
        const uint8_t *at = segment->map + offset;
        if (vf_record_check(at, (size_t)(end - offset), segment->salt, lsn, chained ? &chain : NULL,
                            &frame) == VF_OK) {
            if (w->record(w->context, lsn, &frame, at) != 0)
                return 1;
            chain = (uint32_t)vf_get64(frame.header_sum);
            chained = true;
            offset += vf_get32(frame.length);
            continue;
        }
        uint64_t from = offset;
        do
            offset += VF_RECORD_ALIGN;
        while (offset + VF_FRAME_SIZE <= end &&
               vf_record_check(segment->map + offset, (size_t)(end - offset), segment->salt,
                               vf_lsn(segment->number, (uint32_t)offset), NULL, &frame) != VF_OK);
        offset = offset + VF_FRAME_SIZE <= end ? offset : end;
        chained = false;
        if (last && offset == end && all_zero(at, end - from))
            return 0; /* zeros written ahead: the plain end */
        if (w->damage(w->context, lsn, vf_lsn(segment->number, (uint32_t)offset)) != 0)
            return 1;
    }
    if (end < named) /* cut off before the end that its successor names */
        return w->damage(w->context, vf_lsn(segment->number, (uint32_t)end),
                         vf_lsn(segment->number + 1, VF_SEGMENT_HEADER)) != 0;
    return 0;
}

static int walk_log(walker *w) {
    w->store->trouble = 0;
    int result = ve_log_refresh(w->store);
    const ve_layout *layout = ve_layout_now(w->store);
    if (layout == NULL)
        return w->store->trouble < 0 ? w->store->trouble : VARVE_E_CORRUPT;
    for (uint32_t number = layout->first_raw; result == 0 && number <= w->store->log.count;
         number++) {
        ve_segment *segment = ve_log_segment(w->store, number);
        if (segment != NULL && w->begins != NULL)
            w->begins(w->context, segment);
        if (segment != NULL && (result = ve_log_measure(w->store, segment)) == VARVE_OK)
            result = walk_segment(w, segment);
        else if (segment != NULL)
            return result;
        else if (w->store->trouble < 0)
            return w->store->trouble; /* not damage: it could not be looked at */
        else                          /* offset 0: not even its header */
            result = w->damage(w->context, vf_lsn(number, 0),
                               vf_lsn(number + 1, VF_SEGMENT_HEADER)) != 0;
    }
    return result < 0 ? result : VARVE_OK;
}

static uint64_t note_witness(void *context, uint64_t lsn, const vf_frame *frame,
                             const uint8_t *bytes) {
    uint64_t *witness = context;
    if (frame->kind == VF_KIND_SYNC &&
        vf_get32(frame->length) >= VF_FRAME_SIZE + sizeof(vf_sync_fixed)) {
        vf_sync_fixed body;
        memcpy(&body, bytes + VF_FRAME_SIZE, sizeof body);
        uint64_t synced = vf_get64(body.synced);
        if (synced > *witness && synced <= lsn)
            *witness = synced;
    }
    return 0;
}

static uint64_t pass_over(void *context, uint64_t from, uint64_t to) {
    (void)context, (void)from, (void)to;
    return 0;
}

static uint64_t follow(void *context, uint64_t lsn, const vf_frame *frame, const uint8_t *bytes) {
    ve_log_state *state = context;
    (void)bytes;
    state->open_end = lsn + vf_get32(frame->length);
    state->open_chain = (uint32_t)vf_get64(frame->header_sum);
    state->open_record = lsn;
    if ((frame->flags & VF_FRAME_BATCH_END) != 0) {
        state->last_record = lsn;
        state->tail = state->open_end;
        state->chain = state->open_chain;
    }
    return 0;
}

/* A segment that follows: from here on the log reaches at least to its first record, for it may
 * have been acknowledged when it was empty. */
static void enter(void *context, const ve_segment *segment) {
    ve_log_state *state = context;
    if (segment->prev_end == 0 || segment->prev_end != state->tail ||
        state->open_end != state->tail || segment->prev_chain != state->chain)
        return;
    state->tail = state->open_end = vf_lsn(segment->number, VF_SEGMENT_HEADER);
    state->chain = state->open_chain = segment->first_chain;
    state->last_record = state->open_record = 0;
    state->packed = false;
}

static uint64_t judge(void *context, uint64_t from, uint64_t to) {
    ve_log_state *state = context;
    if (from >= state->witness) { /* never acknowledged: the log ends with the last whole batch */
        state->torn = to - from > UINT32_MAX ? UINT32_MAX : to - from;
        state->abandon =
            vf_lsn_offset(from) == 0 ? vf_lsn_segment(from) : vf_lsn_segment(state->tail) + 1;
        return 1;
    }
    state->hole_from = state->hole_from == 0 ? from : state->hole_from;
    state->hole_to = to;
    if (state->open_end > state->tail) { /* what is whole is served */
        state->tail = state->open_end;
        state->last_record = state->open_record;
    }
    state->chain = state->open_chain;
    return 0;
}

/* What a CONTROL page tells that is otherwise not believed: 'synced' is a witness, the tail is
 * worth a line. */
static void ask_old_control(varve *store, ve_log_state *state) {
    vf_control page;
    int fd = store->os->openat(store->dir, "CONTROL", O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return;
    if (ve_read_all(store->os, fd, &page, sizeof page, 0) == 0 &&
        memcmp(page.magic, VF_CONTROL_MAGIC, 8) == 0 &&
        memcmp(page.store_uuid, store->ident.uuid, 16) == 0) {
        state->witness = vf_get64(page.synced);
        state->known_tail = vf_get64(page.tail);
    }
    store->os->close(fd);
}

int ve_find_end_here(varve *store, ve_log_state *ret_state) {
    ve_log_state state = {0};
    int result;
    ask_old_control(store, &state);
    walker w = {store, note_witness, pass_over, &state.witness, NULL};
    result = walk_log(&w);
    if (result < 0)
        return result;
    if (store->published > state.witness)
        state.witness = store->published;
    const ve_layout *layout = store->layout;
    ve_packed *packed;
    if (layout->files > 0) { /* what is packed was on disk before a manifest named it */
        int found = ve_layout_file(store, layout->packed_end - 1, &packed);
        if (found != 1)
            return found;
        state.tail = state.open_end = layout->packed_end;
        state.chain = state.open_chain = vf_get32(packed->footer.end_chain);
        state.witness = state.witness > state.tail ? state.witness : state.tail;
        state.packed = true;
    }
    if (store->log.count >= layout->first_raw) {
        ve_segment *first = ve_log_segment(store, layout->first_raw);
        if (first != NULL) {
            state.packed = false;
            state.tail = state.open_end = vf_lsn(layout->first_raw, VF_SEGMENT_HEADER);
            state.chain = state.open_chain = first->first_chain;
        }
        w = (walker){store, follow, judge, &state, enter};
        result = walk_log(&w);
    }
    /* A segment that was begun but holds nothing yet. */
    ve_segment *last =
        store->log.count >= layout->first_raw ? ve_log_segment(store, store->log.count) : NULL;
    if (result == VARVE_OK && state.abandon == 0 && last != NULL &&
        vf_lsn_segment(state.tail) < last->number) {
        state.tail = vf_lsn(last->number, VF_SEGMENT_HEADER);
        state.chain = last->first_chain;
        state.last_record = 0;
        state.packed = false;
    }
    if (result == VARVE_OK && state.torn == 0 &&
        state.open_end > state.tail) { /* a batch without its end */
        state.torn = state.open_end - state.tail;
        state.abandon = vf_lsn_segment(state.tail) + 1;
    }
    if (state.tail == 0 &&
        state.hole_from != 0) /* the first segment's header is lost with all that is known of it */
        state.tail = vf_lsn(1, VF_SEGMENT_HEADER);
    if (result == VARVE_OK && state.tail != 0 &&
        state.witness > state.tail) { /* acknowledged, and gone with the end of a file */
        state.hole_from = state.hole_from == 0 ? state.tail : state.hole_from;
        uint64_t next = vf_lsn(vf_lsn_segment(state.tail) + 1,
                               VF_SEGMENT_HEADER); /* where appending will go on */
        state.hole_to = state.witness < next ? state.witness : next;
    }
    *ret_state = state;
    return result;
}

int ve_find_end(varve *store, ve_log_state *ret_state) {
    for (;;) {
        int result = ve_layout_read(store);
        if (result < 0)
            return result;
        uint64_t generation = store->layout->generation;
        result = ve_find_end_here(store, ret_state);
        /* What was missing may have gone because a newer manifest has it. */
        int again = ve_layout_read(store);
        if (again < 0 || store->layout->generation == generation)
            return again < 0 ? again : result;
    }
}
