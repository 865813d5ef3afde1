/*
 * A power cut: which of all that waits is found afterwards. See disk.h.
 */
#include "support/disk_model.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In percent: what is kept of each kind; how much of what is kept is garbled; how many sizes lie between old and new.
 * 'newest': of each file only the change that came last. */
typedef struct {
    const char *words;
    uint32_t names, sectors, maps, sizes, garbled, between;
    bool newest;
} way_of_loss;

static const way_of_loss ways[DISK_WAYS] = {
    {"nothing kept", 0, 0, 0, 0, 0, 0, false},
    {"all kept", 100, 100, 100, 100, 0, 0, false},
    {"half of everything", 50, 50, 50, 50, 0, 20, false},
    {"names and sizes, no bytes", 100, 0, 0, 100, 0, 0, false},
    {"names, neither sizes nor bytes", 100, 0, 50, 0, 0, 0, false},
    {"bytes and sizes, no names", 0, 100, 100, 100, 0, 0, false},
    {"names and sizes, half of the bytes", 100, 50, 50, 100, 0, 0, false},
    {"half of the names, all bytes", 50, 100, 100, 100, 0, 0, false},
    {"of each file what came last", 100, 100, 0, 100, 0, 0, true},
    {"nearly all", 97, 97, 97, 97, 0, 50, false},
    {"nearly nothing", 5, 5, 5, 5, 0, 50, false},
    {"all, a third of it garbled", 100, 100, 100, 100, 30, 0, false},
    {"half, some of it garbled", 60, 60, 60, 60, 10, 30, false},
    {"all but what was mapped, sizes between", 100, 100, 0, 70, 3, 60, false},
};

const char *disk_way(uint32_t way) {
    return ways[way % DISK_WAYS].words;
}

typedef struct {
    const disk *from;
    disk *to;
    const way_of_loss *way;
    uint64_t state;
    disk_object **copy; /* of each object of 'from' that was met */
} cut;

static bool keeps(cut *c, uint32_t percent) {
    return disk_draw(&c->state) % 100 < percent;
}

/* ---- Bytes ---- */

typedef struct {
    uint8_t *bytes;
    uint64_t size, room, old_size;
} image;

/* What is found of bytes [at, end) of a sector that was written with 'bytes'. */
static void lay(cut *c, image *i, uint64_t at, uint64_t end, const uint8_t *bytes, uint32_t kept) {
    if (!keeps(c, kept)) {
        if (at >= i->old_size && keeps(c, 50)) /* a fresh block that never was written: zeros */
            memset(i->bytes + at, 0, end - at);
        return;
    }
    memcpy(i->bytes + at, bytes, end - at);
    if (c->way->garbled > 0 && keeps(c, c->way->garbled))
        for (; at < end; at++)
            i->bytes[at] = (uint8_t)disk_draw(&c->state);
}

static void lay_write(cut *c, image *i, const disk_change *change) {
    for (uint64_t at = change->offset, end; at < change->offset + change->size; at = end) {
        end = (at / DISK_SECTOR + 1) * DISK_SECTOR;
        end = end < change->offset + change->size ? end : change->offset + change->size;
        lay(c, i, at, end, change->bytes + (at - change->offset), c->way->sectors);
    }
}

static void resize(cut *c, image *i, uint64_t size) {
    if (!keeps(c, c->way->sizes))
        return;
    uint64_t low = size < i->size ? size : i->size, high = size < i->size ? i->size : size;
    if (high > low && keeps(c, c->way->between))
        size = low + disk_draw(&c->state) % (high - low + 1);
    if (size < i->size)
        memset(i->bytes + size, 0, i->size - size);
    i->size = size;
}

/* Of what is stored through maps nothing is ever known to be written. */
static void lay_map(cut *c, image *i, const uint8_t *live, uint64_t size) {
    for (uint64_t at = 0; at < size; at += DISK_SECTOR) {
        uint64_t end = at + DISK_SECTOR < size ? at + DISK_SECTOR : size;
        if (memcmp(i->bytes + at, live + at, end - at) != 0)
            lay(c, i, at, end, live + at, c->way->maps);
    }
}

static image image_of(cut *c, const disk_object *o) {
    image i = {0};
    uint64_t live_size;
    if (!o->shadowed) {
        i.bytes = disk_live(o, &i.size);
        return i;
    }
    uint8_t *live = o->mapped ? disk_live(o, &live_size) : NULL;
    i.size = i.old_size = i.room = o->size;
    if (live != NULL && live_size > i.room)
        i.room = live_size;
    for (size_t n = 0; n < o->changes; n++) {
        uint64_t end = o->change[n].offset + o->change[n].size;
        i.room = end > i.room ? end : i.room;
    }
    i.bytes = calloc(1, i.room + 1);
    disk_need(i.bytes != NULL, "memory");
    memcpy(i.bytes, o->bytes, o->size);
    for (size_t n = 0; n < o->changes; n++) {
        const disk_change *change = &o->change[n];
        if (change->kind == DISK_WRITE && (!c->way->newest || n + 1 == o->changes))
            lay_write(c, &i, change);
        uint64_t end = change->offset + change->size;
        if (change->kind == DISK_EMPTY)
            resize(c, &i, 0);
        else if (end > i.size)
            resize(c, &i, end);
    }
    if (live != NULL)
        lay_map(c, &i, live, live_size);
    free(live);
    return i;
}

