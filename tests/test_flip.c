/*
 * One flipped bit, anywhere in a store, raw or packed: verify finds it, or it stands in the list NOT_COVERED, with the
 * reason, and everything reads as before. Never a crash, never a hang; what is whole is still served;
 * who goes on writing and packing loses nothing more.
 * A sample of each file with a fixed seed; VARVE_LONG: every bit of every file, or with VARVE_FLIP=seg/ of those whose
 * names begin so (millions of bits: hours for all).
 */
#include "support/deaths.h"
#include "support/digest.h"
#include "support/scratch.h"
#include "support/tree.h"
#include "support/work.h"

#include "engine/store.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { FILES_MAX = 64, EVENTS_MAX = 2000, WRITER = 100 };

/* ---- The store as it should be ---- */

typedef struct {
    uint64_t lsn, sum;
} one_event;

typedef struct {
    char name[60];
    uint32_t size;
    uint64_t first, count; /* of its bits that are flipped: numbers */
} one_file;

static struct {
    const char *kind;
    char *path, *copy, *scratch; /* as it should be; where readers meet the flip; where writers do */
    work_book *book;
    uint64_t digest, tail;
    one_event event[EVENTS_MAX];
    uint32_t events, files;
    one_file file[FILES_MAX];
    uint64_t flips;
} all;

/* Shared with the children: how far they are. */
static struct {
    _Atomic uint64_t at;
    _Atomic uint32_t failures, found, harmless, written;
} *progress;

/* A disk with little room: a store that has lost its measure must not take all there is. */
enum { ROOM = 64 << 20 };
static int64_t taken;

static int allocate_little(int fd, int64_t offset, int64_t size) {
    taken += size;
    if (taken <= ROOM)
        return deaths_os.allocate(fd, offset, size);
    errno = ENOSPC;
    return -1;
}

static void sleep_not(int64_t nanoseconds) {
    (void)nanoseconds;
}

static int open_quietly(const char *path, uint32_t flags, varve **ret_store) {
    static ve_os os;
    os = deaths_os; /* does not wait for the disk */
    os.allocate = allocate_little;
    os.sleep = sleep_not; /* nobody else is at work */
    taken = 0;
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.segment_size = 64 << 10;
    return ve_open(&os, path, &options, ret_store);
}

/* The events that can be read, each as a sum; false: an error. */
static bool list_events(varve *store, one_event *ret, uint32_t *ret_count) {
    varve_cursor *cursor;
    varve_event event;
    int result;
    *ret_count = 0;
    if (varve_cursor_store(store, 0, VARVE_CURSOR_SETTINGS, &cursor) < 0)
        return false;
    while ((result = varve_cursor_next(cursor, &event)) == 1 && *ret_count < EVENTS_MAX) {
        uint64_t sum = event.payload_size == 0 ? 0 : vf_sum64(event.payload, event.payload_size, event.seq);
        ret[(*ret_count)++] = (one_event){event.lsn, sum}; /* its session's identity may be lost */
    }
    varve_cursor_close(&cursor);
    return result == 0;
}

/* Nothing that was never written; *ret_lost: what is missing. 'anew': a lost segment's place was used again. */
static bool served(varve *store, bool anew, uint32_t *ret_lost) {
    static one_event found[EVENTS_MAX];
    uint32_t count, at = 0;
    *ret_lost = 0;
    if (!list_events(store, found, &count) && strstr(varve_last_error(store), "no manifest holds") == NULL &&
        strstr(varve_last_error(store), "run varve reindex") == NULL)
        return work_wrong("cannot be listed: %s", varve_last_error(store));
    for (uint32_t i = 0; i < count; i++, at++) {
        for (; at < all.events && all.event[at].lsn < found[i].lsn; at++)
            ++*ret_lost;
        if (at == all.events)
            return true; /* what was appended since */
        bool same = all.event[at].lsn == found[i].lsn && all.event[at].sum == found[i].sum;
        *ret_lost += !same;
        if (!same && !anew)
            return work_wrong("the event at %llx was never written", (unsigned long long)found[i].lsn);
    }
    *ret_lost += all.events - at;
    return true;
}

/* ---- One flip ---- */

