/*
 * Where a store may be written: not where locks or shared memory may not hold, not where other users can write, unless that is
 * allowed; each refusal is one line that says what, where, and what to do, and leaves nothing behind. Reading works everywhere.
 */
#include "engine/store.h"
#include "support/scratch.h"
#include "support/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { EXT4 = 0xEF53, NFS = 0x6969, FUSE = 0x65735546 };

/* ---- A system that can be made strange ---- */

static ve_os os;
static uint32_t kind_told, user_told;
static int kinds_asked, stats_of_directories, locks_tried;
static char mounts[400]; /* what takes the place of mountinfo; empty: there is none */
enum { MAP_WELL, MAP_NONE, MAP_DEAF, MAP_MUTE, MAP_READ_ONLY };
enum { LOCK_WELL, LOCK_LOOSE, LOCK_NONE };
static int maps = MAP_WELL, locks = LOCK_WELL;
static char said[1024];

static int told_kind(int fd, uint32_t *ret_kind) {
    (void)fd;
    kinds_asked++;
    *ret_kind = kind_told;
    return 0;
}

static uint32_t told_user(void) {
    return user_told;
}

static int strange_openat(int dir, const char *name, int flags, unsigned mode) {
    if (strcmp(name, "/proc/self/mountinfo") == 0)
        return mounts[0] == 0 ? (errno = ENOENT, -1) : ve_os_system.openat(AT_FDCWD, mounts, O_RDONLY, 0);
    return ve_os_system.openat(dir, name, flags, mode);
}

static int strange_flock(int fd, int operation) {
    locks_tried++;
    if (locks == LOCK_NONE) {
        errno = ENOLCK;
        return -1;
    }
    return locks == LOCK_LOOSE ? 0 : ve_os_system.flock(fd, operation);
}

static void *strange_mmap(uint64_t size, int protection, int flags, int fd, int64_t offset) {
    struct stat file;
    bool shared = (flags & MAP_SHARED) != 0 && (protection & PROT_WRITE) != 0;
    if (fd >= 0 && fstat(fd, &file) == 0 && file.st_nlink == 0) /* of a private index: it lies elsewhere */
        return ve_os_system.mmap(size, protection, flags, fd, offset);
    if (shared && (maps == MAP_NONE || maps == MAP_READ_ONLY)) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    if (shared && maps == MAP_MUTE) /* what is written to it does not reach the file */
        return mmap(NULL, size, protection, MAP_PRIVATE, fd, (off_t)offset);
    if (fd >= 0 && (maps == MAP_NONE || maps == MAP_DEAF)) { /* a copy of what the file had */
        uint8_t *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(pread(fd, copy, size, (off_t)offset) >= 0);
        return copy;
    }
    return ve_os_system.mmap(size, protection, flags, fd, offset);
}

static int counting_fstatat(int dir, const char *name, struct stat *ret_stat, int flags) {
    stats_of_directories += strcmp(name, "seg") == 0 || strcmp(name, "idx") == 0;
    return ve_os_system.fstatat(dir, name, ret_stat, flags);
}

static void remember(void *context, const char *line) {
    (void)context;
    snprintf(said + strlen(said), sizeof said - strlen(said), "%s\n", line);
}

static int plain_again(void **state) {
    (void)state;
    os = ve_os_system;
    os.kind = told_kind;
    os.user = told_user;
    os.openat = strange_openat;
    os.flock = strange_flock;
    os.mmap = strange_mmap;
    os.fstatat = counting_fstatat;
    kind_told = EXT4;
    user_told = geteuid();
    maps = MAP_WELL;
    locks = LOCK_WELL;
    kinds_asked = stats_of_directories = locks_tried = 0;
    mounts[0] = 0;
    umask(022);
    return 0;
}

/* ---- Opening ---- */

static char why[600];

static int open_with(const char *path, uint32_t flags, varve **ret_store) {
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.error = why;
    options.error_size = sizeof why;
    options.log = remember;
    why[0] = said[0] = 0;
    return ve_open(&os, path, &options, ret_store);
}

static void add(varve *store, const char *session) {
    scratch_append(store, session, "Stop", 1);
}

