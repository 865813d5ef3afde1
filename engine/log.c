/*
 * The raw segments as readers see them: found by consecutive number, mapped once, checked record by
 * record. Bytes before the tail never change, so nothing here locks. SPEC.md "Raw segments".
 */
#include "engine/array.h"
#include "engine/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

void ve_segment_name(char ret_name[16], uint32_t number) {
    snprintf(ret_name, 16, "%08u.log", number);
}

int ve_log_open(varve *store) {
    int dir = ve_open_directory(store, "seg", false);
    store->log.dir = dir < 0 ? -1 : dir;
    return dir < 0 ? dir : VARVE_OK;
}

static void unmap(varve *store, ve_segment *segment) {
    if (segment->map != NULL)
        store->os->munmap((void *)(uintptr_t)segment->map, segment->map_size);
    segment->map = NULL;
}

void ve_log_close(varve *store) {
    ve_log *log = &store->log;
    for (uint32_t i = 0; i < log->count; i++) {
        if (log->segment[i] != NULL)
            unmap(store, log->segment[i]);
        free(log->segment[i]);
    }
    for (size_t i = 0; i < log->retired_count; i++)
        store->os->munmap(log->retired[i], log->retired_size[i]);
    free(log->segment);
    free(log->retired);
    free(log->retired_size);
    free(log->retired_number);
    if (log->dir >= 0)
        store->os->close(log->dir);
    *log = (ve_log){.dir = -1};
}

/* Keeps a mapping that is replaced: a cursor may have given out pointers into it. */
static bool retire(ve_log *log, ve_segment *segment) {
    void **maps = realloc(log->retired, (log->retired_count + 1) * sizeof *maps);
    if (maps == NULL)
        return false;
    log->retired = maps;
    size_t *sizes = realloc(log->retired_size, (log->retired_count + 1) * sizeof *sizes);
    if (sizes == NULL)
        return false;
    log->retired_size = sizes;
    uint32_t *numbers = realloc(log->retired_number, (log->retired_count + 1) * sizeof *numbers);
    if (numbers == NULL)
        return false;
    log->retired_number = numbers;
    numbers[log->retired_count] = segment->number;
    maps[log->retired_count] = (void *)(uintptr_t)segment->map;
    sizes[log->retired_count++] = segment->map_size;
    segment->map = NULL;
    return true;
}

/* Opens and maps a segment and reads its header. 0, or VARVE_E_*; VARVE_E_NOT_FOUND if there is no
 * such file. */
static int map_segment(varve *store, ve_segment *segment) {
    const ve_os *os = store->os;
    char name[16];
    ve_segment_name(name, segment->number);
    int fd = os->openat(store->log.dir, name, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0)
        return errno == ENOENT
                   ? ve_fail(store, VARVE_E_NOT_FOUND, "%s/seg/%s: is missing", store->path, name)
                   : ve_fail_os(store, "%s/seg/%s: cannot be opened", store->path, name);
    struct stat file;
    uint8_t bytes[VF_SEGMENT_HEADER];
    bool looked = os->fstat(fd, &file) == 0, whole = looked && file.st_size >= VF_SEGMENT_HEADER;
    if (!whole || ve_read_all(os, fd, bytes, sizeof bytes, 0) < 0) {
        int failed = !looked || whole /* that it cannot be read is not damage */
                         ? ve_fail_os(store, "%s/seg/%s: cannot be read", store->path, name)
                         : ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%s: has no whole header",
                                   store->path, name);
        os->close(fd);
        return failed;
    }
    vf_segment_header header;
    int read_only = 0;
    vf_result result = vf_segment_check(bytes, sizeof bytes, &header, &read_only);
    bool ours = result == VF_OK && memcmp(header.store_uuid, store->ident.uuid, 16) == 0 &&
                vf_get32(header.number) == segment->number;
    if (!ours) {
        os->close(fd);
        const char *why =
            result != VF_OK ? vf_result_text(result) : "belongs to another store or place";
        return ve_fail(store,
                       result == VF_END           ? VARVE_E_NOT_FOUND
                       : result == VF_BAD_VERSION ? VARVE_E_VERSION
                                                  : VARVE_E_CORRUPT,
                       "%s/seg/%s: %s", store->path, name, why);
    }
    /* Addresses beyond the file's end are reserved with it: the file grows into them. */
    uint64_t length = (uint64_t)file.st_size < UINT32_MAX ? (uint64_t)file.st_size : UINT32_MAX;
    uint64_t size = length > store->segment_size ? length : store->segment_size;
    size = (size + 4095) & ~(uint64_t)4095;
    if (segment->map != NULL && !retire(&store->log, segment)) {
        os->close(fd);
        return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    }
    void *map = os->mmap(size, PROT_READ, MAP_SHARED, fd, 0);
    int number = errno;
    os->close(fd);
    errno = number;
    if (map == MAP_FAILED)
        return ve_fail_os(store, "%s/seg/%s: cannot be mapped", store->path, name);
    segment->map = map;
    segment->map_size = (size_t)size;
    segment->file_size = length;
    segment->salt = vf_get64(header.salt);
    segment->first_chain = vf_segment_chain(&header);
    segment->prev_end = vf_get64(header.prev_end);
    segment->prev_chain = vf_get32(header.prev_chain);
    segment->hole_from = vf_get64(header.hole_from);
    segment->hole_to = vf_get64(header.hole_to);
    return VARVE_OK;
}

