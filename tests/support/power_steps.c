/*
 * The batches of a store's life: what each step appends follows from its number alone. See power.h.
 */
#include "support/power.h"

#include "support/disk.h"
#include "support/dump.h"
#include "support/work.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { OTHERS = 2 }; /* stores that are merged */

int64_t power_minute(uint32_t n) {
    return 1700000000000000000 + (int64_t)n * 60000000000;
}

static varve_str name_of(char room[40], const char *format, uint32_t number) {
    snprintf(room, 40, format, number);
    return varve_cstr(room);
}

static int add_event(varve_batch *batch, varve_str session, uint32_t step, uint32_t i) {
    static const char *const types[] = {"UserPromptSubmit", "assistant", "PreToolUse", "SessionEnd"};
    char payload[3000], room[40];
    uint32_t mixed = work_mix(step, i, 1);
    varve_event event;
    varve_event_init(&event);
    event.session_id = session;
    event.type = varve_cstr(types[mixed % 4]);
    event.time = power_minute(step) + i;
    event.present = VARVE_HAS_TIME | VARVE_HAS_UID;
    event.uid = varve_name_uid(varve_cstr("here"), session, name_of(room, "%u", step * 100 + i));
    size_t size = 200 + mixed % 2400;
    for (size_t at = 0; at < size; at++)
        payload[at] = (char)('a' + (at * (step + 7) >> 4) % 26);
    event.payload = payload;
    event.payload_size = size;
    event.str[VARVE_STR_TEXT] = varve_cstr("text");
    if (mixed % 4 == 1) {
        event.present |= VARVE_HAS_TOKENS << VARVE_TOK_OUTPUT | VARVE_HAS_CHARGE | VARVE_HAS_COST;
        event.tokens[VARVE_TOK_OUTPUT] = mixed % 1000;
        event.cost = mixed % 5000;
        event.charge = varve_charge_key(name_of(room, "message-%u", mixed % 3 == 0 ? step / 4 : step * 100 + i));
    }
    return varve_batch_add(batch, &event);
}

static int fill(varve_batch *batch, uint32_t step) {
    char session[40], state[40], input[40];
    uint32_t size = 2 + work_mix(step, 5, 5) % 6;
    int result = add_event(batch, name_of(session, "once-%u", step), step, 50);
    for (uint32_t i = 0; i < size && result >= 0; i++)
        result = add_event(batch, name_of(session, "s-%u", (step + i / 3) % 5), step, i);
    if (result >= 0)
        result = varve_batch_cursor(batch, name_of(input, "input-%u", step % 3), state,
                                    name_of(state, "at %u", step).size);
    if (result >= 0 && step % 4 == 2) {
        varve_event set;
        varve_event_init(&set);
        set.session_id = name_of(session, "s-%u", step % 5);
        set.time = power_minute(step);
        set.present = VARVE_HAS_TIME;
        set.str[VARVE_STR_TITLE] = name_of(state, "title %u", step);
        set.str[VARVE_STR_LABELS] = varve_cstr("team=a");
        result = varve_batch_set(batch, &set);
    }
    return result;
}

/* The last step before one that appended a batch. */
static uint32_t batch_before(const char *steps, uint32_t step) {
    while (step > 0 && steps[step] != 'a' && steps[step] != 'g')
        step--;
    return step;
}

static int fill_branch(varve_batch *batch, char letter, const char *steps, uint32_t step) {
    char session[40], child_id[40];
    if (letter == 'w')
        return varve_batch_rewind(batch, varve_cstr(NULL), name_of(session, "s-%u", step % 5), 1 + step % 3);
    if (letter == 'x')
        return varve_batch_delete(batch, varve_cstr(NULL), name_of(session, "once-%u", batch_before(steps, step / 2)));
    varve_event child;
    varve_event_init(&child);
    child.session_id = name_of(child_id, "fork-%u", step);
    child.time = power_minute(step);
    child.present = VARVE_HAS_TIME;
    int result = varve_batch_fork(batch, &child, varve_cstr(NULL), name_of(session, "s-%u", step % 5), 2);
    return result < 0 ? result : add_event(batch, varve_cstr(child_id), step, 70);
}

int power_append(varve *store, const char *steps, uint32_t step, varve_durability durability) {
    varve_batch *batch;
    int result = varve_batch_new(&batch);
    if (result < 0)
        return result;
    if (steps[step] == 'l') {
        char session[40];
        result = fill(batch, step + 1);
        for (uint32_t i = 0; i < 3 && result >= 0; i++)
            result = add_event(batch, name_of(session, "s-%u", i), step, 90 + i);
    } else {
        result = strchr("bwx", steps[step]) != NULL ? fill_branch(batch, steps[step], steps, step) : fill(batch, step);
    }
    if (result >= 0)
        result = varve_append(store, batch, durability, NULL);
    varve_batch_free(&batch);
    return result;
}

