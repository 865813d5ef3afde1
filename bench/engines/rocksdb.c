/*
 * RocksDB by its C interface: zstd, Bloom filters, a 256 MiB cache, its log not synced unless
 * asked. See lsm.h.
 */
#include <rocksdb/c.h>

#define DB(name) rocksdb_##name

#include "bench/engines/engine.h"

enum { CACHE = 256 << 20, BUFFER = 64 << 20 };
static rocksdb_cache_t *cache;

static rocksdb_options_t *db_options(unsigned flags) {
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    cache = rocksdb_cache_create_lru(CACHE);
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_block_based_options_set_block_size(table, 16 << 10);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_options_set_create_if_missing(options, !(flags & ENGINE_READ));
    rocksdb_options_increase_parallelism(options, 2);
    rocksdb_options_set_write_buffer_size(options, BUFFER);
    rocksdb_options_set_max_write_buffer_number(options, 4);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
    rocksdb_options_set_compression(options, rocksdb_zstd_compression);
    rocksdb_block_based_options_destroy(table);
    return options;
}

static rocksdb_t *db_open(const rocksdb_options_t *options, const char *path, unsigned flags,
                          char **message) {
    return flags & ENGINE_READ ? rocksdb_open_for_read_only(options, path, 0, message)
                               : rocksdb_open(options, path, message);
}

static void db_cleanup(void) {
    rocksdb_cache_destroy(cache);
}

#include "bench/engines/lsm.h"

static const char *version(void) {
    return ENGINE_VERSION;
}

const engine engine_this = {
    .name = "rocksdb",
    .about = "RocksDB, zstd, WAL",
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
