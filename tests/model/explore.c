/*
 * The search: all states breadth first, each known by a 128-bit hash; then, from the states in which all is done, back
 * over the steps, to find states from which it cannot be done any more. See model.h.
 */
#include "model/model.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    XXH128_hash_t *hash; /* by state */
    uint32_t *parent;
    uint8_t *actor;
    const char **what;
    bool *done;
    uint32_t count, room;
    uint32_t *slot; /* open addressing: state + 1 */
    uint32_t slots;
    model_state *frontier;
    uint32_t frontier_first, frontier_count, frontier_room; /* states from frontier_first on, as a ring of two halves */
    uint32_t (*edge)[2];
    uint64_t edges, edges_room;
    const model_config *config;
    uint32_t from;
    model_result result;
    uint32_t broken_at;
} search;

static void *grow(void *at, size_t count, size_t size) {
    void *grown = realloc(at, count * size);
    if (grown == NULL) {
        fprintf(stderr, "model: no memory\n");
        exit(1);
    }
    return grown;
}

static void grow_states(search *s) {
    s->room = s->room == 0 ? 1 << 16 : s->room * 2;
    s->hash = grow(s->hash, s->room, sizeof *s->hash);
    s->parent = grow(s->parent, s->room, sizeof *s->parent);
    s->actor = grow(s->actor, s->room, sizeof *s->actor);
    s->what = grow(s->what, s->room, sizeof *s->what);
    s->done = grow(s->done, s->room, sizeof *s->done);
    free(s->slot);
    s->slots = s->room * 2;
    s->slot = calloc(s->slots, sizeof *s->slot);
    if (s->slot == NULL)
        exit(1);
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t at = (uint32_t)s->hash[i].low64 & (s->slots - 1);
        while (s->slot[at] != 0)
            at = (at + 1) & (s->slots - 1);
        s->slot[at] = i + 1;
    }
}

static bool same(XXH128_hash_t a, XXH128_hash_t b) {
    return a.low64 == b.low64 && a.high64 == b.high64;
}

/* Number of a state; a new one goes to the frontier. */
static uint32_t number_of(search *s, const model_state *state, const char *what, int actor) {
    XXH128_hash_t hash = XXH3_128bits(state, sizeof *state);
    if (s->count == s->room)
        grow_states(s);
    uint32_t at = (uint32_t)hash.low64 & (s->slots - 1);
    while (s->slot[at] != 0 && !same(s->hash[s->slot[at] - 1], hash))
        at = (at + 1) & (s->slots - 1);
    if (s->slot[at] != 0)
        return s->slot[at] - 1;
    uint32_t number = s->count++;
    s->slot[at] = number + 1;
    s->hash[number] = hash;
    s->parent[number] = s->from;
    s->what[number] = what;
    s->actor[number] = (uint8_t)(actor + 1);
    s->done[number] = model_done(s->config, state);
    s->result.ends += s->done[number];
    if (s->frontier_count == s->frontier_room) {
        s->frontier_room = s->frontier_room == 0 ? 1 << 12 : s->frontier_room * 2;
        s->frontier = grow(s->frontier, s->frontier_room, sizeof *s->frontier);
    }
    s->frontier[s->frontier_count++] = *state;
    if (state->broken != 0 && s->result.broken == 0) {
        s->result.broken = state->broken;
        s->broken_at = number;
    }
    return number;
}

static void found(void *context, const model_state *next, const char *what, int actor) {
    search *s = context;
    model_state plain = *next;
    s->result.acks += plain.acknowledged;
    plain.acknowledged = 0;
    uint32_t number = number_of(s, &plain, what, actor);
    if (s->edges == s->edges_room) {
        s->edges_room = s->edges_room == 0 ? 1 << 16 : s->edges_room * 2;
        s->edge = grow(s->edge, s->edges_room, sizeof *s->edge);
    }
    s->edge[s->edges][0] = s->from;
    s->edge[s->edges++][1] = number;
}

