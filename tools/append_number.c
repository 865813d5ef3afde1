/*
 * Numbers of an event object: whole ones within their range, and money from its decimal digits.
 */
#include "tools/append_inner.h"

#include <string.h>

static int64_t *place_of(varve_event *event, uint32_t at, uint32_t *ret_has, int32_t **ret_small) {
    *ret_small = NULL;
    switch (at) {
    case COUNT_DURATION:
        *ret_has = VARVE_HAS_DURATION;
        return &event->duration;
    case COUNT_PROCESS_START:
        *ret_has = VARVE_HAS_PROCESS_START;
        return &event->process_start;
    case COUNT_PID:
        *ret_has = VARVE_HAS_PID;
        *ret_small = &event->pid;
        return NULL;
    case COUNT_TURN:
        *ret_has = VARVE_HAS_TURN;
        *ret_small = &event->turn;
        return NULL;
    case COUNT_GITHUB_ISSUE:
        *ret_has = VARVE_HAS_GITHUB_ISSUE;
        *ret_small = &event->github_issue;
        return NULL;
    case COUNT_GITHUB_PR:
        *ret_has = VARVE_HAS_GITHUB_PR;
        *ret_small = &event->github_pr;
        return NULL;
    case COUNT_GIT_ADDITIONS:
        *ret_has = VARVE_HAS_GIT_ADDITIONS;
        *ret_small = &event->git_additions;
        return NULL;
    default:
        *ret_has = VARVE_HAS_GIT_DELETIONS;
        *ret_small = &event->git_deletions;
        return NULL;
    }
}

static bool whole(const struct append_value *v, int64_t most, int64_t *ret_number) {
    int64_t number = 0;
    if (v->kind != PICK_NUMBER || !json_whole(v->text, v->size, &number)) {
        bool digits = v->kind == PICK_NUMBER && !memchr(v->text, '.', v->size) &&
                      !memchr(v->text, 'e', v->size) && !memchr(v->text, 'E', v->size);
        append_value_fault(v, digits ? "out of range" : "wants a whole number");
        return false;
    }
    if (number < 0 || number > most) {
        append_value_fault(v, number < 0 ? "below zero" : "out of range");
        return false;
    }
    *ret_number = number;
    return true;
}

void append_take_count(const struct append_value *v) {
    uint32_t has = 0;
    int32_t *small = NULL;
    int64_t number = 0, *large = place_of(v->into, v->field->at, &has, &small);
    if (!whole(v, small ? INT32_MAX : INT64_MAX, &number)) {
        return;
    }
    if (small) {
        *small = (int32_t)number;
    } else {
        *large = number;
    }
    v->into->present |= has;
}

void append_take_tokens(const struct append_value *v) {
    if (whole(v, INT64_MAX, &v->into->tokens[v->field->at])) {
        v->into->present |= (uint32_t)VARVE_HAS_TOKENS << v->field->at;
    }
}

void append_take_money(const struct append_value *v) {
    int64_t nanos = 0;
    if (v->kind != PICK_NUMBER || !json_scaled(v->text, v->size, 9, &nanos)) {
        append_value_fault(v, "wants a number of dollars");
    } else if (nanos < 0 || nanos == INT64_MAX) {
        append_value_fault(v, nanos < 0 ? "below zero" : "out of range");
    } else {
        v->into->cost = nanos;
        v->into->present |= VARVE_HAS_COST;
    }
}

void append_take_tool_calls(const struct append_value *v) {
    int64_t number = 0;
    if (v->kind == PICK_ARRAY) { /* its elements are counted as they come */
        v->into->tool_calls = 0;
        append_value_keep(v);
    } else if (whole(v, INT32_MAX, &number)) {
        v->into->tool_calls = (int32_t)number;
    } else {
        return;
    }
    v->into->present |= VARVE_HAS_TOOL_CALLS;
}
