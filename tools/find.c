/*
 * An exact id is looked up directly; only if there is none are all ids read. A subagent's id is its
 * parent's, a slash, and a name: the beginning of an id means the parent, not its subagents, and
 * the beginning of a subagent's name means that subagent.
 */
#include "tools/find.h"

#include "tools/text.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN = 10 };

/* How well an id fits: the lower the better. */
enum fit { FIT_EXACT, FIT_BEGINS, FIT_BELOW, FIT_NOT };

struct search {
    varve_str wanted;
    const char *machine;
    enum fit best;
    size_t count;         /* ids that fit so well */
    uint64_t rows[SHOWN]; /* the first of them */
};

static enum fit fit_of(varve_str id, varve_str wanted) {
    if (wanted.size > id.size || wanted.size == 0) {
        return FIT_NOT;
    }
    if (memcmp(id.ptr, wanted.ptr, wanted.size) == 0) {
        const char *rest = id.ptr + wanted.size;
        size_t size = id.size - wanted.size;
        if (size == 0) {
            return FIT_EXACT;
        }
        return memchr(rest, '/', size) ? FIT_BELOW : FIT_BEGINS;
    }
    const char *slash = memrchr(id.ptr, '/', id.size);
    if (slash && (size_t)(id.ptr + id.size - slash - 1) >= wanted.size &&
        memcmp(slash + 1, wanted.ptr, wanted.size) == 0) {
        return FIT_BELOW;
    }
    return FIT_NOT;
}

static void consider(struct search *search, const varve_session *session) {
    const char *machine = search->machine;
    if (machine && (session->machine_id.size != strlen(machine) ||
                    memcmp(session->machine_id.ptr, machine, strlen(machine)) != 0)) {
        return;
    }
    enum fit fit = fit_of(session->session_id, search->wanted);
    if (fit != FIT_EXACT && search->wanted.size < FIND_PREFIX_MIN) {
        return;
    }
    if (fit < search->best) {
        search->best = fit;
        search->count = 0;
    }
    if (fit != FIT_NOT && fit == search->best) {
        if (search->count < SHOWN) {
            search->rows[search->count] = session->row;
        }
        search->count++;
    }
}

static int say_which(struct cli *cli, varve_scan *scan, const struct search *search) {
    cli_fail(cli, "%zu sessions fit '%.*s': give more of the id, or --machine", search->count,
             (int)search->wanted.size, search->wanted.ptr);
    for (size_t i = 0; i < search->count && i < SHOWN; i++) {
        varve_session session = {.size = sizeof session};
        if (varve_scan_get_row(scan, search->rows[i], &session) < 0) {
            continue;
        }
        char id[600], machine[200];
        text_line(id, sizeof id, session.session_id.ptr, session.session_id.size);
        text_line(machine, sizeof machine, session.machine_id.ptr, session.machine_id.size);
        fprintf(stderr, "  %s  (machine %s)\n", id, machine);
    }
    if (search->count > SHOWN) {
        fprintf(stderr, "  and %zu more\n", search->count - SHOWN);
    }
    return EXIT_CANNOT;
}

static int search_all(struct cli *cli, varve_scan *scan, struct search *search,
                      varve_session *ret_session) {
    varve_session session = {.size = sizeof session};
    varve_scan_strings(scan, 0);
    int more = varve_scan_rewind(scan);
    while (more >= 0 && (more = varve_scan_next(scan, &session)) == 1) {
        consider(search, &session);
    }
    varve_scan_strings(scan, 1);
    if (more < 0) {
        return cli_fail_store(cli, more);
    }
    if (search->count > 1) {
        return say_which(cli, scan, search);
    }
    if (search->count == 0) {
        return cli_fail(cli, "no session '%.*s' in %s%s", (int)search->wanted.size,
                        search->wanted.ptr, cli->store_path,
                        search->wanted.size < FIND_PREFIX_MIN
                            ? " (the beginning of an id must have 4 characters)"
                            : "");
    }
    int error = varve_scan_get_row(scan, search->rows[0], ret_session);
    return error < 0 ? cli_fail_store(cli, error) : EXIT_OKAY;
}

int find_session(struct cli *cli, varve_scan *scan, const char *id, const char *machine,
                 varve_session *ret_session) {
    static const char cut[] = "\xE2\x80\xA6"; /* as tables show a part of an id */
    struct search search = {.wanted = varve_cstr(id), .machine = machine, .best = FIT_NOT};
    int error = varve_scan_get(scan, varve_cstr(machine), search.wanted, ret_session);
    if (error >= 0) {
        return EXIT_OKAY;
    }
    if (error != VARVE_E_NOT_FOUND && error != VARVE_E_ARGUMENT && error != VARVE_E_TOO_BIG) {
        return cli_fail_store(cli, error);
    }
    size_t size = search.wanted.size;
    if (size > 3 && memcmp(id + size - 3, cut, 3) == 0) {
        search.wanted.size -= 3;
    }
    return search_all(cli, scan, &search, ret_session);
}

int find_open(struct cli *cli, const char *id, const char *machine, varve_scan **ret_scan,
              varve_session *ret_session) {
    *ret_session = (varve_session){.size = sizeof *ret_session};
    int error = varve_scan_open(cli->store, ret_scan);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    return find_session(cli, *ret_scan, id, machine, ret_session);
}
