/*
 * varve import: transcripts, logged hook payloads and telemetry into the store.
 */
#include "tools/import.h"
#include "tools/when.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: varve import [OPTION]... PATH...\n"
    "\n"
    "Takes files into the store, making it if need be: transcripts of Claude Code, payloads that\n"
    "its hooks were given (lines, arrays, single objects), and its telemetry (OTLP/JSON exports "
    "of\n"
    "logs, and spans of the GenAI conventions). What a file is, its content tells. PATH is a file, "
    "a\n"
    "directory (every *.jsonl and *.json below it), or - for standard input. What was imported "
    "before is\n"
    "not stored twice, whatever the file is called; a file that has grown is read on from where "
    "it\n"
    "ended. Every line of a transcript becomes an event and can be written again by 'varve "
    "restore'.\n"
    "\n"
    "Lines that are not one JSON object are named on stderr; those of a transcript are kept and "
    "taken\n"
    "apart as far as possible. An unfinished last line is left for the next import. Other files "
    "are\n"
    "left out. A logged time without an offset is one of this machine.\n"
    "\n"
    "options:\n"
    "  --prices FILE      price tokens by FILE instead of the built-in table (2026-07-24): a JSON\n"
    "                     object {MODEL: {\"input_cost_per_token\": DOLLARS,\n"
    "                     \"output_cost_per_token\": DOLLARS, ...}} in LiteLLM's shape\n"
    "  --check            also look into files that seem unchanged\n"
    "  --durability HOW   group: on disk when the command ends (the default); none: not awaited\n"
    "\n"
    "Prints what was done; with --format jsonl one object.\n"
    "\n"
    "example:\n"
    "  varve import ~/.claude/projects\n"
    "\n"
    "exit codes: 0 done (bad lines included), 2 wrong usage, 3 something could not be read or "
    "stored\n";

static int import_paths(struct import *in, const struct paths *paths) {
    int error = 0;
    in->reader = claude_reader_new(in->prices);
    in->lines = line_reader_new();
    in->ahead = line_reader_new();
    in->paths = paths->used;
    for (in->path = 0; in->path < paths->used && error == 0; in->path++) {
        report_progress(in, 0, 0);
        error = import_file(in, &paths->list[in->path]);
    }
    if (error == 0 && in->durable) {
        error = varve_sync(in->cli->store);
        if (error < 0) {
            report_progress_end(in);
            cli_fail_store(in->cli, error);
        }
    }
    report_progress_end(in);
    return error;
}

static int import_all(struct cli *cli, struct import *in, int count, char **operands) {
    struct paths paths = {0};
    report_begin(in);
    for (int i = 0; i < count; i++) {
        in->report.failed += walk_path(cli, operands[i], &paths);
    }
    int answer = EXIT_OKAY;
    if (paths.used > 0 || in->report.failed == 0) { /* else a mistyped path would make a store */
        answer = cli_open(cli, 0);
        if (answer == EXIT_OKAY && varve_batch_new(&in->batch) < 0) {
            answer = cli_fail(cli, "out of memory");
        }
        if (answer == EXIT_OKAY && import_paths(in, &paths) < 0) {
            in->report.failed += in->report.failed == 0;
        }
    }
    if (answer == EXIT_OKAY) {
        report_print(in);
    }
    walk_free(&paths);
    return answer == EXIT_OKAY && in->report.failed > 0 ? EXIT_CANNOT : answer;
}

static void end_import(struct import *in) {
    claude_reader_free(&in->reader);
    hook_reader_free(&in->hooks);
    otel_reader_free(&in->otel);
    line_reader_free(&in->lines);
    line_reader_free(&in->ahead);
    varve_batch_free(&in->batch);
    seen_free(&in->seen);
    seen_free(&in->introduced);
    report_free(&in->report);
}

int cmd_import(struct cli *cli, int argc, char **argv) {
    struct import in = {.cli = cli, .durable = 1, .progress = isatty(STDERR_FILENO)};
    const char *prices = NULL, *durability = "group";
    const struct cli_option options[] = {
        {.name = "prices", .ret_text = &prices, .values = "FILE"},
        {.name = "check", .ret_flag = &in.check},
        {.name = "durability", .ret_text = &durability, .values = "group none"},
    };
    int answer = cli_parse(help, options, sizeof options / sizeof *options, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc < 2) {
        return cli_usage("import wants a file, a directory, or - for standard input");
    }
    if (strcmp(durability, "group") != 0 && strcmp(durability, "none") != 0) {
        return cli_usage("--durability wants none or group, not '%s'", durability);
    }
    in.durable = strcmp(durability, "group") == 0;
    (void)when_zone("local"); /* of logged times that name none */
    in.prices = prices_builtin();
    struct price_table *own = NULL;
    if (prices) {
        char why[512];
        if (prices_read(prices, &own, why, sizeof why) < 0) {
            return cli_fail(cli, "%s", why);
        }
        in.prices = own;
    }
    answer = import_all(cli, &in, argc - 1, argv + 1);
    end_import(&in);
    prices_free(&own);
    return answer;
}
