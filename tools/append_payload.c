/*
 * What an event keeps as its payload: the object's own bytes; or, if the object brings a payload,
 * that, and in the metadata under "_fields" whatever else the event would not carry.
 */
#include "tools/append_inner.h"

#include <string.h>

/* ---- The object's members, as they stand there ---- */

struct member {
    varve_str key; /* without its quotes, escapes as they are */
    varve_str value, whole;
};

/* The member that begins at *at or behind it. The object was checked before. */
static bool next_member(const struct append_reader *reader, size_t *at, struct member *ret) {
    const char *text = reader->text;
    size_t end = reader->size, i = *at;
    while (i < end && (text[i] == '{' || text[i] == ',' || json_blank(text + i, 1) > 0)) {
        i++;
    }
    if (i >= end || text[i] != '"') {
        return false;
    }
    size_t key = i, key_size = json_span(text + i, end - i);
    i += key_size;
    while (i < end && (text[i] == ':' || json_blank(text + i, 1) > 0)) {
        i++;
    }
    size_t value_size = json_span(text + i, end - i);
    ret->key = (varve_str){text + key + 1, key_size - 2};
    ret->value = (varve_str){text + i, value_size};
    *at = i + value_size;
    ret->whole = (varve_str){text + key, *at - key};
    return true;
}

static bool is_kept(const struct append_reader *reader, varve_str key) {
    int field = append_field(key.ptr, key.size);
    return field < 0 || !(append_fields[field].in & (IN_EVENT | BESIDE_SET)) || reader->kept[field];
}

/* Writes them to 'to', if it is there, with commas between. Returns their size. */
static size_t kept_members(const struct append_reader *reader, char *to) {
    struct member member;
    size_t used = 0;
    for (size_t at = 0; next_member(reader, &at, &member);) {
        if (!is_kept(reader, member.key)) {
            continue;
        }
        if (to) {
            to[used] = ',';
            memcpy(to + used + (used > 0), member.whole.ptr, member.whole.size);
        }
        used += (used > 0) + member.whole.size;
    }
    return used;
}

static varve_str metadata_value(const struct append_reader *reader) {
    struct member member;
    varve_str found = {NULL, 0};
    for (size_t at = 0; next_member(reader, &at, &member);) {
        if (member.key.size == 8 && memcmp(member.key.ptr, "metadata", 8) == 0) {
            found = member.value;
        }
    }
    return found;
}

/* ---- Putting together ---- */

static size_t add(char *to, const char *text, size_t size) {
    memcpy(to, text, size);
    return size;
}

/* {"_fields":{...}}, before it the metadata's own members or "_metadata". */
static varve_str with_fields(struct append_reader *reader) {
    enum { FRAME = 64 };
    varve_str given = metadata_value(reader);
    bool object = given.size > 0 && given.ptr[0] == '{';
    char *text = keep_room(&reader->keep, FRAME + given.size + kept_members(reader, NULL));
    size_t used = add(text, "{", 1);
    if (object) {
        size_t blank = json_blank(given.ptr + 1, given.size - 1);
        bool empty = given.ptr[1 + blank] == '}';
        used += add(text + used, given.ptr + 1, given.size - 2);
        used += add(text + used, ",", !empty);
    } else if (given.size > 0 && memcmp(given.ptr, "null", 4) != 0) {
        used += add(text + used, "\"_metadata\":", 12);
        used += add(text + used, given.ptr, given.size);
        used += add(text + used, ",", 1);
    }
    used += add(text + used, "\"_fields\":{", 11);
    used += kept_members(reader, text + used);
    used += add(text + used, "}}", 2);
    return (varve_str){text, used};
}

void append_put_payload(struct append_reader *reader) {
    varve_event *event = &reader->object.event;
    varve_str own = {reader->text, reader->size};
    if (reader->payload.ptr && reader->any_kept) {
        event->str[VARVE_STR_METADATA] = with_fields(reader);
        if (event->str[VARVE_STR_METADATA].size > 1 << 20) {
            append_fault(reader, 0, "metadata", "longer than 1 MiB with the fields it must keep");
        }
    }
    varve_str payload = reader->payload.ptr ? reader->payload : own;
    event->payload = payload.ptr;
    event->payload_size = payload.size;
    event->present |= VARVE_HAS_PAYLOAD;
}
