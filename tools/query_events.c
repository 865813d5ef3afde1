/*
 * Options about events.
 */
#include "tools/find.h"
#include "tools/names.h"
#include "tools/query.h"

#include <stdlib.h>
#include <string.h>

const struct query_events query_events_none = {.after = QUERY_NONE, .before = QUERY_NONE};

void query_event_options(struct query_events *asked, struct cli_option *ret_options) {
    const struct cli_option options[QUERY_EVENT_OPTIONS] = {
        {.name = "type", .letter = 't', .ret_texts = &asked->types},
        {.name = "permission-mode", .ret_text = &asked->permission_mode},
        {.name = "framework", .ret_text = &asked->framework},
        {.name = "source", .ret_text = &asked->source, .values = "api hook otel transcript"},
        {.name = "role", .ret_text = &asked->role, .values = "user assistant system tool"},
        {.name = "api-requests", .ret_text = &asked->api_requests, .values = "only none"},
        {.name = "after-time", .ret_text = &asked->after_time},
        {.name = "before-time", .ret_text = &asked->before_time},
        {.name = "after", .ret_number = &asked->after},
        {.name = "machine", .letter = 'm', .ret_text = &asked->machine},
        {.name = "hidden", .ret_flag = &asked->hidden},
    };
    memcpy(ret_options, options, sizeof options);
}

/* The bit of the number that goes by this name. */
static int read_name(const char *option, const char *word, const char *(*name)(unsigned number),
                     const char *names, uint32_t *ret_mask) {
    if (!word) {
        return CLI_GO_ON;
    }
    for (unsigned i = 0; i < 32; i++) {
        if (name(i) && strcmp(name(i), word) == 0) {
            *ret_mask = 1u << i;
            return CLI_GO_ON;
        }
    }
    return cli_usage("--%s wants %s, not '%s'", option, names, word);
}

static int read_requests(const char *word, uint32_t *flags) {
    if (!word) {
        return CLI_GO_ON;
    }
    if (strcmp(word, "only") != 0 && strcmp(word, "none") != 0) {
        return cli_usage("--api-requests wants only or none, not '%s'", word);
    }
    *flags |= *word == 'o' ? VARVE_EVENTS_API_REQUESTS : VARVE_EVENTS_NO_API_REQUESTS;
    return CLI_GO_ON;
}

int query_event_filter(struct query_events *asked, varve_event_filter *ret_filter) {
    varve_event_filter *f = ret_filter;
    varve_event_filter_init(f);
    f->flags = asked->hidden ? VARVE_EVENTS_HIDDEN : 0u;
    f->permission_mode = varve_cstr(asked->permission_mode);
    f->framework = varve_cstr(asked->framework);
    f->after_lsn = asked->after != QUERY_NONE ? asked->after : 0;
    f->before_lsn = asked->before;
    int answer = read_name("source", asked->source, name_source, "api, hook, otel or transcript",
                           &f->sources);
    if (answer == CLI_GO_ON) {
        answer = read_name("role", asked->role, name_role, "user, assistant, system or tool",
                           &f->roles);
    }
    if (answer == CLI_GO_ON) {
        answer = read_requests(asked->api_requests, &f->flags);
    }
    if (answer == CLI_GO_ON) {
        answer = query_time("after-time", asked->after_time, &f->after_time);
    }
    return answer == CLI_GO_ON ? query_time("before-time", asked->before_time, &f->before_time)
                               : answer;
}

static varve_str copy_of(varve_str text) {
    char *copy = cli_alloc(text.size);
    if (text.size > 0) {
        memcpy(copy, text.ptr, text.size);
    }
    return (varve_str){copy, text.size};
}

int query_event_sessions(struct cli *cli, struct query_events *asked, char **operands, size_t count,
                         varve_event_filter *filter) {
    size_t types = asked->types.count;
    asked->operands = count;
    asked->texts = cli_grow(NULL, 2 * count + types, sizeof *asked->texts);
    varve_str *ids = asked->texts + types, *machines = ids + count;
    for (size_t i = 0; i < types; i++) {
        asked->texts[i] = varve_cstr(asked->types.texts[i]);
    }
    filter->types = asked->texts;
    filter->type_count = types;
    filter->session_ids = ids;
    filter->machine_ids = machines;
    varve_scan *scan = NULL;
    int answer = EXIT_OKAY;
    for (size_t i = 0; i < count && answer == EXIT_OKAY; i++) {
        varve_session session = {.size = sizeof session};
        answer = scan ? find_session(cli, scan, operands[i], asked->machine, &session)
                      : find_open(cli, operands[i], asked->machine, &scan, &session);
        if (answer == EXIT_OKAY) {
            asked->sessions = i + 1;
            ids[i] = copy_of(session.session_id);
            machines[i] = copy_of(session.machine_id);
            filter->session_count = i + 1;
        }
    }
    varve_scan_close(&scan);
    return answer;
}

void query_events_free(struct query_events *asked) {
    for (size_t i = 0; i < asked->sessions; i++) {
        varve_str *id = &asked->texts[asked->types.count + i];
        free((char *)(uintptr_t)id->ptr);
        free((char *)(uintptr_t)id[asked->operands].ptr);
    }
    free(asked->types.texts);
    free(asked->texts);
}