/* Writes what is not zero. */
static void write_image(int fd, const image *i) {
    static const uint8_t zeros[4096];
    disk_need(ftruncate(fd, (off_t)i->size) == 0, "ftruncate");
    for (uint64_t at = 0, end; at < i->size; at = end) {
        end = at + sizeof zeros < i->size ? at + sizeof zeros : i->size;
        if (memcmp(i->bytes + at, zeros, end - at) == 0)
            continue;
        disk_need(pwrite(fd, i->bytes + at, end - at, (off_t)at) == (ssize_t)(end - at), "pwrite");
    }
}

/* ---- Names ---- */

static size_t place_of(const disk *d, const disk_object *o) {
    size_t i = 0;
    while (d->object[i] != o)
        i++;
    return i;
}

static void make_directory(cut *c, const disk_object *from, disk_object *to, disk_object *const *names);

static void make_entry(cut *c, const disk_entry *entry, disk_object *to, disk_object *const *names) {
    size_t place = place_of(c->from, entry->what);
    disk_object *copy = c->copy[place];
    if (entry->what->directory) {
        disk_need(copy == NULL && mkdirat(to->pin, entry->name, 0700) == 0, entry->name);
        copy = c->copy[place] = disk_add(c->to, to->pin, entry->name, entry->what->number);
        make_directory(c, entry->what, copy, names);
    } else if (copy != NULL) { /* a second name */
        for (size_t i = 0; i < c->to->objects; i++) {
            const disk_object *directory = c->to->object[i];
            for (size_t n = 0; n < directory->entries; n++)
                if (directory->entry[n].what == copy) {
                    disk_need(linkat(directory->pin, directory->entry[n].name, to->pin, entry->name, 0) == 0, "link");
                    disk_name(to, entry->name, copy);
                    return;
                }
        }
    } else {
        int fd = openat(to->pin, entry->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        image i = image_of(c, entry->what);
        disk_need(fd >= 0, entry->name);
        write_image(fd, &i);
        close(fd);
        free(i.bytes);
        copy = c->copy[place] = disk_add(c->to, to->pin, entry->name, entry->what->number);
    }
    disk_name(to, entry->name, copy);
}

/* 'names': directories as they are found, by the place of their objects. */
static void make_directory(cut *c, const disk_object *from, disk_object *to, disk_object *const *names) {
    const disk_object *found = names[place_of(c->from, from)];
    for (size_t i = 0; i < found->entries; i++)
        make_entry(c, &found->entry[i], to, names);
}

/* Which names are found in each directory: each change of what waits is kept or not, as a whole. */
static disk_object **choose_names(cut *c) {
    const disk *d = c->from;
    disk_object **names = calloc(d->objects + 1, sizeof *names);
    disk_need(names != NULL, "memory");
    for (size_t i = 0; i < d->objects; i++) {
        const disk_object *o = d->object[i];
        if (!o->directory)
            continue;
        disk_object *copy = names[i] = calloc(1, sizeof *copy);
        disk_need(copy != NULL, "memory");
        for (size_t n = 0; n < o->entries; n++)
            disk_name(copy, o->entry[n].name, o->entry[n].what);
    }
    for (size_t m = 0; m < d->moves; m++) {
        const disk_move *move = &d->move[m];
        if (!keeps(c, c->way->names))
            continue;
        for (int part = 0; part < 2 && move->directory[part] != NULL; part++)
            disk_name(names[place_of(d, move->directory[part])], move->name[part], move->what[part]);
    }
    return names;
}

disk *disk_cut(const disk *d, const char *root, uint32_t way, uint32_t seed) {
    cut c = {.from = d, .way = &ways[way % DISK_WAYS], .state = (uint64_t)seed << 8 | way};
    disk_need(mkdir(root, 0700) == 0, root);
    c.to = disk_new(root);
    c.to->next_number = d->next_number + 1000;
    c.to->boot = (uint8_t)(d->boot + 1);
    c.to->clock = d->clock + 1000000000;
    c.to->random_state = d->random_state ^ c.state;
    c.to->object[0]->number = d->object[0]->number;
    c.copy = calloc(d->objects + 1, sizeof *c.copy);
    disk_need(c.copy != NULL, "memory");
    c.copy[0] = c.to->object[0];
    disk_object **names = choose_names(&c);
    make_directory(&c, d->object[0], c.to->object[0], names);
    for (size_t i = 0; i < d->objects; i++)
        if (names[i] != NULL) {
            free(names[i]->entry);
            free(names[i]);
        }
    free(names);
    free(c.copy);
    return c.to;
}