typedef struct {
    const one_file *file;
    uint32_t offset;
    int bit;
} flip;

static bool ends_with(const char *name, const char *end) {
    size_t size = strlen(name), end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

static bool is_control(const flip *f) {
    return strcmp(f->file->name, "CONTROL") == 0;
}

static bool is_log(const flip *f) {
    return ends_with(f->file->name, ".log");
}

/* ---- What no sum covers, and why that is no harm ---- */

static bool anywhere(const flip *f) {
    (void)f;
    return true;
}

static bool behind_the_tail(const flip *f) {
    return f->offset >= vf_lsn_offset(all.tail);
}

/* Of rows: the version, and all of those that are not in use. */
static bool version_or_free(const flip *f) {
    static const struct {
        const char *name;
        uint32_t size;
    } tables[] = {{"idx/1/sessions", 256}, {"idx/1/usage", 128}, {"idx/1/cursors", 32}, {"idx/1/names", 128}};
    uint32_t table = 0;
    while (strncmp(f->file->name, tables[table].name, strlen(tables[table].name)) != 0)
        table++;
    le64 rows;
    tree_read(all.path, "idx/1/TABLES", &rows, sizeof rows, 32 + 32 * table);
    bool cold = ends_with(f->file->name, ".c.0");
    uint32_t size = cold ? 768 : tables[table].size;
    return f->offset / size >= vf_get64(rows) || (!cold && f->offset % size < 4);
}

static bool free_word(const flip *f) {
    le64 word;
    tree_read(all.path, f->file->name, &word, sizeof word, f->offset & ~7u);
    return vf_get64(word) == 0;
}

static const struct {
    const char *file; /* its name ends so */
    bool (*where)(const flip *f);
    const char *why;
} NOT_COVERED[] = {
    {"CONTROL", anywhere, "not believed, or the next writer holds it against the log; till then readers may miss the latest"},
    {".log", behind_the_tail, "bytes behind the last record mean nothing"},
    {"TABLES", anywhere, "an index whose measures do not fit is not believed and made anew; the rest is reserved"},
    {"REDO", anywhere, "means nothing while no change is under way; its sum says that none is"},
    {".r.0", version_or_free, "a version is counted on; a row that is not in use means nothing"},
    {".c.0", version_or_free, "a row that is not in use means nothing"},
    {".w.0", free_word, "a word leads to a row, whose key is compared"},
    {".o.0", free_word, "a word leads to a row, whose key is compared"},
    {".l.0", anywhere, "only tells the next compaction which rows to copy, and those it gets are whole"},
};

static bool is_covered(const flip *f) {
    for (size_t i = 0; i < sizeof NOT_COVERED / sizeof *NOT_COVERED; i++)
        if (ends_with(f->file->name, NOT_COVERED[i].file) && NOT_COVERED[i].where(f))
            return false;
    return true;
}

/* ---- What readers and writers make of it ---- */

/* What a flip can take away: a record of a raw segment, or all behind its header; of a packed one, whose records here share
 * a block, all; and of the index the way to them. */
static bool may_lose(const flip *f, uint32_t flags, uint32_t lost) {
    return lost == 0 || is_control(f) || (strncmp(f->file->name, "idx/", 4) == 0 && flags != VARVE_OPEN_NO_INDEX) || (is_log(f) && (lost <= 1 || f->offset < VF_SEGMENT_HEADER)) || ends_with(f->file->name, ".seg") ||
           strncmp(f->file->name, "manifest", 8) == 0;
}

/* Read in some way of opening: whether verify finds it. */
static bool reads(const flip *f, uint32_t flags, bool *ret_found) {
    varve *store;
    uint32_t lost = 0;
    if (open_quietly(all.copy, flags, &store) < 0) {
        *ret_found = true;
        return !is_log(f) || work_wrong("cannot be opened");
    }
    *ret_found = varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL) != 0;
    bool good = *ret_found || is_control(f) || digest_of(store) == all.digest || work_wrong("not found, and reads otherwise");
    good = served(store, false, &lost) && good && (may_lose(f, flags, lost) || work_wrong("%u events are not served", lost)) &&
           (lost == 0 || *ret_found || is_control(f) || work_wrong("%u events are not served, and verify finds nothing", lost));
    varve_close(&store);
    return good;
}

