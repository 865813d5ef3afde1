/*
 * A store that shows all that views can: sessions with every optional field there and absent, alone
 * and in company, with every value of the sets that models map, and with random histories.
 */
#ifndef VARVE_TESTS_VIEW_STORE_H
#define VARVE_TESTS_VIEW_STORE_H

/* The same sessions in every run: only-N has the Nth thing alone, without-N all but that. */
void view_store_make(const char *path);

#endif