/* Marks all states from which an end can be reached; the first that is not marked, or UINT32_MAX. */
static uint32_t find_stuck(search *s) {
    uint32_t *first = calloc((size_t)s->count + 2, sizeof *first), *before = grow(NULL, s->edges + 1, sizeof *before);
    uint32_t *queue = grow(NULL, s->count + 1, sizeof *queue), queued = 0;
    if (first == NULL)
        exit(1);
    for (uint64_t e = 0; e < s->edges; e++) /* edges by where they lead */
        first[s->edge[e][1] + 2]++;
    for (uint32_t i = 0; i <= s->count; i++)
        first[i + 1] += first[i];
    for (uint64_t e = 0; e < s->edges; e++)
        before[first[s->edge[e][1] + 1]++] = s->edge[e][0];
    for (uint32_t i = 0; i < s->count; i++)
        if (s->done[i])
            queue[queued++] = i;
    for (uint32_t i = 0; i < queued; i++)
        for (uint32_t e = first[queue[i]]; e < first[queue[i] + 1]; e++)
            if (!s->done[before[e]]) {
                s->done[before[e]] = true;
                queue[queued++] = before[e];
            }
    uint32_t stuck = 0;
    while (stuck < s->count && s->done[stuck])
        stuck++;
    free(first);
    free(before);
    free(queue);
    return stuck < s->count ? stuck : UINT32_MAX;
}

/* ---- The way there ---- */

typedef struct {
    XXH128_hash_t wanted;
    model_state next;
    bool found;
} retrace;

static void match(void *context, const model_state *next, const char *what, int actor) {
    retrace *r = context;
    model_state plain = *next;
    (void)what, (void)actor;
    plain.acknowledged = 0;
    if (r->found || !same(XXH3_128bits(&plain, sizeof plain), r->wanted))
        return;
    r->next = plain;
    r->found = true;
}

static int way_to(search *s, uint32_t number, bool print) {
    uint32_t *way = NULL;
    int length = 0;
    for (uint32_t at = number; at != 0; at = s->parent[at]) {
        way = grow(way, (size_t)length + 1, sizeof *way);
        way[length++] = at;
    }
    model_state state;
    model_begin(s->config, &state);
    for (int i = length - 1; print && i >= 0; i--) {
        retrace r = {.wanted = s->hash[way[i]]};
        model_step(s->config, &state, match, &r);
        state = r.next;
        printf("  %3d  %-3s %-28s tail %u.%u synced %u.%u%s%s%s\n", length - i,
               (const char *[]){"", "A", "B", "C"}[s->actor[way[i]]], s->what[way[i]], state.tail / (CELLS + 1u),
               state.tail % (CELLS + 1u), state.synced / (CELLS + 1u), state.synced % (CELLS + 1u),
               state.syncing ? " syncing" : "", state.sync_failed ? " failed" : "", state.rotating ? " rotating" : "");
    }
    free(way);
    return length;
}

model_result model_explore(const model_config *config, bool trace) {
    search s = {.config = config};
    model_state begin;
    model_begin(config, &begin);
    s.broken_at = UINT32_MAX;
    number_of(&s, &begin, "begin", -1);
    model_state *current = NULL;
    uint32_t next = 0;
    while (s.frontier_count > 0 && s.result.broken == 0) { /* level by level */
        uint32_t count = s.frontier_count;
        free(current);
        current = s.frontier;
        s.frontier = NULL;
        s.frontier_count = s.frontier_room = 0;
        for (uint32_t i = 0; i < count && s.result.broken == 0; i++) {
            s.from = next++;
            model_step(config, &current[i], found, &s);
        }
    }
    free(current);
    if (s.result.broken == 0 && (s.broken_at = find_stuck(&s)) != UINT32_MAX)
        s.result.broken = INV_STUCK;
    s.result.states = s.count;
    s.result.edges = s.edges;
    if (s.broken_at != UINT32_MAX)
        s.result.length = way_to(&s, s.broken_at, trace);
    free(s.hash);
    free(s.parent);
    free(s.actor);
    free(s.what);
    free(s.done);
    free(s.slot);
    free(s.frontier);
    free(s.edge);
    return s.result;
}
