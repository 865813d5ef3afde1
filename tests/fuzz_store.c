/*
 * Fuzzes whole stores: the input edits the files of a golden store (VARVE_TEST_GOLDEN), with their sums mended or not;
 * then everything is read, and the store may be written to, packed and indexed anew.
 *
 * First byte: which store (bits 0, 1), sums are mended (2), written to (3), the index is not believed (4). Then edits:
 * file, 3 bytes of offset, what (% 6) and its size in one byte, and what it wants of the input.
 */
#include "format/frame.h"
#include "format/packed.h"

#include "engine/store.h"

#include "support/digest.h"
#include "support/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

enum { FILES = 10, FILE_MAX = 1 << 18, EDITS_MAX = 40, ROOM = 32 << 20, RECORDS_MAX = 20000 };
enum { MEND = 4, WRITE = 8, NO_INDEX = 16 };

typedef struct {
    char name[24];
    uint8_t *bytes; /* of FILE_MAX */
    size_t size;
} one_file;

typedef struct {
    one_file file[FILES];
    size_t files;
} file_set;

static file_set golden[3], edited;
static char directory[64];
static int64_t taken;
static ve_os quiet;

static void require(bool holds) {
    if (!holds)
        abort();
}

/* ---- A system that waits for nothing and has little room ---- */

static int sync_nothing(int fd) {
    (void)fd;
    return 0;
}

static void sleep_not(int64_t nanoseconds) {
    (void)nanoseconds;
}

static int allocate_little(int fd, int64_t offset, int64_t size) {
    taken += size;
    if (taken <= ROOM)
        return ve_os_system.allocate(fd, offset, size);
    errno = ENOSPC;
    return -1;
}

/* ---- The stores ---- */

static void load(file_set *set, const char *store, const char *name) {
    char path[600];
    one_file *file = &set->file[set->files];
    snprintf(path, sizeof path, "%s/%s/%s", VARVE_TEST_GOLDEN, store, name);
    FILE *in = fopen(path, "rb");
    if (in == NULL)
        return;
    require(set->files < FILES);
    snprintf(file->name, sizeof file->name, "%s", name);
    file->bytes = malloc(FILE_MAX);
    require(file->bytes != NULL);
    file->size = fread(file->bytes, 1, FILE_MAX, in);
    set->files++;
    fclose(in);
}

