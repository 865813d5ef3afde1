/*
 * Every file byte by byte; packed segments also part by part, opened. See canary.h.
 */
#include "support/canary.h"

#include "format/packed.h"
#include "support/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

typedef struct {
    const char *path;
    const char *const *words;
    int count;
    bool tell;
    uint64_t found;
    ZSTD_DCtx *zstd;
} search;

static void look(search *s, const char *file, const char *what, const uint8_t *bytes, size_t size) {
    for (int w = 0; w < s->count; w++) {
        const uint8_t *at = bytes;
        size_t left = size, length = strlen(s->words[w]);
        while (left >= length && (at = memmem(at, left, s->words[w], length)) != NULL) {
            if (s->tell)
                fprintf(stderr, "%s %s offset %zu: %s\n", file, what, (size_t)(at - bytes), s->words[w]);
            s->found++;
            at++;
            left = size - (size_t)(at - bytes);
        }
    }
}

static void look_at_part(search *s, const char *file, const char *what, const uint8_t *from, uint64_t offset, uint32_t size,
                         uint32_t sum, uint32_t plain) {
    uint8_t *to = malloc((size_t)plain + 1);
    if (size > 0 && vf_part_open(s->zstd, from, size, offset, sum, to, plain) == VF_OK)
        look(s, file, what, to, plain);
    else if (size > 0)
        s->found += 1000000, fprintf(stderr, "%s: a part cannot be opened\n", file);
    free(to);
}

static void look_at_blocks(search *s, const char *file, const char *what, const uint8_t *map, const vf_array *blocks) {
    for (uint32_t b = 0; b < vf_get32(blocks->count); b++) {
        const vf_block_entry *entry = vf_packed_item(map, blocks, b, VF_BLOCK_ENTRY);
        uint64_t offset = vf_get64(entry->offset), data = offset + vf_get32(entry->fixed_size);
        look_at_part(s, file, what, map + offset, offset, vf_get32(entry->fixed_size), vf_get32(entry->fixed_sum),
                     vf_get32(entry->fixed_plain));
        look_at_part(s, file, what, map + data, data, vf_get32(entry->data_size), vf_get32(entry->data_sum),
                     vf_get32(entry->data_plain));
    }
}

static void look_at_file(void *context, const char *name, size_t size) {
    search *s = context;
    uint8_t *bytes = malloc(size + 1);
    vf_packed_footer footer;
    int read_only;
    tree_read(s->path, name, bytes, size, 0);
    look(s, name, "raw", bytes, size);
    if (strstr(name, ".seg") != NULL && vf_packed_check(bytes, size, &footer, &read_only) == VF_OK) {
        look_at_blocks(s, name, "records", bytes, &footer.blocks);
        look_at_blocks(s, name, "pins", bytes, &footer.pins);
        look_at_blocks(s, name, "rows", bytes, &footer.rows);
    }
    free(bytes);
}

uint64_t canary_count(const char *path, const char *const *words, int count, bool tell) {
    search s = {.path = path, .words = words, .count = count, .tell = tell, .zstd = ZSTD_createDCtx()};
    tree_each(path, look_at_file, &s);
    ZSTD_freeDCtx(s.zstd);
    return s.found;
}
