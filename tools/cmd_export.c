/*
 * varve export: a session and its messages as one JSON object. Streams: memory holds one message.
 */
#include "tools/find.h"
#include "tools/json_pick.h"
#include "tools/message.h"
#include "tools/names.h"
#include "tools/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: varve export SESSION [--machine ID]\n"
    "\n"
    "Prints one JSON object, whatever --format says: the session in the shape of 'varve show --as\n"
    "mix-typescript', and 'messages', an array of all its messages by seq. A fork has those that "
    "it\n"
    "shares with its parent too. A transcript has several lines for one answer, and lines of role\n"
    "user that no user wrote: each is a message here, not in the session's counts. Of each message:\n"
    "  id            as its source names it, else its seq\n"
    "  seq           its place in the session\n"
    "  number        of role user or assistant: 1, 2, ..., as --at-message and --to-message take "
    "it\n"
    "  role          user, assistant, system or tool\n"
    "  createdAt, model, finishReason, toolCallCount   if they were said\n"
    "  toolCalls     id and name of each tool call that it makes, if it makes any\n"
    "  text          what was said, as far as the source tells it apart\n"
    "  content       the source's own record of it (JSON as it is), else the text\n"
    "\n"
    "options:\n"
    "  --machine ID, -m   the session of this machine only\n"
    "\n"
    "example:\n"
    "  varve export 3f2a9c1e | jq -r '.messages[] | .role'\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it (no such session, deleted)\n";

/* ---- Tool calls: in the content of the payload ---- */

enum { ITEM = 1, ITEM_TYPE, ITEM_ID, ITEM_NAME };

struct calls {
    struct out *out;
    int open; /* the array is begun */
    int is_call;
    char id[256], name[256];
    size_t id_size, name_size;
};

static void put_call(struct calls *calls, varve_str id, varve_str name) {
    if (!calls->open) {
        out_array(calls->out, "toolCalls");
        calls->open = 1;
    }
    out_object(calls->out, NULL);
    if (id.ptr) {
        out_text(calls->out, "id", id);
    }
    out_text(calls->out, "name", name);
    out_object_end(calls->out);
}

static void hold(char *to, size_t room, size_t *ret_size, const char *text, size_t size) {
    *ret_size = size < room ? size : room;
    memcpy(to, text, *ret_size);
}

static void take_place(void *context, int id, enum pick_kind kind, const char *text, size_t size) {
    struct calls *calls = context;
    if (id == ITEM && kind == PICK_OBJECT) {
        calls->is_call = 0;
        calls->id_size = calls->name_size = 0;
    } else if (id == ITEM && kind == PICK_END && calls->is_call) {
        varve_str call = {calls->id_size ? calls->id : NULL, calls->id_size};
        put_call(calls, call, (varve_str){calls->name, calls->name_size});
    } else if (kind == PICK_STRING && id == ITEM_TYPE) {
        calls->is_call = size == 8 && memcmp(text, "tool_use", 8) == 0;
    } else if (kind == PICK_STRING && id == ITEM_ID) {
        hold(calls->id, sizeof calls->id, &calls->id_size, text, size);
    } else if (kind == PICK_STRING && id == ITEM_NAME) {
        hold(calls->name, sizeof calls->name, &calls->name_size, text, size);
    }
}

static void put_calls(struct json_pick *pick, struct calls *calls, const varve_event *event) {
    size_t used;
    calls->open = 0;
    if (event->payload) {
        (void)json_pick_object(pick, event->payload, event->payload_size, &used);
    }
    if (!calls->open && event->str[VARVE_STR_TOOL_NAME].ptr && event->role != VARVE_ROLE_TOOL) {
        put_call(calls, event->str[VARVE_STR_TOOL_USE_ID], event->str[VARVE_STR_TOOL_NAME]);
    }
    if (calls->open) {
        out_array_end(calls->out);
    }
}

/* ---- Messages ---- */

static void put_said(struct out *out, const char *name, varve_str text) {
    if (text.ptr) {
        out_text(out, name, text);
    }
}

