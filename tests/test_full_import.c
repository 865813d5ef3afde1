/*
 * The command on a file system that becomes full: an import says so and keeps what it has taken in; gc frees the room; the
 * import goes on where it was, and every transcript comes back byte for byte.
 */
#include "support/scratch.h"
#include "support/small.h"
#include "support/work.h"

#include <sys/stat.h>

enum { FILES = 24, LINES = 220 };
static char base[300], disk_place[320];

/* Exit status of the command on the store; its output goes to files. */
static int varve_command(const char *arguments) {
    char command[1400];
    snprintf(command, sizeof command, "'%s' --store '%s/store' --format jsonl %s > '%s/out' 2> '%s/err'", VARVE_TEST_TOOL, disk_place,
             arguments, base, base);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(const char *arguments, int status) {
    int found = varve_command(arguments);
    if (found != status)
        print_error("varve %s: exit %d, not %d\n", arguments, found, status), scratch_run("cat '%s/err' >&2", base);
    assert_int_equal(found, status);
}

static size_t size_of(const char *name) {
    char path[400];
    struct stat file;
    snprintf(path, sizeof path, "%s/%s", base, name);
    assert_int_equal(stat(path, &file), 0);
    return (size_t)file.st_size;
}

/* The first half is of long ago, the second of times to come. */
static void write_transcript(int number) {
    char path[400], text[700];
    snprintf(path, sizeof path, "%s/projects/session-%02d.jsonl", base, number);
    FILE *to = fopen(path, "we");
    assert_non_null(to);
    for (uint32_t line = 0; line < LINES; line++) {
        for (uint32_t i = 0; i + 1 < sizeof text; i++)
            text[i] = (char)('A' + work_mix((uint32_t)number, line, i) % 50 % 26 + work_mix((uint32_t)number, line, i) % 2 * 32);
        text[sizeof text - 1] = 0;
        fprintf(to,
                "{\"type\":\"user\",\"uuid\":\"%08x-0000-4000-8000-%012x\",\"sessionId\":\"session-%02d\",\"timestamp\":"
                "\"%d-01-02T03:%02u:%02u.000Z\",\"message\":{\"role\":\"user\",\"content\":\"%s\"}}\n",
                (unsigned)number, line, number, number < FILES / 2 ? 2001 : 2101, line / 60, line % 60, text);
    }
    assert_int_equal(fclose(to), 0);
}

static int unmount(void **state) {
    (void)state;
    small_unmount();
    return 0;
}

static void an_import_that_fills_the_disk_goes_on_when_there_is_room(void **state) {
    (void)state;
    char *path = scratch_new(), arguments[500];
    snprintf(base, sizeof base, "%.*s", (int)(strlen(path) - strlen("/store")), path);
    snprintf(disk_place, sizeof disk_place, "%s/disk", base);
    scratch_run("mkdir '%s' '%s/projects'", disk_place, base);
    for (int i = 0; i < FILES; i++)
        write_transcript(i);
    const char *how = small_mount(disk_place, 5);
    print_message("%s\n", how != NULL ? how : "nothing can be mounted here: the disk does not become full");
    snprintf(arguments, sizeof arguments, "import '%s/projects'", base);
    if (how != NULL) {
        expect(arguments, 3);
        assert_true(size_of("err") > 0);
        expect("verify --deep", 0);
        assert_true(small_fill(disk_place));
        expect(arguments, 3);
        expect("verify --deep", 0);
    } else {
        expect(arguments, 0);
    }
    expect("gc --older-than 90d", 0);
    expect("verify --deep", 0);
    expect(arguments, 0);
    expect("verify --deep", 0);
    for (int i = FILES / 2; i < FILES; i++) {
        snprintf(arguments, sizeof arguments, "restore session-%02d", i);
        expect(arguments, 0);
        scratch_run("cmp '%s/out' '%s/projects/session-%02d.jsonl'", base, base, i);
    }
    small_unmount();
    scratch_free(path);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(an_import_that_fills_the_disk_goes_on_when_there_is_room, unmount),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
