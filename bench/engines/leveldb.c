/*
 * LevelDB by its C interface: snappy, Bloom filters, a 256 MiB cache, its log not synced unless
 * asked. See lsm.h.
 */
#include <leveldb/c.h>

#define DB(name) leveldb_##name

#include "bench/engines/engine.h"

#include <stdio.h>

enum { CACHE = 256 << 20, BUFFER = 64 << 20 };
static leveldb_cache_t *cache;
static leveldb_filterpolicy_t *filter;

static leveldb_options_t *db_options(unsigned flags) {
    leveldb_options_t *options = leveldb_options_create();
    cache = leveldb_cache_create_lru(CACHE);
    filter = leveldb_filterpolicy_create_bloom(10);
    leveldb_options_set_filter_policy(options, filter);
    leveldb_options_set_cache(options, cache);
    leveldb_options_set_create_if_missing(options, !(flags & ENGINE_READ));
    leveldb_options_set_write_buffer_size(options, BUFFER);
    leveldb_options_set_compression(options, leveldb_snappy_compression);
    return options;
}

static leveldb_t *db_open(const leveldb_options_t *options, const char *path, unsigned flags,
                          char **message) {
    (void)flags; /* it has no way to open for reading only */
    return leveldb_open(options, path, message);
}

static void db_cleanup(void) {
    leveldb_cache_destroy(cache);
    leveldb_filterpolicy_destroy(filter);
}

#include "bench/engines/lsm.h"

static const char *version(void) {
    static char text[32];
    snprintf(text, sizeof text, "%d.%d", leveldb_major_version(), leveldb_minor_version());
    return text;
}

const engine engine_this = {
    .name = "leveldb",
    .about = "LevelDB, snappy, log",
    .can = ENGINE_COMPRESSES | ENGINE_SURVIVES | ENGINE_MANY | ENGINE_ATOMIC,
    .version = version,
    .error = error,
    .open = open_db,
    .close = close_db,
    .append = append,
    .sync = sync_db,
    .get = get,
    .replay = replay,
    .scan = scan,
    .usage = sum_usage,
    .pack = pack,
};
