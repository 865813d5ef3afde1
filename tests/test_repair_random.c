/*
 * Random damage to any files of a store, several at once: a repair ends, and then the store serves nothing but what was
 * written, verify finds nothing, a second repair has nothing to do, appending and packing go on. VARVE_LONG: many more.
 */
#include "support/mending.h"
#include "support/scratch.h"
#include "support/tree.h"

#include "engine/repair.h"

static mending_store w;

enum { NAMES = 64 };
typedef struct {
    char name[NAMES][64];
    size_t size[NAMES], count;
} names;

static void note_name(void *context, const char *name, size_t size) {
    names *n = context;
    if (n->count < NAMES && strncmp(name, "idx/", 4) != 0 && strncmp(name, "LOCK", 4) != 0 && size > 0) {
        snprintf(n->name[n->count], sizeof n->name[0], "%s", name);
        n->size[n->count++] = size;
    }
}

static void damage_one(const char *path, uint32_t seed, uint32_t turn) {
    static uint8_t junk[70000];
    names n = {.count = 0};
    tree_each(path, note_name, &n);
    uint32_t pick = work_mix(seed, turn, 1), how = work_mix(seed, turn, 2) % 8;
    if (n.count == 0)
        return;
    const char *name = n.name[pick % n.count], *other = n.name[work_mix(seed, turn, 3) % n.count];
    size_t size = n.size[pick % n.count], at = work_mix(seed, turn, 4) % size, length = work_mix(seed, turn, 5) % 5000;
    length = length < size - at ? length : size - at;
    for (size_t i = 0; i < length; i++)
        junk[i] = how == 3 ? 0 : (uint8_t)work_mix(seed, turn, (uint32_t)i + 10);
    switch (how) {
    case 0:
        tree_remove(path, name);
        break;
    case 1:
        tree_truncate(path, name, at);
        break;
    case 2: /* a sector or more, lost or garbled */
    case 3:
        if (length > 0)
            tree_write(path, name, junk, length, at);
        break;
    case 4:
        scratch_run("cd '%s' && mv '%s' x && { mv '%s' '%s' 2>/dev/null; mv x '%s'; }", path, name, other, name, other);
        break;
    case 5:
        scratch_run("cd '%s' && { cp '%s' 'seg/%08u.%s' 2>/dev/null || true; }", path, name, 1 + pick % 30, pick % 2 == 0 ? "log" : "seg");
        break;
    default:
        tree_flip(path, name, at, (int)(pick % 8));
    }
}

typedef struct {
    const char *path;
    uint32_t seed;
} damaged;

static bool is_mended(void *context) {
    const damaged *d = context;
    static mending_report report, again;
    mending_due due = {.to = UINT64_MAX};
    mending_repair(NULL, d->path, VARVE_REPAIR_DRY_RUN, &report);
    mending_repair(NULL, d->path, 0, &report);
    if (report.result == VARVE_E_NOT_A_STORE || report.result == VARVE_E_NOT_FOUND)
        return strstr(report.text, "failed") != NULL; /* nothing tells whose it is; it says so */
    if (report.result < 0 || report.done.left > 0)
        return work_wrong("repair:\n%s", report.text);
    mending_repair(NULL, d->path, 0, &again);
    if (again.result < 0 || again.text[0] != 0)
        return work_wrong("the first repair:\n%sthe second repair:\n%s", report.text, again.text);
    return mending_goes_on(&w, d->path, &due) || work_wrong("after the repair:\n%s", report.text);
}

static void whatever_is_damaged_what_is_served_was_written(void **state) {
    (void)state;
    uint32_t first = getenv("VARVE_SEED") != NULL ? (uint32_t)atoi(getenv("VARVE_SEED")) : 1, failures = 0;
    uint32_t count = getenv("VARVE_SEED") != NULL ? 1 : work_long() ? 3000 : 40;
    mending_make(&w, 3);
    for (uint32_t seed = first; seed < first + count; seed++) {
        damaged d = {mending_copy(&w), seed};
        for (uint32_t turn = 0; turn < 1 + seed % 4; turn++)
            damage_one(d.path, seed, turn);
        int status = work_in_child(is_mended, &d);
        if (!work_succeeded(status))
            print_error("seed %u: status %x\n", seed, (unsigned)status);
        failures += !work_succeeded(status);
        scratch_free((char *)(uintptr_t)d.path);
    }
    mending_free(&w);
    assert_int_equal(failures, 0);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_damaged_what_is_served_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