static void begin(void) {
    static const char *const stores[] = {"raw", "packed", "left"};
    static const char *const names[] = {"STORE",           "CONTROL",          "manifest.1",       "manifest.2",
                                        "seg/00000001.seg", "seg/00000002.seg", "seg/00000001.log", "seg/00000002.log",
                                        "seg/00000003.log", "seg/00000004.log"};
    for (size_t s = 0; s < 3; s++) {
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            load(&golden[s], stores[s], names[i]);
        require(golden[s].files >= 3);
    }
    for (size_t i = 0; i < FILES; i++) {
        edited.file[i].bytes = malloc(FILE_MAX);
        require(edited.file[i].bytes != NULL);
    }
    snprintf(directory, sizeof directory, "%s/varve-fuzz-%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    if (access(directory, F_OK) == 0) /* of one that was killed */
        tree_remove(directory, "");
    quiet = ve_os_system;
    quiet.fdatasync = quiet.fsync = sync_nothing;
    quiet.sleep = sleep_not;
    quiet.allocate = allocate_little;
    const struct rlimit limit = {ROOM, ROOM};
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
}

/* ---- Edits ---- */

typedef struct {
    const uint8_t *at;
    size_t left;
} source;

static uint32_t take(source *from, unsigned bytes) {
    uint32_t number = 0;
    for (; bytes > 0 && from->left > 0; bytes--, from->left--)
        number = number << 8 | *from->at++;
    return number;
}

static void edit(source *from) {
    one_file *file = &edited.file[take(from, 1) % edited.files];
    uint32_t offset = take(from, 3), how = take(from, 1), size = 1 + how / 6;
    if (file->size == 0)
        return;
    offset %= (uint32_t)file->size;
    if (size > file->size - offset)
        size = (uint32_t)file->size - offset;
    switch (how % 6) {
    case 0:
        for (uint32_t i = 0; i < size; i++)
            file->bytes[offset + i] = (uint8_t)take(from, 1);
        break;
    case 1:
        file->bytes[offset] ^= (uint8_t)(1u << size % 8);
        break;
    case 2:
        file->size = offset;
        break;
    case 3:
        memset(file->bytes + offset, size % 2 == 0 ? 0 : 0xFF, size);
        break;
    case 4: { /* a piece from elsewhere */
        uint32_t other = take(from, 3) % (uint32_t)file->size;
        memmove(file->bytes + offset, file->bytes + other, size < file->size - other ? size : file->size - other);
        break;
    }
    default: { /* the file under another's name */
        one_file *other = &edited.file[take(from, 1) % edited.files];
        memcpy(file->bytes, other->bytes, other->size);
        file->size = other->size;
    }
    }
}

/* ---- Sums ---- */

static void put_sum(uint8_t *at, uint64_t sum) {
    le64 word;
    vf_put64(&word, sum);
    memcpy(at, &word, sizeof word);
}

static void mend_log(one_file *file) {
    vf_segment_header header;
    if (file->size < sizeof header)
        return;
    put_sum(file->bytes + 8, vf_sum64(file->bytes + 16, sizeof header - 16, 0));
    memcpy(&header, file->bytes, sizeof header);
    uint32_t chain = vf_segment_chain(&header), length;
    for (size_t at = sizeof header; at + VF_FRAME_SIZE <= file->size; at += length) {
        vf_frame frame;
        memcpy(&frame, file->bytes + at, sizeof frame);
        length = vf_get32(frame.length);
        if (length < sizeof frame || length > file->size - at || length % 8 != 0)
            return;
        vf_put32(&frame.body_sum, vf_body_sum(file->bytes + at + sizeof frame, length - sizeof frame));
        uint64_t lsn = vf_lsn(vf_get32(header.number), (uint32_t)at);
        chain = (uint32_t)vf_frame_seal(&frame, vf_get64(header.salt), lsn, chain);
        memcpy(file->bytes + at, &frame, sizeof frame);
    }
}

static void mend_blocks(uint8_t *bytes, size_t size, const vf_array *array) {
    uint64_t at = vf_get64(array->offset);
    for (uint32_t i = 0; i < vf_get32(array->count) && at < size && size - at >= VF_BLOCK_ENTRY; i++, at += VF_BLOCK_ENTRY) {
        vf_block_entry entry;
        memcpy(&entry, bytes + at, sizeof entry);
        uint64_t offset = vf_get64(entry.offset), fixed = vf_get32(entry.fixed_size), data = vf_get32(entry.data_size);
        if (offset > size || fixed > size - offset || data > size - offset - fixed)
            continue;
        vf_put32(&entry.fixed_sum, vf_part_sum(bytes + offset, fixed, offset));
        vf_put32(&entry.data_sum, vf_part_sum(bytes + offset + fixed, data, offset + fixed));
        memcpy(bytes + at, &entry, sizeof entry);
    }
}

static void mend_packed(one_file *file) {
    vf_packed_footer footer;
    if (file->size < VF_PACKED_HEADER + VF_PACKED_FOOTER)
        return;
    size_t end = file->size - VF_PACKED_FOOTER;
    memcpy(&footer, file->bytes + end, sizeof footer);
    mend_blocks(file->bytes, end, &footer.blocks);
    mend_blocks(file->bytes, end, &footer.pins);
    mend_blocks(file->bytes, end, &footer.rows);
    put_sum(file->bytes + 8, vf_sum64(file->bytes + 16, VF_PACKED_HEADER - 16, 0));
    uint64_t tables = vf_get64(footer.tables_at);
    if (tables <= end)
        vf_put64(&footer.tables_sum, vf_sum64(file->bytes + tables, end - (size_t)tables, 0));
    vf_put64(&footer.file_sum, vf_sum64(file->bytes, end, 0));
    vf_packed_footer_seal(&footer);
    memcpy(file->bytes + end, &footer, sizeof footer);
}

static void mend_manifest(one_file *file) {
    for (size_t at = VF_MANIFEST_HEADER; at + VF_MANIFEST_ENTRY <= file->size; at += VF_MANIFEST_ENTRY) {
        vf_manifest_entry entry;
        memcpy(&entry, file->bytes + at, sizeof entry);
        for (size_t i = 0; i < edited.files; i++) {
            const one_file *packed = &edited.file[i];
            char name[24];
            snprintf(name, sizeof name, "seg/%08u.seg", vf_get32(entry.number));
            if (strcmp(packed->name, name) != 0)
                continue;
            vf_put64(&entry.size, packed->size);
            vf_put64(&entry.sum, vf_sum64(packed->bytes, packed->size, 0));
        }
        memcpy(file->bytes + at, &entry, sizeof entry);
    }
    if (file->size >= VF_MANIFEST_HEADER)
        vf_manifest_seal(file->bytes, file->size);
}

static void mend(void) {
    for (size_t i = 0; i < edited.files; i++) {
        one_file *file = &edited.file[i];
        size_t size = strlen(file->name);
        if (strcmp(file->name, "STORE") == 0 && file->size >= VF_STORE_SIZE)
            put_sum(file->bytes + 8, vf_sum64(file->bytes + 16, VF_STORE_SIZE - 16, 0));
        else if (strcmp(file->name + size - 4, ".log") == 0)
            mend_log(file);
        else if (strcmp(file->name + size - 4, ".seg") == 0)
            mend_packed(file);
    }
    for (size_t i = 0; i < edited.files; i++)
        if (strncmp(edited.file[i].name, "manifest", 8) == 0)
            mend_manifest(&edited.file[i]);
}

/* ---- Reading and writing it ---- */

static void write_files(void) {
    char path[100];
    require(mkdir(directory, 0700) == 0);
    snprintf(path, sizeof path, "%s/seg", directory);
    require(mkdir(path, 0700) == 0);
    for (size_t i = 0; i < edited.files; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, edited.file[i].name);
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        require(fd >= 0 && write(fd, edited.file[i].bytes, edited.file[i].size) == (ssize_t)edited.file[i].size);
        close(fd);
    }
}

