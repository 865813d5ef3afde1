/*
 * Whole processes, paired: a look-up with the command and an append through the library, each in
 * turn with the least program that does as much. Prints medians and the median of the paired
 * ratios.
 *
 *   processes STORE SCRATCH-FILE VARVE ONESHOT LEAST SESSION [ROUNDS]
 */
#include "bench/support/measure.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS_MAX = 2000 };

static int compare(const char *what, char *const one[], char *const least[], int rounds) {
    static double a[ROUNDS_MAX], b[ROUNDS_MAX], ratio[ROUNDS_MAX];
    for (int i = -3; i < rounds; i++) { /* the first rounds warm up */
        double p = measure_process(one), q = measure_process(least);
        if (p < 0 || q < 0) {
            fprintf(stderr, "processes: %s failed\n", p < 0 ? one[0] : least[0]);
            return 3;
        }
        if (i >= 0) {
            a[i] = p;
            b[i] = q;
            ratio[i] = p / q;
        }
    }
    size_t count = (size_t)rounds;
    printf("%-34s %7.0f us, the least program %7.0f us, ratio %.2f\n", what,
           measure_median(a, count) * 1e6, measure_median(b, count) * 1e6,
           measure_median(ratio, count));
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 7) {
        fprintf(stderr,
                "usage: processes STORE SCRATCH-FILE VARVE ONESHOT LEAST SESSION [ROUNDS]\n");
        return 2;
    }
    char *store = argv[1], *file = argv[2], *varve = argv[3], *oneshot = argv[4], *least = argv[5];
    int rounds = argc > 7 ? atoi(argv[7]) : 200;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    char *const show[] = {varve, "--store", store, "show", argv[6], NULL}, *const read[] = {
                                                                               least, "read", file,
                                                                               NULL};
    char *const append[] = {oneshot, "append", store, NULL}, *const write[] = {least, "append",
                                                                               file, NULL};
    char *const buffered[] = {oneshot, "append-none", store, NULL}, *const plain[] = {least,
                                                                                      "append-none",
                                                                                      file, NULL};
    int result = compare("varve show, one of 10,000 sessions", show, read, rounds);
    if (result == 0)
        result = compare("append one event, durable", append, write, rounds);
    return result == 0 ? compare("append one event, not durable", buffered, plain, rounds) : result;
}
