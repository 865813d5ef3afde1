/*
 * What the measurements share. See measure.h.
 */
#include "bench/support/measure.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

double measure_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int by_size(const void *a, const void *b) {
    double p = *(const double *)a, q = *(const double *)b;
    return p < q ? -1 : p > q;
}

double measure_median(double *figures, size_t count) {
    qsort(figures, count, sizeof *figures, by_size);
    return measure_quantile(figures, count, 0.5);
}

double measure_quantile(const double *sorted, size_t count, double share) {
    size_t at = (size_t)(share * (double)(count - 1) + 0.5);
    return count == 0 ? 0 : sorted[at < count ? at : count - 1];
}

uint64_t measure_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

double measure_process(char *const arguments[]) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    pid_t child;
    int status = -1;
    double begun = measure_now();
    int failed = posix_spawn(&child, arguments[0], &actions, NULL, arguments, environ);
    if (!failed)
        waitpid(child, &status, 0);
    double took = measure_now() - begun;
    posix_spawn_file_actions_destroy(&actions);
    return failed || status != 0 ? -1 : took;
}
