/*
 * The import of files: what its parts share.
 *
 *     cmd_import.c     options, and one file after the other
 *     import_walk.c    which files, below directories
 *     import_file.c    one file, line after line
 *     import_source.c  what a path and its first lines say: session, project, whether it is ours
 *     import_place.c   where a file was left    import_event.c   its lines as events, in batches
 *     import_lines.c   lines and their hash     import_seen.c  how often a line was met
 *     import_mark.c    the cursor's state       import_report.c  counting and telling
 *     import_log.c     files that are no transcripts: hooks' payloads, telemetry
 *     import_probe.c   what such a file is      import_objects.c  its objects as events
 *
 * An import is exactly-once: a batch holds events and how far they reach, and is stored whole or
 * not at all. An event is known again by its session, its bytes, and how often these came before in
 * its file; so what was imported from a copy, or before a file was changed, is not stored twice.
 */
#ifndef TOOLS_IMPORT_H
#define TOOLS_IMPORT_H

#include "tools/claude.h"
#include "tools/cli.h"
#include "tools/hook_event.h"
#include "tools/import_lines.h"
#include "tools/import_mark.h"
#include "tools/import_seen.h"
#include "tools/otel_event.h"

#include <sys/stat.h>

/* ---- Report ---- */

enum { IMPORT_NAMES = 256 };
struct name_count {
    char *name;
    uint64_t count;
};
struct names { /* the first IMPORT_NAMES names; the rest share one */
    struct name_count *list;
    size_t used;
};

struct import_report {
    double began;
    uint64_t files, unchanged, skipped, failed, reread;
    uint64_t bytes, events_added, duplicates, bad_lines, recovered, too_long, unfinished;
    uint64_t sessions, lower_bound_sessions, without_session;
    struct names unknown_types, unpriced;
    struct seen met, met_low; /* hashes of session ids */
};

struct import {
    struct cli *cli;
    int check;   /* also look at files that seem unchanged */
    int durable; /* sync at the end, and every IMPORT_SYNC bytes */
    const struct price_table *prices;
    struct claude_reader *reader;
    struct hook_reader *hooks; /* NULL until they are needed */
    struct otel_reader *otel;
    struct line_reader *lines, *ahead;
    struct seen seen, introduced; /* of one file: lines, sessions */
    varve_batch *batch;
    uint64_t unsynced;
    struct import_report report;
    size_t paths, path; /* how many there are, which one it is */
    int progress;       /* stderr is a terminal */
    double shown;       /* when the progress line was written last */
};

enum {
    IMPORT_BATCH_BYTES = 1 << 20,
    IMPORT_BATCH_EVENTS = 1000,
    IMPORT_BATCH_MORE = 15 << 20,
    IMPORT_SYNC = 64 << 20,
};

void report_begin(struct import *in);
void report_name(struct names *names, const char *name, size_t size);
/* A line that is not one object, for stderr. */
void report_bad_line(struct import *in, const char *path, uint64_t line, const char *what);
void report_progress(struct import *in, uint64_t bytes, int always);
void report_progress_end(struct import *in);
void report_print(const struct import *in);
void report_free(struct import_report *report);

/* ---- Paths ---- */

struct path {
    char *name;
    bool found; /* below a directory: it was not asked for by its name */
};
struct paths {
    struct path *list;
    size_t used, room;
};
/* Adds 'path', or every *.jsonl and *.json below it if it is a directory, sorted. Returns how many
 * parts of it could not be read; each was told. */
size_t walk_path(struct cli *cli, const char *path, struct paths *paths);
void walk_free(struct paths *paths);

/* ---- One file ---- */

struct source {
    const char *path; /* as it was named */
    char *real;       /* its real path; NULL for what is no plain file */
    int fd;
    struct stat there;
    char stem[256 * 3 + 1];
    char project[256 * 3 + 1]; /* the directory below projects/; "" = none */
    char above[256 * 3 + 1];   /* the directory above subagents/; "" = none */
    bool subagent;
};
/* 0, or -errno. What is no plain file is copied into a temporary one first. */
int source_open(struct source *source, const char *path);
void source_close(struct source *source);
enum source_kind { SOURCE_EMPTY, SOURCE_CLAUDE, SOURCE_OTHER, SOURCE_HOOKS, SOURCE_OTEL };
/* Whether the file's first object shows it to be a transcript. -errno, or one of the first three.
 */
int source_probe(struct import *in, const struct source *source);
/* The first session id that a line from 'position' on names; "" if there is none. 0 or -errno. */
int source_session(struct import *in, const struct source *source, uint64_t position,
                   char ret_session[MARK_SESSION_MAX + 1]);
/* Name of the source's cursor, terminated. */
enum { CURSOR_NAME_MAX = 4096 };
size_t source_cursor(const struct source *source, char ret_name[CURSOR_NAME_MAX + 1]);

struct file {
    struct import *in;
    struct source source;
    struct mark mark; /* of what was taken, stored or in the batch */
    struct mark now;  /* the file's size, time and identity */
    struct claude_state state;
    char session[MARK_SESSION_MAX + 1]; /* of lines that name none */
    char parent[MARK_SESSION_MAX + 1];  /* of a subagent; "" = unknown */
    char cursor[CURSOR_NAME_MAX + 1];
    uint8_t kept[MARK_STATE_MAX]; /* the cursor's state as the store has it */
    size_t cursor_size, kept_size;
    uint64_t from; /* where this import began */
    bool met_old;  /* a session of it has a transcript already */
    bool ended;    /* a line's end was taken: it was 'last_eol' */
    uint8_t last_eol;
    bool found;    /* as of struct path */
    int log;       /* SOURCE_HOOKS or SOURCE_OTEL, while it is taken as such */
    bool counting; /* what was taken before is only looked at again */
};

/* Finds where to go on. 1 = go on, 0 = nothing to do, FILE_LOG = it is for log_import, or -errno.
 */
enum { FILE_LOG = 2 };
int file_find_place(struct file *f);
/* Whose lines these are that name no session. 0 or -errno. */
int file_name_session(struct file *f);
/* Adds a piece of a line to the batch. 0 or VARVE_E_*. */
int file_add(struct file *f, const struct line *line, const struct claude_piece *piece);
/* Stores the batch. 'final': the file ends here for now. 0 or VARVE_E_*. */
int file_flush(struct file *f, bool final);

/* Imports one file. 0, also when the file could not be read or is none of ours (that was told and
 * counted); or VARVE_E_* (told): the store can take no more. */
int import_file(struct import *in, const struct path *path);

#endif
