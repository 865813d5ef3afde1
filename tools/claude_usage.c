/*
 * Tokens, cost and charge of an object. An answer's usage stands on each of its lines (message),
 * and a subagent's once more in its parent's "progress" lines (agent_progress); which of them is
 * paid is the store's to decide, by the charge.
 */
#include "tools/claude_inner.h"

#include <string.h>
#include <xxhash.h>

/* More than any answer holds: keeps nonsense from overflowing the sums. */
#define TOKENS_MOST INT64_C(1000000000000)

void claude_usage_take(struct claude_usage *usage, int field, enum pick_kind kind, const char *text,
                       size_t size) {
    int64_t number = 0;
    if (field == USAGE_OBJECT || field == USAGE_BREAKDOWN) {
        if (kind == PICK_OBJECT) {
            usage->said |= 1u << field;
        }
    } else if (field == USAGE_SPEED) {
        usage->fast = kind == PICK_STRING && size == 4 && memcmp(text, "fast", 4) == 0;
    } else if (kind == PICK_NUMBER && json_scaled(text, size, 0, &number)) {
        usage->said |= 1u << field;
        usage->number[field] = number < 0 ? 0 : number > TOKENS_MOST ? TOKENS_MOST : number;
    }
}

static bool said(const struct claude_usage *usage, int field) {
    return (usage->said & 1u << field) != 0;
}

static void put_tokens(const struct claude_usage *usage, varve_event *event) {
    static const struct {
        int field, token;
    } plain[] = {
        {USAGE_INPUT, VARVE_TOK_INPUT},           {USAGE_OUTPUT, VARVE_TOK_OUTPUT},
        {USAGE_CACHE_READ, VARVE_TOK_CACHE_READ}, {USAGE_5M, VARVE_TOK_CACHE_WRITE_5M},
        {USAGE_1H, VARVE_TOK_CACHE_WRITE_1H},
    };
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (said(usage, plain[i].field)) {
            event->tokens[plain[i].token] = usage->number[plain[i].field];
            event->present |= (uint32_t)VARVE_HAS_TOKENS << plain[i].token;
        }
    }
    /* Without the breakdown all writes are for five minutes. */
    if (!said(usage, USAGE_5M) && !said(usage, USAGE_1H) && said(usage, USAGE_CACHE_WRITE)) {
        event->tokens[VARVE_TOK_CACHE_WRITE_5M] = usage->number[USAGE_CACHE_WRITE];
        event->present |= VARVE_HAS_TOKENS << VARVE_TOK_CACHE_WRITE_5M;
    }
}

static int64_t sum(const varve_event *event) {
    int64_t total = 0;
    for (size_t i = 0; i < VARVE_TOKENS; i++) {
        total += i == VARVE_TOK_REASONING ? 0 : event->tokens[i];
    }
    return total;
}

/* The models of a file are few, and come again line after line. */
static const struct price *find_price(struct claude_reader *reader, varve_str model) {
    uint64_t hash = XXH3_64bits(model.ptr, model.size) | 1;
    if (hash != reader->last_model) {
        reader->last_price = prices_find(reader->prices, model.ptr, model.size);
        reader->last_model = hash;
    }
    return reader->last_price;
}

static void put_cost(struct claude_reader *reader, struct claude_object *object, bool fast) {
    varve_event *event = &object->event;
    const struct price *price = object->model.size ? find_price(reader, object->model) : NULL;
    if (price) {
        event->cost = price_cost(price, event->tokens, fast);
        event->price_table = reader->prices->number;
        event->present |= VARVE_HAS_COST;
        object->priced = true;
    } else if (sum(event) > 0) {
        event->flags |= VARVE_EV_UNPRICED;
    }
}

static bool is(varve_str text, const char *word) {
    size_t size = strlen(word);
    return text.size == size && memcmp(text.ptr, word, size) == 0;
}

/* Empty is as good as absent. */
static varve_str given(varve_str text) {
    return text.size ? text : (varve_str){NULL, 0};
}

void claude_usage_put(struct claude_reader *reader, struct claude_object *object) {
    const struct claude_raw *raw = &reader->raw;
    varve_event *event = &object->event;
    bool inner = is(raw->text[RAW_TYPE], "progress");
    const struct claude_usage *usage = inner ? &raw->inner_usage : &raw->usage;
    varve_str message = given(raw->text[inner ? RAW_INNER_MESSAGE_ID : RAW_MESSAGE_ID]);
    varve_str request = given(raw->text[inner ? RAW_INNER_REQUEST_ID : RAW_REQUEST_ID]);
    varve_str model = given(raw->text[inner ? RAW_INNER_MODEL : RAW_MESSAGE_MODEL]);
    if (is(model, "<synthetic>")) { /* the program's own words: no model has spoken */
        model = (varve_str){NULL, 0};
    }
    object->model = model;
    event->str[VARVE_STR_MODEL] = model;
    event->str[VARVE_STR_MESSAGE_ID] = message;
    event->str[VARVE_STR_REQUEST_ID] = request;
    if (!said(usage, USAGE_OBJECT)) {
        return;
    }
    put_tokens(usage, event);
    if (sum(event) == 0 && !model.size) {
        event->present &= ~(uint32_t)(VARVE_HAS_TOKENS * ((1 << VARVE_TOKENS) - 1));
        return;
    }
    put_cost(reader, object, usage->fast);
    event->charge_kind = inner ? VARVE_CHARGE_AGENT_PROGRESS : VARVE_CHARGE_MESSAGE;
    if (message.size) {
        event->charge = varve_charge_key(message);
        event->charge_part = varve_charge_part(request);
        event->present |= VARVE_HAS_CHARGE;
    }
    if (claude_output_too_low(raw->text[RAW_VERSION])) {
        event->flags |= VARVE_EV_OUTPUT_LOWER_BOUND;
    }
}
