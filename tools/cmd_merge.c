/*
 * varve merge: appends what other stores hold.
 */
#include "tools/out.h"

#include <sys/stat.h>

static const char help[] =
    "usage: varve merge SRC...\n"
    "\n"
    "Appends what the stores SRC (directories) hold to the store, which is made if it is not "
    "there.\n"
    "SRC are only read. What the store has already adds nothing, so a store can be merged again\n"
    "when it has grown, and the order does not matter: totals and sessions come out as if all had\n"
    "been appended to one store. Sessions keep the machine id of the store they come from.\n"
    "\n"
    "Deletions are taken over, and rewinds hide what they hid in SRC. A fork whose name is taken\n"
    "comes without what it shares, and counts as not carried. How far files were imported stays\n"
    "behind: import them again and they add nothing to sessions of the same machine.\n"
    "\n"
    "A merge that was cut off leaves a part: run it again. If a SRC fails, those before it stay.\n"
    "\n"
    "example:\n"
    "  varve merge /mnt/laptop/varve /mnt/desktop/varve\n"
    "  varve --store all --format jsonl merge a b c | jq .events\n"
    "\n"
    "exit codes: 0 done, 2 wrong usage, 3 could not do it\n";

static int open_source(const struct cli *cli, const char *path, varve **ret_source) {
    struct cli source = {.store_path = path, .place_flags = cli->place_flags};
    int error = cli_try_open(&source, VARVE_OPEN_READ_ONLY);
    if (error == VARVE_E_NOT_FOUND) {
        return cli_fail(cli, "no store at %s", path);
    }
    if (error < 0) {
        return cli_fail(cli, "%s", cli_open_error(error));
    }
    *ret_source = source.store;
    return EXIT_OKAY;
}

static void tell(struct out *out, const char *path, const varve_merged *merged) {
    out_begin(out);
    out_text(out, "source", varve_cstr(path));
    out_number(out, "sessions", (int64_t)merged->sessions);
    out_number(out, "events", (int64_t)merged->events);
    out_number(out, "settings", (int64_t)merged->settings);
    out_number(out, "forks", (int64_t)merged->forks);
    out_number(out, "rewinds", (int64_t)merged->rewinds);
    out_number(out, "deletions", (int64_t)merged->deletions);
    out_number(out, "duplicates", (int64_t)merged->duplicates);
    out_number(out, "not_carried", (int64_t)merged->not_carried);
    (void)out_end(out); /* what is done is done whether or not it can be told */
}

static int merge_one(struct cli *cli, struct out *out, const char *path) {
    varve *source = NULL;
    int answer = open_source(cli, path, &source);
    if (answer != EXIT_OKAY) {
        return answer;
    }
    varve_merged merged = {.size = sizeof merged};
    int error = varve_merge(cli->store, source, &merged);
    varve_close(&source);
    if (error < 0) {
        return cli_fail_store(cli, error);
    }
    tell(out, path, &merged);
    return EXIT_OKAY;
}

/* What can be told before a store is made that nothing comes into. */
static int check_sources(struct cli *cli, int count, char **paths) {
    struct stat here, there;
    int known = stat(cli->store_path, &here) == 0;
    for (int i = 0; i < count; i++) {
        if (stat(paths[i], &there) < 0 || !S_ISDIR(there.st_mode)) {
            return cli_fail(cli, "no store at %s", paths[i]);
        }
        if (known && here.st_dev == there.st_dev && here.st_ino == there.st_ino) {
            return cli_fail(cli, "%s is the store itself: it cannot be merged into itself",
                            paths[i]);
        }
    }
    return EXIT_OKAY;
}

int cmd_merge(struct cli *cli, int argc, char **argv) {
    int answer = cli_parse(help, NULL, 0, &argc, argv);
    if (answer != CLI_GO_ON) {
        return answer;
    }
    if (argc < 2) {
        return cli_usage("merge wants the directory of a store");
    }
    answer = check_sources(cli, argc - 1, argv + 1);
    if (answer == EXIT_OKAY) {
        answer = cli_open(cli, 0);
    }
    if (answer != EXIT_OKAY) {
        return answer;
    }
    struct out *out = out_record(cli);
    for (int i = 1; i < argc && answer == EXIT_OKAY; i++) {
        answer = merge_one(cli, out, argv[i]);
    }
    out_close(&out);
    return answer;
}
