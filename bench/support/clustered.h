/*
 * Payloads clustered by session and cut into blocks: what a packer could compress best. A session's
 * payloads come out together when it ends.
 */
#ifndef VARVE_BENCH_CLUSTERED_H
#define VARVE_BENCH_CLUSTERED_H

#include <stddef.h>
#include <stdint.h>

typedef struct clustered clustered;
/* Calls 'each' for every block of 'block' bytes, at the end for a smaller one. Non-zero stops. */
clustered *clustered_open(size_t block, int (*each)(void *context, const void *bytes, size_t size),
                          void *context);
/* 'last': the session has no more. At most 64 sessions at a time. Non-zero: no memory, or stopped.
 */
int clustered_add(clustered *cluster, uint64_t session, const void *bytes, size_t size, int last);
int clustered_finish(clustered *cluster); /* what is left, of sessions that did not end too */
void clustered_close(clustered **cluster);

#endif
