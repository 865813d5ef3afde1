/*
 * New processes that do one thing each, timed from outside.
 *
 *   spawns ROUNDS PARALLEL -- COMMAND ARGUMENT... [-- COMMAND ARGUMENT...]...
 *
 * PARALLEL 1: the commands in turn, ROUNDS times; for each the median in us, the p99, and the
 * median of its ratios to the first command of the same round. PARALLEL n: each command in n
 * processes at once, ROUNDS times one after another in each; us per command, the median and the p99
 * of a process. One JSON object a line, in their order.
 */
#include "bench/support/measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { COMMANDS = 32, WARM = 3 };

static char **command[COMMANDS];
static int commands;

static int fail(int c) {
    fprintf(stderr, "spawns: %s %s failed\n", command[c][0],
            command[c][1] != NULL ? command[c][1] : "");
    return -1;
}

static int in_turn(int rounds) {
    double *took = calloc((size_t)rounds * (size_t)commands * 2, sizeof *took),
           *ratio = took + rounds * commands;
    for (int r = -WARM; r < rounds && took != NULL; r++)
        for (int c = 0; c < commands; c++) {
            double t = measure_process(command[c]);
            if (t < 0)
                return fail(c);
            if (r >= 0)
                took[c * rounds + r] = t;
        }
    for (int i = 0; i < rounds * commands && took != NULL; i++)
        ratio[i] = took[i] / took[i % rounds];
    for (int c = 0; c < commands && took != NULL; c++) {
        double *mine = took + c * rounds;
        double median = measure_median(mine, (size_t)rounds);
        printf("{\"p50_us\": %.2f, \"p99_us\": %.2f, \"ratio\": %.4f}\n", median * 1e6,
               measure_quantile(mine, (size_t)rounds, 0.99) * 1e6,
               measure_median(ratio + c * rounds, (size_t)rounds));
    }
    free(took);
    return took == NULL ? -1 : 0;
}

static int one_of_many(int c, int rounds, double *took) {
    for (int r = 0; r < rounds; r++)
        if ((took[r] = measure_process(command[c])) < 0)
            return fail(c);
    return 0;
}

static int at_once(int rounds, int parallel) {
    size_t count = (size_t)rounds * (size_t)parallel, size = count * sizeof(double);
    double *took = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (took == MAP_FAILED)
        return -1;
    for (int c = 0; c < commands; c++) {
        int status, failed = 0;
        double begun = measure_now();
        fflush(NULL);
        for (int p = 0; p < parallel; p++)
            if (fork() == 0)
                _exit(one_of_many(c, rounds, took + p * rounds) < 0);
        while (wait(&status) > 0)
            failed |= status;
        double all = measure_now() - begun;
        if (failed)
            return -1;
        double median = measure_median(took, count);
        printf("{\"us\": %.2f, \"p50_us\": %.2f, \"p99_us\": %.2f}\n", all / (double)count * 1e6,
               median * 1e6, measure_quantile(took, count, 0.99) * 1e6);
    }
    munmap(took, size);
    return 0;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 0, parallel = argc > 2 ? atoi(argv[2]) : 0;
    for (int i = 3; i < argc && commands < COMMANDS; i++)
        if (strcmp(argv[i], "--") == 0) {
            argv[i] = NULL;
            command[commands++] = argv + i + 1;
        }
    for (int c = 0; c < commands; c++)
        if (command[c][0] == NULL)
            rounds = 0;
    if (rounds < 1 || parallel < 1 || commands == 0) {
        fprintf(stderr,
                "usage: spawns ROUNDS PARALLEL -- COMMAND ARGUMENT... [-- COMMAND ...]...\n");
        return 2;
    }
    return (parallel == 1 ? in_turn(rounds) : at_once(rounds, parallel)) < 0 ? 3 : 0;
}
