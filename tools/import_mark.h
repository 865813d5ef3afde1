/*
 * How far a file was taken: what the store keeps of it from one import to the next, as the state of
 * its cursor. Written in the same batch as the events, so that both are there or neither.
 */
#ifndef TOOLS_IMPORT_MARK_H
#define TOOLS_IMPORT_MARK_H

#include "engine/varve.h"
#include "tools/claude.h"

/* MARK_LOG: no transcript; MARK_WHOLE: and not read line by line */
enum { MARK_NAMED = 1, MARK_NO_EOL = 2, MARK_CUSTOM_TITLE = 4, MARK_LOG = 8, MARK_WHOLE = 16 };
enum { MARK_SESSION_MAX = 1024, MARK_STATE_MAX = 4096 };

struct mark {
    uint64_t position; /* where the next line begins */
    uint8_t hash[16];  /* of everything before it */
    uint64_t size;     /* of the file when it was read, and which file that was */
    int64_t mtime;
    uint64_t inode, device;
    uint64_t lines, bad_lines; /* before 'position' */
    uint32_t flags; /* MARK_NAMED: a line said 'session'. MARK_NO_EOL: the last line had no end */
    int64_t last_time;                  /* of struct claude_state */
    uint64_t last_message;              /* of a log: how many payloads were taken */
    varve_key last_uid;                 /* of the last piece taken, and its session */
    char session[MARK_SESSION_MAX + 1]; /* the first that a line names */
    char last_session[MARK_SESSION_MAX + 1];
};

/* Returns the state's size. */
size_t mark_encode(const struct mark *mark, uint8_t ret_state[MARK_STATE_MAX]);
/* 1, or 0 if it is not a state that this version can read. */
int mark_decode(const uint8_t *state, size_t size, struct mark *ret_mark);

#endif
