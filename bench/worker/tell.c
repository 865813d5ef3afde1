/*
 * What workers print, and the comparison of sums. See worker.h.
 */
#include "bench/worker/worker.h"

#include <inttypes.h>
#include <stdio.h>

static int told;

static void tell_name(const char *figure) {
    printf("%s\"%s\": ", told++ > 0 ? ", " : "{", figure);
}

void tell(const char *figure, double value) {
    tell_name(figure);
    printf("%.9g", value);
}

void tell_count(const char *figure, uint64_t value) {
    tell_name(figure);
    printf("%" PRIu64, value);
}

void tell_text(const char *figure, const char *value) {
    tell_name(figure);
    printf("\"%s\"", value);
}

void tell_end(void) {
    printf("%s}\n", told == 0 ? "{" : "");
}

int failed(const char *what) {
    fprintf(stderr, "%s: %s: %s\n", engine_this.name, what, engine_this.error());
    return -1;
}

int check_sum(const char *what, const engine_sum *expected, const engine_sum *sum) {
    const struct {
        const char *name;
        uint64_t want, got;
    } parts[] = {
        {"sessions", expected->sessions, sum->sessions},
        {"events", expected->events, sum->events},
        {"bytes", expected->bytes, sum->bytes},
        {"sum of payloads", expected->check, sum->check},
        {"tokens", (uint64_t)expected->tokens, (uint64_t)sum->tokens},
        {"cost", (uint64_t)expected->cost, (uint64_t)sum->cost},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].want != 0 && parts[i].want != parts[i].got) {
            fprintf(stderr, "%s: %s: wrong total: %s %" PRIu64 ", appended were %" PRIu64 "\n",
                    engine_this.name, what, parts[i].name, parts[i].got, parts[i].want);
            return -1;
        }
    return 0;
}

void expect_batch(engine_sum *expected, const source_batch *batch) {
    for (size_t i = 0; i < batch->count; i++) {
        const varve_event *event = &batch->events[i];
        engine_saw(expected, event->payload, event->payload_size);
        if (event->present & VARVE_HAS_CHARGE) {
            expected->tokens += event->tokens[VARVE_TOK_INPUT] + event->tokens[VARVE_TOK_OUTPUT];
            expected->cost += event->cost;
        }
    }
}
