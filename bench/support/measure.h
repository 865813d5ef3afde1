/*
 * What the measurements share: clocks, medians, memory, random numbers that come out alike in every
 * run.
 */
#ifndef VARVE_BENCH_MEASURE_H
#define VARVE_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

double measure_now(void); /* seconds */
double measure_cpu(void); /* seconds of processor that this process has used */
/* Sorts the figures and gives the middle one. */
double measure_median(double *figures, size_t count);
/* The figure that 'share' (0..1) of the sorted figures do not exceed. */
double measure_quantile(const double *sorted, size_t count, double share);
uint64_t measure_random(uint64_t *state); /* *state must not be 0 */
/* Runs a program and waits: wall seconds, or -1 if it could not be run or exited non-zero. */
double measure_process(char *const arguments[]);
/* Bytes of this process by their name in /proc/self/status ("VmHWM", "RssAnon"); 0 = not told. */
uint64_t measure_memory(const char *name);
/* Bytes that the files below a directory take on the disk. */
uint64_t measure_disk(const char *path);
/* Takes away a directory and all that is in it. */
int measure_remove(const char *path);

/* Many durations in little room: quantiles to within 3%. */
enum { SPREAD_BUCKETS = 1024 };
typedef struct measure_spread {
    uint64_t count, bucket[SPREAD_BUCKETS];
    double worst;
} measure_spread;
void measure_spread_add(measure_spread *spread, double seconds);
void measure_spread_merge(measure_spread *spread, const measure_spread *more);
double measure_spread_at(const measure_spread *spread,
                         double share); /* share 0..1; 1 = the worst */

#endif