static void opens(const char *path, uint32_t flags) {
    varve *store = NULL;
    int result = open_with(path, flags, &store);
    if (result < 0)
        print_error("%s\n", why);
    assert_int_equal(result, VARVE_OK);
    if ((flags & VARVE_OPEN_READ_ONLY) == 0)
        add(store, "s");
    varve_close(&store);
}

/* One line that has the path and these words. */
static void is_refused(const char *path, uint32_t flags, const char *words, const char *advice) {
    varve *store = NULL;
    int result = open_with(path, flags, &store);
    assert_null(store);
    if (result != VARVE_E_UNSUITABLE || strstr(why, words) == NULL || strstr(why, advice) == NULL)
        print_error("%d: '%s' and '%s' are not in: %s\n", result, words, advice, why);
    assert_int_equal(result, VARVE_E_UNSUITABLE);
    assert_non_null(strstr(why, words));
    assert_non_null(strstr(why, advice));
    assert_ptr_equal(strstr(why, path), why);
    assert_null(strchr(why, '\n'));
    assert_true(strlen(why) < 400);
}

static bool is_there(const char *path, const char *name) {
    char full[400];
    snprintf(full, sizeof full, "%s/%s", path, name);
    return access(full, F_OK) == 0;
}

static uint64_t events_of(const char *path, uint32_t flags, const char *session) {
    varve *store = NULL;
    assert_int_equal(open_with(path, flags, &store), VARVE_OK);
    varve_session found;
    int result = varve_session_find(store, varve_cstr(NULL), varve_cstr(session), &found);
    varve_close(&store);
    return result < 0 ? 0 : found.events;
}

/* That a reader of the log is shown. */
static int shown_of(const char *path, uint32_t flags) {
    varve *store = NULL;
    varve_cursor *cursor;
    varve_event event;
    int count = 0;
    assert_int_equal(open_with(path, flags, &store), VARVE_OK);
    assert_int_equal(varve_cursor_store(store, 0, 0, &cursor), VARVE_OK);
    while (varve_cursor_next(cursor, &event) == 1)
        count++;
    varve_cursor_close(&cursor);
    varve_close(&store);
    return count;
}

/* ---- File systems ---- */

