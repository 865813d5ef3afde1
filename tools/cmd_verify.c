/*
 * varve verify: reads the whole store and tells of each thing that is wrong. Repairs nothing.
 */
#include "tools/out.h"
#include "tools/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: varve verify [--deep]\n"
    "\n"
    "Reads the whole store and checks all sums and places. Each finding is one line: file:offset, "
    "and\n"
    "what is wrong there. Changes nothing.\n"
    "\n"
    "options:\n"
    "  --deep   also make every session's record again from its events: it must come out the same\n"
    "\n"
    "In jsonl each finding has file, offset, what, is_fault; the last line has faults and notes.\n"
    "Damage to the index is mended by 'varve reindex'.\n"
    "\n"
    "example:\n"
    "  varve verify --deep\n"
    "\n"
    "exit codes: 0 nothing wrong, 1 faults found, 2 wrong usage, 3 could not do it\n";

static const struct out_column columns[] = {
    {"file", "file", 0},
    {"offset", "offset", 0},
    {"what", "what", 0},
    {"is_fault", "is fault", 0},
};

struct findings {
    struct out *out; /* jsonl and csv, else NULL */
    uint64_t faults, notes;
};

static void tell(void *context, const varve_finding *finding) {
    struct findings *findings = context;
    int fault = finding->error != 0;
    findings->faults += fault != 0;
    findings->notes += !fault;
    if (findings->out) {
        out_begin(findings->out);
        out_word(findings->out, "file", finding->file);
        out_numeral(findings->out, "offset", finding->offset);
        out_word(findings->out, "what", finding->what);
        out_bool(findings->out, "is_fault", fault);
        (void)out_end(findings->out);
        return;
    }
    char file[600], what[1200];
    text_line(file, sizeof file, finding->file ? finding->file : "",
              finding->file ? strlen(finding->file) : 0);
    text_line(what, sizeof what, finding->what ? finding->what : "",
              finding->what ? strlen(finding->what) : 0);
    if (*file) {
        printf("%s:%" PRIu64 ": ", file, finding->offset);
    }
    printf("%s%s\n", fault ? "" : "note: ", what);
}

static int summarise(struct cli *cli, struct findings *findings, int deep) {
    if (cli->csv) { /* one kind of rows: their number and the exit code tell the rest */
        out_close(&findings->out);
    } else if (findings->out) {
        out_begin(findings->out);
        out_numeral(findings->out, "faults", findings->faults);
        out_numeral(findings->out, "notes", findings->notes);
        out_bool(findings->out, "deep", deep);
        (void)out_end(findings->out);
        out_close(&findings->out);
    } else {
        printf("%s: %" PRIu64 " fault%s, %" PRIu64 " note%s\n", cli->store_path, findings->faults,
               findings->faults == 1 ? "" : "s", findings->notes, findings->notes == 1 ? "" : "s");
    }
    return findings->faults > 0 ? EXIT_FOUND : EXIT_OKAY;
}

/* What no store has that nobody damaged. */
static int is_damage(int error) {
    return error == VARVE_E_CORRUPT || error == VARVE_E_INDEX || error == VARVE_E_NOT_A_STORE;
}

int cmd_verify(struct cli *cli, int argc, char **argv) {
    int deep = 0;
    const struct cli_option options[] = {{.name = "deep", .ret_flag = &deep}};
    int answer = cli_parse(help, options, 1, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc > 1) {
        return cli_usage("verify takes no operand: '%s'", argv[1]);
    }
    struct findings findings = {0};
    if (cli->jsonl) {
        findings.out = out_record(cli);
    } else if (cli->csv) {
        findings.out = out_rows(cli, columns, sizeof columns / sizeof *columns);
    }
    int error = cli_try_open(cli, VARVE_OPEN_READ_ONLY);
    if (is_damage(error)) { /* too damaged to be opened: that is what was looked for */
        tell(&findings,
             &(varve_finding){.error = error, .file = "", .what = cli_open_error(error)});
        return summarise(cli, &findings, deep);
    }
    if (error < 0) {
        out_close(&findings.out);
        return cli_open(cli, VARVE_OPEN_READ_ONLY); /* says why */
    }
    error = varve_verify(cli->store, deep ? VARVE_VERIFY_DEEP : 0, tell, &findings);
    if (error < 0 && !is_damage(error)) {
        out_close(&findings.out);
        return cli_fail_store(cli, error);
    }
    if (error < 0) {
        const char *what = varve_last_error(cli->store);
        tell(&findings, &(varve_finding){.error = error, .file = "", .what = what});
    } else if ((uint64_t)error > findings.faults) {
        findings.faults = (uint64_t)error;
    }
    return summarise(cli, &findings, deep);
}
