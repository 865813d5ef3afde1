/*
 * The rules become a tree of nodes, one a key, found by one hash look-up a key. yajl does the
 * reading. It decodes strings only where a callback is set, and looks at the table of callbacks
 * again for each token: so callbacks are set while a wanted value may come, and taken out else.
 */
#include "tools/json_pick.h"

#include "tools/cli.h"

#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum { LEVELS = 16, NODES = 192, SLOTS = 1024, NOBODY = -1 };

struct node {
    const char *key; /* in the rule's path */
    size_t size;
    int parent;
    int id;       /* of the rule that ends here, 0 = none */
    int any;      /* node of "*", or NOBODY */
    int elements; /* node of "[]", or NOBODY */
    int inner;    /* rules go on below */
};

struct json_pick {
    yajl_handle handle; /* NULL = to be made */
    yajl_callbacks calls;
    pick_each each;
    void *context;
    struct node node[NODES];
    int nodes;
    int16_t slot[SLOTS]; /* by parent and key: a node, or NOBODY */
    int stack[LEVELS];   /* nodes of the open containers that rules go through */
    uint8_t array[LEVELS];
    int levels;
    int skipped; /* containers open below those */
    int next;    /* node of the value that comes next, or NOBODY */
    int done;    /* the object has ended, 'used' bytes after the beginning */
    size_t used;
    size_t reached;
};

/* ---- Rules ---- */

static size_t slot_of(int parent, const char *key, size_t size) {
    unsigned mix = (unsigned)parent * 2654435761u + (unsigned)size * 40503u;
    if (size > 0) {
        mix += (unsigned char)key[0] * 97u + (unsigned char)key[size - 1] * 8191u +
               (unsigned char)key[size / 2] * 131u;
    }
    mix ^= mix >> 15;
    return mix % SLOTS;
}

static int find_node(const struct json_pick *pick, int parent, const char *key, size_t size) {
    for (size_t at = slot_of(parent, key, size); pick->slot[at] != NOBODY; at = (at + 1) % SLOTS) {
        const struct node *node = &pick->node[pick->slot[at]];
        if (node->parent == parent && node->size == size && memcmp(node->key, key, size) == 0) {
            return pick->slot[at];
        }
    }
    return NOBODY;
}

static int new_node(struct json_pick *pick, int parent, const char *key, size_t size) {
    if (pick->nodes == NODES) {
        abort(); /* the rules are written in the program */
    }
    int made = pick->nodes++;
    pick->node[made] = (struct node){key, size, parent, 0, NOBODY, NOBODY, 0};
    return made;
}

static int below(struct json_pick *pick, int parent, const char *key, size_t size) {
    struct node *node = &pick->node[parent];
    node->inner = 1;
    if (size == 1 && *key == '*') {
        return node->any != NOBODY ? node->any : (node->any = new_node(pick, parent, key, size));
    }
    int found = find_node(pick, parent, key, size);
    if (found == NOBODY) {
        found = new_node(pick, parent, key, size);
        size_t at = slot_of(parent, key, size);
        while (pick->slot[at] != NOBODY) {
            at = (at + 1) % SLOTS;
        }
        pick->slot[at] = (int16_t)found;
    }
    return found;
}

static void add_rule(struct json_pick *pick, const struct pick_rule *rule) {
    int node = 0;
    for (const char *at = rule->path; *at;) {
        if (at[0] == '[') {
            if (pick->node[node].elements == NOBODY) {
                pick->node[node].elements = new_node(pick, node, at, 2);
            }
            pick->node[node].inner = 1;
            node = pick->node[node].elements;
            at += 2;
        } else {
            size_t size = strcspn(at, ".[");
            node = below(pick, node, at, size);
            at += size;
        }
        at += *at == '.';
    }
    pick->node[node].id = rule->id;
}

/* ---- What yajl says ---- */

static void set_scalars(struct json_pick *pick, int wanted);
static void set_skipping(struct json_pick *pick, int skipping);

static void say(struct json_pick *pick, int node, enum pick_kind kind, const char *text,
                size_t size) {
    if (node != NOBODY && pick->node[node].id) {
        pick->each(pick->context, pick->node[node].id, kind, text, size);
    }
}

static int on_null(void *context) {
    struct json_pick *pick = context;
    say(pick, pick->next, PICK_NULL, NULL, 0);
    return 1;
}

static int on_boolean(void *context, int value) {
    struct json_pick *pick = context;
    say(pick, pick->next, value ? PICK_TRUE : PICK_FALSE, NULL, 0);
    return 1;
}

static int on_number(void *context, const char *text, size_t size) {
    struct json_pick *pick = context;
    say(pick, pick->next, PICK_NUMBER, text, size);
    return 1;
}

static int on_string(void *context, const unsigned char *text, size_t size) {
    struct json_pick *pick = context;
    say(pick, pick->next, PICK_STRING, (const char *)text, size);
    return 1;
}

static int on_key(void *context, const unsigned char *text, size_t size) {
    struct json_pick *pick = context;
    int parent = pick->stack[pick->levels - 1];
    int node = find_node(pick, parent, (const char *)text, size);
    if (pick->node[parent].any != NOBODY) {
        say(pick, pick->node[parent].any, PICK_KEY, (const char *)text, size);
        node = node == NOBODY ? pick->node[parent].any : node;
    }
    pick->next = node;
    set_scalars(pick, node != NOBODY && pick->node[node].id != 0);
    return 1;
}

