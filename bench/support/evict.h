/*
 * The system's memory of files: all of a store's there, or nothing of them.
 */
#ifndef VARVE_BENCH_EVICT_H
#define VARVE_BENCH_EVICT_H

int evict_warm(const char *path); /* reads every file once. -1: errno says why */
int evict_cold(const char *path); /* syncs each, and has the system forget it */

#endif
