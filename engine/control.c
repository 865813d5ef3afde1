/*
 * CONTROL: the mapped page through which the processes of one machine share the log's tail.
 * SPEC.md "CONTROL". Its words are little-endian and read and written atomically in place.
 */
#include "engine/array.h"
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

uint32_t ve_futex(const le32 *word) {
    const _Atomic uint32_t *at = (const _Atomic uint32_t *)(const void *)word;
    return atomic_load(at);
}

uint32_t ve_word32(const le32 *word) {
    return VF_SWAP32(ve_futex(word));
}

void ve_set_word32(le32 *word, uint32_t value) {
    _Atomic uint32_t *at = (_Atomic uint32_t *)(void *)word;
    atomic_store_explicit(at, VF_SWAP32(value), memory_order_relaxed);
}

uint32_t ve_swap_word32(le32 *word, uint32_t value) {
    _Atomic uint32_t *at = (_Atomic uint32_t *)(void *)word;
    return VF_SWAP32(atomic_exchange(at, VF_SWAP32(value)));
}

/* Which of the two pairs of words belongs to the tail in force. */
static bool first_in_force(const vf_control *control) {
    return (uint32_t)(ve_word(&control->chain) >> 32) == vf_chain_mark(ve_word(&control->tail));
}

uint32_t ve_chain(const varve *store) {
    const vf_control *control = store->control;
    return (uint32_t)ve_word(first_in_force(control) ? &control->chain : &control->chain_other);
}

void ve_publish(varve *store, uint64_t tail, uint32_t chain, uint64_t last_record) {
    vf_control *control = store->control;
    bool other = first_in_force(control);
    ve_set_word(other ? &control->last_record_other : &control->last_record, last_record);
    ve_set_word(other ? &control->chain_other : &control->chain,
                (uint64_t)vf_chain_mark(tail) << 32 | chain);
    ve_set_word(&control->tail, tail);
}

bool ve_tail_holds(varve *store) {
    const vf_control *control = store->control;
    uint64_t tail = ve_word(&control->tail);
    const ve_layout *layout = ve_layout_now(store);
    if (layout != NULL && tail <= layout->packed_end) /* all is packed: the manifest holds it */
        return tail == layout->packed_end;
    uint64_t last =
        ve_word(first_in_force(control) ? &control->last_record : &control->last_record_other);
    if (last == 0) {
        ve_segment *segment = ve_log_segment(store, vf_lsn_segment(tail));
        bool empty = vf_lsn_offset(tail) == VF_SEGMENT_HEADER;
        return empty && (segment == NULL ? vf_lsn_segment(tail) == 1
                                         : segment->first_chain == ve_chain(store));
    }
    vf_frame frame;
    return last < tail && ve_log_frame(store, NULL, last, &frame) == VARVE_OK &&
           last + vf_get32(frame.length) == tail &&
           (uint32_t)vf_get64(frame.header_sum) == ve_chain(store);
}

bool ve_control_is_current(const varve *store) {
    struct stat file;
    return store->os->fstatat(store->dir, "CONTROL", &file, AT_SYMLINK_NOFOLLOW) == 0 &&
           (uint64_t)file.st_dev == vf_get64(store->control->device) &&
           (uint64_t)file.st_ino == vf_get64(store->control->inode);
}

uint64_t ve_tail(const varve *store) {
    return store->control != NULL ? ve_word(&store->control->tail) : store->private_tail;
}

uint64_t ve_applied(const varve *store) {
    return store->control != NULL ? ve_word(&store->control->applied) : UINT64_MAX;
}

vf_control *ve_control(const varve *store) {
    return __atomic_load_n(&store->control, __ATOMIC_ACQUIRE);
}

static void set_control(varve *store, vf_control *control) {
    __atomic_store_n(&store->control, control, __ATOMIC_RELEASE);
}

/* Places for a page that is about to be used, and for a reader's second view of it (wait.c):
 * retiring them must not want memory. */
static bool reserve(varve *store) {
    return ve_grow(&store->old_controls, &store->old_controls_room, store->old_control_count + 2,
                   sizeof *store->old_controls);
}

/* Another thread may be waiting on it: it stays mapped until the handle is closed. */
void ve_control_retire(varve *store, vf_control *control) {
    if (control != NULL)
        store->old_controls[store->old_control_count++] = control;
}

void ve_control_let_go(varve *store) {
    ve_control_retire(store, store->control);
    set_control(store, NULL);
}

void ve_control_close(varve *store) {
    if (store->control != NULL) /* nobody looks at it any more: no place to keep it in is needed */
        store->os->munmap(store->control, VF_CONTROL_SIZE);
    set_control(store, NULL);
    ve_bell_close(store);
    for (size_t i = 0; i < store->old_control_count; i++)
        store->os->munmap(store->old_controls[i], VF_CONTROL_SIZE);
    free(store->old_controls);
    store->old_controls = NULL;
    store->old_control_count = store->old_controls_room = 0;
}

/* Whether the page was made by this boot, for this very file, and its tail lies within the segment
 * that it names. */
