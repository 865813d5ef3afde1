/*
 * The fold: records of the log into the rows of their sessions. SPEC.md "Session fold".
 */
#ifndef VARVE_ENGINE_FOLD_H
#define VARVE_ENGINE_FOLD_H

#include "engine/store.h"

/* A record that was folded lately, and when it happened. */
enum { VE_MET = 4096, VE_MET_FROM = 100 };
typedef struct ve_met {
    uint64_t lsn; /* 0 = none */
    int64_t time;
} ve_met;

/* Where a record stands among those that were met. */
static inline size_t ve_met_slot(uint64_t lsn) {
    return (size_t)((lsn / VF_RECORD_ALIGN * 0x9E3779B97F4A7C15u) >> 40) % VE_MET;
}

/* ---- fold.c, settle.c, refold.c, lifecycle.c, family.c, charge.c ---- */

/* One record into the group's rows. */
int ve_fold(varve *store, ve_index *index, ve_group *group, const ve_record *from);
/* What is due once a group: life cycles, resolved counters, roll-ups. */
int ve_fold_settle(varve *store, ve_index *index, ve_group *group);
/* Folds the log from 'from' to 'to' into the index, group by group. 'applied': word to move along,
 * or NULL. */
int ve_fold_range(varve *store, ve_index *index, uint64_t from, uint64_t to, le64 *applied);
int ve_charge(varve *store, ve_index *index, ve_group *group, ve_group_row *session,
              const vf_frame *frame, const vf_body *body);
int ve_link_parent(varve *store, ve_index *index, ve_group *group, uint32_t child, uint32_t parent);
int ve_roll_up(varve *store, ve_index *index, ve_group *group, uint32_t child, int64_t delta);
int ve_lifecycle(varve *store, ve_index *index, ve_group *group, uint32_t row);
/* Folds a session again after a REWIND: counts and fields, not what was paid. */
int ve_refold(varve *store, ve_index *index, ve_group *group, uint32_t row);
/* One record of a session into its row; 'paid': without charges. */
int ve_fold_record(varve *store, ve_index *index, ve_group *group, ve_group_row *session,
                   const ve_record *from, bool paid);
/* Adds (sign 1) or takes back (-1) a counter that a SESSION record says outright, if it does: a
 * token class, cost, turns. */
enum { VE_COUNTER_COST = VF_TOKENS, VE_COUNTER_TURNS, VE_COUNTERS };
void ve_absolute(vf_cold *cold, const vf_body *body, int counter, int sign);
/* 'guess': the number that it most likely has, 0 = none. */
int ve_intern(varve *store, ve_index *index, ve_group *group, vf_text name, uint32_t guess, uint32_t *ret_name);
/* -1, 0, 1: canonical order of two records (SPEC.md "Order") as far as time, source, position and uid tell. */
int ve_canonical(const vf_frame *a, const vf_body *a_body, const vf_frame *b,
                 const vf_body *b_body);
/* Whether an event takes part in the life cycle: starts, ends, activity. */
enum { VE_LIFE_NONE = 0, VE_LIFE_START = 1, VE_LIFE_ACTIVITY = 2, VE_LIFE_END = 3 };
int ve_life_of(const vf_frame *frame, const vf_body *body);
/* Identity text of a session row, of which 'cold' is the cold part behind the hot one; pointers into the log. */
int ve_identity(varve *store, const vf_cold *cold, varve_str *ret_machine, varve_str *ret_id);
int ve_compare_identity(varve_str a_machine, varve_str a_id, varve_str b_machine,
                        varve_str b_id); /* id, then machine */
/* Identity of a session row through the group, for ordering owners. */
int ve_session_less(varve *store, ve_index *index, ve_group *group, uint32_t a, uint32_t b);

static inline vf_hot *ve_hot(const ve_group_row *row) {
    return (vf_hot *)(void *)row->image;
}
static inline vf_cold *ve_cold(const ve_group_row *row) {
    return (vf_cold *)(void *)(row->image + VF_HOT_SIZE);
}
/* Sums are kept modulo 2^64, so that what is taken back leaves no trace; one that is negative has gone beyond what can be
 * shown. */
static inline int64_t ve_sum(le64 sum) {
    return vf_get_i64(sum) < 0 ? INT64_MAX : vf_get_i64(sum);
}
static inline bool ve_le_flag(le32 word, uint32_t flag) {
    return (vf_get32(word) & flag) != 0;
}

#endif
