/*
 * Lives of a store on a disk that loses power. See power.h.
 */
#include "support/power.h"

#include "engine/store.h"
#include "support/disk.h"
#include "support/dump.h"
#include "support/tree.h"
#include "support/work.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEPS_MAX = 400 };

typedef struct {
    power *p;
    char base[200];
    char *expected[STEPS_MAX + 1]; /* all that the store tells after so many steps */
    char *left[STEPS_MAX + 1];     /* and if what a writer left that died in the last of them is found whole */
    bool failed;
} world;

/* One stretch between two power cuts. */
typedef struct {
    world *w;
    disk *d;
    varve *store;
    char root[250], path[260], snapshot[260];
    uint32_t depth, calls_per_cut, syncs_per_cut;
    uint64_t state;
    uint32_t at;         /* steps that are done */
    uint32_t sure;       /* of these, acknowledged as being on disk */
    uint32_t shot, shot_sure; /* steps that were done when the last snapshot began (and at its end); 0: there was none */
    bool in_step, found_damage;
    bool sync_failed; /* some time before */
    bool ended;       /* a step was refused: nothing more can be done */
} life;

static uint32_t draw(life *l, uint32_t below) {
    l->state = l->state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(l->state >> 33) % below;
}

/* ---- Steps ---- */

static bool open_store(life *l);

static int do_step(life *l) {
    power_place place = {l->w->p->steps, l->at, l->w->base, l->snapshot};
    switch (place.steps[l->at]) {
    case 'l':
        disk_break_write(l->d);
        return power_append(l->store, place.steps, l->at, VARVE_NONE) == VARVE_E_IO ? VARVE_OK : VARVE_E_CORRUPT;
    case 'o':
        varve_close(&l->store);
        return open_store(l) ? VARVE_OK : VARVE_E_IO;
    default:
        return power_step(l->store, &place);
    }
}

/* Whether a step's success says that all so far is on disk. */
static bool confirms(char letter) {
    return strchr("gyrkfm", letter) != NULL;
}

static int steps_of(const life *l, const char *told, uint32_t least, uint32_t most);

/* A sync has failed: the step is done all the same, or nothing of it; the handle says why, and answers as before. */
static bool bears_a_failed_sync(life *l, int result) {
    char letter = l->w->p->steps[l->at];
    if (l->sync_failed && !l->w->p->fails_on)
        return work_wrong("step %u (%c): %d, though the disk works again: %s", l->at, letter, result, varve_last_error(l->store));
    l->w->p->failed_in = letter;
    bool reopened = letter == 'o' && l->store == NULL;
    if (!reopened && varve_last_error(l->store)[0] == 0)
        return work_wrong("step %u (%c): %d and no word", l->at, letter, result);
    if (reopened && !open_store(l))
        return false;
    char *told = power_told(l->store);
    bool done = steps_of(l, told, l->at + 1, l->at + 1) >= 0, undone = steps_of(l, told, l->at, l->at) >= 0;
    free(told);
    l->sync_failed = true;
    l->w->p->failed++;
    l->ended = !done || l->w->p->fails_on;
    l->at += done;
    l->in_step = !done && !undone; /* a longer task is begun; whoever comes next ends it by doing it again */
    if (l->in_step && !power_is_long(letter))
        return work_wrong("step %u (%c) failed, %d, and has left something", l->at, letter, result);
    return work_verifies_but_for_a_sync(l->store) || work_wrong("after step %u (%c) failed", l->at, letter);
}

