/*
 * Between the parts of `varve hook`.
 */
#ifndef TOOLS_HOOK_H
#define TOOLS_HOOK_H

#include "tools/cli.h"

/* `varve hook install --print`: argv[0] is "install". */
int hook_install(struct cli *cli, int argc, char **argv);
/* Whether these arguments of the whole command are those of a hook that must not fail its caller.
 */
int hook_forgives(int argc, char **argv);

#endif