static void open_store(uint32_t flags, varve **ret_store) {
    varve_options options;
    varve_options_init(&options);
    options.flags = flags;
    options.temp_dir = "/dev/shm";
    taken = 0;
    if (ve_open(&quiet, directory, &options, ret_store) < 0)
        *ret_store = NULL;
}

static void read_session(varve *store, const varve_session *session, uint32_t flags) {
    varve_cursor *cursor;
    varve_event event;
    char id[1024], machine[VF_MACHINE_MAX];
    if (session->session_id.ptr == NULL || session->session_id.size > sizeof id || session->machine_id.size > sizeof machine)
        return;
    memcpy(id, session->session_id.ptr, session->session_id.size);
    memcpy(machine, session->machine_id.ptr, session->machine_id.size);
    if (varve_cursor_session(store, (varve_str){machine, session->machine_id.size}, (varve_str){id, session->session_id.size},
                             (flags & VARVE_CURSOR_BACKWARD) != 0 ? UINT64_MAX : 0, flags, &cursor) < 0)
        return;
    for (int left = RECORDS_MAX; varve_cursor_next(cursor, &event) == 1;)
        require(--left > 0); /* the way back ends */
    varve_cursor_close(&cursor);
}

static void read_all(varve *store) {
    varve_scan *scan;
    varve_session session;
    varve_totals totals = {.size = sizeof totals};
    digest_of(store);
    varve_session_totals(store, &totals);
    if (varve_scan_open(store, &scan) < 0)
        return;
    for (int left = RECORDS_MAX; varve_scan_next(scan, &session) == 1;) {
        read_session(store, &session, VARVE_CURSOR_SETTINGS);
        read_session(store, &session, VARVE_CURSOR_BACKWARD);
        require(--left > 0);
    }
    varve_scan_close(&scan);
    varve_verify(store, VARVE_VERIFY_DEEP, NULL, NULL);
}

static void write_to(varve *store) {
    varve_batch *batch;
    varve_event event;
    require(varve_batch_new(&batch) == VARVE_OK);
    varve_event_init(&event);
    event.session_id = varve_cstr("session-1-1");
    event.type = varve_cstr("SessionStart");
    varve_batch_add(batch, &event);
    event.session_id = varve_cstr("another");
    varve_batch_add(batch, &event);
    varve_batch_rewind(batch, varve_cstr(NULL), varve_cstr("session-1-2"), 1);
    varve_append(store, batch, VARVE_GROUP, NULL);
    varve_batch_free(&batch);
    const varve_compact_options options = {.size = sizeof options, .flags = VARVE_COMPACT_ALL};
    varve_compact(store, &options, NULL);
    read_all(store);
    varve_reindex(store);
    digest_of(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    if (golden[0].files == 0)
        begin();
    if (size == 0)
        return 0;
    uint8_t how = input[0];
    const file_set *set = &golden[how % 4 % 3];
    source from = {input + 1, size - 1};
    edited.files = set->files;
    for (size_t i = 0; i < set->files; i++) {
        memcpy(edited.file[i].name, set->file[i].name, sizeof edited.file[i].name);
        memcpy(edited.file[i].bytes, set->file[i].bytes, set->file[i].size);
        edited.file[i].size = set->file[i].size;
    }
    for (int edits = 0; from.left > 0 && edits < EDITS_MAX; edits++)
        edit(&from);
    if ((how & MEND) != 0)
        mend();
    write_files();
    varve *store;
    open_store(VARVE_OPEN_READ_ONLY | ((how & NO_INDEX) != 0 ? VARVE_OPEN_NO_INDEX : 0), &store);
    if (store != NULL)
        read_all(store);
    varve_close(&store);
    if ((how & WRITE) != 0) {
        open_store(0, &store);
        if (store != NULL)
            write_to(store);
        varve_close(&store);
    }
    tree_remove(directory, "");
    return 0;
}