static bool live(life *l, uint32_t until) {
    for (; l->at < until && !l->w->failed && !l->ended; l->w->p->steps_done++) {
        disk_clock(l->d, power_minute(l->at + 10));
        l->in_step = true;
        if (l->w->p->steps[l->at] == 's')
            l->shot = l->at;
        int result = do_step(l);
        l->in_step = false;
        if (l->w->failed)
            return false;
        if (result < 0 && l->depth == 0 && l->w->p->sync_to_fail != 0) {
            if (!bears_a_failed_sync(l, result))
                return false;
            continue;
        }
        if (result < 0)
            return work_wrong("step %u (%c): %d %s", l->at, l->w->p->steps[l->at], result,
                              l->store == NULL ? "" : varve_last_error(l->store));
        l->at++;
        if (confirms(l->w->p->steps[l->at - 1]))
            l->sure = l->at, l->w->p->mended += l->sync_failed;
        if (l->w->p->steps[l->at - 1] == 's')
            l->shot_sure = l->shot;
    }
    return !l->w->failed;
}

/* ---- What is found ---- */

static void look_for_damage(void *context, const char *line) {
    life *l = context;
    l->found_damage = l->found_damage || strstr(line, "damaged") != NULL;
    if (getenv("VARVE_SAY") != NULL)
        fprintf(stderr, "  says: %s\n", line);
}

static int open_at(life *l, const char *path, uint32_t flags, varve **ret_store) {
    char error[300] = "";
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.segment_size = 64 << 10;
    options.machine_id = varve_cstr("here");
    options.log = look_for_damage;
    options.log_context = l;
    options.error = error;
    options.error_size = sizeof error;
    int result = ve_open(&disk_os, path, &options, ret_store);
    if (result < 0)
        work_wrong("open: %d %s", result, error);
    return result;
}

static bool open_store(life *l) {
    return open_at(l, l->path, 0, &l->store) == VARVE_OK;
}

/* After how many steps, of 'least' to 'most', the store told that; the highest of several, -1: after none. */
static int steps_of(const life *l, const char *told, uint32_t least, uint32_t most) {
    int found = -1;
    for (uint32_t i = least; i <= most; i++)
        found = l->w->expected[i] != NULL && strcmp(l->w->expected[i], told) == 0 ? (int)i : found;
    return found;
}

/* Says how it differs from what was sure. */
static bool differs(const life *l, const char *what, const char *told, uint32_t least, uint32_t most) {
    int elsewhere = steps_of(l, told, 0, (uint32_t)strlen(l->w->p->steps));
    if (elsewhere >= 0)
        return work_wrong("%s is as after %d steps, it should be of %u to %u", what, elsewhere, least, most);
    dump_equal("what was sure", l->w->expected[least], told);
    dump_equal("all that was done", l->w->expected[most], told);
    return work_wrong("%s is as after no number of steps of %u to %u", what, least, most);
}

/* Whether it holds the batch of a dead writer that nobody has written over yet. */
static bool is_left_over(const life *l, const char *told) {
    uint32_t done = l->at + (l->in_step && l->w->p->steps[l->at] == 'l');
    return l->w->left[done] != NULL && strcmp(l->w->left[done], told) == 0;
}

/* The store is as after some number of steps, which becomes that of this life. */
static bool is_a_prefix(life *l) {
    uint32_t most = l->at + l->in_step, count = (uint32_t)strlen(l->w->p->steps);
    most = most < count ? most : count;
    char *told = power_told(l->store);
    int found = steps_of(l, told, l->sure, most);
    bool good = true;
    if (found < 0 && l->in_step && power_is_long(l->w->p->steps[l->at])) { /* what was cut off is ended by doing it again */
        int result = do_step(l);
        free(told);
        told = power_told(l->store);
        found = steps_of(l, told, l->at + 1, l->at + 1);
        if (result < 0)
            good = work_wrong("step %u (%c) again: %d %s", l->at, l->w->p->steps[l->at], result, varve_last_error(l->store));
    }
    if (good && found < 0 && is_left_over(l, told)) { /* it was not to be told from an append that is under way */
        free(told);
        l->ended = true;
        return work_verifies(l->store, 0);
    }
    if (good && found < 0)
        good = differs(l, "the store", told, l->sure, most);
    free(told);
    if (good && l->found_damage)
        good = work_wrong("damage is reported where there is none");
    l->at = found < 0 ? 0 : (uint32_t)found;
    return good && power_recounts(l->store, l->w->p->steps, l->at) && work_verifies(l->store, 0);
}