/* Places for segments up to this number. Those that nobody asks for, as most are that were packed,
 * take no memory: a page of zeros that was not written to is none. */
static int make_room(varve *store, uint32_t number) {
    ve_log *log = &store->log;
    if (number > log->room) {
        uint32_t room = number + number / 2 + 16;
        ve_segment **segments = calloc(room, sizeof(ve_segment *));
        if (segments == NULL)
            return ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
        for (uint32_t i = 0; i < log->count; i++)
            if (log->segment[i] != NULL)
                segments[i] = log->segment[i];
        free(log->segment);
        log->segment = segments;
        log->room = room;
    }
    if (log->count < number)
        log->count = number;
    return VARVE_OK;
}

/* The segment of a number for which there is room; NULL: no memory. */
static ve_segment *segment_of(varve *store, uint32_t number) {
    ve_segment **place = &store->log.segment[number - 1];
    if (*place == NULL && (*place = calloc(1, sizeof **place)) != NULL)
        (*place)->number = number;
    return *place;
}

void ve_log_forget(varve *store, uint32_t number) {
    if (number > store->log.count)
        return;
    ve_log *log = &store->log;
    ve_segment *known = log->segment[number - 1];
    if (known == NULL)
        return;
    for (size_t i = log->retired_count; i > 0; i--)
        if (log->retired_number[i - 1] == number) {
            store->os->munmap(log->retired[i - 1], log->retired_size[i - 1]);
            log->retired_count--;
            log->retired[i - 1] = log->retired[log->retired_count];
            log->retired_size[i - 1] = log->retired_size[log->retired_count];
            log->retired_number[i - 1] = log->retired_number[log->retired_count];
        }
    unmap(store, known);
    *known = (ve_segment){.number = number};
}

void ve_log_renew(varve *store, uint32_t number) {
    ve_segment *segment = number <= store->log.count ? store->log.segment[number - 1] : NULL;
    if (segment != NULL && segment->map != NULL)
        retire(&store->log, segment); /* no memory: the old one serves */
}

typedef struct {
    uint32_t *numbers;
    size_t count, room;
} found_segments;

static int note_segment(void *context, const char *name) {
    found_segments *found = context;
    uint32_t number = 0;
    int digits = 0;
    for (; digits < 8 && name[digits] >= '0' && name[digits] <= '9'; digits++)
        number = number * 10 + (uint32_t)(name[digits] - '0');
    if (digits != 8 || strcmp(name + 8, ".log") != 0 || number == 0)
        return 0;
    if (!ve_grow(&found->numbers, &found->room, found->count + 1, sizeof *found->numbers)) {
        errno = ENOMEM;
        return -1;
    }
    found->numbers[found->count++] = number;
    return 0;
}

static int by_number(const void *a, const void *b) {
    uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    return p < q ? -1 : p > q;
}

