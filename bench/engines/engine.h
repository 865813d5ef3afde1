/*
 * What the side-by-side benchmark asks of an engine: one table of functions, filled by one file for
 * each engine (varve.c, sqlite.c, ...) and called by the phases in bench/worker. Each engine keeps
 * the events of a session in their order and, in the same transaction, a record of the session
 * (bench/support/record.h). A program holds one engine only, so that a new process pays for the
 * libraries of no other.
 *
 * A handle belongs to one thread; each thread opens its own, and no two append to one session.
 * Functions that can fail return 0 or -1; 'error' says why, in one line.
 */
#ifndef VARVE_BENCH_ENGINE_H
#define VARVE_BENCH_ENGINE_H

#include "bench/support/record.h"
#include "bench/support/source.h"
#include "bench/support/usage_sum.h"
#include "engine/varve.h"

#include <stddef.h>
#include <stdint.h>

enum {                             /* engine.can */
       ENGINE_PROCESSES = 1 << 0,  /* many processes may have it open and append */
       ENGINE_COMPRESSES = 1 << 1, /* payloads are stored compressed, at the latest when packed */
       ENGINE_SURVIVES = 1 << 2, /* what is appended without sync leaves a whole store after a crash
                                    of the system */
       ENGINE_LIMIT = 1 << 3,    /* no store: what the machine itself can do */
       ENGINE_MANY = 1 << 4,     /* bears a million sessions */
       ENGINE_ATOMIC = 1 << 5,   /* a batch is all or nothing */
};

enum {                          /* for open */
       ENGINE_DURABLE = 1 << 0, /* appends will be asked to be durable */
       ENGINE_SHARED = 1 << 1,  /* other processes or threads append at the same time */
       ENGINE_READ = 1 << 2,    /* nothing will be appended */
};

/* What was read, to be compared with what was appended. */
typedef struct engine_sum {
    uint64_t sessions, events, bytes;
    uint64_t check; /* of all payloads, in any order: see check_payload */
    int64_t tokens, cost;
} engine_sum;

typedef struct engine {
    const char *name, *about;
    unsigned can;
    const char *(*version)(void);
    const char *(*error)(void);
    int (*open)(const char *path, unsigned flags, void **ret_handle);
    void (*close)(void *handle);
    /* A batch: all or nothing where ENGINE_ATOMIC says so. Durable: on disk when it returns. */
    int (*append)(void *handle, const varve_event *events, size_t count, int durable);
    int (*sync)(void *handle); /* all that was appended is on disk */
    int (*get)(void *handle, const char *session, record_view *ret_view);
    /* All events of a session in order; each payload is read whole (engine_saw). */
    int (*replay)(void *handle, const char *session, engine_sum *sum);
    int (*scan)(void *handle, engine_sum *ret_sum); /* all session records: sums of their numbers */
    int (*usage)(void *handle, usage_sum *ret_usage);
    /* Makes it small, 'cold': as small as it gets; NULL = it has no such thing. */
    int (*pack)(void *handle, int cold);
    /* Limits only: brings into memory what get, replay and scan will read. */
    int (*load)(void *handle, const source_spec *spec);
} engine;

/* The one of this program. */
extern const engine engine_this;

/* A sum over every byte of a payload, at the speed of memory. */
uint64_t check_payload(const void *bytes, size_t size);
void engine_saw(engine_sum *sum, const void *payload, size_t size);

#endif