static int start(struct json_pick *pick, int array) {
    if (pick->levels == 0) { /* a second value ends the reading */
        if (pick->done || array) {
            return 0;
        }
        pick->next = 0;
    }
    int node = pick->next;
    say(pick, node, array ? PICK_ARRAY : PICK_OBJECT, NULL, 0);
    if (node == NOBODY || !pick->node[node].inner || pick->levels == LEVELS) {
        pick->skipped = 1;
        set_skipping(pick, 1);
        return 1;
    }
    pick->stack[pick->levels] = node;
    pick->array[pick->levels] = (uint8_t)array;
    pick->levels++;
    pick->next = array ? pick->node[node].elements : NOBODY;
    set_scalars(pick, pick->next != NOBODY && pick->node[pick->next].id != 0);
    return 1;
}

/* A container has ended: the next value is a neighbour of it. */
static void go_on(struct json_pick *pick) {
    pick->next = NOBODY;
    if (pick->levels == 0) {
        pick->done = 1;
        pick->used = yajl_get_bytes_consumed(pick->handle);
    } else if (pick->array[pick->levels - 1]) {
        pick->next = pick->node[pick->stack[pick->levels - 1]].elements;
    }
    set_scalars(pick, pick->next != NOBODY && pick->node[pick->next].id != 0);
}

static int end(struct json_pick *pick) {
    int node = pick->stack[--pick->levels];
    say(pick, node, PICK_END, NULL, 0);
    go_on(pick);
    return 1;
}

static int on_start_map(void *context) {
    return start(context, 0);
}

static int on_start_array(void *context) {
    return start(context, 1);
}

static int on_end(void *context) {
    return end(context);
}

static int skip_start(void *context) {
    struct json_pick *pick = context;
    return ++pick->skipped <= PICK_DEPTH_MAX - LEVELS;
}

static int skip_end(void *context) {
    struct json_pick *pick = context;
    if (--pick->skipped == 0) {
        set_skipping(pick, 0);
        go_on(pick);
    }
    return 1;
}

static void set_scalars(struct json_pick *pick, int wanted) {
    pick->calls.yajl_string = wanted ? on_string : NULL;
    pick->calls.yajl_number = wanted ? on_number : NULL;
    pick->calls.yajl_boolean = wanted ? on_boolean : NULL;
    pick->calls.yajl_null = wanted ? on_null : NULL;
}

static void set_skipping(struct json_pick *pick, int skipping) {
    set_scalars(pick, 0);
    pick->calls.yajl_map_key = skipping ? NULL : on_key;
    pick->calls.yajl_start_map = skipping ? skip_start : on_start_map;
    pick->calls.yajl_start_array = skipping ? skip_start : on_start_array;
    pick->calls.yajl_end_map = skipping ? skip_end : on_end;
    pick->calls.yajl_end_array = skipping ? skip_end : on_end;
}

/* ---- Reading ---- */

struct json_pick *json_pick_new(const struct pick_rule *rules, size_t count, pick_each each,
                                void *context) {
    struct json_pick *pick = cli_alloc(sizeof *pick);
    memset(pick, 0, sizeof *pick);
    pick->each = each;
    pick->context = context;
    memset(pick->slot, 0xff, sizeof pick->slot);
    new_node(pick, NOBODY, "", 0);
    for (size_t i = 0; i < count; i++) {
        add_rule(pick, &rules[i]);
    }
    return pick;
}

void json_pick_free(struct json_pick **pick) {
    if (*pick) {
        if ((*pick)->handle) {
            yajl_free((*pick)->handle);
        }
        free(*pick);
        *pick = NULL;
    }
}

/* A handle that lets any bytes stand in strings, and that can read one value after another. */
static yajl_handle new_handle(struct json_pick *pick) {
    yajl_handle handle = yajl_alloc(&pick->calls, NULL, pick);
    if (!handle) {
        cli_fail(NULL, "out of memory");
        exit(EXIT_CANNOT);
    }
    yajl_config(handle, yajl_dont_validate_strings, 1);
    yajl_config(handle, yajl_allow_multiple_values, 1);
    return handle;
}

int json_pick_object(struct json_pick *pick, const char *text, size_t size, size_t *ret_used) {
    size_t blank = json_blank(text, size);
    pick->reached = blank;
    if (blank == size || text[blank] != '{') {
        return 0;
    }
    pick->levels = pick->skipped = pick->done = 0;
    set_skipping(pick, 0);
    if (!pick->handle) {
        pick->handle = new_handle(pick);
    }
    yajl_status status = yajl_parse(pick->handle, (const unsigned char *)text, size);
    pick->reached = yajl_get_bytes_consumed(pick->handle);
    int whole = pick->done && status == yajl_status_ok &&
                pick->used + json_blank(text + pick->used, size - pick->used) == size;
    if (!whole) { /* it stands in the middle of something */
        yajl_free(pick->handle);
        pick->handle = NULL;
    }
    if (pick->done) {
        *ret_used = pick->used;
    }
    return pick->done;
}

size_t json_pick_reached(const struct json_pick *pick) {
    return pick->reached;
}

size_t json_pick_at(const struct json_pick *pick) {
    return yajl_get_bytes_consumed(pick->handle);
}
