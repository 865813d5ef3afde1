/*
 * Holds memory for those who are measured, until its standard input ends. See support/backing.h.
 *
 *   backed MEGABYTES     prints a line when it holds it
 */
#include "bench/support/backing.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char byte;
    if (argc != 2 || backing_begin(strtoull(argv[1], NULL, 10) << 20) < 0) {
        fprintf(stderr, "usage: backed MEGABYTES\n");
        return 2;
    }
    printf("ready\n");
    fflush(stdout);
    while (read(0, &byte, 1) > 0)
        ;
    backing_end();
    return 0;
}