int ve_log_refresh(varve *store) {
    enum {
        GAP_MAX = 1000
    }; /* lost segments are stepped over; a stray file with a high number is none of ours */
    found_segments found = {0};
    if (store->log.listed)
        return VARVE_OK;
    uint32_t highest = store->layout == NULL ? 0 : store->layout->first_raw - 1;
    if (store->os->list(store->log.dir, note_segment, &found) < 0) {
        free(found.numbers);
        return ve_fail_os(store, "%s/seg: cannot be listed", store->path);
    }
    if (found.count > 1)
        qsort(found.numbers, found.count, sizeof *found.numbers, by_number);
    for (size_t i = 0; i < found.count; i++) {
        if (found.numbers[i] > highest && found.numbers[i] - highest > GAP_MAX)
            break;
        if (found.numbers[i] > highest) /* else it is packed */
            highest = found.numbers[i];
    }
    free(found.numbers);
    return make_room(store, highest);
}

bool ve_is_damage(int error) {
    return error == VARVE_E_CORRUPT || error == VARVE_E_NOT_FOUND;
}

ve_segment *ve_log_segment(varve *store, uint32_t number) {
    int result = number == 0 || number > VF_SEGMENT_NUMBER_MAX ? VARVE_E_NOT_FOUND
                                                               : make_room(store, number);
    ve_segment *segment = result < 0 ? NULL : segment_of(store, number);
    if (result == VARVE_OK && segment == NULL)
        result = ve_fail(store, VARVE_E_NO_MEMORY, "no memory");
    if (segment != NULL && segment->map == NULL && (result = map_segment(store, segment)) < 0)
        segment = NULL;
    if (result < 0 && !ve_is_damage(result))
        store->trouble = result;
    return segment;
}

uint64_t ve_log_end(varve *store, uint32_t number) {
    uint64_t tail = ve_tail(store);
    if (number >= vf_lsn_segment(tail))
        return number == vf_lsn_segment(tail) ? tail : vf_lsn(number, 0);
    ve_segment *next = ve_log_segment(store, number + 1);
    if (next != NULL && vf_lsn_segment(next->prev_end) == number)
        return next->prev_end;
    ve_segment *self =
        ve_log_segment(store, number); /* the successor is gone: as far as the file goes */
    return self == NULL ? vf_lsn(number, 0)
                        : vf_lsn(number, self->file_size > UINT32_MAX ? UINT32_MAX
                                                                      : (uint32_t)self->file_size);
}

int ve_log_measure(varve *store, ve_segment *segment) {
    char name[16];
    struct stat file;
    if (segment->placed)
        return VARVE_OK;
    ve_segment_name(name, segment->number);
    if (store->os->fstatat(store->log.dir, name, &file, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT) /* packed since, perhaps */
            return ve_fail(store, VARVE_E_NOT_FOUND, "%s/seg/%s: is missing", store->path, name);
        return store->trouble =
                   ve_fail_os(store, "%s/seg/%s: cannot be looked at", store->path, name);
    }
    if ((uint64_t)file.st_size > segment->map_size) {
        int result = map_segment(store, segment);
        if (result < 0) {
            store->trouble = ve_is_damage(result) ? store->trouble : result;
            return result;
        }
    }
    segment->file_size =
        (uint64_t)file.st_size < segment->map_size ? (uint64_t)file.st_size : segment->map_size;
    return VARVE_OK;
}

/* Bytes of a segment that may be touched: up to its end, and never behind the file's. */
static int readable(varve *store, ve_segment *segment, uint64_t *ret_limit) {
    uint64_t end = vf_lsn_offset(ve_log_end(store, segment->number));
    int result = end > segment->file_size ? ve_log_measure(store, segment)
                                          : VARVE_OK; /* it has grown since, or was cut */
    *ret_limit = end < segment->file_size ? end : segment->file_size;
    if (result < 0 && store->reading != NULL && store->trouble >= 0)
        return VARVE_OK; /* the file was removed; what the cursor reads was measured when it was
                            opened */
    return result;
}