/* Appending and packing go on: what could be read can be read afterwards, and where nothing was found nothing is. */
static bool writes(const flip *f, bool found) {
    varve *store;
    uint32_t lost, more;
    tree_copy(all.path, all.scratch, true);
    tree_flip(all.scratch, f->file->name, f->offset, f->bit);
    bool good = true;
    if (open_quietly(all.scratch, 0, &store) >= 0) {
        atomic_store(&all.book->acked[WRITER], 0);
        bool anew = is_log(f) && f->offset < VF_SEGMENT_HEADER;
        good = served(store, anew, &lost);
        if (strncmp(f->file->name, "idx/", 4) == 0 && lost > 0)
            good = good && varve_reindex(store) == VARVE_OK && served(store, anew, &lost) &&
                   (lost == 0 || work_wrong("%u events are lost with the index", lost));
        bool went_on = work_run(store, all.book, WRITER, 0, 3);
        varve_compact(store, &(varve_compact_options){.size = sizeof(varve_compact_options), .flags = VARVE_COMPACT_ALL}, NULL);
        good = good && served(store, anew, &more) && (more <= lost || work_wrong("%u events lost, then %u", lost, more)) &&
               (more == 0 || !is_control(f) || work_wrong("%u events are lost", more));
        if (!found)
            good = good && went_on && work_holds(store, all.book, WRITER + 1, false, NULL) && work_verifies(store, 0);
        else
            good = good && (went_on || varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL) != 0);
        varve_close(&store);
    } else if (!found) {
        good = work_wrong("cannot be opened for writing");
    }
    tree_remove(all.scratch, "");
    return good;
}

static bool check_flip(const flip *f, bool write_too) {
    bool found, found_again;
    tree_flip(all.copy, f->file->name, f->offset, f->bit);
    bool good = reads(f, VARVE_OPEN_READ_ONLY, &found);
    good = reads(f, VARVE_OPEN_NO_INDEX, &found_again) && good;
    tree_flip(all.copy, f->file->name, f->offset, f->bit);
    found = found || found_again;
    if (good && !found && is_covered(f))
        good = work_wrong("not found, and not among what no sum covers");
    if (good && write_too) {
        good = writes(f, found);
        atomic_fetch_add(&progress->written, 1);
    }
    atomic_fetch_add(found ? &progress->found : &progress->harmless, 1);
    return good || work_wrong("-> %s: %s byte %u bit %d", all.kind, f->file->name, f->offset, f->bit);
}

/* ---- All of them ---- */

/* How many bits of a file are flipped in the short form. */
static uint64_t quota(const char *name) {
    if (strncmp(name, "seg/", 4) == 0)
        return 160;
    if (strcmp(name, "CONTROL") == 0)
        return 120;
    return strncmp(name, "idx/", 4) != 0 ? 60 : ends_with(name, "TABLES") ? 60 : 24;
}

static void add_file(void *context, const char *name, size_t size) {
    (void)context;
    const char *only = work_long() ? getenv("VARVE_FLIP") : NULL;
    if (size == 0 || (only != NULL && strncmp(name, only, strlen(only)) != 0))
        return;
    one_file *file = &all.file[all.files++];
    assert_true(all.files < FILES_MAX);
    snprintf(file->name, sizeof file->name, "%s", name);
    file->size = (uint32_t)size;
    file->first = all.flips;
    file->count = work_long() || size * 8 < quota(name) ? size * 8 : quota(name);
    all.flips += file->count;
}

/* The part of a file where most of what it says stands, for half of the sample. */
static uint32_t dense(const one_file *file) {
    bool said = strcmp(file->name, "STORE") == 0 || strcmp(file->name, "CONTROL") == 0;
    uint32_t size = said ? 200 : ends_with(file->name, "TABLES") ? 160 : ends_with(file->name, "REDO") ? 64 : 1024;
    return size < file->size ? size : file->size;
}

