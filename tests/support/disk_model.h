/*
 * What a simulated disk knows of its files and directories. For disk*.c only; see disk.h.
 */
#ifndef VARVE_TESTS_DISK_MODEL_H
#define VARVE_TESTS_DISK_MODEL_H

#include "support/disk.h"

enum { DISK_SECTOR = 512, DISK_NAME = 64 };

/* A change of a file that waits for a sync. */
typedef struct {
    enum { DISK_WRITE, DISK_EXTEND, DISK_EMPTY } kind; /* EXTEND: only its size grows; EMPTY: its size becomes 0 */
    uint64_t offset, size;
    uint8_t *bytes; /* of a WRITE */
    bool forgotten; /* a sync failed: the system believes that it was written */
} disk_change;

struct disk_object;
typedef struct {
    char name[DISK_NAME];
    struct disk_object *what;
} disk_entry;

/* A file or a directory; a file with two names is one. */
typedef struct disk_object {
    disk *owner;
    ino_t inode;
    uint64_t number; /* that the table tells as its inode */
    int pin;         /* keeps it, and its inode number, when it has no name any more */
    bool directory;
    bool shadowed;   /* else all of the file is confirmed */
    bool mapped;     /* may be stored to at any time */
    uint8_t *bytes;  /* what is confirmed of it */
    uint64_t size;
    disk_change *change;
    size_t changes, change_room;
    disk_entry *entry; /* of a directory: what is confirmed */
    size_t entries, entry_room;
} disk_object;

/* A change of one or two directories, at once, that waits. */
typedef struct {
    disk_object *directory[2]; /* the second: NULL, or the other one of a rename */
    char name[2][DISK_NAME];
    disk_object *what[2]; /* that the name means from now on; NULL: nothing */
} disk_move;

struct disk {
    dev_t device; /* that all of it really lies on */
    disk_object **object; /* the first is the root */
    size_t objects, object_room;
    disk_move *move;
    size_t moves, move_room;
    uint64_t next_number, random_state;
    uint8_t boot;
    int64_t clock;
    void (*at)(void *context, bool sync);
    void *context;
    uint64_t syncs, sync_to_fail;
    bool fails_on, lies, breaks_write;
};

void disk_need(bool good, const char *what); /* aborts: it is the test's own trouble */
void *disk_grow(void *array, size_t *room, size_t count, size_t item);
disk_object *disk_add(disk *d, int parent, const char *name, uint64_t number);
disk_object *disk_find(const disk *d, const struct stat *file);
void disk_name(disk_object *directory, const char *name, disk_object *what); /* NULL: takes the name away */
void disk_shadow(disk_object *o);
void disk_note(disk_object *o, disk_change change);
void disk_wait(disk *d, disk_move move);
void disk_confirm_file(disk_object *o);
void disk_confirm_directory(disk_object *o);
void disk_forget(disk_object *o); /* a sync of it has failed */
uint8_t *disk_live(const disk_object *o, uint64_t *ret_size); /* what programs see now; to be freed */
uint32_t disk_draw(uint64_t *state);

#endif
