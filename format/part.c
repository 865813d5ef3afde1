/*
 * Parts of blocks as they lie in the file: one zstd frame, or plain where that is not larger. The
 * sum stands before everything: zstd sees bytes only if they are those that were written.
 */
#include "format/packed.h"

#include <assert.h>
#include <zstd.h>

size_t vf_part_bound(size_t plain_size) {
    return ZSTD_compressBound(plain_size);
}

size_t vf_part_pack(ZSTD_CCtx *zstd, int level, const uint8_t *plain, size_t plain_size,
                    uint8_t *at, size_t room) {
    assert(plain_size > 0 && room >= vf_part_bound(plain_size));
    size_t size = ZSTD_compressCCtx(zstd, at, room, plain, plain_size, level);
    if (ZSTD_isError(size))
        return 0;
    if (size < plain_size)
        return size;
    memcpy(at, plain, plain_size);
    return plain_size;
}

uint32_t vf_part_sum(const uint8_t *stored, size_t size, uint64_t offset) {
    return (uint32_t)vf_sum64(stored, size, offset);
}

/* Exactly one frame of the current format: zstd would read old formats and several frames too. */
static int is_one_frame(const uint8_t *stored, size_t size) {
    le32 magic;
    if (size < sizeof magic)
        return 0;
    memcpy(&magic, stored, sizeof magic);
    return vf_get32(magic) == ZSTD_MAGICNUMBER &&
           ZSTD_findFrameCompressedSize(stored, size) == size;
}

vf_result vf_part_open(ZSTD_DCtx *zstd, const uint8_t *stored, size_t size, uint64_t offset,
                       uint32_t sum, uint8_t *plain, size_t plain_size) {
    if (size == 0 && plain_size == 0)
        return VF_OK;
    if (size == 0)
        return VF_BAD_FIELD;
    if (vf_part_sum(stored, size, offset) != sum)
        return VF_BAD_SUM;
    if (size == plain_size) {
        memcpy(plain, stored, size);
        return VF_OK;
    }
    if (size > plain_size || !is_one_frame(stored, size))
        return VF_BAD_FIELD;
    size_t got = ZSTD_decompressDCtx(zstd, plain, plain_size, stored, size);
    return got == plain_size ? VF_OK : VF_BAD_FIELD; /* errors are sizes that cannot be */
}
