/*
 * Values of 'varve set': what is not understood is refused before anything is changed.
 */
#include "tools/set_values.h"

#include "tools/json_pick.h"
#include "tools/names.h"
#include "tools/when.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int set_enum(enum set_enum which, const char *text, varve_event *event) {
    static const struct {
        const char *option;
        varve_str (*name)(unsigned number, varve_str named);
        unsigned str, last;
    } enums[] = {
        [SET_STATUS] = {"status", name_status, VARVE_STR_STATUS, VARVE_STATUS_UNKNOWN},
        [SET_SESSION_TYPE] = {"session-type", name_session_type, VARVE_STR_SESSION_TYPE,
                              VARVE_SESSION_SUBAGENT},
        [SET_MODE] = {"mode", name_mode, VARVE_STR_MODE, VARVE_MODE_ACP},
        [SET_CHANNEL] = {"channel", name_channel, VARVE_STR_CHANNEL, VARVE_CHANNEL_ACP},
    };
    uint8_t *numbers[] = {[SET_STATUS] = &event->status,
                          [SET_SESSION_TYPE] = &event->session_type,
                          [SET_MODE] = &event->mode,
                          [SET_CHANNEL] = &event->channel};
    if (!*text) {
        return cli_usage("--%s is empty", enums[which].option);
    }
    *numbers[which] = VARVE_ENUM_NAMED;
    for (unsigned i = 1; i <= enums[which].last; i++) {
        varve_str name = enums[which].name(i, varve_cstr(NULL));
        if (name.ptr && strcmp(name.ptr, text) == 0) {
            *numbers[which] = (uint8_t)i;
            return CLI_GO_ON;
        }
    }
    event->str[enums[which].str] = varve_cstr(text);
    return CLI_GO_ON;
}

/* ---- Labels ---- */

int set_labels(const struct cli_texts *set, const struct cli_texts *unset, char **ret_owned) {
    size_t room = 1, used = 0;
    for (size_t i = 0; i < set->count; i++) {
        const char *text = set->texts[i];
        if (!strchr(text, '=') || *text == '=' || strchr(text, '\n')) {
            return cli_usage("--label wants KEY=VALUE on one line, not '%s'", text);
        }
        room += strlen(text) + 1;
    }
    for (size_t i = 0; i < unset->count; i++) {
        const char *text = unset->texts[i];
        if (!*text || strpbrk(text, "=\n")) {
            return cli_usage("--unlabel wants a key, not '%s'", text);
        }
        room += strlen(text) + 1;
    }
    if (room == 1) {
        *ret_owned = NULL;
        return CLI_GO_ON;
    }
    char *lines = cli_alloc(room);
    for (size_t i = 0; i < set->count + unset->count; i++) {
        const char *text = i < set->count ? set->texts[i] : unset->texts[i - set->count];
        size_t size = strlen(text);
        memcpy(lines + used, text, size);
        used += size;
        lines[used++] = '\n';
    }
    lines[used - 1] = '\0';
    *ret_owned = lines;
    return CLI_GO_ON;
}

/* ---- Callbacks ---- */

enum { CALLBACKS_MAX = 1 << 20, ELEMENT = 1 };

static int read_file(const struct cli *cli, const char *path, char *text, size_t *ret_size) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (!file) {
        return cli_fail(cli, "cannot read %s: %s", path, strerror(errno));
    }
    *ret_size = fread(text, 1, CALLBACKS_MAX + 1, file);
    int error = ferror(file) ? errno : 0;
    if (file != stdin) {
        (void)fclose(file);
    }
    if (error) {
        return cli_fail(cli, "cannot read %s: %s", path, strerror(error));
    }
    return CLI_GO_ON;
}

static void check_element(void *context, int id, enum pick_kind kind, const char *text,
                          size_t size) {
    (void)text;
    (void)size;
    int *good = context;
    *good = *good && (id != ELEMENT || kind == PICK_OBJECT || kind == PICK_END);
}

/* Whether the text is an array of objects. */
static int is_callbacks(const char *text, size_t size) {
    static const struct pick_rule rules[] = {{"a[]", ELEMENT}};
    size_t blank = json_blank(text, size), used;
    if (blank == size || text[blank] != '[' || !json_is_value(text, size)) {
        return 0;
    }
    char *object = cli_alloc(size + 8); /* as the value of an object, which is what can be picked */
    size_t whole = (size_t)snprintf(object, 8, "{\"a\":");
    memcpy(object + whole, text, size);
    object[whole + size] = '}';
    int good = 1;
    struct json_pick *pick = json_pick_new(rules, 1, check_element, &good);
    good = json_pick_object(pick, object, whole + size + 1, &used) && good;
    json_pick_free(&pick);
    free(object);
    return good;
}

int set_callbacks(const struct cli *cli, const char *text, char **ret_owned) {
    size_t size = strlen(text);
    int inline_text = size > 0 && text[json_blank(text, size)] == '[';
    char *owned = cli_alloc(CALLBACKS_MAX + 2);
    int answer = CLI_GO_ON;
    if (!inline_text) {
        answer = read_file(cli, text, owned, &size);
    } else if (size <= CALLBACKS_MAX) {
        memcpy(owned, text, size);
    }
    if (answer == CLI_GO_ON && size > CALLBACKS_MAX) {
        answer = cli_usage("--callbacks: more than 1 MiB");
    } else if (answer == CLI_GO_ON && !is_callbacks(owned, size)) {
        answer = cli_usage("--callbacks wants a JSON array of objects, or a file that holds one");
    }
    if (answer != CLI_GO_ON) {
        free(owned);
        return answer;
    }
    owned[size] = '\0';
    *ret_owned = owned;
    return CLI_GO_ON;
}

/* ---- Numbers ---- */

int set_dollars(const char *text, int64_t *ret_nanos) {
    enum { DECIMALS = 9 };
    const char *at = text;
    int64_t nanos = 0;
    int decimals = -1, digits = 0;
    for (; *at; at++) {
        if (*at == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (*at < '0' || *at > '9') {
            break;
        }
        digits++;
        if (decimals == DECIMALS && *at == '0') {
            continue; /* zeros at the end say nothing */
        }
        if (decimals == DECIMALS) {
            return cli_usage("--cost-usd is kept to 9 decimals: '%s' has more", text);
        }
        if (nanos > (INT64_MAX - (*at - '0')) / 10) {
            return cli_usage("--cost-usd: %s is too much", text);
        }
        nanos = nanos * 10 + (*at - '0');
        decimals += decimals >= 0;
    }
    if (*at || digits == 0) {
        return cli_usage("--cost-usd wants a decimal number, not '%s'", text);
    }
    for (decimals = decimals < 0 ? 0 : decimals; decimals < DECIMALS; decimals++) {
        if (nanos > INT64_MAX / 10) {
            return cli_usage("--cost-usd: %s is too much", text);
        }
        nanos *= 10;
    }
    *ret_nanos = nanos;
    return CLI_GO_ON;
}

int set_time(const char *text, int64_t *ret_ns) {
    const int64_t day_ns = INT64_C(86400000000000);
    int64_t value;
    int kind = when_parse_bound(text, &value);
    if (kind < 0 ||
        (kind == WHEN_DAY && (value > INT64_MAX / day_ns || value < INT64_MIN / day_ns))) {
        return cli_usage("--at wants a time such as 2025-11-20T08:30:00Z, not '%s'", text);
    }
    *ret_ns = kind == WHEN_DAY ? value * day_ns : value;
    return CLI_GO_ON;
}
