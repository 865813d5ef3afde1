/*
 * One session, one record. What was done is told when the disk has it.
 */
#include "tools/change.h"

#include <stdlib.h>

int change_refused(const struct cli *cli, const varve_session *session) {
    int size = (int)session->session_id.size;
    const char *id = session->session_id.ptr;
    if (session->flags & VARVE_SS_DELETED) {
        return cli_fail(cli, "session '%.*s' is deleted", size, id);
    }
    if (session->flags & VARVE_SS_STUB) {
        return cli_fail(cli,
                        "session '%.*s' is known by name only, as a parent: make it with 'varve "
                        "set --create'",
                        size, id);
    }
    return EXIT_OKAY;
}

int change_open(struct cli *cli, const char *id, const char *machine, varve_scan **ret_scan,
                varve_session *ret_session) {
    int answer = cli_open(cli, VARVE_OPEN_NO_CREATE);
    if (answer == EXIT_OKAY) {
        answer = find_open(cli, id, machine, ret_scan, ret_session);
    }
    return answer == EXIT_OKAY ? change_refused(cli, ret_session) : answer;
}

varve_batch *change_batch(void) {
    varve_batch *batch = NULL;
    if (varve_batch_new(&batch) < 0) {
        exit(cli_fail(NULL, "out of memory"));
    }
    return batch;
}

int change_append(struct cli *cli, varve_batch **batch, int added) {
    int answer = EXIT_OKAY;
    if (added < 0) { /* the batch knows no store that could say more */
        answer = cli_fail(cli, "%s", varve_strerror(added));
    } else {
        int error = varve_append(cli->store, *batch, VARVE_GROUP, NULL);
        answer = error < 0 ? cli_fail_store(cli, error) : EXIT_OKAY;
    }
    varve_batch_free(batch);
    return answer;
}

struct out *change_tell(const struct cli *cli, varve_str session_id, varve_str machine_id) {
    struct out *out = out_record(cli);
    out_begin(out);
    out_text(out, "session_id", session_id);
    out_text(out, "machine_id", machine_id);
    return out;
}

void change_told(struct out **out) {
    (void)out_end(*out);
    out_close(out);
}
