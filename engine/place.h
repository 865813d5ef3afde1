/*
 * Whether a store may be written where it lies; making its files.
 */
#ifndef VARVE_ENGINE_PLACE_H
#define VARVE_ENGINE_PLACE_H

#include "engine/os.h"
#include "engine/varve.h"

#include <stdbool.h>

/* Whom new files let in besides their owner. */
typedef struct ve_share {
    bool on;            /* VARVE_OPEN_SHARED; else nobody */
    unsigned mode;      /* permissions of group and others, as the store's directory has them */
    unsigned directory; /* S_ISGID, if it has that */
    bool give;          /* new files are given to the directory's owner: */
    uint32_t user, group;
} ve_share;

/* Writers: VARVE_E_UNSUITABLE if the store's directory is no place to write in. Readers: whether CONTROL is to be believed.
 * Takes over what the flags (VARVE_OPEN_*) allow. */
int ve_place_check(varve *store, uint32_t flags);
/* Whether locks exclude: the file 'name' is open as 'held', and locked or may be. */
int ve_probe_lock(varve *store, int held, const char *name);
/* Whether what is written shows in memory, and the other way round: 'map' is VE_PROBE_SIZE bytes of the file (NULL: it can
 * only be mapped to be read), of which the word at VE_PROBE_AT means nothing; it is zero in the end. */
enum { VE_PROBE_SIZE = 4096, VE_PROBE_AT = 4088 };
int ve_probe_map(varve *store, int fd, void *map);
/* Both, with a new file. */
int ve_probe_file(varve *store, int fd, const char *name);
/* The error for a file that could not be mapped, by errno. */
int ve_place_no_maps(varve *store);
/* Opens a file, makes it if need be, lets those in who are to be; flags without O_CREAT. -1 and errno. */
int ve_make_file(const ve_os *os, const ve_share *share, int dir, const char *name, int flags);
/* Likewise; one that is there is as good. 0, or -1 and errno. */
int ve_make_directory(const ve_os *os, const ve_share *share, int dir, const char *name);
/* Opens a directory of the store, never through a link; makes it if need be. */
int ve_open_directory(varve *store, const char *name, bool make);
/* Moves a file out of the way. */
int ve_quarantine(varve *store, int dir, const char *name);

#endif
