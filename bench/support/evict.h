/*
 * The system's memory of files: all of a store's there, or nothing of them.
 */
#ifndef VARVE_BENCH_EVICT_H
#define VARVE_BENCH_EVICT_H

int evict_warm(const char *path); /* reads every file once. -1: errno says why */
/* The system forgets what it holds of them, but not what was never written: evict_sync once,
 * before. */
int evict_cold(const char *path);
int evict_sync(const char *path);

#endif
