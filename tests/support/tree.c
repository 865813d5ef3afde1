/*
 * Trees of files. See tree.h. What fails here aborts: it is the test's own trouble.
 */
#include "support/tree.h"

#include "format/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void need(bool good, const char *what, const char *name) {
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, name);
    abort();
}

static void join(char *to, size_t room, const char *path, const char *name) {
    need((size_t)snprintf(to, room, "%s%s%s", path, name[0] == 0 ? "" : "/", name) < room, "path too long", name);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in a directory, sorted. */
static char **names_in(const char *path, size_t *ret_count) {
    char **names = NULL;
    size_t count = 0;
    DIR *dir = opendir(path);
    need(dir != NULL, "opendir", path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        names = realloc(names, (count + 1) * sizeof *names);
        need(names != NULL, "memory", path);
        names[count++] = strdup(entry->d_name);
    }
    closedir(dir);
    if (count > 1)
        qsort(names, count, sizeof *names, by_name);
    *ret_count = count;
    return names;
}

typedef void visitor(void *context, const char *root, const char *name, const struct stat *file);

static void walk(const char *root, const char *name, visitor *visit, void *context) {
    char path[600], below[300];
    struct stat file;
    join(path, sizeof path, root, name);
    need(lstat(path, &file) == 0, "stat", path);
    visit(context, root, name, &file);
    if (!S_ISDIR(file.st_mode))
        return;
    size_t count = 0;
    char **names = names_in(path, &count);
    for (size_t i = 0; i < count; i++) {
        if (name[0] == 0)
            snprintf(below, sizeof below, "%s", names[i]);
        else
            join(below, sizeof below, name, names[i]);
        walk(root, below, visit, context);
        free(names[i]);
    }
    free(names);
}

static uint8_t *load(const char *root, const char *name, size_t size) {
    uint8_t *bytes = malloc(size + 1);
    need(bytes != NULL, "memory", name);
    tree_read(root, name, bytes, size, 0);
    return bytes;
}

static void sum_one(void *context, const char *root, const char *name, const struct stat *file) {
    uint64_t *sum = context, facts[2] = {(uint64_t)file->st_mode, S_ISREG(file->st_mode) ? (uint64_t)file->st_size : 0};
    *sum = vf_sum64(name, strlen(name), *sum);
    *sum = vf_sum64(facts, sizeof facts, *sum);
    if (!S_ISREG(file->st_mode))
        return;
    uint8_t *bytes = load(root, name, (size_t)file->st_size);
    if (strcmp(name, "CONTROL") == 0 && file->st_size >= VF_CONTROL_SIZE) {
        vf_control *control = (vf_control *)(void *)bytes;
        memset(control->lock, 0, sizeof control->lock);
        vf_put32(&control->wake, 0);
        vf_put32(&control->waiters, 0);
    }
    *sum = vf_sum64(bytes, (size_t)file->st_size, *sum);
    free(bytes);
}

uint64_t tree_sum(const char *path) {
    uint64_t sum = 0;
    walk(path, "", sum_one, &sum);
    return sum;
}

typedef struct {
    void (*each)(void *context, const char *name, size_t size);
    void *context;
} visit_files;

static void visit_file(void *context, const char *root, const char *name, const struct stat *file) {
    (void)root;
    visit_files *v = context;
    if (S_ISREG(file->st_mode))
        v->each(v->context, name, (size_t)file->st_size);
}

void tree_each(const char *path, void (*each)(void *context, const char *name, size_t size), void *context) {
    visit_files v = {each, context};
    walk(path, "", visit_file, &v);
}

static void copy_one(void *context, const char *root, const char *name, const struct stat *file) {
    char to[600];
    join(to, sizeof to, context, name);
    if (S_ISDIR(file->st_mode)) {
        need(mkdir(to, 0700) == 0, "mkdir", to);
        return;
    }
    uint8_t *bytes = load(root, name, (size_t)file->st_size);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    need(fd >= 0 && write(fd, bytes, (size_t)file->st_size) == file->st_size, "write", to);
    close(fd);
    free(bytes);
}

void tree_copy(const char *from, const char *to, bool same) {
    walk(from, "", copy_one, (void *)(uintptr_t)to);
    if (same)
        tree_adopt(to);
}

void tree_adopt(const char *path) {
    char control[600];
    struct stat file;
    join(control, sizeof control, path, "CONTROL");
    if (stat(control, &file) < 0 || file.st_size < VF_CONTROL_SIZE)
        return;
    vf_control page;
    tree_read(path, "CONTROL", &page, sizeof page, 0);
    vf_put64(&page.device, (uint64_t)file.st_dev);
    vf_put64(&page.inode, (uint64_t)file.st_ino);
    tree_write(path, "CONTROL", &page, sizeof page, 0);
}

void tree_remove(const char *path, const char *name) {
    char at[600];
    struct stat file;
    join(at, sizeof at, path, name);
    need(lstat(at, &file) == 0, "stat", at);
    if (!S_ISDIR(file.st_mode)) {
        need(unlink(at) == 0, "unlink", at);
        return;
    }
    size_t count = 0;
    char **names = names_in(at, &count);
    for (size_t i = 0; i < count; i++) {
        tree_remove(at, names[i]);
        free(names[i]);
    }
    free(names);
    need(rmdir(at) == 0, "rmdir", at);
}

void tree_truncate(const char *path, const char *name, size_t size) {
    char at[600];
    join(at, sizeof at, path, name);
    need(truncate(at, (off_t)size) == 0, "truncate", at);
}

void tree_read(const char *path, const char *name, void *to, size_t size, size_t offset) {
    char at[600];
    join(at, sizeof at, path, name);
    int fd = open(at, O_RDONLY | O_CLOEXEC);
    need(fd >= 0 && pread(fd, to, size, (off_t)offset) == (ssize_t)size, "read", at);
    close(fd);
}

void tree_write(const char *path, const char *name, const void *from, size_t size, size_t offset) {
    char at[600];
    join(at, sizeof at, path, name);
    int fd = open(at, O_WRONLY | O_CLOEXEC);
    need(fd >= 0 && pwrite(fd, from, size, (off_t)offset) == (ssize_t)size, "write", at);
    close(fd);
}

void tree_flip(const char *path, const char *name, size_t offset, int bit) {
    uint8_t byte;
    tree_read(path, name, &byte, 1, offset);
    byte ^= (uint8_t)(1u << bit);
    tree_write(path, name, &byte, 1, offset);
}
