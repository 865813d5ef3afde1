/*
 * What the measurements share. See measure.h.
 */
#include "bench/support/measure.h"

#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double read_clock(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double measure_now(void) {
    return read_clock(CLOCK_MONOTONIC);
}

double measure_cpu(void) {
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
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

uint64_t measure_memory(const char *name) {
    FILE *file = fopen("/proc/self/status", "re");
    char line[256];
    uint64_t kib = 0;
    size_t size = strlen(name);
    while (file != NULL && kib == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, size) == 0 && line[size] == ':')
            kib = strtoull(line + size + 1, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}

static uint64_t disk_bytes;

static int add_file(const char *path, const struct stat *file, int kind, struct FTW *place) {
    (void)path, (void)kind, (void)place;
    disk_bytes += (uint64_t)file->st_blocks * 512;
    return 0;
}

uint64_t measure_disk(const char *path) {
    disk_bytes = 0;
    nftw(path, add_file, 16, FTW_PHYS);
    return disk_bytes;
}

static int remove_file(const char *path, const struct stat *file, int kind, struct FTW *place) {
    (void)file, (void)kind, (void)place;
    return remove(path);
}

int measure_remove(const char *path) {
    return nftw(path, remove_file, 16, FTW_PHYS | FTW_DEPTH);
}

/* 32 buckets an octave, from 2^-27 s (7 ns) on. */
void measure_spread_add(measure_spread *spread, double seconds) {
    double at = seconds > 0 ? (log2(seconds) + 27) * 32 : 0;
    size_t bucket = at <= 0 ? 0 : at >= SPREAD_BUCKETS ? SPREAD_BUCKETS - 1 : (size_t)at;
    spread->bucket[bucket]++;
    spread->count++;
    spread->worst = seconds > spread->worst ? seconds : spread->worst;
}

void measure_spread_merge(measure_spread *spread, const measure_spread *more) {
    for (size_t i = 0; i < SPREAD_BUCKETS; i++)
        spread->bucket[i] += more->bucket[i];
    spread->count += more->count;
    spread->worst = more->worst > spread->worst ? more->worst : spread->worst;
}

double measure_spread_at(const measure_spread *spread, double share) {
    uint64_t want = (uint64_t)(share * (double)spread->count), seen = 0;
    for (size_t i = 0; share < 1 && i < SPREAD_BUCKETS; i++)
        if ((seen += spread->bucket[i]) > want) {
            double top = exp2((double)(i + 1) / 32 - 27);
            return top < spread->worst ? top : spread->worst;
        }
    return spread->worst;
}
