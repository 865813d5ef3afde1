/*
 * Files and directories of a simulated disk: what is confirmed, and what waits. See disk_model.h.
 */
#include "support/disk_model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void disk_need(bool good, const char *what) {
    if (good)
        return;
    perror(what);
    abort();
}

void *disk_grow(void *array, size_t *room, size_t count, size_t item) {
    if (count <= *room)
        return array;
    *room = count < 16 ? 16 : count * 2;
    array = realloc(array, *room * item);
    disk_need(array != NULL, "memory");
    return array;
}

uint32_t disk_draw(uint64_t *state) {
    uint64_t mixed = (*state += 0x9E3779B97F4A7C15u);
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)(mixed >> 32);
}

/* ---- Objects ---- */

disk_object *disk_add(disk *d, int parent, const char *name, uint64_t number) {
    struct stat file;
    disk_object *o = calloc(1, sizeof *o);
    disk_need(o != NULL, "memory");
    o->owner = d;
    o->pin = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    disk_need(o->pin >= 0 && fstat(o->pin, &file) == 0, name);
    o->inode = file.st_ino;
    d->device = file.st_dev;
    o->directory = S_ISDIR(file.st_mode);
    o->number = number != 0 ? number : d->next_number++;
    d->object = disk_grow(d->object, &d->object_room, d->objects + 1, sizeof *d->object);
    d->object[d->objects++] = o;
    return o;
}

disk_object *disk_find(const disk *d, const struct stat *file) {
    for (size_t i = d->objects; i-- > 0 && file->st_dev == d->device;)
        if (d->object[i]->inode == file->st_ino)
            return d->object[i];
    return NULL;
}

uint8_t *disk_live(const disk_object *o, uint64_t *ret_size) {
    struct stat file;
    disk_need(fstat(o->pin, &file) == 0, "fstat");
    uint64_t size = (uint64_t)file.st_size, at = 0;
    uint8_t *bytes = malloc(size + 1);
    disk_need(bytes != NULL, "memory");
    while (at < size) {
        ssize_t got = pread(o->pin, bytes + at, size - at, (off_t)at);
        disk_need(got > 0, "pread");
        at += (uint64_t)got;
    }
    *ret_size = size;
    return bytes;
}

/* ---- Files ---- */

void disk_shadow(disk_object *o) {
    if (!o->shadowed)
        o->bytes = disk_live(o, &o->size);
    o->shadowed = true;
}

void disk_note(disk_object *o, disk_change change) {
    o->change = disk_grow(o->change, &o->change_room, o->changes + 1, sizeof *o->change);
    o->change[o->changes++] = change;
}

static void drop_changes(disk_object *o) {
    for (size_t i = 0; i < o->changes; i++)
        free(o->change[i].bytes);
    o->changes = 0;
}

static void apply(disk_object *o, const disk_change *change) {
    uint64_t end = change->offset + change->size;
    if (change->kind == DISK_EMPTY) {
        o->size = 0;
        return;
    }
    if (end > o->size) {
        o->bytes = realloc(o->bytes, end + 1);
        disk_need(o->bytes != NULL, "memory");
        memset(o->bytes + o->size, 0, end - o->size);
        o->size = end;
    }
    if (change->kind == DISK_WRITE)
        memcpy(o->bytes + change->offset, change->bytes, change->size);
}

void disk_confirm_file(disk_object *o) {
    if (!o->shadowed)
        return;
    if (o->mapped) {
        free(o->bytes);
        o->bytes = disk_live(o, &o->size);
        drop_changes(o);
    }
    size_t left = 0;
    for (size_t i = 0; i < o->changes; i++) { /* what a failed sync has lost keeps waiting, for ever */
        if (!o->change[i].forgotten) {
            apply(o, &o->change[i]);
            free(o->change[i].bytes);
        } else {
            o->change[left++] = o->change[i];
        }
    }
    o->changes = left;
}

void disk_forget(disk_object *o) {
    for (size_t i = 0; i < o->changes; i++)
        o->change[i].forgotten = true;
}

/* ---- Directories ---- */

void disk_name(disk_object *directory, const char *name, disk_object *what) {
    size_t i = 0;
    while (i < directory->entries && strcmp(directory->entry[i].name, name) != 0)
        i++;
    if (what == NULL) {
        if (i < directory->entries)
            directory->entry[i] = directory->entry[--directory->entries];
        return;
    }
    if (i == directory->entries) {
        directory->entry = disk_grow(directory->entry, &directory->entry_room, i + 1, sizeof *directory->entry);
        disk_need(strlen(name) < DISK_NAME, name);
        strcpy(directory->entry[i].name, name);
        directory->entries++;
    }
    directory->entry[i].what = what;
}

void disk_wait(disk *d, disk_move move) {
    d->move = disk_grow(d->move, &d->move_room, d->moves + 1, sizeof *d->move);
    d->move[d->moves++] = move;
}

void disk_confirm_directory(disk_object *o) {
    disk *d = o->owner;
    size_t left = 0;
    for (size_t i = 0; i < d->moves; i++) {
        disk_move *move = &d->move[i];
        if (move->directory[0] == o || move->directory[1] == o) {
            for (int part = 0; part < 2 && move->directory[part] != NULL; part++)
                disk_name(move->directory[part], move->name[part], move->what[part]);
        } else {
            d->move[left++] = *move;
        }
    }
    d->moves = left;
}

/* ---- Disks ---- */

static void take_in(disk *d, disk_object *directory) {
    char names[400][DISK_NAME];
    size_t count = 0;
    int fd = openat(directory->pin, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fdopendir(fd);
    disk_need(list != NULL, "list");
    for (struct dirent *entry; (entry = readdir(list)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            disk_need(strlen(entry->d_name) < DISK_NAME && count < 400, entry->d_name);
            strcpy(names[count++], entry->d_name);
        }
    closedir(list);
    for (size_t i = 0; i < count; i++) {
        struct stat file;
        disk_need(fstatat(directory->pin, names[i], &file, AT_SYMLINK_NOFOLLOW) == 0, names[i]);
        disk_object *o = disk_find(d, &file);
        bool known = o != NULL;
        if (!known)
            o = disk_add(d, directory->pin, names[i], 0);
        disk_name(directory, names[i], o);
        if (!known && o->directory)
            take_in(d, o);
    }
}

disk *disk_new(const char *root) {
    disk *d = calloc(1, sizeof *d);
    disk_need(d != NULL, "memory");
    d->next_number = 1000;
    d->boot = 1;
    d->clock = 1700000000000000000;
    take_in(d, disk_add(d, AT_FDCWD, root, 0));
    return d;
}

void disk_free(disk **disk_at) {
    disk *d = *disk_at;
    for (size_t i = 0; d != NULL && i < d->objects; i++) {
        disk_object *o = d->object[i];
        drop_changes(o);
        close(o->pin);
        free(o->change);
        free(o->bytes);
        free(o->entry);
        free(o);
    }
    if (d != NULL) {
        free(d->object);
        free(d->move);
    }
    free(d);
    *disk_at = NULL;
}
