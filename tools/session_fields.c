/*
 * How the numbers of a session's record become the fields that people and programs read.
 */
#include "tools/session_fields.h"

int64_t fields_add(int64_t a, int64_t b) {
    if (b > 0 && a > INT64_MAX - b) {
        return INT64_MAX;
    }
    if (b < 0 && a < INT64_MIN - b) {
        return INT64_MIN;
    }
    return a + b;
}

int64_t fields_total(const int64_t tokens[VARVE_TOKENS]) {
    int64_t total = 0;
    for (size_t i = 0; i < VARVE_TOKENS; i++) {
        total = i == VARVE_TOK_REASONING ? total : fields_add(total, tokens[i]);
    }
    return total;
}

void fields_tokens(struct out *out, const int64_t tokens[VARVE_TOKENS]) {
    out_number(out, "input_tokens", tokens[VARVE_TOK_INPUT]);
    out_number(out, "output_tokens", tokens[VARVE_TOK_OUTPUT]);
    out_number(out, "cache_write_tokens",
               fields_add(tokens[VARVE_TOK_CACHE_WRITE_5M], tokens[VARVE_TOK_CACHE_WRITE_1H]));
    out_number(out, "cache_read_tokens", tokens[VARVE_TOK_CACHE_READ]);
    out_number(out, "reasoning_tokens", tokens[VARVE_TOK_REASONING]);
    out_number(out, "total_tokens", fields_total(tokens));
}

void fields_cost(struct out *out, const varve_session *session) {
    int own = (session->flags & VARVE_SS_HAS_COST) != 0;
    if (own) {
        out_money(out, "cost_usd", session->cost);
    } else {
        out_null(out, "cost_usd");
    }
    out_money(out, "children_cost_usd", session->cost_children);
    if (own || session->cost_children != 0) {
        int64_t own_cost = own ? session->cost : 0;
        out_money(out, "total_cost_usd", fields_add(own_cost, session->cost_children));
    } else {
        out_null(out, "total_cost_usd");
    }
    if (session->flags & VARVE_SS_HAS_CONTEXT) {
        out_number(out, "context_tokens", session->context);
    } else {
        out_null(out, "context_tokens");
    }
    out_bool(out, "output_is_lower_bound", (session->flags & VARVE_SS_OUTPUT_LOWER_BOUND) != 0);
    out_bool(out, "has_unpriced", (session->flags & VARVE_SS_UNPRICED) != 0);
}

void fields_counts(struct out *out, const varve_session *session) {
    out_number(out, "user_messages", session->user_messages);
    out_number(out, "assistant_messages", session->assistant_messages);
    out_number(out, "tool_calls", session->tool_calls);
    out_number(out, "api_requests", session->api_requests);
    out_number(out, "api_errors", session->api_errors);
    out_number(out, "turns", session->turns);
    out_number(out, "compactions", session->compactions);
    out_number(out, "events", (int64_t)session->events);
}

void fields_time(struct out *out, const char *name, int has, int64_t ns) {
    if (has) {
        out_time(out, name, ns);
    } else {
        out_null(out, name);
    }
}

int64_t fields_seconds(int64_t seconds) {
    const int64_t second_ns = 1000000000, limit = INT64_MAX / second_ns;
    seconds = seconds > limit ? limit : seconds < -limit ? -limit : seconds;
    return seconds * second_ns;
}

int fields_listed(const varve_session *session) {
    int child =
        session->session_type == VARVE_SESSION_SUBAGENT ||
        (session->session_type == VARVE_SESSION_UNSAID && session->parent_row != UINT64_MAX);
    return !child && !(session->flags & (VARVE_SS_STUB | VARVE_SS_HIDDEN | VARVE_SS_DELETED));
}
