/*
 * The session that a person means: its id, or enough of the beginning of it.
 */
#ifndef TOOLS_FIND_H
#define TOOLS_FIND_H

#include "tools/cli.h"

enum { FIND_PREFIX_MIN = 4 };

/* Finds the session 'id' on 'machine' (NULL: the store's own, then any); else the one session whose
 * id begins so. Its texts hold until the scan's next call. 0, or a line on stderr and EXIT_CANNOT.
 */
int find_session(struct cli *cli, varve_scan *scan, const char *id, const char *machine,
                 varve_session *ret_session);

/* The same for one operand of a command: opens the scan too. Close it after use in any case. */
int find_open(struct cli *cli, const char *id, const char *machine, varve_scan **ret_scan,
              varve_session *ret_session);

#endif
