/*
 * What the commands share that change one session: finding it, appending the one record, saying
 * what was done.
 */
#ifndef TOOLS_CHANGE_H
#define TOOLS_CHANGE_H

#include "tools/find.h"
#include "tools/out.h"

/* Opens the store for writing and finds the session that a person means. One that is deleted, or
 * known by name only, is refused. Close the scan after use in any case. 0, or a line on stderr and
 * EXIT_CANNOT. */
int change_open(struct cli *cli, const char *id, const char *machine, varve_scan **ret_scan,
                varve_session *ret_session);
/* The refusal alone: 0, or a line on stderr and EXIT_CANNOT. */
int change_refused(const struct cli *cli, const varve_session *session);

/* A batch, or the end of the process. */
varve_batch *change_batch(void);
/* Appends the batch, waits for the disk, and frees it. 'added' is what varve_batch_... returned. 0,
 * or a line on stderr and EXIT_CANNOT. */
int change_append(struct cli *cli, varve_batch **batch, int added);

/* Begins the record that tells what was done, with the session's identity. End with change_told. */
struct out *change_tell(const struct cli *cli, varve_str session_id, varve_str machine_id);
void change_told(struct out **out);

#endif