static bool believable(varve *store, const vf_control *control, const struct stat *file) {
    uint8_t boot[16];
    if (memcmp(control->magic, VF_CONTROL_MAGIC, 8) != 0 ||
        memcmp(control->store_uuid, store->ident.uuid, 16) != 0 ||
        vf_get32(control->version_major) != VF_VERSION_MAJOR)
        return false;
    if (store->os->boot_id(boot) < 0 || memcmp(control->boot_id, boot, 16) != 0)
        return false;
    if (vf_get64(control->device) != (uint64_t)file->st_dev ||
        vf_get64(control->inode) != (uint64_t)file->st_ino)
        return false;
    if (ve_word(&control->state) != 1)
        return false;
    uint64_t tail = ve_word(&control->tail);
    char name[16];
    struct stat segment;
    ve_segment_name(name, vf_lsn_segment(tail));
    if (ve_word(&control->manifest) != 0 &&
        ve_word(&control->rotating) == (uint64_t)vf_lsn_segment(tail) + 1)
        return true; /* all is packed, and the next segment is yet to be begun */
    return vf_lsn_segment(tail) != 0 &&
           store->os->fstatat(store->log.dir, name, &segment, AT_SYMLINK_NOFOLLOW) == 0 &&
           (uint64_t)segment.st_size >= vf_lsn_offset(tail);
}

int ve_control_open(varve *store) {
    ve_control_let_go(store);
    if (store->distrust)
        return VARVE_OK;
    if (!reserve(store))
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    int fd = store->os->openat(store->dir, "CONTROL",
                               (store->read_only ? O_RDONLY : O_RDWR) | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ENOENT || store->read_only
                   ? VARVE_OK
                   : ve_fail_os(store, "%s/CONTROL: cannot be opened", store->path);
    struct stat file;
    void *map = MAP_FAILED;
    if (store->os->fstat(fd, &file) == 0 && file.st_size >= VF_CONTROL_SIZE)
        map =
            store->os->mmap(VF_CONTROL_SIZE, store->read_only ? PROT_READ : PROT_READ | PROT_WRITE,
                            MAP_SHARED, fd, 0);
    store->os->close(fd);
    if (map == MAP_FAILED)
        return VARVE_OK;
    if (believable(store, map, &file))
        set_control(store, map);
    else
        store->os->munmap(map, VF_CONTROL_SIZE);
    return VARVE_OK;
}

/* Maps the file, if memory can be shared through it. Who is alone makes do with memory of his own:
 * whoever comes later finds nothing to believe. */
static int map_new(varve *store, int fd, void **ret_map) {
    const ve_os *os = store->os;
    void *map = os->mmap(VF_CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    store->private_control = map == MAP_FAILED && store->alone;
    if (store->private_control)
        map = os->mmap(VF_CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return ve_place_no_maps(store);
    static const le64 not_valid;
    int result = ve_probe_map(store, fd, store->private_control ? NULL : map);
    if (result == VARVE_OK && store->private_control &&
        ve_write_all(os, fd, &not_valid, sizeof not_valid, offsetof(vf_control, state)) < 0)
        result = ve_fail_os(store, "%s/CONTROL: cannot be written", store->path);
    if (result < 0)
        os->munmap(map, VF_CONTROL_SIZE);
    else
        *ret_map = map;
    return result;
}

int ve_control_create(varve *store) {
    const ve_os *os = store->os;
    ve_control_let_go(store);
    if (!reserve(store))
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    int fd = ve_make_file(os, &store->share, store->dir, "CONTROL", O_RDWR);
    if (fd < 0)
        return ve_fail_os(store, "%s/CONTROL: cannot be opened", store->path);
    struct stat file;
    void *map = MAP_FAILED;
    int result = ve_probe_lock(store, store->lock_append, "LOCK.append");
    if (result == VARVE_OK &&
        (os->allocate(fd, 0, VF_CONTROL_SIZE) < 0 || os->fstat(fd, &file) < 0))
        result = ve_fail_os(store, "%s/CONTROL: cannot be made", store->path);
    if (result == VARVE_OK)
        result = map_new(store, fd, &map);
    os->close(fd);
    if (result != VARVE_OK)
        return result;
    vf_control *control = map;
    ve_set_word(&control->state, 0);
    memcpy(control->magic, VF_CONTROL_MAGIC, 8);
    memcpy(control->store_uuid, store->ident.uuid, 16);
    uint8_t boot[16] = {0};
    bool told = os->boot_id(boot) == 0;
    if (!told || memcmp(boot, control->boot_id, 16) != 0) {
        /* Within one boot they stay: the system may have dropped what failed. */
        ve_set_word(&control->sync_failed, 0);
        ve_set_word(&control->syncing, 0);
    }
    memcpy(control->boot_id, boot, 16);
    if (!told)
        ve_say(store, "%s: the system tells no boot id: the index is made anew at each open",
               store->path);
    vf_put64(&control->device, (uint64_t)file.st_dev);
    vf_put64(&control->inode, (uint64_t)file.st_ino);
    vf_put32(&control->version_major, VF_VERSION_MAJOR);
    set_control(store, control);
    return VARVE_OK;
}