static void a_file_system_of_several_machines_is_refused(void **state) {
    (void)state;
    static const struct {
        uint32_t kind;
        const char *name;
    } kinds[] = {{NFS, "NFS"},         {0xFF534D42, "CIFS"},  {0xFE534D42, "SMB"},    {0x517B, "SMB"},        {0x01021997, "9p"},
                 {0x00C36400, "Ceph"}, {0x5346414F, "AFS"},   {0x6B414653, "AFS"},    {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},
                 {0x01161970, "GFS2"}, {0x7461636F, "OCFS2"}, {FUSE, "FUSE"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char *path = scratch_new(), words[60];
        snprintf(words, sizeof words, "lies on %s, ", kinds[i].name);
        kind_told = kinds[i].kind;
        is_refused(path, 0, words, "--alone");
        assert_int_not_equal(access(path, F_OK), 0); /* nothing was left there */
        opens(path, VARVE_OPEN_ALONE);
        is_refused(path, 0, words, "--alone");
        opens(path, VARVE_OPEN_ALONE);
        assert_int_equal(events_of(path, VARVE_OPEN_READ_ONLY, "s"), 2);
        scratch_free(path);
    }
}

static void a_store_that_is_not_there_is_not_called_unsuitable(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = NULL;
    kind_told = NFS;
    assert_int_equal(open_with(path, VARVE_OPEN_NO_CREATE, &store), VARVE_E_NOT_FOUND);
    assert_int_equal(open_with(path, VARVE_OPEN_READ_ONLY, &store), VARVE_E_NOT_FOUND);
    scratch_free(path);
}

/* What other machines wrote does not show in a page of this one: such a page is not believed, whatever it says. */
static void readers_there_believe_the_log_alone(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = NULL;
    vf_control page, late;
    opens(path, 0);
    tree_read(path, "CONTROL", &page, sizeof page, 0);
    opens(path, 0);
    tree_read(path, "CONTROL", &late, sizeof late, 0);
    tree_write(path, "CONTROL", &page, sizeof page, 0); /* as it would be seen: late */
    assert_int_equal(shown_of(path, VARVE_OPEN_READ_ONLY), 1);
    kind_told = NFS;
    assert_int_equal(shown_of(path, VARVE_OPEN_READ_ONLY), 2);
    assert_non_null(strstr(said, "lies on NFS"));
    assert_non_null(strstr(said, "the log is read instead"));
    assert_int_equal(open_with(path, VARVE_OPEN_READ_ONLY, &store), VARVE_OK);
    scratch_verify(store);
    char *copy = scratch_new();
    assert_int_equal(varve_snapshot(store, copy, 0, NULL), VARVE_OK);
    varve_close(&store);
    kind_told = EXT4;
    assert_int_equal(shown_of(copy, VARVE_OPEN_READ_ONLY), 2);
    kind_told = NFS;
    assert_int_equal(shown_of(path, VARVE_OPEN_READ_ONLY | VARVE_OPEN_ALONE), 1);
    assert_string_equal(said, "");
    scratch_free(path);
    scratch_free(copy);
}

/* A mountinfo in which the directory above the store is mounted with this type, between others. */
static void mount_as(const char *path, const char *type) {
    char above[300];
    struct stat file;
    snprintf(above, sizeof above, "%.*s", (int)(strlen(path) - strlen("/store")), path);
    assert_int_equal(stat(above, &file), 0);
    snprintf(mounts, sizeof mounts, "%s/mounts", above);
    FILE *out = fopen(mounts, "w");
    for (int i = 0; i < 200; i++)
        fprintf(out, "%d 1 %u:%u / /m%d rw - nfs4 host:/d%d rw\n", i + 30, major(file.st_dev) + 1, minor(file.st_dev) + 10 * (unsigned)i, i, i);
    fprintf(out, "20 1 %u:%u /root - /mnt/a\\040b rw,nosuid shared:%05000d master:3 - %s dev - rw\n", major(file.st_dev),
            minor(file.st_dev), 7, type);
    fprintf(out, "29 1 0:9 / /m rw - tmpfs tmpfs rw\n");
    fclose(out);
}

static void of_fuse_only_kinds_of_this_machine_are_taken(void **state) {
    (void)state;
    static const char *const local[] = {"fuseblk", "fuse.fuse-overlayfs", "fuse.gocryptfs"};
    static const char *const far[] = {"fuse.sshfs", "fuse", "fuse.rclone", "virtiofs", "fuse.fuse-overlayfsx", "fuse.glusterfs"};
    kind_told = FUSE;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++) {
        char *path = scratch_new();
        mount_as(path, local[i]);
        opens(path, 0);
        assert_int_equal(events_of(path, VARVE_OPEN_READ_ONLY, "s"), 1);
        assert_string_equal(said, "");
        scratch_free(path);
    }
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        char *path = scratch_new(), words[60];
        mount_as(path, far[i]);
        snprintf(words, sizeof words, "lies on %s, ", far[i]);
        is_refused(path, 0, words, "--alone");
        opens(path, VARVE_OPEN_ALONE);
        scratch_free(path);
    }
}

static void locks_that_do_not_exclude_are_found_out(void **state) {
    (void)state;
    char *path = scratch_new();
    for (int how = LOCK_LOOSE; how <= LOCK_NONE; how++) {
        locks = how;
        is_refused(path, 0, "locks do not work", "--alone");
        assert_false(is_there(path, "STORE"));
    }
    opens(path, VARVE_OPEN_ALONE); /* there are none at all */
    opens(path, VARVE_OPEN_ALONE);
    assert_int_equal(events_of(path, VARVE_OPEN_READ_ONLY, "s"), 2);
    for (int how = LOCK_LOOSE; how <= LOCK_NONE; how++) { /* another machine comes to it, so to speak */
        locks = how;
        tree_remove(path, "CONTROL");
        varve *store = NULL;
        assert_true(open_with(path, 0, &store) < 0);
        assert_non_null(strstr(why, how == LOCK_LOOSE ? "locks do not work" : "cannot be locked"));
        locks = LOCK_WELL;
        opens(path, 0);
    }
    assert_int_equal(events_of(path, VARVE_OPEN_READ_ONLY, "s"), 4);
    scratch_free(path);
}