/* The snapshot is not there yet, or as it was before, or has more, up to what was there when it was taken last. */
static bool snapshot_is_a_prefix(life *l) {
    char identity[300];
    varve *copy;
    snprintf(identity, sizeof identity, "%s/STORE", l->snapshot);
    if (access(identity, F_OK) < 0)
        return l->shot_sure == 0 || work_wrong("the snapshot of %u steps is gone", l->shot_sure);
    if (open_at(l, l->snapshot, VARVE_OPEN_READ_ONLY, &copy) < 0)
        return false;
    char *told = power_told(copy);
    bool good = steps_of(l, told, l->shot_sure, l->shot) >= 0 || differs(l, "the snapshot", told, l->shot_sure, l->shot);
    free(told);
    good = good && work_verifies(copy, 0);
    varve_close(&copy);
    return good;
}

/* ---- A disk that lied ---- */

static uint64_t witness_in(const uint8_t *bytes, size_t size, uint32_t number) {
    vf_segment_header header;
    vf_frame frame;
    int read_only;
    uint64_t witness = 0;
    if (vf_segment_check(bytes, size, &header, &read_only) != VF_OK)
        return 0;
    for (size_t at = VF_SEGMENT_HEADER; at + VF_FRAME_SIZE <= size; at += VF_RECORD_ALIGN) {
        uint64_t lsn = vf_lsn(number, (uint32_t)at);
        if (vf_record_check(bytes + at, size - at, vf_get64(header.salt), lsn, NULL, &frame) != VF_OK || frame.kind != VF_KIND_SYNC)
            continue;
        vf_sync_fixed body;
        memcpy(&body, bytes + at + VF_FRAME_SIZE, sizeof body);
        if (vf_get64(body.synced) <= lsn && vf_get64(body.synced) > witness)
            witness = vf_get64(body.synced);
    }
    return witness;
}

typedef struct {
    const char *path;
    uint64_t lsn;
} witness;

static void ask_file(void *context, const char *name, size_t size) {
    witness *w = context;
    uint32_t number;
    uint8_t *bytes = malloc(size + 1);
    uint64_t said = 0;
    tree_read(w->path, name, bytes, size, 0);
    if (sscanf(name, "seg/%8u.log", &number) == 1)
        said = witness_in(bytes, size, number);
    if (strcmp(name, "CONTROL") == 0 && size >= VF_CONTROL_SIZE && memcmp(bytes, VF_CONTROL_MAGIC, 8) == 0)
        said = vf_get64(((const vf_control *)(const void *)bytes)->synced);
    w->lsn = said > w->lsn ? said : w->lsn;
    free(bytes);
}

/* Whether the log of 'from' has a record in [first, end). */
static bool has_record(varve *from, uint64_t first, uint64_t end) {
    ve_record record;
    return first < end && ve_log_next(from, first, end, &record, NULL) == 1;
}

static uint64_t end_of_log(varve *store) {
    uint64_t lsn = ve_log_first(store), tail = ve_tail(store);
    ve_record record;
    while (ve_log_next(store, lsn, tail, &record, NULL) == 1)
        lsn = record.lsn + vf_get32(record.frame.length);
    return lsn;
}

