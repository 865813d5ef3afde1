/*
 * varve hook install --print: the settings that make Claude Code call `varve hook`.
 */
#include "tools/hook.h"
#include "tools/json_out.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: varve hook install --print\n"
    "\n"
    "Prints the part of Claude Code's settings (~/.claude/settings.json) that makes it hand every\n"
    "event to 'varve hook'. Put it there by hand: no file is changed. The store is the one of\n"
    "--store or the environment, by its absolute path.\n"
    "\n"
    "Left out are WorktreeCreate and WorktreeRemove, whose hooks do the work instead of watching "
    "it,\n"
    "and FileChanged, which wants the names of the files. Delete what your version does not know.\n"
    "\n"
    "options:\n"
    "  --print   print them\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static const char *const events[] = {
    "SessionStart",        "SessionEnd",    "UserPromptSubmit",
    "UserPromptExpansion", "PreToolUse",    "PostToolUse",
    "PostToolUseFailure",  "PostToolBatch", "PermissionRequest",
    "PermissionDenied",    "Notification",  "Stop",
    "StopFailure",         "SubagentStart", "SubagentStop",
    "TaskCreated",         "TaskCompleted", "TeammateIdle",
    "PreCompact",          "PostCompact",   "Setup",
    "InstructionsLoaded",  "ConfigChange",  "CwdChanged",
    "DirectoryAdded",      "Elicitation",   "ElicitationResult",
};

/* Adds a word to a command line, quoted for the shell if need be. 0, or -1 if there is no room. */
static int add_word(char *line, size_t room, const char *word) {
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
        "/._-+:@%,=";
    size_t used = strlen(line);
    int size = 0;
    if (used > 0 && used + 1 < room) {
        line[used++] = ' ';
    }
    if (*word && word[strspn(word, plain)] == '\0') {
        size = snprintf(line + used, room - used, "%s", word);
        return size < 0 || (size_t)size >= room - used ? -1 : 0;
    }
    for (const char *at = word; used + 8 < room; at++) {
        if (at == word) {
            line[used++] = '\'';
        }
        if (*at == '\0') {
            line[used++] = '\'';
            line[used] = '\0';
            return 0;
        }
        if (*at == '\'') {
            memcpy(line + used, "'\\''", 4);
            used += 4;
        } else {
            line[used++] = *at;
        }
    }
    return -1;
}

/* "<this program> --store <store> hook". */
static int make_command(const struct cli *cli, char *line, size_t room) {
    char program[PATH_MAX], here[PATH_MAX], store[2 * PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", program, sizeof program - 1);
    if (size <= 0) {
        return -1;
    }
    program[size] = '\0';
    bool below = cli->store_path[0] != '/';
    if (below && !getcwd(here, sizeof here)) {
        return -1;
    }
    int used = snprintf(store, sizeof store, "%s%s%s", below ? here : "", below ? "/" : "",
                        cli->store_path);
    if (used < 0 || (size_t)used >= sizeof store) {
        return -1;
    }
    bool alone = (cli->place_flags & VARVE_OPEN_ALONE) != 0;
    bool shared = (cli->place_flags & VARVE_OPEN_SHARED) != 0;
    line[0] = '\0';
    return add_word(line, room, program) < 0 || add_word(line, room, "--store") < 0 ||
                   add_word(line, room, store) < 0 ||
                   (alone && add_word(line, room, "--alone") < 0) ||
                   (shared && add_word(line, room, "--shared") < 0) ||
                   add_word(line, room, "hook") < 0
               ? -1
               : 0;
}

static void text(yajl_gen gen, const char *word) {
    json_out_string(gen, word, strlen(word));
}

static void print(const char *command) {
    yajl_gen gen = json_out_new();
    yajl_gen_config(gen, yajl_gen_beautify, 1);
    yajl_gen_config(gen, yajl_gen_indent_string, "  ");
    yajl_gen_map_open(gen);
    text(gen, "hooks");
    yajl_gen_map_open(gen);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        text(gen, events[i]);
        yajl_gen_array_open(gen);
        yajl_gen_map_open(gen);
        text(gen, "hooks");
        yajl_gen_array_open(gen);
        yajl_gen_map_open(gen);
        text(gen, "type");
        text(gen, "command");
        text(gen, "command");
        text(gen, command);
        text(gen, "timeout");
        yajl_gen_integer(gen, 5);
        yajl_gen_map_close(gen);
        yajl_gen_array_close(gen);
        yajl_gen_map_close(gen);
        yajl_gen_array_close(gen);
    }
    yajl_gen_map_close(gen);
    yajl_gen_map_close(gen);
    yajl_gen_free(gen);
}

int hook_install(struct cli *cli, int argc, char **argv) {
    static char command[16 * PATH_MAX];
    int wanted = 0;
    const struct cli_option options[] = {{.name = "print", .ret_flag = &wanted}};
    int answer = cli_parse(help, options, 1, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1 || !wanted) {
        return cli_usage("hook install only prints: varve hook install --print");
    }
    if (make_command(cli, command, sizeof command) < 0) {
        return cli_fail(cli, "cannot tell the path of this program or of the store");
    }
    print(command);
    return EXIT_OKAY;
}