/* ---- Steps that are more than a batch ---- */

static void other_path(const char *base, uint32_t number, char path[300]) {
    snprintf(path, 300, "%s/other-%u/store", base, number % OTHERS);
}

bool power_make_others(const char *steps, const char *base) {
    bool good = true;
    for (uint32_t i = 0; i < OTHERS && good && strchr(steps, 'm') != NULL; i++) {
        char path[300], parent[300];
        varve *store = NULL;
        work_book *book = work_book_new();
        snprintf(parent, sizeof parent, "%s/other-%u", base, i);
        mkdir(parent, 0700);
        other_path(base, i, path);
        disk *d = disk_new(parent), *before = disk_use(d); /* so that they are the same each time */
        good = work_open(&disk_os, path, 0, &store) && work_run(store, book, i + 1, 0, 3);
        varve_close(&store);
        disk_use(before);
        disk_free(&d);
        work_book_free(book);
    }
    return good;
}

static int merge(varve *store, const power_place *at) {
    char path[300];
    varve *from;
    varve_options options;
    varve_options_init(&options);
    options.flags = VARVE_OPEN_READ_ONLY;
    other_path(at->base, at->step, path);
    int result = varve_open(path, &options, &from);
    if (result < 0)
        return result;
    result = varve_merge(store, from, NULL);
    varve_close(&from);
    return result;
}

/* Each time the session that the next one of the batches began. */
static int forget(varve *store, const power_place *at) {
    char id[40];
    varve_forgotten done = {.size = sizeof done};
    uint32_t before = 0, step = 0;
    for (uint32_t i = 0; i < at->step; i++)
        before += at->steps[i] == 'f';
    for (; before > 0 || (at->steps[step] != 'a' && at->steps[step] != 'g'); step++)
        before -= at->steps[step] == 'a' || at->steps[step] == 'g';
    int result = varve_forget(store, varve_cstr(NULL), name_of(id, "once-%u", step), VARVE_FORGET_NOW, &done);
    if (result == VARVE_OK && done.found > 0)
        return work_wrong("%llu pieces are left of what was forgotten", (unsigned long long)done.found), VARVE_E_CORRUPT;
    return result;
}

static int retain(varve *store, uint32_t step, uint32_t flags) {
    varve_retention asked = {.size = sizeof asked, .flags = flags, .before = power_minute(step / 2)};
    varve_retained done = {.size = sizeof done};
    return varve_retain(store, &asked, &done);
}

static int compact(varve *store, char letter) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.flags = letter == 'C' ? VARVE_COMPACT_ALL : 0;
    options.budget = letter == 'p';
    return varve_compact(store, &options, NULL);
}

bool power_is_long(char letter) {
    return strchr("rkfm", letter) != NULL;
}

int power_step(varve *store, const power_place *at) {
    char letter = at->steps[at->step];
    switch (letter) {
    case 'y':
        return varve_sync(store);
    case 'c':
    case 'C':
    case 'p':
        return compact(store, letter);
    case 'r':
    case 'k':
        return retain(store, at->step, letter == 'k' ? VARVE_RETAIN_KEEP_SESSIONS : 0);
    case 'f':
        return forget(store, at);
    case 's':
        return varve_snapshot(store, at->snapshot, 0, NULL);
    case 'm':
        return merge(store, at);
    default:
        return power_append(store, at->steps, at->step, letter == 'g' ? VARVE_GROUP : VARVE_NONE);
    }
}

/* ---- What must be there ---- */

char *power_told(varve *store) {
    char *told = dump_store(store, DUMP_RECORDS | DUMP_EVENTS, 1);
    for (char *at = told; (at = strstr(at, " k6 ")) != NULL; at++) {
        size_t before = strcspn(at, "#\n"), digits = strspn(at + before, "#0123456789abcdef");
        memset(at + before, '#', digits); /* follows from its place in the log */
    }
    return told;
}

bool power_recounts(varve *store, const char *steps, uint32_t count) {
    uint64_t events = 0, bytes = 0;
    for (uint32_t step = 0; step < count; step++) {
        if (strchr("bwxrkfm", steps[step]) != NULL)
            return true;
        uint32_t size = steps[step] == 'a' || steps[step] == 'g' ? 2 + work_mix(step, 5, 5) % 6 : 0;
        for (uint32_t i = 0; i <= size && size > 0; i++, events++)
            bytes += 200 + work_mix(step, i == size ? 50 : i, 1) % 2400;
    }
    varve_totals totals = {.size = sizeof totals};
    int result = varve_session_totals(store, &totals);
    if (result < 0 || totals.events != events || totals.payload_bytes != bytes)
        return work_wrong("%d: %llu events of %llu bytes, there should be %llu of %llu", result, (unsigned long long)totals.events,
                          (unsigned long long)totals.payload_bytes, (unsigned long long)events, (unsigned long long)bytes);
    return true;
}
