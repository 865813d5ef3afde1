/*
 * The program of a worker. See worker.h.
 *
 *   PHASE --path PATH [--OPTION VALUE]...
 */
#include "bench/worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(const options *o);
    int quiet;
} phases[] = {
    {"fill", phase_fill, 0},       {"durable", phase_durable, 0},
    {"look-up", phase_look_up, 0}, {"look-up-cold", phase_look_up_cold, 0},
    {"replay", phase_replay, 0},   {"scan", phase_scan, 0},
    {"usage", phase_usage, 0},     {"pack", phase_pack, 0},
    {"disk", phase_disk, 0},       {"writers", phase_writers, 0},
    {"mixed", phase_mixed, 0},     {"zstd", phase_zstd, 0},
    {"prepare", phase_prepare, 0}, {"get", phase_get, 1},
    {"append", phase_append, 1},   {"count", phase_count, 0},
};

/* What stands under a name: a number or a text. */
static int take(options *o, const char *name, const char *value) {
    const struct {
        const char *name;
        uint64_t *number;
        int *small;
        int64_t *sum;
        const char **text;
    } known[] = {
        {.name = "--path", .text = &o->path},
        {.name = "--session", .text = &o->session},
        {.name = "--seed", .number = &o->spec.seed},
        {.name = "--events", .number = &o->spec.events},
        {.name = "--wide", .small = &o->spec.wide},
        {.name = "--batch", .number = &o->batch},
        {.name = "--count", .number = &o->count},
        {.name = "--writers", .number = &o->writers},
        {.name = "--readers", .number = &o->readers},
        {.name = "--gigabytes", .number = &o->gigabytes},
        {.name = "--durable", .small = &o->durable},
        {.name = "--threads", .small = &o->threads},
        {.name = "--cold", .small = &o->cold},
        {.name = "--rounds", .small = &o->rounds},
        {.name = "--expect-sessions", .number = &o->expected.sessions},
        {.name = "--expect-events", .number = &o->expected.events},
        {.name = "--expect-bytes", .number = &o->expected.bytes},
        {.name = "--expect-check", .number = &o->expected.check},
        {.name = "--expect-tokens", .sum = &o->expected.tokens},
        {.name = "--expect-cost", .sum = &o->expected.cost},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].name) == 0) {
            if (known[i].text != NULL)
                *known[i].text = value;
            if (known[i].number != NULL)
                *known[i].number = strtoull(value, NULL, 10);
            if (known[i].small != NULL)
                *known[i].small = atoi(value);
            if (known[i].sum != NULL)
                *known[i].sum = strtoll(value, NULL, 10);
            return 0;
        }
    return -1;
}

static int about(void) {
    tell_text("name", engine_this.name);
    tell_text("about", engine_this.about);
    tell_text("version", engine_this.version());
    tell_count("can", engine_this.can);
    tell_count("packs", engine_this.pack != NULL);
    tell_count("uses", engine_this.usage != NULL);
    tell_end();
    return 0;
}

int main(int argc, char **argv) {
    options o = {.spec = {.seed = 1, .events = 1000},
                 .batch = 1000,
                 .count = 1000,
                 .writers = 1,
                 .readers = 1,
                 .rounds = 5};
    size_t phase = 0, count = sizeof phases / sizeof phases[0];
    if (argc == 2 && strcmp(argv[1], "about") == 0)
        return about();
    while (phase < count && (argc < 2 || strcmp(argv[1], phases[phase].name) != 0))
        phase++;
    int wrong = phase == count || argc % 2 != 0;
    for (int i = 2; i + 1 < argc && !wrong; i += 2)
        wrong = take(&o, argv[i], argv[i + 1]) < 0;
    if (wrong || o.path == NULL || o.batch == 0 || o.rounds < 1) {
        fprintf(stderr, "usage: %s PHASE --path PATH [--OPTION VALUE]...\n", argv[0]);
        return 2;
    }
    if (phases[phase].run(&o) < 0)
        return 3;
    if (!phases[phase].quiet)
        tell_end();
    return 0;
}
