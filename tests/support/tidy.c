/*
 * What is left over. See tidy.h.
 */
#include "support/tidy.h"

#include "format/files.h"
#include "support/tree.h"
#include "support/work.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES_MAX = 2000 };

typedef struct {
    uint32_t packed[FILES_MAX], raw[FILES_MAX], named[FILES_MAX];
    size_t packed_count, raw_count, named_count;
    uint32_t first_raw, manifests;
    char manifest[300], index[300];
    size_t manifest_size;
    bool good;
} finding;

static bool number_with(const char *name, const char *end, uint32_t *ret) {
    char *at;
    *ret = (uint32_t)strtoul(name, &at, 10);
    return strlen(name) == 8 + strlen(end) && at == name + 8 && strcmp(at, end) == 0;
}

static bool known(const char *name) {
    static const char *const names[] = {"STORE", "CONTROL", "LOCK.append", "LOCK.sync", "LOCK.compact"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void look_at(void *context, const char *name, size_t size) {
    finding *f = context;
    uint32_t number;
    if (strncmp(name, "idx/", 4) == 0) {
        size_t length = strcspn(name + 4, "/");
        if (f->index[0] == 0)
            snprintf(f->index, sizeof f->index, "%.*s", (int)length, name + 4);
        if (strlen(f->index) != length || strncmp(f->index, name + 4, length) != 0)
            f->good = work_wrong("a second index: %s beside %s", name, f->index);
    } else if (strncmp(name, "seg/", 4) == 0 && number_with(name + 4, ".seg", &number)) {
        f->packed[f->packed_count++ % FILES_MAX] = number;
    } else if (strncmp(name, "seg/", 4) == 0 && number_with(name + 4, ".log", &number)) {
        f->raw[f->raw_count++ % FILES_MAX] = number;
    } else if (strncmp(name, "manifest.", 9) == 0) {
        snprintf(f->manifest, sizeof f->manifest, "%s", name);
        f->manifest_size = size;
        f->manifests++;
    } else if (!known(name)) {
        f->good = work_wrong("left over: %s", name);
    }
}

static void read_manifest(finding *f, const char *path) {
    static uint8_t bytes[VF_MANIFEST_MAX];
    vf_manifest_header header;
    tree_read(path, f->manifest, bytes, f->manifest_size, 0);
    if (vf_manifest_check(bytes, f->manifest_size, &header) != VF_OK) {
        f->good = work_wrong("%s does not hold", f->manifest);
        return;
    }
    for (uint32_t i = 0; i < vf_get32(header.entries); i++) {
        vf_manifest_entry entry;
        memcpy(&entry, bytes + VF_MANIFEST_HEADER + i * VF_MANIFEST_ENTRY, sizeof entry);
        f->named[f->named_count++] = vf_get32(entry.number);
        f->first_raw = vf_lsn_segment(vf_get64(entry.end_lsn)) + 1;
    }
}

static int by_number(const void *a, const void *b) {
    uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    return p < q ? -1 : p > q;
}

bool tidy_store(const char *path) {
    static finding f;
    f = (finding){.first_raw = 1, .good = true};
    tree_each(path, look_at, &f);
    if (f.manifests > 1)
        return work_wrong("%u manifests", f.manifests);
    if (f.manifests == 1)
        read_manifest(&f, path);
    qsort(f.named, f.named_count, sizeof *f.named, by_number);
    qsort(f.packed, f.packed_count, sizeof *f.packed, by_number);
    qsort(f.raw, f.raw_count, sizeof *f.raw, by_number);
    if (f.good && (f.named_count != f.packed_count || memcmp(f.named, f.packed, f.packed_count * sizeof *f.packed) != 0))
        return work_wrong("%zu packed segments, the manifest names %zu", f.packed_count, f.named_count);
    for (size_t i = 0; f.good && i < f.raw_count; i++)
        if (f.raw[i] != f.first_raw + i)
            return work_wrong("raw segment %u where %zu is due", f.raw[i], f.first_raw + i);
    return f.good;
}

int tidy_descriptors(void) {
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    if (dir != NULL)
        closedir(dir);
    return count - 1; /* the listing's own */
}

int tidy_removed_maps(const char *part) {
    char line[1000];
    int count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        count += strstr(line, "(deleted)") != NULL && strstr(line, part) != NULL;
    if (maps != NULL)
        fclose(maps);
    return count;
}