static int locate(varve *store, uint64_t lsn, ve_segment **ret_segment, const uint8_t **ret_bytes,
                  size_t *ret_size) {
    ve_segment *segment = ve_log_segment(store, vf_lsn_segment(lsn));
    uint64_t limit = 0;
    if (segment == NULL)
        return store->trouble < 0 ? store->trouble : VARVE_E_CORRUPT;
    int result = readable(store, segment, &limit);
    if (result < 0)
        return result;
    uint32_t offset = vf_lsn_offset(lsn);
    if (offset < VF_SEGMENT_HEADER || offset >= limit)
        return ve_fail(store, VARVE_E_CORRUPT,
                       "%s/seg/%08u.log offset %u: lies behind the segment's end", store->path,
                       segment->number, offset);
    *ret_segment = segment;
    *ret_bytes = segment->map + offset;
    *ret_size = (size_t)(limit - offset);
    return VARVE_OK;
}

static int bad_record(varve *store, uint64_t lsn, vf_result result) {
    return ve_fail(store, VARVE_E_CORRUPT, "%s/seg/%08u.log offset %u: %s", store->path,
                   vf_lsn_segment(lsn), vf_lsn_offset(lsn), vf_result_text(result));
}

int ve_log_raw(varve *store, uint64_t lsn, bool whole, ve_record *ret) {
    ve_segment *segment = NULL;
    size_t size = 0;
    const uint8_t *bytes = NULL;
    int found = locate(store, lsn, &segment, &bytes, &size);
    if (found < 0)
        return found;
    vf_result result = whole ? vf_record_check(bytes, size, segment->salt, lsn, NULL, &ret->frame)
                             : vf_frame_check(bytes, size, segment->salt, lsn, NULL, &ret->frame);
    if (result != VF_OK)
        return bad_record(store, lsn, result);
    ret->lsn = lsn;
    ret->body = bytes + VF_FRAME_SIZE;
    ret->body_size = vf_get32(ret->frame.length) - VF_FRAME_SIZE;
    ret->unit = NULL;
    return VARVE_OK;
}

/* Bytes that are read soon are fetched into the processor's cache. */
static void fetch(const uint8_t *bytes, size_t size) {
    enum { LINE = 64 };
    for (size_t at = 0; at < size; at += LINE)
        __builtin_prefetch(bytes + at);
}

void ve_log_expect(const varve *store, uint64_t lsn) {
    enum { SIZE = 384 }; /* the processor goes on by itself */
    uint32_t number = vf_lsn_segment(lsn), offset = vf_lsn_offset(lsn);
    const ve_segment *segment =
        number == 0 || number > store->log.count ? NULL : store->log.segment[number - 1];
    if (segment == NULL || segment->map == NULL || (uint64_t)offset + SIZE > segment->file_size)
        return;
    fetch(segment->map + offset, SIZE);
}

uint64_t ve_log_first(varve *store) {
    const ve_layout *layout = ve_layout_now(store);
    if (layout == NULL || layout->files == 0)
        return vf_lsn(1, VF_SEGMENT_HEADER);
    uint64_t first = layout->file[0]->first;
    return vf_lsn_offset(first) < VF_SEGMENT_HEADER
               ? vf_lsn(vf_lsn_segment(first), VF_SEGMENT_HEADER)
               : first;
}

/* The next whole record of a segment behind damage at 'offset', or 'limit'. Every multiple of 8 is
 * tried. */
static uint64_t resynchronise(const ve_segment *segment, uint64_t offset, uint64_t limit) {
    vf_frame frame;
    for (offset += VF_RECORD_ALIGN; offset + VF_FRAME_SIZE <= limit; offset += VF_RECORD_ALIGN)
        if (vf_record_check(segment->map + offset, (size_t)(limit - offset), segment->salt,
                            vf_lsn(segment->number, (uint32_t)offset), NULL, &frame) == VF_OK)
            return offset;
    return limit;
}

/* The next record of the packed segments: 1, or 0 and where the raw ones go on. */
static int next_packed(varve *store, const ve_layout *layout, uint64_t *lsn, uint64_t limit,
                       ve_record *ret, uint64_t *damage) {
    for (size_t i = 0; i < layout->files && *lsn < limit && *lsn < layout->packed_end; i++) {
        ve_packed *file = layout->file[i];
        if (*lsn >= file->end)
            continue;
        uint64_t from = *lsn > file->first ? *lsn : file->first, hole = 0;
        int found = ve_layout_file(store, from, &file);
        if (found == 1)
            found = ve_packed_next(store, file, from, true, ret, &hole);
        else if (ve_is_damage(found))
            found = 0, hole = from;
        *damage = *damage != 0 ? *damage : hole;
        if (found != 0)
            return found < 0 ? found : ret->lsn < limit;
        *lsn = layout->file[i]->end;
    }
    return 0;
}

