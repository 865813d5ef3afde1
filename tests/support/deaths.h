/*
 * A system that dies at a chosen moment: a table of system calls that ends the process with SIGKILL at
 * the n-th call, or at the n-th store of the engine to a page that it shares with other processes.
 *
 * What a dead writer leaves behind is files and shared pages. Between two system calls only stores to
 * shared pages change these, so both kinds together are every instruction at which a death can differ.
 */
#ifndef VARVE_TESTS_DEATHS_H
#define VARVE_TESTS_DEATHS_H

#include "engine/os.h"

#include <stdbool.h>

extern const ve_os deaths_os;

/* Die at the n-th call from now, from 1 (0: never). 'halfway': a write has done half of its work by then. */
void deaths_at_call(uint64_t n, bool halfway);
uint64_t deaths_calls(void); /* so far */

/* Whether stores can be watched here: needs a processor that can step. */
bool deaths_can_watch(void);
/* Die before the n-th store from now (0: never; stores are counted). */
void deaths_at_store(uint64_t n);
/* Each store that does not follow its predecessor in memory calls this with its number, while stores are only counted:
 * a copy in bulk is one such store and many more. */
void deaths_each_store(void (*each)(uint64_t number));
uint64_t deaths_stores(void);
/* Ends the watch: the shared pages may be written to again. */
void deaths_unwatch(void);

/* The boot id that the table tells: 0 is the system's own, any other number another boot. */
void deaths_boot(uint8_t number);

#endif
