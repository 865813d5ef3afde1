/*
 * Open addressing over the hashes themselves: they are spread well enough to be places.
 */
#include "tools/import_seen.h"

#include "tools/cli.h"

#include <stdlib.h>
#include <string.h>

static size_t place_of(const struct seen *seen, uint64_t hash) {
    size_t at = (size_t)hash & (seen->room - 1);
    while (seen->hash[at] != 0 && seen->hash[at] != hash) {
        at = (at + 1) & (seen->room - 1);
    }
    return at;
}

static void grow(struct seen *seen) {
    struct seen old = *seen;
    seen->room = old.room ? old.room * 2 : 1024;
    seen->hash = cli_alloc(seen->room * sizeof *seen->hash);
    seen->count = cli_alloc(seen->room * sizeof *seen->count);
    memset(seen->hash, 0, seen->room * sizeof *seen->hash);
    for (size_t i = 0; i < old.room; i++) {
        if (old.hash[i] != 0) {
            size_t at = place_of(seen, old.hash[i]);
            seen->hash[at] = old.hash[i];
            seen->count[at] = old.count[i];
        }
    }
    seen_free(&old);
}

uint32_t seen_again(struct seen *seen, uint64_t hash) {
    if (seen->used >= seen->room - seen->room / 4) {
        grow(seen);
    }
    hash = hash ? hash : 1;
    size_t at = place_of(seen, hash);
    if (seen->hash[at] == 0) {
        seen->hash[at] = hash;
        seen->count[at] = 0;
        seen->used++;
    }
    uint32_t before = seen->count[at];
    seen->count[at] += before < UINT32_MAX;
    return before;
}

void seen_clear(struct seen *seen) {
    enum { KEPT = 1 << 16 };
    if (seen->room > KEPT) {
        seen_free(seen);
    } else if (seen->used > 0) {
        memset(seen->hash, 0, seen->room * sizeof *seen->hash);
        seen->used = 0;
    }
}

void seen_free(struct seen *seen) {
    free(seen->hash);
    free(seen->count);
    *seen = (struct seen){0};
}
