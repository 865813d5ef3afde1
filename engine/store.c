/*
 * Opening, creating and closing a store; the handle's errors. SPEC.md "Files".
 */
#include "engine/store.h"
#include "engine/batch.h"
#include "engine/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int ve_read_all(const ve_os *os, int fd, void *to, size_t size, uint64_t offset) {
    uint8_t *at = to;
    while (size > 0) {
        ssize_t got = os->pread(fd, at, size, (int64_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            return -1;
        }
        at += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return 0;
}

int ve_write_all(const ve_os *os, int fd, const void *from, size_t size, uint64_t offset) {
    const uint8_t *at = from;
    while (size > 0) {
        struct iovec part = {.iov_base = (void *)(uintptr_t)at, .iov_len = size};
        ssize_t done = os->pwritev(fd, &part, 1, (int64_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done == 0 ? EIO : errno;
            return -1;
        }
        at += done;
        size -= (size_t)done;
        offset += (uint64_t)done;
    }
    return 0;
}

/* Makes a file with these bytes under a name that nobody has yet: complete or not at all. EEXIST is
 * not an error. */
static int create_once(varve *store, const char *name, const void *bytes, size_t size) {
    const ve_os *os = store->os;
    uint64_t random = 0;
    char temporary[64];
    if (os->random(&random, sizeof random) < 0)
        return ve_fail_os(store, "%s: no random numbers", store->path);
    snprintf(temporary, sizeof temporary, "tmp.%016llx", (unsigned long long)random);
    int fd = ve_make_file(os, &store->share, store->dir, temporary, O_RDWR | O_EXCL);
    if (fd < 0)
        return ve_fail_os(store, "%s/%s: cannot be made", store->path, temporary);
    int result = ve_write_all(os, fd, bytes, size, 0) < 0
                     ? ve_fail_os(store, "%s/%s: cannot be made", store->path, name)
                     : ve_probe_file(store, fd, temporary);
    if (result == VARVE_OK &&
        (os->fsync(fd) < 0 ||
         (os->linkat(store->dir, temporary, store->dir, name) < 0 && errno != EEXIST)))
        result = ve_fail_os(store, "%s/%s: cannot be made", store->path, name);
    os->close(fd);
    os->unlinkat(store->dir, temporary, 0);
    if (result == VARVE_OK && os->fsync(store->dir) < 0)
        result = ve_fail_os(store, "%s: cannot be synced", store->path);
    return result;
}

static int make_identity(varve *store, const varve_options *options) {
    vf_store_file file = {0};
    uint8_t random[40];
    if (store->os->random(random, sizeof random) < 0)
        return ve_fail_os(store, "%s: no random numbers", store->path);
    memcpy(file.magic, VF_STORE_MAGIC, sizeof file.magic);
    vf_features_fill(&file.features);
    memcpy(file.uuid, random, 16);
    memcpy(&file.hash_seed, random + 16, 8);
    vf_put_i64(&file.created, store->os->now());
    vf_put32(&file.segment_size,
             options->segment_size != 0 ? options->segment_size : VF_SEGMENT_SIZE_DEFAULT);
    if (options->machine_id.ptr != NULL) {
        memcpy(file.machine, options->machine_id.ptr, options->machine_id.size);
        vf_put32(&file.machine_size, (uint32_t)options->machine_id.size);
    } else {
        static const char digits[] = "0123456789abcdef";
        for (int i = 0; i < 32; i++)
            file.machine[i] = (uint8_t)digits[random[24 + i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
        vf_put32(&file.machine_size, 32);
    }
    vf_store_seal(&file);
    return create_once(store, "STORE", &file, sizeof file);
}

int ve_read_identity(varve *store, const char *name) {
    int fd = store->os->openat(store->dir, name, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ENOENT
                   ? ve_fail(store, VARVE_E_NOT_FOUND, "%s: there is no store here", store->path)
                   : ve_fail_os(store, "%s/%s: cannot be opened", store->path, name);
    uint8_t bytes[VF_STORE_SIZE];
    size_t size = 0;
    ssize_t got;
    while (size < sizeof bytes &&
           (got = store->os->pread(fd, bytes + size, sizeof bytes - size, (int64_t)size)) > 0)
        size += (size_t)got;
    store->os->close(fd);
    int read_only = 0;
    vf_result result = vf_store_check(bytes, size, &store->ident, &read_only);
    if (result == VF_BAD_VERSION)
        return ve_fail(store, VARVE_E_VERSION,
                       "%s/%s: made by format version %u.%u or with features that this program "
                       "(%d.%d) must not read",
                       store->path, name, vf_get16(store->ident.features.version_major),
                       vf_get16(store->ident.features.version_minor), VF_VERSION_MAJOR,
                       VF_VERSION_MINOR);
    if (result != VF_OK)
        return ve_fail(store, VARVE_E_NOT_A_STORE, "%s/%s: %s", store->path, name,
                       vf_result_text(result));
    if (read_only && !store->read_only)
        return ve_fail(store, VARVE_E_VERSION,
                       "%s/%s: has features with which this program may only read it", store->path,
                       name);
    store->hash_seed = vf_get64(store->ident.hash_seed);
    store->segment_size = vf_get32(store->ident.segment_size);
    store->machine =
        (varve_str){(const char *)store->ident.machine, vf_get32(store->ident.machine_size)};
    return VARVE_OK;
}

int ve_sync_parent(varve *store) {
    int parent = store->os->openat(store->dir, "..", O_RDONLY | O_DIRECTORY, 0);
    if (parent < 0)
        return 0; /* who may not read it goes without */
    int result = store->os->fsync(parent);
    store->os->close(parent);
    return result;
}

/* Opens a lock file, once. A store whose lock files were lost gets new ones. */
int ve_open_lock(varve *store, const char *name, int *fd) {
    if (*fd >= 0)
        return VARVE_OK;
    *fd = ve_make_file(store->os, &store->share, store->dir, name, O_RDWR);
    return *fd >= 0 ? VARVE_OK : ve_fail_os(store, "%s/%s: cannot be opened", store->path, name);
}

static int open_directory(varve *store, const varve_options *options) {
    const ve_os *os = store->os;
    bool create = !store->read_only && (options->flags & VARVE_OPEN_NO_CREATE) == 0, made = false;
    store->dir = os->openat(AT_FDCWD, store->path, O_RDONLY | O_DIRECTORY, 0);
    if (store->dir < 0 && errno == ENOENT && create) {
        made = os->mkdirat(AT_FDCWD, store->path, 0700) == 0;
        if (!made && errno != EEXIST)
            return ve_fail_os(store, "%s: cannot be made", store->path);
        store->dir = os->openat(AT_FDCWD, store->path, O_RDONLY | O_DIRECTORY, 0);
    }
    if (store->dir < 0)
        return errno == ENOENT
                   ? ve_fail(store, VARVE_E_NOT_FOUND, "%s: there is no store here", store->path)
                   : ve_fail_os(store, "%s: cannot be opened", store->path);
    int result = ve_read_identity(store, "STORE");
    bool missing = result == VARVE_E_NOT_FOUND && create;
    if (result == VARVE_OK || missing) {
        int fit = ve_place_check(store, options->flags);
        if (fit < 0 && made)
            os->unlinkat(AT_FDCWD, store->path, AT_REMOVEDIR);
        result = fit < 0 ? fit : result;
    }
    if (result == VARVE_E_NOT_FOUND && create) {
        static const char *const names[] = {"seg", "idx", "quarantine"};
        for (size_t i = 0; i < 3; i++)
            if (ve_make_directory(os, &store->share, store->dir, names[i]) < 0)
                return ve_fail_os(store, "%s/%s: cannot be made", store->path, names[i]);
        if (os->fsync(store->dir) < 0) /* the directories are there before the identity is */
            return ve_fail_os(store, "%s: cannot be synced", store->path);
        result = make_identity(store, options);
        if (result == VARVE_OK)
            result = ve_read_identity(store, "STORE");
    }
    return result;
}

static int open_for_writing(varve *store) {
    int result = ve_open_lock(store, "LOCK.append", &store->lock_append);
    if (result == VARVE_OK)
        result = ve_control_open(store);
    if (result == VARVE_OK && store->control != NULL && ve_word(&store->control->state) == 1) {
        result = ve_follow_index(store); /* another process may be making it anew at this moment */
        if (result == VARVE_OK && store->index.open)
            return VARVE_OK;
        ve_say(store, "%s: the index is missing or unfit (%s): it is made anew", store->path,
               ve_error(store));
    }
    if (result < 0 && result != VARVE_E_INDEX && result != VARVE_E_NOT_FOUND)
        return result;
    result = ve_lock(store, store->lock_append, "LOCK.append");
    if (result < 0)
        return result;
    result = ve_recover(store);
    ve_unlock(store, store->lock_append);
    return result;
}

static int open_for_reading(varve *store) {
    int result = ve_control_open(store);
    if (result < 0)
        return result;
    if (store->control != NULL && !store->no_index) {
        result = ve_index_open(store, &store->index, ve_word(&store->control->index_generation));
        /* The index must be at the tail, or a writer be on its way there; a dead one is not waited
         * for. */
        uint64_t tail = ve_tail(store);
        for (int i = 0; result == VARVE_OK && i < 1000; i++) {
            if (ve_word(&store->control->applied) >= tail)
                return VARVE_OK;
            store->os->sleep(100000);
        }
        ve_index_close(&store->index);
    }
    uint64_t tail = 0;
    if (store->control != NULL) {
        tail = ve_tail(store);
    } else {
        ve_log_state state;
        if ((result = ve_find_end(store, &state)) < 0)
            return result;
        tail = state.tail;
    }
    ve_control_let_go(store); /* a snapshot from here on: index and tail belong together */
    store->private_tail = tail;
    return ve_private_index(store, &store->index, &store->private_tail, false);
}

static int check_options(varve *store, const varve_options *options) {
    if (options->machine_id.ptr != NULL &&
        (options->machine_id.size == 0 || options->machine_id.size > VF_MACHINE_MAX))
        return ve_fail(store, VARVE_E_ARGUMENT, "the machine id must have 1 to %d bytes",
                       VF_MACHINE_MAX);
    if (options->segment_size != 0 &&
        (options->segment_size < VF_SEGMENT_SIZE_MIN ||
         options->segment_size > VF_SEGMENT_SIZE_MAX || options->segment_size % 4096 != 0))
        return ve_fail(store, VARVE_E_ARGUMENT,
                       "the segment size must be a multiple of 4096 between 64 KiB and 1 GiB");
    return VARVE_OK;
}

static varve *new_handle(const ve_os *os, const char *path) {
    varve *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    store->os = os;
    if (!ve_turn_begin(store)) {
        free(store);
        return NULL;
    }
    store->process = os->process();
    store->hold = &store->own_hold;
    store->dir = store->lock_append = store->lock_sync = store->lock_compact = store->write_fd =
        store->log.dir = store->index.dir = -1;
    store->path = strdup(path);
    return store;
}

varve *ve_open_bare(const varve *like, int dir, const char *path) {
    varve *store = new_handle(like->os, path);
    if (store != NULL && store->path == NULL)
        varve_close(&store);
    if (store == NULL)
        return NULL;
    store->dir = dir;
    store->read_only = true;
    store->distrust = like->distrust;
    store->lock_timeout_ms = like->lock_timeout_ms;
    return store;
}

static void tell(const varve_options *options, const char *why) {
    if (options->error != NULL && options->error_size > 0)
        snprintf(options->error, options->error_size, "%s", why);
}

int ve_open(const ve_os *os, const char *path, const varve_options *options, varve **ret_store) {
    varve_options defaults;
    varve_options_init(&defaults);
    if (options == NULL)
        options = &defaults;
    if (path == NULL || ret_store == NULL || options->size < sizeof defaults)
        return VARVE_E_ARGUMENT;
    varve *store = new_handle(os, path);
    if (store == NULL) {
        tell(options, varve_strerror(VARVE_E_NO_MEMORY));
        return VARVE_E_NO_MEMORY;
    }
    const char *temp = options->temp_dir != NULL ? options->temp_dir : getenv("TMPDIR");
    store->temp_dir = strdup(temp != NULL && temp[0] != 0 ? temp : "/tmp");
    store->read_only = (options->flags & (VARVE_OPEN_READ_ONLY | VARVE_OPEN_NO_INDEX)) != 0;
    store->no_index = (options->flags & VARVE_OPEN_NO_INDEX) != 0;
    store->lock_timeout_ms = options->lock_timeout_ms == 0 ? 10000 : options->lock_timeout_ms;
    store->close_budget = options->close_budget;
    store->log_line = options->log;
    store->log_context = options->log_context;
    void *mark = os->mmap(4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mark != MAP_FAILED) {
        store->fork_mark = mark;
        store->fork_mark[0] = 1;
        store->fork_asks = os->wipe_on_fork(mark, 4096) < 0;
    }
    int result = store->path == NULL || store->temp_dir == NULL || mark == MAP_FAILED
                     ? VARVE_E_NO_MEMORY
                     : VARVE_OK;
    if (result == VARVE_OK)
        result = check_options(store, options);
    if (result == VARVE_OK)
        result = open_directory(store, options);
    if (result == VARVE_OK)
        result = ve_log_open(store);
    if (result == VARVE_OK)
        result = store->read_only ? open_for_reading(store) : open_for_writing(store);
    if (result < 0) {
        tell(options, ve_error(store)[0] != 0 ? ve_error(store) : varve_strerror(result));
        varve_close(&store);
        return result;
    }
    *ret_store = store;
    return VARVE_OK;
}

int varve_open(const char *path, const varve_options *options, varve **ret_store) {
    return ve_open(&ve_os_system, path, options, ret_store);
}

/* Whoever closes may give some time to packing, if nobody else is at it. What fails is the next
 * one's trouble. */
static void compact_some(varve *store) {
    varve_compact_options options;
    varve_compact_options_init(&options);
    options.budget = store->close_budget;
    store->lock_timeout_ms = 1;
    if (store->control != NULL && varve_compact(store, &options, NULL) < 0)
        ve_say(store, "%s: nothing was packed: %s", store->path, ve_error(store));
}

static void close_files(varve *store) {
    int fds[] = {store->write_fd, store->lock_append, store->lock_sync, store->lock_compact,
                 store->dir};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            store->os->close(fds[i]);
}

void varve_close(varve **store_at) {
    varve *store = store_at == NULL ? NULL : *store_at;
    if (store == NULL)
        return;
    *store_at = NULL;
    const ve_os *os = store->os;
    if (!ve_turn_end(
            store)) { /* a child, made while another thread was inside: nothing is believed */
        close_files(store);
        return;
    }
    if (store->close_budget > 0 && !store->read_only && ve_enter(store) == VARVE_OK)
        compact_some(store);
    ve_uid_free(store);
    ve_group_free(&store->group);
    ve_layout_close(store);
    ve_units_close(store);
    ve_index_close(&store->index);
    ve_control_close(store);
    ve_log_close(store);
    close_files(store);
    if (store->fork_mark != NULL)
        os->munmap(store->fork_mark, 4096);
    ve_errors_free(store);
    pthread_mutex_destroy(&store->lead);
    pthread_mutex_destroy(&store->turn);
    free(store->met);
    free(store->path);
    free(store->temp_dir);
    free(store);
}

void varve_options_init(varve_options *options) {
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
}

varve_str varve_machine_id(const varve *store) {
    return store->machine;
}