static void put_message(struct out *out, struct json_pick *pick, struct calls *calls,
                        const varve_event *event, unsigned role, uint64_t number) {
    char seq[24];
    varve_str id = event->str[VARVE_STR_NATIVE_ID];
    id = id.ptr ? id : event->str[VARVE_STR_MESSAGE_ID];
    (void)snprintf(seq, sizeof seq, "%" PRIu64, event->seq);
    out_object(out, NULL);
    out_text(out, "id", id.ptr ? id : varve_cstr(seq));
    out_numeral(out, "seq", event->seq);
    if (number > 0) {
        out_numeral(out, "number", number);
    }
    out_word(out, "role", name_role(role));
    if (event->present & VARVE_HAS_TIME) {
        out_time(out, "createdAt", event->time);
    }
    put_said(out, "model", event->str[VARVE_STR_MODEL]);
    put_said(out, "finishReason", event->str[VARVE_STR_FINISH_REASON]);
    if (event->present & VARVE_HAS_TOOL_CALLS) {
        out_number(out, "toolCallCount", event->tool_calls);
    }
    put_calls(pick, calls, event);
    put_said(out, "text", event->str[VARVE_STR_TEXT]);
    if (event->present & VARVE_HAS_PAYLOAD) {
        const char *bytes = event->payload ? event->payload : "";
        out_json(out, "content", (varve_str){bytes, event->payload_size});
    } else {
        put_said(out, "content", event->str[VARVE_STR_TEXT]);
    }
    out_object_end(out);
}

static int put_messages(struct cli *cli, struct out *out, varve_cursor *cursor, uint32_t sources) {
    static const struct pick_rule rules[] = {
        {"message.content[]", ITEM},
        {"message.content[].type", ITEM_TYPE},
        {"message.content[].id", ITEM_ID},
        {"message.content[].name", ITEM_NAME},
        {"content[]", ITEM},
        {"content[].type", ITEM_TYPE},
        {"content[].id", ITEM_ID},
        {"content[].name", ITEM_NAME},
    };
    struct calls calls = {.out = out};
    struct json_pick *pick = json_pick_new(rules, sizeof rules / sizeof *rules, take_place, &calls);
    uint64_t numbers = 0;
    varve_event event;
    varve_event_init(&event);
    int more = 1;
    while (!cli_stdout_failed() && (more = varve_cursor_next(cursor, &event)) == 1) {
        unsigned role = message_role(&event, sources);
        if (role != VARVE_ROLE_NONE) {
            int counts = message_counts(&event, sources);
            numbers += counts != 0;
            put_message(out, pick, &calls, &event, role, counts ? numbers : 0);
        }
    }
    json_pick_free(&pick);
    return more < 0 ? cli_fail_store(cli, more) : EXIT_OKAY;
}

static int export_session(struct cli *cli, const varve_session *session) {
    varve_cursor *cursor = NULL;
    uint32_t sources = 0;
    int error = message_sources(cli->store, session, &sources);
    if (error >= 0) {
        error = varve_cursor_session(cli->store, session->machine_id, session->session_id, 0, 0,
                                     &cursor);
    }
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    struct out *out = view_out(cli);
    out_begin(out);
    view_put(out, VIEW_MIX_TYPESCRIPT, session);
    out_array(out, "messages");
    int answer = put_messages(cli, out, cursor, sources);
    if (answer == EXIT_OKAY) {
        out_array_end(out);
        (void)out_end(out);
    }
    out_close(&out);
    varve_cursor_close(&cursor);
    return answer;
}

int cmd_export(struct cli *cli, int argc, char **argv) {
    const char *machine = NULL;
    const struct cli_option options[] = {
        {.name = "machine", .letter = 'm', .ret_text = &machine},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc != 2) {
        return cli_usage(argc < 2 ? "export wants a session" : "export takes one session");
    }
    answer = cli_open(cli, VARVE_OPEN_READ_ONLY);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_scan *scan = NULL;
    varve_session session;
    answer = find_open(cli, argv[1], machine, &scan, &session);
    if (answer == EXIT_OKAY && session.flags & VARVE_SS_DELETED) {
        answer = cli_fail(cli, "session '%.*s' is deleted", (int)session.session_id.size,
                          session.session_id.ptr);
    }
    if (answer == EXIT_OKAY) {
        answer = export_session(cli, &session);
    }
    varve_scan_close(&scan);
    return answer;
}
