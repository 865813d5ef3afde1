/*
 * Which files an import takes: a file that is named, whatever it is called, and below a directory
 * every *.jsonl and *.json, in the order of their names. No directory is entered twice, also
 * through links.
 */
#include "tools/import.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct cli *cli;
    struct paths *paths;
    struct {
        dev_t device;
        ino_t inode;
    } * entered;
    size_t used, room;
    size_t failed;
};

static void add_path(struct paths *paths, char *path, bool found) {
    if (paths->used == paths->room) {
        paths->room = paths->room ? paths->room * 2 : 64;
        paths->list = cli_grow(paths->list, paths->room, sizeof *paths->list);
    }
    paths->list[paths->used].name = path;
    paths->list[paths->used++].found = found;
}

void walk_free(struct paths *paths) {
    for (size_t i = 0; i < paths->used; i++) {
        free(paths->list[i].name);
    }
    free(paths->list);
    *paths = (struct paths){0};
}

static int cannot(struct walk *walk, const char *path) {
    walk->failed++;
    return cli_fail(walk->cli, "cannot read %s: %s", path, strerror(errno));
}

static bool enter(struct walk *walk, const struct stat *there) {
    for (size_t i = 0; i < walk->used; i++) {
        if (walk->entered[i].device == there->st_dev && walk->entered[i].inode == there->st_ino) {
            return false;
        }
    }
    if (walk->used == walk->room) {
        walk->room = walk->room ? walk->room * 2 : 64;
        walk->entered = cli_grow(walk->entered, walk->room, sizeof *walk->entered);
    }
    walk->entered[walk->used].device = there->st_dev;
    walk->entered[walk->used++].inode = there->st_ino;
    return true;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct path *)a)->name, ((const struct path *)b)->name);
}

/* The names in a directory, sorted. */
static bool read_names(struct walk *walk, const char *path, struct paths *ret_names) {
    DIR *dir = opendir(path);
    if (!dir) {
        cannot(walk, path);
        return false;
    }
    const struct dirent *entry = NULL;
    while ((errno = 0, entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            size_t size = strlen(entry->d_name) + 1;
            add_path(ret_names, memcpy(cli_alloc(size), entry->d_name, size), true);
        }
    }
    if (errno != 0) {
        cannot(walk, path);
    }
    closedir(dir);
    if (ret_names->used > 1) {
        qsort(ret_names->list, ret_names->used, sizeof *ret_names->list, compare_names);
    }
    return true;
}

static bool ends_with(const char *name, const char *end) {
    size_t size = strlen(name), wanted = strlen(end);
    return size > wanted && strcmp(name + size - wanted, end) == 0;
}

static bool may_be_ours(const char *name) {
    return ends_with(name, ".jsonl") || ends_with(name, ".json");
}

/* Takes 'path', which is its own memory. Directories below are no deeper than a path is long. */
static void take(struct walk *walk, char *path, bool named) {
    struct stat there;
    if (stat(path, &there) < 0) {
        if (named || errno != ENOENT) { /* a link to nothing is nobody's loss */
            cannot(walk, path);
        }
    } else if (!S_ISDIR(there.st_mode)) {
        if (named || (S_ISREG(there.st_mode) && may_be_ours(path))) {
            add_path(walk->paths, path, !named);
            return;
        }
    } else if (enter(walk, &there)) {
        struct paths names = {0};
        if (read_names(walk, path, &names)) {
            size_t size = strlen(path);
            const char *between = size > 0 && path[size - 1] == '/' ? "" : "/";
            for (size_t i = 0; i < names.used; i++) {
                size_t room = size + strlen(names.list[i].name) + 2;
                char *below = cli_alloc(room);
                snprintf(below, room, "%s%s%s", path, between, names.list[i].name);
                take(walk, below, false);
            }
        }
        walk_free(&names);
    }
    free(path);
}

size_t walk_path(struct cli *cli, const char *path, struct paths *paths) {
    struct walk walk = {.cli = cli, .paths = paths};
    size_t size = strlen(path) + 1;
    char *own = memcpy(cli_alloc(size), path, size);
    if (strcmp(path, "-") == 0) {
        add_path(paths, own, false);
        return 0;
    }
    take(&walk, own, true);
    free(walk.entered);
    return walk.failed;
}