static void memory_that_is_not_shared_is_found_out(void **state) {
    (void)state;
    static const char *const words[] = {NULL, "has no shared memory", "does not show in memory", "does not show in its file",
                                        "has no shared memory"};
    char *path = scratch_new();
    for (int how = MAP_NONE; how <= MAP_READ_ONLY; how++) {
        maps = how;
        is_refused(path, 0, words[how], "local disk");
        assert_false(is_there(path, "STORE"));
    }
    maps = MAP_WELL;
    opens(path, 0);
    for (int how = MAP_NONE; how <= MAP_READ_ONLY; how++) {
        tree_remove(path, "CONTROL");
        maps = how;
        is_refused(path, 0, words[how], "local disk");
        maps = MAP_WELL;
        opens(path, 0);
    }
    for (int how = MAP_NONE; how <= MAP_DEAF; how++) { /* who does not see what he writes cannot even be alone */
        tree_remove(path, "CONTROL");
        maps = how;
        is_refused(path, VARVE_OPEN_ALONE, words[MAP_DEAF], "local disk");
        maps = MAP_WELL;
        opens(path, 0);
    }
    scratch_free(path);
}

static void who_is_alone_needs_no_shared_memory(void **state) {
    (void)state;
    char *path = scratch_new();
    varve *store = NULL, *reader = NULL;
    uint64_t done = 0;
    for (int round = 0; round < 3; round++) {
        maps = MAP_WELL;
        opens(path, 0); /* and leaves a CONTROL that would be believed */
        done++;
        maps = MAP_READ_ONLY;
        assert_int_equal(open_with(path, VARVE_OPEN_ALONE, &store), VARVE_OK);
        for (int i = 0; i < 50; i++, done++)
            add(store, "s");
        varve_batch *batch;
        assert_int_equal(varve_batch_new(&batch), VARVE_OK);
        varve_event event = scratch_event("s", "Stop");
        assert_true(varve_batch_add(batch, &event) >= 0);
        assert_int_equal(varve_append(store, batch, VARVE_GROUP, NULL), VARVE_OK);
        done++;
        varve_batch_free(&batch);
        assert_int_equal(scratch_session(store, "s").events, done);
        varve_compact_options options;
        varve_compact_options_init(&options);
        options.flags = VARVE_COMPACT_ALL;
        int result = varve_compact(store, &options, NULL);
        if (result < 0)
            print_error("%s\n", varve_last_error(store));
        assert_int_equal(result, VARVE_OK);
        assert_int_equal(varve_reindex(store), VARVE_OK);
        scratch_verify(store);
        maps = MAP_WELL; /* what the others see meanwhile */
        assert_int_equal(open_with(path, VARVE_OPEN_READ_ONLY, &reader), VARVE_OK);
        assert_int_equal(scratch_session(reader, "s").events, done);
        varve_close(&reader);
        varve_close(&store);
        assert_int_equal(events_of(path, 0, "s"), done);
    }
    store = scratch_open(path, 0);
    scratch_verify(store);
    scratch_check_seq(store, "s", done);
    varve_close(&store);
    scratch_free(path);
}

/* A probe leaves no trace, whatever it found. */
static void probes_leave_nothing(void **state) {
    (void)state;
    char *path = scratch_new();
    opens(path, 0);
    vf_store_file file;
    vf_control page;
    tree_read(path, "STORE", &file, sizeof file, 0);
    tree_read(path, "CONTROL", &page, sizeof page, 0);
    for (size_t i = sizeof page - 64; i < sizeof page; i++) {
        assert_int_equal(((uint8_t *)&file)[i], 0);
        assert_int_equal(((uint8_t *)&page)[i], 0);
    }
    scratch_run("test -z \"$(ls '%s' | grep tmp)\"", path);
    scratch_free(path);
}

