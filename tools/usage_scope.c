/*
 * One pass over all sessions finds whom each worked for, one over those that fit marks them, and
 * one reads the headings. Memory: at most 9 bytes a session.
 */
#include "tools/usage_scope.h"

#include <stdlib.h>
#include <string.h>

static const uint32_t everyone =
    VARVE_LIST_SUBAGENTS | VARVE_LIST_STUBS | VARVE_LIST_HIDDEN | VARVE_LIST_DELETED;

static int is_subagent(const varve_session *session) {
    return session->parent_row != UINT64_MAX &&
           (session->session_type == VARVE_SESSION_SUBAGENT ||
            session->session_type == VARVE_SESSION_UNSAID);
}

/* Calls 'each' for the sessions that fit, without texts unless they are wanted. */
static int walk(struct cli *cli, const varve_session_filter *filter, int texts,
                void (*each)(void *context, const varve_session *session), void *context) {
    varve_list *list = NULL;
    varve_session session = {.size = sizeof session};
    int error = varve_session_list(cli->store, filter, &list);
    if (error >= 0) {
        varve_list_strings(list, texts);
        while ((error = varve_list_next(list, &session)) == 1) {
            each(context, &session);
        }
    }
    varve_list_close(&list);
    return error < 0 ? cli_fail_store(cli, error) : EXIT_OKAY;
}

static void note_parent(void *context, const varve_session *session) {
    struct usage_scope *scope = context;
    if (session->row >= scope->rows) {
        uint64_t rows = session->row + session->row / 2 + 64;
        scope->top = cli_grow(scope->top, (size_t)rows, sizeof *scope->top);
        for (uint64_t row = scope->rows; row < rows; row++) {
            scope->top[row] = (uint32_t)row;
        }
        scope->rows = rows;
    }
    scope->top[session->row] =
        (uint32_t)(is_subagent(session) ? session->parent_row : session->row);
}

static void note_fit(void *context, const varve_session *session) {
    struct usage_scope *scope = context;
    if (session->row < scope->rows) {
        scope->in[session->row] = 1;
    }
}

int usage_scope_make(struct cli *cli, const varve_session_filter *filter,
                     struct usage_scope *ret_scope) {
    varve_session_filter all;
    varve_session_filter_init(&all);
    all.flags = everyone;
    int answer = walk(cli, &all, 0, note_parent, ret_scope);
    /* lines of ancestors have no cycles and are short */
    for (uint64_t row = 0; row < ret_scope->rows && answer == EXIT_OKAY; row++) {
        uint32_t top = ret_scope->top[row];
        while (top < ret_scope->rows && ret_scope->top[top] != top) {
            top = ret_scope->top[top];
        }
        ret_scope->top[row] = top < ret_scope->rows ? top : (uint32_t)row;
    }
    if (answer == EXIT_OKAY && filter) {
        ret_scope->in = cli_grow(NULL, (size_t)ret_scope->rows, 1);
        memset(ret_scope->in, 0, (size_t)ret_scope->rows);
        all = *filter;
        all.flags |= everyone;
        answer = walk(cli, &all, 0, note_fit, ret_scope);
    }
    return answer;
}

int usage_scope_has(const struct usage_scope *scope, uint64_t row) {
    if (!scope->in) {
        return 1;
    }
    return row < scope->rows && scope->in[scope->top[row]];
}

/* ---- Headings ---- */

struct heading {
    struct usage_scope *scope;
    const char *label;
    struct groups *groups;
};

/* What the line "label=..." of the labels says; absent if there is none. */
static varve_str value_of(varve_str labels, const char *label) {
    size_t size = strlen(label);
    for (size_t at = 0; at < labels.size;) {
        const char *line = labels.ptr + at, *end = memchr(line, '\n', labels.size - at);
        size_t length = end ? (size_t)(end - line) : labels.size - at;
        if (length > size && memcmp(line, label, size) == 0 && line[size] == '=') {
            return (varve_str){line + size + 1, length - size - 1};
        }
        at += length + 1;
    }
    return (varve_str){NULL, 0};
}

static void note_heading(void *context, const varve_session *session) {
    const struct heading *heading = context;
    struct usage_scope *scope = heading->scope;
    if (session->row >= scope->rows || scope->top[session->row] != session->row) {
        return;
    }
    varve_str name = heading->label ? value_of(session->str[VARVE_STR_LABELS], heading->label)
                                    : session->str[VARVE_STR_PROJECT];
    struct group *group = groups_by_name(heading->groups, name);
    scope->headed[session->row] = (uint32_t)(group - heading->groups->all) + 1;
}

int usage_scope_head(struct cli *cli, struct usage_scope *scope, const char *label,
                     struct groups *groups) {
    varve_session_filter all;
    varve_session_filter_init(&all);
    all.flags = everyone;
    scope->headed = cli_grow(NULL, (size_t)scope->rows, sizeof *scope->headed);
    memset(scope->headed, 0, (size_t)scope->rows * sizeof *scope->headed);
    return walk(cli, &all, 1, note_heading,
                &(struct heading){.scope = scope, .label = label, .groups = groups});
}

struct group *usage_scope_group(const struct usage_scope *scope, uint64_t row,
                                struct groups *groups) {
    uint32_t number = row < scope->rows ? scope->headed[scope->top[row]] : 0;
    return number ? &groups->all[number - 1] : groups_by_name(groups, (varve_str){NULL, 0});
}

void usage_scope_free(struct usage_scope *scope) {
    free(scope->top);
    free(scope->in);
    free(scope->headed);
    *scope = (struct usage_scope){0};
}