/* What was acknowledged is there, or its loss is reported, or nothing that was found tells that there was more. */
static bool tells_of_lies(life *l, varve *from) {
    power *p = l->w->p;
    witness seen = {.path = l->path};
    disk *before = disk_use(l->d);
    tree_each(l->path, ask_file, &seen);
    bool good = open_store(l);
    if (good) {
        char *told = power_told(l->store);
        int found = steps_of(l, told, 0, l->at), faults = varve_verify(l->store, VARVE_VERIFY_DEEP, NULL, NULL);
        uint64_t end = end_of_log(l->store);
        bool reported = l->found_damage && faults > 0;
        free(told);
        if (faults < 0)
            good = work_wrong("verify: %d %s", faults, varve_last_error(l->store));
        else if (found >= (int)l->sure && reported)
            good = work_wrong("damage is reported where there is none");
        else if (found < (int)l->sure && !reported && (found < 0 || has_record(from, end, seen.lsn)))
            good = work_wrong("of %u steps %d are left, up to %llx, witnessed up to %llx, and nothing is said", l->sure, found,
                              (unsigned long long)end, (unsigned long long)seen.lsn);
        p->told += reported;
        p->untold += found < (int)l->sure && !reported;
    }
    good = good && power_append(l->store, p->steps, 0, VARVE_GROUP) == VARVE_OK;
    varve_close(&l->store);
    disk_use(before);
    return good;
}

/* ---- Power cuts ---- */

static int remove_one(const char *path, const struct stat *file, int kind, struct FTW *walk) {
    (void)file, (void)kind, (void)walk;
    return remove(path);
}

