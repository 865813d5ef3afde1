/*
 * A disk of a chosen size: files take room as they grow, in blocks of 4 KiB, and give it back when they are removed. What
 * finds none fails with ENOSPC, a write of which a part fits is cut short.
 */
#ifndef VARVE_TESTS_ROOM_H
#define VARVE_TESTS_ROOM_H

#include "engine/os.h"

const ve_os *room_os(void);

void room_set(uint64_t bytes); /* that are free now */
uint64_t room_left(void);

#endif
