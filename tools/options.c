/*
 * The options of a subcommand, from a table. Each bad value gets one clear line; a wrong name, the
 * name that was perhaps meant.
 */
#include "tools/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Steps from one word to the other: letters put in, left out, changed, or swapped with the next. */
static size_t distance(const char *a, const char *b) {
    enum { LONGEST = 24 };
    size_t size_a = strlen(a), size_b = strlen(b);
    if (size_a > LONGEST || size_b > LONGEST) {
        return LONGEST;
    }
    size_t steps[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= size_a; i++) {
        for (size_t j = 0; j <= size_b; j++) {
            if (i == 0 || j == 0) {
                steps[i][j] = i + j;
                continue;
            }
            size_t least = steps[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            if (steps[i - 1][j] + 1 < least) {
                least = steps[i - 1][j] + 1;
            }
            if (steps[i][j - 1] + 1 < least) {
                least = steps[i][j - 1] + 1;
            }
            int swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && steps[i - 2][j - 2] + 1 < least) {
                least = steps[i - 2][j - 2] + 1;
            }
            steps[i][j] = least;
        }
    }
    return steps[size_a][size_b];
}

const char *cli_nearest(const char *word, const char *const *names, size_t count) {
    const char *nearest = NULL;
    size_t size = strlen(word), least = size < 5 ? 2 : 3; /* from here on it is another word */
    for (size_t i = 0; i < count; i++) {
        size_t steps = distance(word, names[i]);
        if (size >= 3 && strncmp(word, names[i], size) == 0) {
            steps = 1;
        }
        if (steps < least) {
            least = steps;
            nearest = names[i];
        }
    }
    return nearest;
}

static const struct cli_option *find_option(const struct cli_option *options, size_t count,
                                            const char *name, size_t size) {
    for (size_t i = 0; i < count; i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0) {
            return &options[i];
        }
    }
    return NULL;
}

static int unknown_option(const struct cli_option *options, size_t count, const char *said) {
    enum { MOST = 48 };
    const char *names[MOST];
    size_t used = 0;
    for (; used < count && used < MOST; used++) {
        names[used] = options[used].name;
    }
    const char *nearest = said[1] == '-' ? cli_nearest(said + 2, names, used) : NULL;
    if (nearest) {
        return cli_usage("unknown option '%s': did you mean --%s?", said, nearest);
    }
    return cli_usage("unknown option '%s'", said);
}

static int take_value(const struct cli_option *option, const char *value) {
    if (option->ret_text) {
        *option->ret_text = value;
        return CLI_GO_ON;
    }
    if (option->ret_texts) {
        struct cli_texts *list = option->ret_texts;
        list->texts = cli_grow(list->texts, list->count + 1, sizeof *list->texts);
        list->texts[list->count++] = value;
        return CLI_GO_ON;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0) {
        return cli_usage("--%s wants a whole number, not '%s'", option->name, value);
    }
    *option->ret_number = number;
    return CLI_GO_ON;
}

/* Takes the option at argv[*at], and its value, which may be the word after it. */
static int take_option(const struct cli_option *options, size_t count, int argc, char **argv,
                       int *at) {
    const char *said = argv[*at], *value = NULL;
    const struct cli_option *option = NULL;
    if (said[1] == '-') {
        size_t size = strcspn(said + 2, "=");
        option = find_option(options, count, said + 2, size);
        value = said[2 + size] == '=' ? said + 3 + size : NULL;
    } else {
        for (size_t i = 0; i < count && !option; i++) {
            option = options[i].letter == said[1] ? &options[i] : NULL;
        }
        value = said[2] ? said + 2 : NULL;
    }
    if (!option) {
        return unknown_option(options, count, said);
    }
    if (option->ret_flag) {
        if (value) {
            return cli_usage("--%s takes no value", option->name);
        }
        *option->ret_flag = 1;
        return CLI_GO_ON;
    }
    if (!value) {
        if (*at + 1 >= argc) {
            return cli_usage("--%s wants a value", option->name);
        }
        value = argv[++*at];
    }
    return take_value(option, value);
}

static int list_options(const struct cli_option *options, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *values = options[i].values ? options[i].values : "*";
        printf("%s %c %s\n", options[i].name, options[i].letter ? options[i].letter : '-',
               options[i].ret_flag ? "-" : values);
    }
    puts("help h -");
    return EXIT_OKAY;
}

int cli_parse(const char *help, const struct cli_option *options, size_t count, int *argc,
              char **argv) {
    int operands = 1, only_operands = 0;
    for (int i = 1; i < *argc; i++) {
        const char *said = argv[i];
        if (only_operands || said[0] != '-' || said[1] == '\0') {
            argv[operands++] = argv[i];
        } else if (strcmp(said, "--") == 0) {
            only_operands = 1;
        } else if (strcmp(said, "--help") == 0 || strcmp(said, "-h") == 0) {
            fputs(help, stdout);
            return EXIT_OKAY;
        } else if (strcmp(said, "--help=options") == 0) {
            return list_options(options, count);
        } else {
            int answer = take_option(options, count, *argc, argv, &i);
            if (answer != CLI_GO_ON) {
                return answer;
            }
        }
    }
    *argc = operands;
    return CLI_GO_ON;
}
