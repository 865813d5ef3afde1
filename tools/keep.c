/*
 * A list of blocks. The first is used again for each object; a small one needs no other.
 */
#include "tools/keep.h"

#include "tools/claude.h"
#include "tools/cli.h"
#include "tools/text.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 32 << 10 };

struct keep_block {
    struct keep_block *next;
    size_t used, room;
    char bytes[];
};

void keep_begin(struct keep *keep, const char *text, size_t size) {
    while (keep->blocks && keep->blocks->next) {
        struct keep_block *next = keep->blocks->next;
        free(keep->blocks);
        keep->blocks = next;
    }
    if (keep->blocks) {
        keep->blocks->used = 0;
    }
    keep->begin = text;
    keep->end = size > 0 ? text + size : text;
}

void keep_free(struct keep *keep) {
    keep_begin(keep, NULL, 0);
    free(keep->blocks);
    keep->blocks = NULL;
}

char *keep_room(struct keep *keep, size_t size) {
    if (!keep->blocks || keep->blocks->room - keep->blocks->used < size) {
        size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        struct keep_block *block = cli_alloc(sizeof *block + room);
        *block = (struct keep_block){.next = keep->blocks, .room = room};
        keep->blocks = block;
    }
    char *at = keep->blocks->bytes + keep->blocks->used;
    keep->blocks->used += size;
    return at;
}

varve_str keep_text(struct keep *keep, const char *text, size_t size, size_t most) {
    if (size == 0) {
        return (varve_str){"", 0};
    }
    size_t wanted = text_cut(text, size, most);
    if (text_valid(text, wanted)) {
        int stays = text >= keep->begin && text < keep->end;
        return (varve_str){stays ? text : memcpy(keep_room(keep, wanted), text, wanted), wanted};
    }
    size_t room = wanted < most / 3 ? wanted * 3 : most; /* a byte that is no text takes three */
    char *copy = keep_room(keep, room);
    return (varve_str){copy, claude_mend(copy, room, text, size)};
}