static void looking_at_the_place_is_one_question_to_the_system(void **state) {
    (void)state;
    char *path = scratch_new();
    opens(path, 0);
    kinds_asked = stats_of_directories = locks_tried = 0;
    opens(path, 0);
    assert_int_equal(kinds_asked, 1);
    assert_int_equal(stats_of_directories, 0); /* nobody else gets that far */
    assert_int_equal(locks_tried, 2);          /* the append's: no probe */
    scratch_free(path);
}

/* ---- Other users ---- */

static void set_mode(const char *path, const char *name, unsigned mode) {
    char full[400];
    snprintf(full, sizeof full, "%s/%s", path, name);
    assert_int_equal(chmod(full, (mode_t)mode), 0);
}

static unsigned mode_of(const char *path, const char *name) {
    char full[400];
    struct stat file;
    snprintf(full, sizeof full, "%s/%s", path, name);
    assert_int_equal(stat(full, &file), 0);
    return file.st_mode & 07777u;
}

static void a_directory_that_others_may_write_is_refused(void **state) {
    (void)state;
    static const char *const names[] = {"", "seg", "idx"};
    static const unsigned modes[] = {0770, 0720, 0707, 0702, 01777};
    char *path = scratch_new();
    opens(path, 0);
    assert_int_equal(mode_of(path, ""), 0700);
    uint64_t events = 1;
    for (size_t n = 0; n < 3; n++)
        for (size_t m = 0; m < 5; m++) {
            char words[400];
            set_mode(path, "", 0755);
            set_mode(path, names[n], modes[m]);
            snprintf(words, sizeof words, "%s%s%s: other users may write to it (mode %04o)", path, n == 0 ? "" : "/", names[n], modes[m]);
            is_refused(path, 0, words, "--shared");
            assert_non_null(strstr(why, "chmod go-w"));
            assert_int_equal(events_of(path, VARVE_OPEN_READ_ONLY, "s"), events);
            if (n > 0) { /* they cannot get there */
                set_mode(path, "", 0700);
                opens(path, 0);
                events++;
            }
            set_mode(path, "", 0755);
            if (n > 0 || modes[m] != 01777) {
                opens(path, VARVE_OPEN_SHARED);
                events++;
            }
            set_mode(path, names[n], 0755);
            opens(path, 0);
            events++;
        }
    set_mode(path, "", 01777);
    is_refused(path, VARVE_OPEN_SHARED, "sticky", "chmod -t");
    scratch_free(path);
}

static void a_directory_of_another_user_is_refused(void **state) {
    (void)state;
    char *path = scratch_new(), words[60];
    opens(path, 0);
    for (uint32_t user = 0; user <= 4000; user += 2000) { /* root too */
        if (user == geteuid())
            continue;
        user_told = user;
        snprintf(words, sizeof words, "belongs to user %u, and this process is user %u", geteuid(), user);
        is_refused(path, 0, words, "--shared");
        assert_true(events_of(path, VARVE_OPEN_READ_ONLY, "s") > 0);
        opens(path, VARVE_OPEN_SHARED);
    }
    if (geteuid() == 0) { /* a part of it */
        user_told = 0;
        scratch_run("chmod 711 '%s' && chown 4321 '%s/seg'", path, path);
        snprintf(words, sizeof words, "/seg: belongs to user 4321, ");
        is_refused(path, 0, words, "--shared");
    }
    scratch_free(path);
}

static void check_modes(void *context, const char *name, size_t size) {
    (void)size;
    const char *const *at = context;
    unsigned expected = (unsigned)strtoul(at[1], NULL, 8);
    if (mode_of(at[0], name) != expected)
        print_error("%s: mode %04o, not %04o\n", name, mode_of(at[0], name), expected);
    assert_int_equal(mode_of(at[0], name), expected);
}

