/*
 * Lives of a store on a disk that loses power: a row of steps, known results after each of them, and power cuts within; what
 * is found afterwards must be the result of some number of whole steps, at least of those that were acknowledged.
 */
#ifndef VARVE_TESTS_POWER_H
#define VARVE_TESTS_POWER_H

#include "engine/varve.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Steps, one a letter: a, g append a batch, g waits for the disk; b forks a session, w rewinds one, x deletes one; y syncs;
 * c, C compact what is due, everything, p a segment at most; l writes the batch of the next step and more
 * behind it, and dies before it can publish that; r, k retention that drops sessions, that keeps their records; f forgets a session;
 * s takes a snapshot; m merges another store; o closes and opens again.
 */
typedef struct power {
    const char *steps;
    uint32_t seed;
    uint32_t calls_per_cut, syncs_per_cut; /* one power cut in so many calls that change something, in so many syncs (0: none) */
    uint32_t depth;                        /* cuts within the recovery from a cut, and so on */
    uint64_t sync_to_fail;                 /* the n-th sync fails, 0: none; before the first cut only */
    bool fails_on;                         /* and so do all that follow */
    uint32_t lies_from;                    /* from behind so many steps on the disk confirms what it has not written; 0: never */
    uint64_t cuts, recoveries, steps_done; /* counted */
    uint64_t failed, mended;               /* steps that a failed sync made fail; that confirmed again behind these */
    char failed_in;                        /* the first of these */
    uint64_t told, untold;                 /* losses of what was acknowledged: reported; of which nothing is left to tell */
} power;

/* Lives through all steps. False, and the reason on stderr with what repeats it, if something is not as it should be. */
bool power_run(power *p);

/* A step of those that are done to an open store: all but l and o. */
typedef struct {
    const char *steps;
    uint32_t step;
    const char *base;     /* directory with the stores that power_make_others made there */
    const char *snapshot;
} power_place;
int power_step(varve *store, const power_place *at);
/* Whether a step that was cut off may leave something between its beginning and its end, and doing it again ends it. */
bool power_is_long(char letter);
bool power_make_others(const char *steps, const char *base);
/* All that the store tells, as text, but where in the log it stands. To be freed. */
char *power_told(varve *store);
/* Appends the batch of a step. */
int power_append(varve *store, const char *steps, uint32_t step, varve_durability durability);
int64_t power_minute(uint32_t n); /* the time of a step's events, ns */
/* An own count of what the first steps append, as far as none of them hides or drops anything. */
bool power_recounts(varve *store, const char *steps, uint32_t count);

#endif
