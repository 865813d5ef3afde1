/*
 * What the measurements share: a clock, medians, random numbers that come out alike in every run.
 */
#ifndef VARVE_BENCH_MEASURE_H
#define VARVE_BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

double measure_now(void); /* seconds */
/* Sorts the figures and gives the middle one. */
double measure_median(double *figures, size_t count);
/* The figure that 'share' (0..1) of the sorted figures do not exceed. */
double measure_quantile(const double *sorted, size_t count, double share);
uint64_t measure_random(uint64_t *state); /* *state must not be 0 */
/* Runs a program and waits: wall seconds, or -1 if it could not be run or exited non-zero. */
double measure_process(char *const arguments[]);

#endif