static void new_files_of_a_shared_store_let_its_users_in(void **state) {
    (void)state;
    static const struct {
        unsigned top, umask, below;
        const char *files;
    } cases[] = {{0770, 022, 0770, "660"},  {0777, 077, 0777, "666"},   {02770, 022, 02770, "660"},
                 {0750, 0, 0750, "640"},    {0700, 0, 0700, "600"},     {02775, 077, 02775, "664"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = scratch_new();
        assert_int_equal(mkdir(path, 0700), 0);
        set_mode(path, "", cases[i].top);
        umask((mode_t)cases[i].umask);
        varve_options options;
        varve_options_init(&options);
        options.flags = VARVE_OPEN_SHARED;
        options.segment_size = 64 << 10;
        varve *store = NULL;
        assert_int_equal(ve_open(&os, path, &options, &store), VARVE_OK);
        for (int n = 0; n < 20; n++)
            scratch_append(store, "s", "Stop", 50);
        assert_int_equal(varve_sync(store), VARVE_OK);
        varve_compact_options compact;
        varve_compact_options_init(&compact);
        assert_int_equal(varve_compact(store, &compact, NULL), VARVE_OK);
        assert_int_equal(varve_reindex(store), VARVE_OK);
        scratch_verify(store);
        varve_close(&store);
        const char *check[] = {path, cases[i].files};
        tree_each(path, check_modes, check);
        assert_int_equal(mode_of(path, "seg"), cases[i].below);
        assert_int_equal(mode_of(path, "idx"), cases[i].below);
        assert_int_equal(mode_of(path, "quarantine"), cases[i].below);
        assert_int_equal(mode_of(path, "idx/2"), cases[i].below);
        scratch_free(path);
    }
    char *path = scratch_new();
    umask(0);
    opens(path, 0); /* nobody else, whatever the process would let in */
    const char *check[] = {path, "600"};
    tree_each(path, check_modes, check);
    scratch_free(path);
}

/* Another name of a file that was there before may be any file's: a writer who lets others in does not change whose it is. */
static void only_new_files_are_given_away(void **state) {
    (void)state;
    char *path = scratch_new(), mine[300];
    assert_int_equal(mkdir(path, 0700), 0);
    set_mode(path, "", 0770);
    snprintf(mine, sizeof mine, "%s/../mine", path);
    scratch_run("touch '%s' && chmod 600 '%s' && ln '%s' '%s/LOCK.append'", mine, mine, mine, path);
    opens(path, VARVE_OPEN_SHARED);
    struct stat file;
    assert_int_equal(stat(mine, &file), 0);
    assert_int_equal(file.st_mode & 07777, 0600);
    assert_int_equal(file.st_size, 0);
    scratch_free(path);
}

static void what_root_makes_in_anothers_store_is_the_others(void **state) {
    (void)state;
    if (geteuid() != 0)
        skip();
    char *path = scratch_new();
    scratch_run("mkdir '%s' && chmod 700 '%s' && chown 4321:4322 '%s'", path, path, path);
    is_refused(path, 0, "belongs to user 4321", "--shared");
    opens(path, VARVE_OPEN_SHARED);
    scratch_run("test -z \"$(find '%s' ! -uid 4321 -o ! -gid 4322)\"", path);
    scratch_run("test -z \"$(find '%s' -perm /077)\"", path);
    scratch_free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_file_system_of_several_machines_is_refused, plain_again),
        cmocka_unit_test_setup(a_store_that_is_not_there_is_not_called_unsuitable, plain_again),
        cmocka_unit_test_setup(readers_there_believe_the_log_alone, plain_again),
        cmocka_unit_test_setup(of_fuse_only_kinds_of_this_machine_are_taken, plain_again),
        cmocka_unit_test_setup(locks_that_do_not_exclude_are_found_out, plain_again),
        cmocka_unit_test_setup(memory_that_is_not_shared_is_found_out, plain_again),
        cmocka_unit_test_setup(who_is_alone_needs_no_shared_memory, plain_again),
        cmocka_unit_test_setup(probes_leave_nothing, plain_again),
        cmocka_unit_test_setup(looking_at_the_place_is_one_question_to_the_system, plain_again),
        cmocka_unit_test_setup(a_directory_that_others_may_write_is_refused, plain_again),
        cmocka_unit_test_setup(a_directory_of_another_user_is_refused, plain_again),
        cmocka_unit_test_setup(new_files_of_a_shared_store_let_its_users_in, plain_again),
        cmocka_unit_test_setup(only_new_files_are_given_away, plain_again),
        cmocka_unit_test_setup(what_root_makes_in_anothers_store_is_the_others, plain_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
