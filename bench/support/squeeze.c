/*
 * Payloads by themselves. See squeeze.h.
 */
#include "bench/support/squeeze.h"

#include <stdlib.h>
#include <zstd.h>

enum { LEVEL = 1 };

struct squeeze {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
    char *packed, *bytes;
    size_t packed_room, bytes_room;
};

static int make(squeeze **ret) {
    if (*ret == NULL && (*ret = calloc(1, sizeof **ret)) != NULL) {
        (*ret)->pack = ZSTD_createCCtx();
        (*ret)->unpack = ZSTD_createDCtx();
    }
    return *ret != NULL && (*ret)->pack != NULL && (*ret)->unpack != NULL ? 0 : -1;
}

static int have_room(char **bytes, size_t *room, size_t want) {
    if (want <= *room)
        return 0;
    free(*bytes);
    *room = want * 2;
    *bytes = malloc(*room);
    return *bytes == NULL ? -1 : 0;
}

int squeeze_pack(squeeze **own, const void *bytes, size_t size, const void **ret_packed,
                 size_t *ret_size) {
    size_t room = ZSTD_compressBound(size);
    if (make(own) < 0 || have_room(&(*own)->packed, &(*own)->packed_room, room) < 0)
        return -1;
    *ret_size =
        ZSTD_compressCCtx((*own)->pack, (*own)->packed, (*own)->packed_room, bytes, size, LEVEL);
    *ret_packed = (*own)->packed;
    return ZSTD_isError(*ret_size) ? -1 : 0;
}

int squeeze_unpack(squeeze **own, const void *packed, size_t size, const void **ret_bytes,
                   size_t *ret_size) {
    unsigned long long raw = ZSTD_getFrameContentSize(packed, size);
    if (raw > 1u << 30 || make(own) < 0 ||
        have_room(&(*own)->bytes, &(*own)->bytes_room, raw + 1) < 0)
        return -1;
    *ret_size = ZSTD_decompressDCtx((*own)->unpack, (*own)->bytes, raw, packed, size);
    *ret_bytes = (*own)->bytes;
    return *ret_size == raw ? 0 : -1;
}

void squeeze_free(squeeze **own) {
    if (*own != NULL) {
        ZSTD_freeCCtx((*own)->pack);
        ZSTD_freeDCtx((*own)->unpack);
        free((*own)->packed);
        free((*own)->bytes);
    }
    free(*own);
    *own = NULL;
}
