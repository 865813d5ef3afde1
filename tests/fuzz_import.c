/*
 * Fuzzes 'varve import': the input becomes a file, which is taken in when a part of it is there and again when it is
 * whole; the store must verify, and the same file adds nothing when it is taken in once more.
 * First byte: under which name; second: how much is there at first.
 */
#include "engine/varve.h"

#include "support/tree.h"
#include "tools/import.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

static char directory[64];

static void require(int holds) {
    if (!holds)
        abort();
}

static void put_file(const char *name, const uint8_t *bytes, size_t size) {
    char path[200];
    for (const char *slash = name; (slash = strchr(slash, '/')) != NULL; slash++) {
        snprintf(path, sizeof path, "%s/%.*s", directory, (int)(slash - name), name);
        mkdir(path, 0700);
    }
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

static uint64_t import_file_of(const char *name) {
    char import[] = "import", check[] = "--check", none[] = "--durability=none", path[200], store[100];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(store, sizeof store, "%s/store", directory);
    char *arguments[] = {import, check, none, path, NULL};
    struct cli cli = {.store_path = store};
    cmd_import(&cli, 4, arguments);
    uint64_t events = 0;
    if (cli.store != NULL) {
        varve_stats stats = {.size = sizeof stats};
        require(varve_stat(cli.store, &stats) == VARVE_OK);
        require(varve_verify(cli.store, VARVE_VERIFY_DEEP, NULL, NULL) == 0);
        events = stats.events;
    }
    varve_close(&cli.store);
    return events;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    static const char *const names[] = {"0a1b2c3d-0000-4000-8000-000000000001.jsonl", "agent-1.jsonl",
                                        "projects/-src-x/s.jsonl", "projects/-src-x/s/subagents/agent-2.jsonl",
                                        "hooks.jsonl", "logs.json"};
    if (size < 2)
        return 0;
    const char *name = names[input[0] % (sizeof names / sizeof *names)];
    snprintf(directory, sizeof directory, "%s/varve-fuzz-%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    if (access(directory, F_OK) == 0) /* of one that was killed */
        tree_remove(directory, "");
    require(mkdir(directory, 0700) == 0);
    size_t whole = size - 2, part = whole * input[1] / 255;
    put_file(name, input + 2, part);
    import_file_of(name);
    put_file(name, input + 2, whole);
    uint64_t events = import_file_of(name);
    require(import_file_of(name) == events);
    tree_remove(directory, "");
    return 0;
}