/* The record that this handle is just appending, from its memory: its sums were just made. */
static void next_own(varve *store, ve_record *ret) {
    enum { AHEAD = 512 }; /* what the next one says of itself, before its payload */
    const ve_piece *piece = store->own.next++;
    if (store->own.at + piece->length < store->own.end)
        fetch(piece[1].at, piece[1].length < AHEAD ? piece[1].length : AHEAD);
    memcpy(&ret->frame, piece->at, sizeof ret->frame);
    ret->lsn = store->own.at;
    ret->body = piece->at + VF_FRAME_SIZE;
    ret->body_size = piece->length - VF_FRAME_SIZE;
    ret->unit = NULL;
    store->own.at += piece->length;
}

int ve_log_next(varve *store, uint64_t lsn, uint64_t limit, ve_record *ret_record,
                uint64_t *ret_damage) {
    uint64_t damage = 0;
    if (lsn == store->own.at && lsn < store->own.end) {
        next_own(store, ret_record);
        return 1;
    }
    const ve_layout *layout = ve_layout_now(store);
    if (layout == NULL)
        return store->trouble < 0 ? store->trouble : VARVE_E_CORRUPT;
    if (lsn < layout->packed_end) {
        int found = next_packed(store, layout, &lsn, limit, ret_record, &damage);
        if (found != 0 || lsn < layout->packed_end || lsn >= limit) {
            if (ret_damage != NULL)
                *ret_damage = damage;
            return found;
        }
    }
    if (vf_lsn_segment(lsn) < layout->first_raw)
        lsn = vf_lsn(layout->first_raw, VF_SEGMENT_HEADER);
    while (lsn < limit) {
        uint32_t number = vf_lsn_segment(lsn);
        uint64_t offset =
            vf_lsn_offset(lsn) < VF_SEGMENT_HEADER ? VF_SEGMENT_HEADER : vf_lsn_offset(lsn);
        ve_segment *segment = ve_log_segment(store, number);
        uint64_t end = 0;
        if (segment == NULL || readable(store, segment, &end) < 0) {
            if (store->trouble < 0)
                return store->trouble; /* not damage: it could not be looked at */
            if (segment == NULL && ve_layout_moved(store)) /* nor that: it was packed meanwhile */
                return ve_log_next(store, lsn, limit, ret_record, ret_damage);
            damage = damage != 0 ? damage : vf_lsn(number, (uint32_t)offset);
            lsn = vf_lsn(number + 1, VF_SEGMENT_HEADER);
            continue;
        }
        uint64_t named = vf_lsn_offset(ve_log_end(store, number));
        if (number == vf_lsn_segment(limit) && vf_lsn_offset(limit) < end)
            end = named = vf_lsn_offset(limit);
        while (offset < end) {
            uint64_t at = vf_lsn(number, (uint32_t)offset);
            vf_result check = vf_record_check(segment->map + offset, (size_t)(end - offset),
                                              segment->salt, at, NULL, &ret_record->frame);
            if (check == VF_OK) {
                ret_record->lsn = at;
                ret_record->body = segment->map + offset + VF_FRAME_SIZE;
                ret_record->body_size = vf_get32(ret_record->frame.length) - VF_FRAME_SIZE;
                ret_record->unit = NULL;
                if (ret_damage != NULL)
                    *ret_damage = damage;
                return 1;
            }
            damage = damage != 0 ? damage : at;
            offset = resynchronise(segment, offset, end);
        }
        if (end < named && damage == 0) /* the file was cut */
            damage = vf_lsn(number, (uint32_t)end);
        lsn = vf_lsn(number + 1, VF_SEGMENT_HEADER);
    }
    if (ret_damage != NULL)
        *ret_damage = damage;
    return 0;
}
