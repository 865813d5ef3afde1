/*
 * A session's record in the shape of another session model: exactly its field names, types and
 * optionality. docs/MODELS.md has the table of all fields and the rules by which values are mapped.
 */
#ifndef TOOLS_VIEW_H
#define TOOLS_VIEW_H

#include "tools/out.h"

enum view_model {
    VIEW_NONE, /* the command's own fields */
    VIEW_MIX_PYTHON_1,
    VIEW_MIX_PYTHON,
    VIEW_MIX_TYPESCRIPT,
    VIEW_MI6,
    VIEW_ZEPH,
    VIEW_MODELS
};

/* The model that --as names; NULL is VIEW_NONE. CLI_GO_ON, or a line on stderr and EXIT_USAGE. */
int view_named(const char *name, enum view_model *ret_model);

/* Views are printed as JSON, one object a line, whatever --format says. Closed with out_close. */
struct out *view_out(const struct cli *cli);
/* The fields of one session, into a row that is begun. */
void view_put(struct out *out, enum view_model model, const varve_session *session);
/* One session, a row. 0, or 1 if standard output takes no more. */
int view_print(struct out *out, enum view_model model, const varve_session *session);

/* The order of its list: VARVE_ORDER_*. */
uint32_t view_order(enum view_model model);

#endif