static void remove_tree(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void set_paths(life *l, const char *name) {
    snprintf(l->root, sizeof l->root, "%s/%s", l->w->base, name);
    snprintf(l->path, sizeof l->path, "%s/store", l->root);
    snprintf(l->snapshot, sizeof l->snapshot, "%s/snapshot", l->root);
}

static void at_call(void *context, bool sync);

/* After a cut: opens, compares, goes on for a while; in some of these lives the power is cut again. */
static bool goes_on(life *l) {
    power *p = l->w->p;
    disk *before = disk_use(l->d);
    bool again = l->depth < p->depth && draw(l, 4) == 0;
    if (again) {
        l->calls_per_cut = 8 + draw(l, 40);
        l->syncs_per_cut = 3;
        disk_watch(l->d, at_call, l);
    }
    bool good = open_store(l) && is_a_prefix(l) && snapshot_is_a_prefix(l);
    p->recoveries += good;
    if (good) { /* recovery has put on disk what it found */
        l->sure = l->at;
        l->in_step = false;
    }
    uint32_t count = (uint32_t)strlen(p->steps), more = again || draw(l, 6) == 0 ? 1 + draw(l, 6) : 0;
    uint32_t until = l->at + more < count ? l->at + more : count;
    if (good && until > l->at && !l->ended) {
        good = live(l, until);
        char *told = good ? power_told(l->store) : NULL;
        if (good && steps_of(l, told, until, until) < 0)
            good = differs(l, "the store, later,", told, until, until);
        free(told);
        good = good && work_verifies(l->store, 0);
    }
    disk_watch(l->d, NULL, NULL);
    varve_close(&l->store);
    disk_use(before);
    return good;
}

static void cut_power(life *l) {
    world *w = l->w;
    char name[20];
    uint32_t way = draw(l, DISK_WAYS), seed = draw(l, UINT32_MAX);
    uint64_t number = ++w->p->cuts;
    life next = {.w = w, .depth = l->depth + 1, .state = seed, .at = l->at, .sure = l->sure, .in_step = l->in_step,
                 .shot = l->shot, .shot_sure = l->shot_sure};
    snprintf(name, sizeof name, "cut-%u", next.depth);
    set_paths(&next, name);
    next.d = disk_cut(l->d, next.root, way, seed);
    if (getenv("VARVE_SAY") != NULL)
        fprintf(stderr, "cut %llu, depth %u: %s, %u of at least %u steps%s\n", (unsigned long long)number, next.depth, disk_way(way),
                l->at, l->sure, l->in_step ? " and a part" : "");
    bool lied = w->p->lies_from != 0 && next.depth == 1;
    if (!(lied ? tells_of_lies(&next, l->store) : goes_on(&next)) && !w->failed) {
        w->failed = true;
        work_wrong("  power cut %llu (%s), the %u. in a row, in step %u of %s\n  VARVE_SEED=%u does it again",
                   (unsigned long long)number, disk_way(way), next.depth, l->at, w->p->steps, w->p->seed);
    }
    disk_free(&next.d);
    if (!w->failed || getenv("VARVE_KEEP") == NULL)
        remove_tree(next.root);
}

static void at_call(void *context, bool sync) {
    life *l = context;
    uint32_t one_in = sync ? l->syncs_per_cut : l->calls_per_cut;
    if (l->w->failed || one_in == 0 || draw(l, one_in) != 0)
        return;
    disk_watch(l->d, NULL, NULL);
    cut_power(l);
    disk_watch(l->d, at_call, l);
}

/* ---- A whole life ---- */

/* What is told if all that waits reaches the disk. */
static bool learn_left_over(life *l) {
    life next = {.w = l->w};
    set_paths(&next, "left");
    next.d = disk_cut(l->d, next.root, 1, 1);
    disk *before = disk_use(next.d);
    bool good = open_store(&next);
    if (good)
        l->w->left[l->at] = power_told(next.store);
    varve_close(&next.store);
    disk_use(before);
    disk_free(&next.d);
    remove_tree(next.root);
    return good;
}

static bool learn(world *w) {
    life l = {.w = w};
    set_paths(&l, "reference");
    mkdir(l.root, 0700);
    l.d = disk_new(l.root);
    disk *before = disk_use(l.d);
    bool good = open_store(&l);
    uint32_t count = (uint32_t)strlen(w->p->steps);
    for (uint32_t i = 0; i <= count && good; i++) {
        good = live(&l, i);
        w->expected[i] = good ? power_told(l.store) : NULL;
        if (good && i > 0 && w->p->steps[i - 1] == 'l')
            good = learn_left_over(&l);
        good = good && power_recounts(l.store, w->p->steps, i);
    }
    good = good && work_verifies(l.store, 0);
    varve_close(&l.store);
    disk_use(before);
    disk_free(&l.d);
    remove_tree(l.root);
    return good;
}

static bool live_with_cuts(world *w) {
    life l = {.w = w, .state = w->p->seed * 2654435761u, .calls_per_cut = w->p->calls_per_cut, .syncs_per_cut = w->p->syncs_per_cut};
    set_paths(&l, "life");
    mkdir(l.root, 0700);
    l.d = disk_new(l.root);
    disk *before = disk_use(l.d);
    disk_watch(l.d, at_call, &l);
    if (!w->p->fails_on)
        disk_fail_sync(l.d, w->p->sync_to_fail, false);
    bool good = open_store(&l) || (w->p->sync_to_fail != 0 && !w->failed && open_store(&l)); /* a sync may fail in making it */
    if (w->p->fails_on)
        disk_fail_sync(l.d, w->p->sync_to_fail, true);
    uint32_t count = (uint32_t)strlen(w->p->steps);
    for (uint32_t i = 0; i <= count && good && !w->failed && !l.ended; i++) {
        disk_lie(l.d, w->p->lies_from != 0 && i > w->p->lies_from);
        good = live(&l, i);
        if (good && draw(&l, 2) == 0) /* just when it was acknowledged */
            cut_power(&l);
    }
    disk_watch(l.d, NULL, NULL);
    varve_close(&l.store);
    disk_use(before);
    disk_free(&l.d);
    remove_tree(l.root);
    return good && !w->failed;
}

bool power_run(power *p) {
    world *w = calloc(1, sizeof *w);
    const char *temp = getenv("TMPDIR");
    if (w == NULL || strlen(p->steps) > STEPS_MAX)
        return work_wrong("too many steps");
    w->p = p;
    snprintf(w->base, sizeof w->base, "%s/varve-power-XXXXXX", temp != NULL ? temp : "/tmp");
    bool good = mkdtemp(w->base) != NULL && power_make_others(p->steps, w->base) && learn(w) && live_with_cuts(w);
    for (size_t i = 0; i <= STEPS_MAX; i++)
        free(w->expected[i]), free(w->left[i]);
    if (good || getenv("VARVE_KEEP") == NULL)
        remove_tree(w->base);
    free(w);
    return good;
}