static flip flip_of(uint64_t number) {
    uint32_t i = 0;
    while (number >= all.file[i].first + all.file[i].count)
        i++;
    const one_file *file = &all.file[i];
    uint64_t nth = number - file->first, bits = (uint64_t)file->size * 8;
    if (file->count < bits) {
        bits = nth % 2 == 0 ? (uint64_t)dense(file) * 8 : bits;
        nth = work_mix((uint32_t)number, i, 77) % bits;
    }
    return (flip){file, (uint32_t)(nth / 8), (int)(nth % 8)};
}

/* A child takes case after case until one fails; the next child goes on behind it. */
static bool take_cases(void) {
    struct rlimit limit = {ROOM, ROOM};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    for (uint64_t at; (at = atomic_load(&progress->at)) < all.flips; atomic_store(&progress->at, at + 1)) {
        flip f = flip_of(at);
        alarm(20);
        if (!check_flip(&f, is_control(&f) || ends_with(f.file->name, "TABLES") || at % (work_long() ? 32 : 4) == 0))
            return false;
    }
    return true;
}

static void flip_all(void) {
    assert_true(all.flips > 0);
    while (atomic_load(&progress->at) < all.flips) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            _exit(take_cases() ? 0 : 1);
        int status = -1;
        waitpid(child, &status, 0);
        if (work_succeeded(status))
            break;
        uint64_t at = atomic_load(&progress->at);
        flip f = flip_of(at);
        if (access(all.scratch, F_OK) == 0)
            tree_remove(all.scratch, "");
        tree_remove(all.copy, "");
        tree_copy(all.path, all.copy, true);
        if (WIFSIGNALED(status))
            print_error("%s byte %u bit %d: signal %d\n", f.file->name, f.offset, f.bit, WTERMSIG(status));
        atomic_fetch_add(&progress->failures, 1);
        atomic_store(&progress->at, at + 1);
    }
    print_message("%s: %llu flips: %u found, %u not covered, %u written to, %u wrong\n", all.kind, (unsigned long long)all.flips,
                  atomic_load(&progress->found), atomic_load(&progress->harmless), atomic_load(&progress->written),
                  atomic_load(&progress->failures));
}

static void flip_store(const char *kind, bool packed) {
    memset(&all, 0, sizeof all);
    all.kind = kind;
    all.book = work_book_new();
    all.path = scratch_new();
    all.copy = scratch_new();
    all.scratch = scratch_new();
    varve *store = NULL;
    assert_true(work_open(NULL, all.path, 0, &store));
    assert_true(work_run(store, all.book, 0, 0, 4));
    if (packed) {
        const varve_compact_options options = {.size = sizeof options, .flags = VARVE_COMPACT_ALL};
        assert_int_equal(varve_compact(store, &options, NULL), VARVE_OK);
        assert_true(work_run(store, all.book, 0, 4, 2));
    }
    assert_int_equal(varve_sync(store), VARVE_OK);
    assert_true(list_events(store, all.event, &all.events) && all.events > 20 && all.events < EVENTS_MAX);
    all.digest = digest_of(store);
    varve_stats stats = {.size = sizeof stats};
    assert_int_equal(varve_stat(store, &stats), VARVE_OK);
    all.tail = stats.tail_lsn;
    varve_close(&store);
    tree_copy(all.path, all.copy, true);
    tree_each(all.path, add_file, NULL);
    void *shared = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    progress = shared;
    flip_all();
    assert_int_equal(atomic_load(&progress->failures), 0);
    /* (some files have a sum over each bit, others over few) */
    assert_true((atomic_load(&progress->found) > 200 && atomic_load(&progress->harmless) > 10) || getenv("VARVE_FLIP") != NULL);
    munmap(shared, sizeof *progress);
    scratch_free(all.path);
    scratch_free(all.copy);
    scratch_free(all.scratch);
    work_book_free(all.book);
}

static void a_flipped_bit_of_a_raw_store_is_found_or_harmless(void **state) {
    (void)state;
    flip_store("raw", false);
}

static void a_flipped_bit_of_a_packed_store_is_found_or_harmless(void **state) {
    (void)state;
    flip_store("packed", true);
}

int main(void) {
    work_in_memory();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flipped_bit_of_a_raw_store_is_found_or_harmless),
        cmocka_unit_test(a_flipped_bit_of_a_packed_store_is_found_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
