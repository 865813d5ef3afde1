/*
 * Tables of the index: rows in mapped chunks, found through a linear hash of 8-byte words.
 * One writer at a time (under the append lock); readers take no lock. SPEC.md "Index".
 */
#include "engine/array.h"
#include "engine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A bucket's chain is a few long; one that is not is damaged, perhaps a ring. */
enum { HOPS_MAX = 1000 };

static void lay_out(varve *store, ve_index *index) {
    free(store->met); /* the log may be another one, too */
    store->met = NULL;
    *index = (ve_index){.os = store->os,
                        .share = &store->share,
                        .dir = -1,
                        .temp_dir = store->temp_dir,
                        .hash_seed = store->hash_seed,
                        .trouble = &store->trouble};
    for (uint32_t t = 0; t < VF_TABLES; t++)
        for (uint32_t p = 0; p < VF_PARTS; p++) {
            ve_part *part = &index->table[t].part[p];
            part->item_size = vf_table_geometry((vf_table)t, (vf_part)p, &part->base, &part->cap);
        }
}

/* A link is none of the index's files. */
static bool is_missing(int number) {
    return number == ENOENT || number == ELOOP;
}

/* Opens a file of the index, or an unlinked one for a private index. -1 and errno. */
static int open_file(ve_index *index, const char *name, bool make) {
    int flags = index->writable ? O_RDWR : O_RDONLY;
    if (index->dir >= 0)
        return make ? ve_make_file(index->os, index->share, index->dir, name, flags)
                    : index->os->openat(index->dir, name, flags | O_NOFOLLOW, 0);
    int fd = index->os->openat(AT_FDCWD, index->temp_dir, O_RDWR | O_TMPFILE, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
        return fd;
    uint64_t random = 0;
    char path[512];
    index->os->random(&random, sizeof random);
    snprintf(path, sizeof path, "%s/varve.%016llx", index->temp_dir, (unsigned long long)random);
    fd = index->os->openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (fd >= 0)
        index->os->unlinkat(AT_FDCWD, path, 0);
    return fd;
}

/* Maps an index file of at least 'size' bytes, with addresses for 'reach' bytes; NULL and errno
 * (ENOENT: not there, or not whole yet). 'make': it is made if need be, and *make says so. */
static void *map_file(ve_index *index, const char *name, size_t size, size_t reach, bool *make) {
    if (index->in_memory && make == NULL) {
        errno = ENOENT;
        return NULL;
    }
    if (index->in_memory) {
        void *memory =
            index->os->mmap(reach, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *make = false; /* its pages come when they are needed */
        return memory == MAP_FAILED ? NULL : memory;
    }
    int fd = open_file(index, name, make != NULL);
    if (fd < 0)
        return NULL;
    struct stat file;
    void *map = MAP_FAILED;
    bool whole = index->os->fstat(fd, &file) == 0;
    if (whole && (uint64_t)file.st_size < size) {
        whole = make != NULL && index->os->allocate(fd, 0, (int64_t)size) == 0;
        if (make != NULL)
            *make = whole;
        else
            errno = ENOENT;
    }
    if (whole)
        map = index->os->mmap(reach, index->writable ? PROT_READ | PROT_WRITE : PROT_READ,
                              MAP_SHARED, fd, 0);
    int number = errno;
    index->os->close(fd);
    errno = number;
    return map == MAP_FAILED ? NULL : map;
}

static void chunk_name(char name[64], vf_table table, uint32_t part, uint32_t chunk) {
    snprintf(name, 64, "%s.%c.%u", vf_table_name(table), vf_part_letter((vf_part)part), chunk);
}

/* Pages of a chunk that is being filled are made one by one: to read ahead would clear all of it at
 * the first touch, while an append waits. The chunk before it is full now, and may be read. */
static void expect_filling(const ve_part *part, uint32_t chunk, uint64_t first, size_t size) {
    uint32_t number;
    uint64_t at, count;
    madvise(part->chunk[chunk], size, MADV_RANDOM);
    if (chunk == 0 || part->chunk[chunk - 1] == NULL)
        return;
    vf_chunk_of(first - 1, part->base, part->cap, &number, &at, &count);
    madvise(part->chunk[chunk - 1], (size_t)count * part->item_size, MADV_NORMAL);
}

/* An index that is made anew has no redo area yet, and no append waits: all pages at once, and
 * large ones where there are such, are much less work than one by one. Old kernels do without. */
static void fill_at_once(uint8_t *map, size_t size) {
    madvise(map, size, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    madvise(map, size, MADV_POPULATE_WRITE);
#endif
}

/* Maps the chunk of an item and notes it. NULL and errno. Room is made only for chunks that are
 * there: a damaged number costs nothing. */
static uint8_t *map_chunk(ve_index *index, vf_table table, uint32_t part_number, uint64_t item,
                          bool make) {
    ve_part *part = &index->table[table].part[part_number];
    uint32_t chunk;
    uint64_t first, count;
    vf_chunk_of(item, part->base, part->cap, &chunk, &first, &count);
    size_t size = (size_t)count * part->item_size;
    char name[64];
    chunk_name(name, table, part_number, chunk);
    bool made = false;
    uint8_t *map = map_file(index, name, size, size, make && index->writable ? &made : NULL);
    if (map == NULL)
        return NULL;
    if (!ve_grow(&part->chunk, &part->room, (size_t)chunk + 1, sizeof *part->chunk)) {
        index->os->munmap(map, size);
        errno = ENOMEM;
        return NULL;
    }
    while (part->chunks <= chunk)
        part->chunk[part->chunks++] = NULL;
    part->chunk[chunk] = map;
    if (made && index->redo != NULL)
        expect_filling(part, chunk, first, size);
    else if (made)
        fill_at_once(map, size);
    return map;
}

uint8_t *ve_item(ve_index *index, vf_table table, uint32_t part_number, uint64_t item, bool make) {
    const ve_part *part = &index->table[table].part[part_number];
    uint32_t chunk;
    uint64_t first, count;
    vf_chunk_of(item, part->base, part->cap, &chunk, &first, &count);
    uint8_t *at = chunk < part->chunks ? part->chunk[chunk] : NULL;
    if (at == NULL && (at = map_chunk(index, table, part_number, item, make)) == NULL) {
        *index->trouble = is_missing(errno)                    ? VARVE_E_INDEX
                          : errno == ENOMEM                    ? VARVE_E_NO_MEMORY
                          : errno == ENOSPC || errno == EDQUOT ? VARVE_E_NO_SPACE
                                                               : VARVE_E_IO;
        return NULL;
    }
    return at + (item - first) * part->item_size;
}

uint64_t ve_rows(const ve_index *index, vf_table table) {
    if (!index->open)
        return 0;
    return ve_word(&index->table[table].head->rows);
}

/* How many items of a part are in use; 0 also if the table has no such part. */
static uint64_t items_of(const ve_index *index, vf_table table, uint32_t part) {
    const vf_table_head *head = index->table[table].head;
    if (!index->open || index->table[table].part[part].item_size == 0)
        return 0;
    return part == VF_PART_WORDS      ? ve_word(&head->buckets)
           : part == VF_PART_OVERFLOW ? ve_word(&head->overflow)
                                      : ve_rows(index, table);
}

/* ---- The redo area's file: it grows when a group needs more ---- */

/* Bytes of it that are there, at most VF_REDO_SIZE; all of these have addresses. */
static size_t measure_redo(const ve_index *index) {
    struct stat file;
    if (index->os->fstatat(index->dir, "REDO", &file, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    return file.st_size < VF_REDO_SIZE ? (size_t)file.st_size : VF_REDO_SIZE;
}

/* Maps it for the first time. NULL and errno. */
static uint8_t *open_redo(ve_index *index, bool make) {
    bool made;
    index->redo = map_file(index, "REDO", VF_REDO_MIN, VF_REDO_SIZE, make ? &made : NULL);
    return index->redo;
}

vf_result ve_redo_check(const ve_index *index, size_t *ret_size) {
    *ret_size = measure_redo(index);
    return vf_redo_check(index->redo, *ret_size);
}

bool ve_redo_room(ve_index *index, size_t need) {
    if (need <= index->redo_size)
        return true;
    size_t size = VF_REDO_MIN;
    while (size < need)
        size *= 2;
    int fd =
        size > VF_REDO_SIZE ? -1 : index->os->openat(index->dir, "REDO", O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0)
        return false;
    if (index->os->allocate(fd, 0, (int64_t)size) == 0)
        index->redo_size = size;
    index->os->close(fd);
    return need <= index->redo_size;
}

static int open_tables(varve *store, ve_index *index, bool make) {
    bool made;
    index->tables = map_file(index, "TABLES", VF_TABLES_SIZE, VF_TABLES_SIZE, make ? &made : NULL);
    if (index->tables == NULL)
        return is_missing(errno)
                   ? ve_fail(store, VARVE_E_INDEX, "%s/idx: has no table of tables", store->path)
                   : ve_fail_os(store, "%s/idx/TABLES: cannot be mapped", store->path);
    if (make) {
        vf_tables *tables = index->tables;
        memset(tables, 0, sizeof *tables);
        memcpy(tables->magic, VF_TABLES_MAGIC, 8);
        memcpy(tables->store_uuid, store->ident.uuid, 16);
        vf_put32(&tables->version_major, VF_VERSION_MAJOR);
        vf_put32(&tables->layout_sum, vf_layout_sum());
    } else if (memcmp(index->tables->magic, VF_TABLES_MAGIC, 8) != 0 ||
               memcmp(index->tables->store_uuid, store->ident.uuid, 16) != 0 ||
               vf_get32(index->tables->version_major) != VF_VERSION_MAJOR ||
               vf_get32(index->tables->layout_sum) != vf_layout_sum()) {
        return ve_fail(store, VARVE_E_INDEX, "%s/idx: is of another store, version or layout",
                       store->path);
    }
    for (uint32_t t = 0; t < VF_TABLES; t++)
        index->table[t].head = &index->tables->table[t];
    if (index->dir >= 0 && index->writable) { /* readers look into it when they must: from_redo */
        if (open_redo(index, make) == NULL)
            return is_missing(errno)
                       ? ve_fail(store, VARVE_E_INDEX, "%s/idx: has no redo area", store->path)
                       : ve_fail_os(store, "%s/idx/REDO: cannot be mapped", store->path);
        index->redo_size = measure_redo(index);
    }
    index->open = true;
    return VARVE_OK;
}

/* A bucket is added when the words would be too many for those that there are, and so never before.
 * A writer that dies leaves one that is due to the next. */
static bool buckets_hold(uint64_t buckets, uint64_t keyed) {
    enum { DUE_MAX = 64 };
    uint64_t most = keyed == 0 ? 1 : (keyed + VF_BUCKET_LOAD - 1) / VF_BUCKET_LOAD;
    return buckets != 0 && buckets <= most && most - buckets <= DUE_MAX;
}

bool ve_heads_hold(const ve_index *index) {
    for (uint32_t t = 0; t < VF_TABLES; t++) {
        const vf_table_head *head = index->table[t].head;
        uint64_t rows = ve_word(&head->rows), buckets = ve_word(&head->buckets),
                 keyed = ve_word(&head->keyed);
        if (keyed > rows + 1 || rows > UINT32_MAX || !buckets_hold(buckets, keyed) ||
            ve_word(&head->overflow) > keyed)
            return false;
    }
    return true;
}

static int generation_directory(varve *store, uint64_t generation, bool make) {
    const ve_os *os = store->os;
    char name[32];
    int idx = os->openat(store->dir, "idx", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0), dir = -1;
    if (idx < 0)
        return -1;
    snprintf(name, sizeof name, "%llu", (unsigned long long)generation);
    if (!make || ve_make_directory(os, &store->share, idx, name) == 0)
        dir = os->openat(idx, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    int number = errno;
    os->close(idx);
    errno = number;
    return dir;
}

static int make_tables(varve *store, ve_index *index, bool private_files) {
    int result = open_tables(store, index, true);
    for (uint32_t t = 0; t < VF_TABLES && result == VARVE_OK; t++) {
        if (ve_item(index, (vf_table)t, VF_PART_WORDS, 0, true) == NULL)
            return ve_fail_os(store, "%s/idx: no room for a table",
                              private_files ? store->temp_dir : store->path);
        ve_set_word(&index->table[t].head->buckets, 1);
    }
    return result;
}

int ve_index_create(varve *store, ve_index *index, uint64_t generation, bool private_files) {
    lay_out(store, index);
    index->writable = true;
    index->generation = generation;
    if (!private_files && (index->dir = generation_directory(store, generation, true)) < 0)
        return ve_fail_os(store, "%s/idx/%llu: cannot be made", store->path,
                          (unsigned long long)generation);
    return make_tables(store, index, private_files);
}

int ve_index_in_memory(varve *store, ve_index *index) {
    lay_out(store, index);
    index->writable = index->in_memory = true;
    return make_tables(store, index, true);
}

/* Whether the chunk that holds an item is there, whole; without mapping it. */
static bool chunk_is_there(const ve_index *index, vf_table table, uint32_t part_number,
                           uint64_t item) {
    const ve_part *part = &index->table[table].part[part_number];
    uint32_t chunk;
    uint64_t first, count;
    char name[64];
    struct stat file;
    vf_chunk_of(item, part->base, part->cap, &chunk, &first, &count);
    chunk_name(name, table, part_number, chunk);
    return index->os->fstatat(index->dir, name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
           (uint64_t)file.st_size >= count * part->item_size;
}

int ve_index_open(varve *store, ve_index *index, uint64_t generation) {
    ve_index_close(index);
    lay_out(store, index);
    index->writable = !store->read_only;
    index->generation = generation;
    index->dir = generation_directory(store, generation, false);
    if (index->dir < 0)
        return ve_fail(store, VARVE_E_INDEX, "%s/idx/%llu: is missing", store->path,
                       (unsigned long long)generation);
    int result = open_tables(store, index, false);
    /* The newest chunk of each part must be there, or the index is unfit as a whole. */
    for (uint32_t t = 0; t < VF_TABLES && result == VARVE_OK; t++) {
        for (uint32_t p = 0; p < VF_PARTS && result == VARVE_OK; p++) {
            uint64_t items = items_of(index, (vf_table)t, p);
            if (items > 0 && !chunk_is_there(index, (vf_table)t, p, items - 1))
                result = ve_fail(store, VARVE_E_INDEX, "%s/idx/%llu: a part of table %s is missing",
                                 store->path, (unsigned long long)generation,
                                 vf_table_name((vf_table)t));
        }
        if (result == VARVE_OK && !ve_heads_hold(index))
            result = ve_fail(store, VARVE_E_INDEX,
                             "%s/idx: the sizes of the tables do not fit together", store->path);
    }
    if (result < 0)
        ve_index_close(index);
    return result;
}

void ve_index_close(ve_index *index) {
    if (index->os == NULL)
        return;
    for (uint32_t t = 0; t < VF_TABLES; t++)
        for (uint32_t p = 0; p < VF_PARTS; p++) {
            ve_part *part = &index->table[t].part[p];
            uint64_t first = 0;
            for (uint32_t c = 0; c < part->chunks; c++) {
                uint64_t at, count;
                uint32_t chunk;
                vf_chunk_of(first, part->base, part->cap, &chunk, &at, &count);
                if (part->chunk[c] != NULL)
                    index->os->munmap(part->chunk[c], (size_t)count * part->item_size);
                first = at + count;
            }
            free(part->chunk);
        }
    if (index->tables != NULL)
        index->os->munmap(index->tables, VF_TABLES_SIZE);
    if (index->redo != NULL)
        index->os->munmap(index->redo, VF_REDO_SIZE);
    if (index->dir >= 0)
        index->os->close(index->dir);
    *index = (ve_index){.dir = -1, .trouble = index->trouble};
}

uint64_t ve_index_bytes(const ve_index *index) {
    uint64_t bytes = VF_TABLES_SIZE + index->redo_size;
    for (uint32_t t = 0; t < VF_TABLES; t++)
        for (uint32_t p = 0; p < VF_PARTS; p++) {
            const ve_part *part = &index->table[t].part[p];
            uint64_t items = items_of(index, (vf_table)t, p), first, count;
            uint32_t chunk;
            if (items == 0)
                continue;
            vf_chunk_of(items - 1, part->base, part->cap, &chunk, &first, &count);
            bytes += (first + count) * part->item_size;
        }
    return bytes;
}

vf_key ve_row_key(vf_table table, const uint8_t *image) {
    vf_key key = {{0}};
    (void)table; /* every row has its key behind the head */
    memcpy(&key, image + 8, sizeof key);
    return key;
}

static bool row_has_key(ve_index *index, vf_table table, uint32_t row, vf_key key) {
    const uint8_t *at = ve_item(index, table, VF_PART_ROWS, row, false);
    return at != NULL && memcmp(at + 8, &key, sizeof key) == 0;
}

static vf_bucket *bucket_at(ve_index *index, vf_table table, uint64_t bucket, bool make) {
    return (vf_bucket *)(void *)ve_item(index, table, VF_PART_WORDS, bucket, make);
}

static vf_bucket *next_bucket(ve_index *index, vf_table table, const vf_bucket *bucket) {
    uint64_t overflow = ve_word(&bucket->overflow);
    return overflow == 0
               ? NULL
               : (vf_bucket *)(void *)ve_item(index, table, VF_PART_OVERFLOW, overflow - 1, false);
}

uint32_t ve_find(ve_index *index, vf_table table, vf_key key) {
    if (!index->open) { /* a rebuild failed half-way */
        if (index->trouble != NULL)
            *index->trouble = VARVE_E_INDEX;
        return UINT32_MAX;
    }
    uint32_t tag = vf_key_tag(key, index->hash_seed);
    uint64_t buckets = ve_word(&index->table[table].head->buckets), before;
    do {
        before = buckets;
        const vf_bucket *bucket =
            bucket_at(index, table, vf_bucket_of(tag, (uint32_t)buckets), false);
        for (int hops = 0; bucket != NULL && hops < HOPS_MAX;
             bucket = next_bucket(index, table, bucket), hops++)
            for (int i = 0; i < VF_BUCKET_WORDS; i++) {
                uint64_t word = ve_word(&bucket->word[i]);
                if ((uint32_t)(word >> 32) == tag && (uint32_t)word != 0 &&
                    row_has_key(index, table, (uint32_t)word - 1, key))
                    return (uint32_t)word - 1;
            }
        buckets =
            ve_word(&index->table[table].head->buckets); /* a split may have moved it meanwhile */
    } while (buckets != before);
    return UINT32_MAX;
}

/* Puts a word into the first free place of a bucket's chain, unless it is there. 1 added, 0 was
 * there, -1 no room. */
static int put_word(ve_index *index, vf_table table, vf_bucket *bucket, uint64_t word) {
    le64 *free_place = NULL;
    vf_bucket *last = bucket;
    int hops = 0;
    for (vf_bucket *b = bucket; b != NULL; last = b, b = next_bucket(index, table, b)) {
        if (hops++ > HOPS_MAX) {
            errno = EUCLEAN;
            return -1;
        }
        for (int i = 0; i < VF_BUCKET_WORDS; i++) {
            uint64_t there = ve_word(&b->word[i]);
            if (there == word)
                return 0;
            if (there == 0 && free_place == NULL)
                free_place = &b->word[i];
        }
    }
    if (free_place == NULL) {
        vf_table_head *head = index->table[table].head;
        uint64_t number = ve_word(&head->overflow);
        vf_bucket *fresh =
            (vf_bucket *)(void *)ve_item(index, table, VF_PART_OVERFLOW, number, true);
        if (fresh == NULL)
            return -1;
        memset(fresh, 0, sizeof *fresh);
        ve_set_word(&head->overflow,
                    number + 1); /* counted before linked: a death between only wastes it */
        ve_set_word(&last->overflow, number + 1);
        free_place = &fresh->word[0];
    }
    ve_set_word(free_place, word);
    return 1;
}

/* Adds one bucket and moves the words that now belong there. See SPEC.md for what a reader sees
 * meanwhile. */
static int split(ve_index *index, vf_table table) {
    vf_table_head *head = index->table[table].head;
    uint64_t buckets = ve_word(&head->buckets);
    vf_bucket *fresh = bucket_at(index, table, buckets, true);
    if (fresh == NULL)
        return -1;
    memset(fresh, 0, sizeof *fresh);
    uint64_t half = 1;
    while (half * 2 <= buckets)
        half *= 2;
    vf_bucket *old = bucket_at(index, table, buckets - half, false);
    if (old == NULL)
        return -1;
    uint32_t more = (uint32_t)buckets + 1;
    int hops = 0;
    for (vf_bucket *b = old; b != NULL && hops < HOPS_MAX; b = next_bucket(index, table, b), hops++)
        for (int i = 0; i < VF_BUCKET_WORDS; i++) {
            uint64_t word = ve_word(&b->word[i]);
            if (word != 0 && vf_bucket_of((uint32_t)(word >> 32), more) == buckets &&
                put_word(index, table, fresh, word) < 0)
                return -1;
        }
    ve_set_word(&head->buckets, more);
    hops = 0;
    for (vf_bucket *b = old; b != NULL && hops < HOPS_MAX; b = next_bucket(index, table, b), hops++)
        for (int i = 0; i < VF_BUCKET_WORDS; i++) {
            uint64_t word = ve_word(&b->word[i]);
            if (word != 0 && vf_bucket_of((uint32_t)(word >> 32), more) != buckets - half)
                ve_set_word(&b->word[i], 0);
        }
    return 0;
}

int ve_insert(ve_index *index, vf_table table, vf_key key, uint32_t row) {
    vf_table_head *head = index->table[table].head;
    uint32_t tag = vf_key_tag(key, index->hash_seed);
    vf_bucket *bucket =
        bucket_at(index, table, vf_bucket_of(tag, (uint32_t)ve_word(&head->buckets)), false);
    int added = bucket == NULL
                    ? -1
                    : put_word(index, table, bucket, (uint64_t)tag << 32 | ((uint64_t)row + 1));
    if (added <= 0)
        return added;
    ve_set_word(&head->keyed, ve_word(&head->keyed) + 1);
    if (ve_word(&head->keyed) >
        ve_word(&head->buckets) * VF_BUCKET_LOAD) /* at most one: a damaged count cannot run away */
        return split(index, table);
    return 0;
}

uint32_t ve_row_sum(vf_table table, uint32_t row, const uint8_t *image) {
    return (uint32_t)vf_sum64(image + 8, vf_row_size(table) - 8, row);
}

/* The row's image in the redo area, where a writer that died while copying has left it. */
static bool from_redo(ve_index *index, vf_table table, uint32_t row, void *ret_row, size_t size) {
    if (index->dir < 0 || (index->redo == NULL && open_redo(index, false) == NULL))
        return false;
    size_t room = measure_redo(index);
    uint8_t *copy = room < VF_REDO_HEADER ? NULL : malloc(room);
    bool found = false;
    if (copy == NULL)
        return false;
    memcpy(copy, index->redo, room);
    if (vf_get64(((vf_redo_header *)(void *)copy)->state) != 0 &&
        vf_redo_check(copy, room) == VF_OK) {
        size_t at = 0;
        vf_redo_entry entry;
        const uint8_t *image;
        while (!found && vf_redo_next(copy, room, &at, &entry, &image) == 1)
            if (vf_get32(entry.table) == (uint32_t)table && vf_get32(entry.row) == row &&
                vf_get32(entry.size) >= size) {
                memcpy(ret_row, image, size);
                found = true;
            }
    }
    free(copy);
    return found;
}

static bool zero(const uint8_t *image, size_t size) {
    return image[0] == 0 && memcmp(image, image + 1, size - 1) == 0;
}

/* Whether a row that is zero throughout was left out when rows were loaded; else it is damaged. */
static bool left_out(ve_index *index, vf_table table, uint32_t row) {
    return row < ve_rows(index, table) &&
           (index->table[table].part[VF_PART_CHANGED].item_size == 0 ||
            ve_changed(index, table, row) == 0);
}

int ve_read_row(ve_index *index, vf_table table, uint32_t row, bool cold, void *ret_row) {
    const uint8_t *hot = ve_item(index, table, VF_PART_ROWS, row, false);
    bool two = table == VF_TABLE_SESSIONS;
    const uint8_t *rest = two && cold ? ve_item(index, table, VF_PART_COLD, row, false) : NULL;
    if (hot == NULL || (two && cold && rest == NULL))
        return *index->trouble; /* that a chunk cannot be mapped is not damage */
    size_t hot_size = two ? VF_HOT_SIZE : vf_row_size(table);
    size_t size = hot_size + (rest != NULL ? VF_COLD_SIZE : 0);
    const _Atomic uint32_t *version = (const _Atomic uint32_t *)(const void *)hot;
    for (int tries = 0; tries < 20000; tries++) {
        uint32_t before = atomic_load_explicit(version, memory_order_acquire);
        if ((VF_SWAP32(before) & 1) == 0) {
            memcpy(ret_row, hot, hot_size);
            if (rest != NULL)
                memcpy((uint8_t *)ret_row + hot_size, rest, VF_COLD_SIZE);
            atomic_thread_fence(memory_order_acquire);
            if (atomic_load_explicit(version, memory_order_relaxed) != before)
                continue;
            if (zero(ret_row, size))
                return left_out(index, table, row) ? VARVE_OK : VARVE_E_INDEX;
            if (two && !cold)
                return VARVE_OK;
            uint32_t sum = vf_get32(((const vf_row_head *)ret_row)->sum);
            return sum == ve_row_sum(table, row, ret_row) ? VARVE_OK : VARVE_E_INDEX;
        }
        if (tries > 100 && from_redo(index, table, row, ret_row, size))
            return VARVE_OK;
        if (tries > 10)
            sched_yield();
    }
    return VARVE_E_INDEX;
}

int ve_row_failed(varve *store, vf_table table, uint64_t row, int error) {
    bool damaged = error == VARVE_E_INDEX;
    return ve_fail(store, error, "%s/idx: row %llu of table %s %s%s", store->path,
                   (unsigned long long)row, vf_table_name(table),
                   damaged ? "is damaged: run varve reindex" : "cannot be read: ",
                   damaged ? "" : varve_strerror(error));
}

int ve_need_row(varve *store, vf_table table, uint64_t row, bool cold, void *ret_row) {
    int result = ve_read_row(&store->index, table, (uint32_t)row, cold, ret_row);
    return result == VARVE_OK ? VARVE_OK : ve_row_failed(store, table, row, result);
}
