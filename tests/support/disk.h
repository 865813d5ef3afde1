/*
 * A disk that can lose power: a table of system calls that knows, of all that lies below one directory, what a sync has put on
 * the disk and what only waits for one. A power cut makes another directory, such as might be found when the power is back.
 *
 * Whatever waits is kept or dropped by itself, in any mixture: the sectors of 512 bytes of each write and of what was stored
 * through a shared map; the size of each file; each change of a directory (a new name, a link, a rename, a removal), which
 * only an fsync of that directory confirms. A sector that was written twice may have either content. What is kept may be
 * garbled, what is dropped may be zeros where the file had nothing before. A write changes no byte beside it, though: disks
 * promise as much, and stores that append behind what is confirmed rely on it.
 *
 * Files keep their inode numbers over a cut, so that only the boot id tells that the machine was restarted.
 */
#ifndef VARVE_TESTS_DISK_H
#define VARVE_TESTS_DISK_H

#include "engine/os.h"

#include <stdbool.h>

typedef struct disk disk;
extern const ve_os disk_os; /* for what lies elsewhere it is the system's own */

/* A disk with what lies below 'root' now, all of it confirmed. */
disk *disk_new(const char *root);
void disk_free(disk **disk_at); /* the files stay */
/* Whose clock, random numbers and paths the table uses from now on; returns which it was (NULL: none). */
disk *disk_use(disk *d);
/* Calls 'at' before each call that changes something; 'sync': it is one to fsync or fdatasync. */
void disk_watch(disk *d, void (*at)(void *context, bool sync), void *context);
void disk_clock(disk *d, int64_t now); /* ns; it goes on by a little with each look */

enum { DISK_WAYS = 14 }; /* in which a power cut chooses; the first: nothing that waits is kept, the second: all of it */
/* The disk after a power cut, its files in the new directory 'root'. All choices follow from way and seed. */
disk *disk_cut(const disk *d, const char *root, uint32_t way, uint32_t seed);
const char *disk_way(uint32_t way); /* in words */

/* The n-th sync from now (0: none) fails with EIO, and what waited for it is taken for written by the system: later syncs do
 * not write it again. 'lasting': so do all that follow. */
void disk_fail_sync(disk *d, uint64_t n, bool lasting);
/* Syncs say that all is well, and write nothing. */
void disk_lie(disk *d, bool lies);
/* The next write is done, and reported as failed: what a writer leaves that dies before it can say what it wrote. */
void disk_break_write(disk *d);
uint64_t disk_syncs(const disk *d); /* so far */

#endif
