/*
 * What mix shows in a way of its own: the kind of session and its place in the family, and the
 * callbacks, which are stored as the JSON that was given.
 */
#include "tools/cli.h"
#include "tools/json_out.h"
#include "tools/view_value.h"

#include <string.h>
#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

/* ---- The family ---- */

static unsigned session_type(const varve_session *session) {
    int child = session->parent_row != UINT64_MAX;
    switch (session->session_type) {
    case VARVE_SESSION_MAIN:
    case VARVE_SESSION_FORKED:
    case VARVE_SESSION_SUBAGENT:
        return session->session_type;
    case VARVE_SESSION_UNSAID:
        return child ? VARVE_SESSION_SUBAGENT : VARVE_SESSION_MAIN;
    default: /* named: lists show it, so it is no subagent */
        return child ? VARVE_SESSION_FORKED : VARVE_SESSION_MAIN;
    }
}

struct view_value mix_session_type(const varve_session *session, unsigned which) {
    (void)which;
    unsigned type = session_type(session);
    return view_word_value(type == VARVE_SESSION_FORKED     ? "forked"
                           : type == VARVE_SESSION_SUBAGENT ? "subagent"
                                                            : "main");
}

/* Of forked and subagent sessions; not where the link was cut. */
struct view_value mix_parent(const varve_session *session, unsigned str) {
    int child = session_type(session) != VARVE_SESSION_MAIN && session->parent_row != UINT64_MAX;
    return view_text_value(child ? session->str[str] : (varve_str){NULL, 0});
}

static varve_str of_subagent(const varve_session *session, unsigned str) {
    int subagent = session_type(session) == VARVE_SESSION_SUBAGENT;
    return subagent ? session->str[str] : (varve_str){NULL, 0};
}

struct view_value mix_parent_tool_call(const varve_session *session, unsigned str) {
    return view_text_value(of_subagent(session, str));
}

struct view_value mix_subagent_type(const varve_session *session, unsigned str) {
    /* the only one that the model knows stands for all */
    return view_word_value(of_subagent(session, str).ptr ? "general-purpose" : NULL);
}

/* ---- Callbacks: an array of objects, their names in snake_case, what is null left out ---- */

struct copy {
    yajl_gen gen;
    int depth;
    int held; /* a key waits for its value: one that is null takes it along */
    size_t key_size;
    char key[128];
};

/* Before a value: what must hold for it to stand here, and the key that waits for it. */
static int begin_value(struct copy *copy, int is_array, int is_map) {
    if ((copy->depth == 0 && !is_array) || (copy->depth == 1 && !is_map)) {
        return 0;
    }
    if (copy->held) {
        yajl_gen_string(copy->gen, (const unsigned char *)copy->key, copy->key_size);
    }
    copy->held = 0;
    return 1;
}

static int copy_null(void *context) {
    struct copy *copy = context;
    int kept = copy->held; /* an item of an array stays: the others keep their places */
    copy->held = 0;
    return copy->depth > 1 && (kept || yajl_gen_null(copy->gen) == yajl_gen_status_ok);
}

static int copy_boolean(void *context, int value) {
    struct copy *copy = context;
    return begin_value(copy, 0, 0) && yajl_gen_bool(copy->gen, value) == yajl_gen_status_ok;
}

static int copy_number(void *context, const char *text, size_t size) {
    struct copy *copy = context;
    return begin_value(copy, 0, 0) && yajl_gen_number(copy->gen, text, size) == yajl_gen_status_ok;
}

static int copy_string(void *context, const unsigned char *text, size_t size) {
    struct copy *copy = context;
    return begin_value(copy, 0, 0) && yajl_gen_string(copy->gen, text, size) == yajl_gen_status_ok;
}

static int copy_map(void *context) {
    struct copy *copy = context;
    return begin_value(copy, 0, 1) && ++copy->depth <= JSON_DEPTH_MAX / 2 &&
           yajl_gen_map_open(copy->gen) == yajl_gen_status_ok;
}

static int copy_key(void *context, const unsigned char *text, size_t size) {
    struct copy *copy = context;
    copy->held = 1;
    copy->key_size = 0;
    for (size_t i = 0; i < size; i++) {
        if (copy->key_size + 2 > sizeof copy->key) {
            return 0;
        }
        int upper = text[i] >= 'A' && text[i] <= 'Z';
        if (upper && i > 0) {
            copy->key[copy->key_size++] = '_';
        }
        copy->key[copy->key_size++] = (char)(upper ? text[i] - 'A' + 'a' : text[i]);
    }
    return 1;
}

static int copy_map_end(void *context) {
    struct copy *copy = context;
    copy->depth--;
    return yajl_gen_map_close(copy->gen) == yajl_gen_status_ok;
}

static int copy_array(void *context) {
    struct copy *copy = context;
    return begin_value(copy, 1, 0) && ++copy->depth <= JSON_DEPTH_MAX / 2 &&
           yajl_gen_array_open(copy->gen) == yajl_gen_status_ok;
}

static int copy_array_end(void *context) {
    struct copy *copy = context;
    copy->depth--;
    return yajl_gen_array_close(copy->gen) == yajl_gen_status_ok;
}

struct view_value mix_callbacks(const varve_session *session, unsigned str) {
    static const yajl_callbacks callbacks = {
        .yajl_null = copy_null,
        .yajl_boolean = copy_boolean,
        .yajl_number = copy_number,
        .yajl_string = copy_string,
        .yajl_start_map = copy_map,
        .yajl_map_key = copy_key,
        .yajl_end_map = copy_map_end,
        .yajl_start_array = copy_array,
        .yajl_end_array = copy_array_end,
    };
    struct view_value value = {.type = VIEW_JSON};
    varve_str text = session->str[str];
    struct copy copy = {.gen = yajl_gen_alloc(NULL)};
    yajl_handle parser = yajl_alloc(&callbacks, NULL, &copy);
    const unsigned char *made;
    size_t size;
    if (text.ptr && copy.gen && parser &&
        yajl_parse(parser, (const unsigned char *)text.ptr, text.size) == yajl_status_ok &&
        yajl_complete_parse(parser) == yajl_status_ok &&
        yajl_gen_get_buf(copy.gen, &made, &size) == yajl_gen_status_ok && size > 0) {
        value.has = 1;
        value.owned = cli_alloc(size);
        memcpy(value.owned, made, size);
        value.text = (varve_str){value.owned, size};
    }
    if (parser) {
        yajl_free(parser);
    }
    if (copy.gen) {
        yajl_gen_free(copy.gen);
    }
    return value;
}
