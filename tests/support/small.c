/*
 * Small file systems. See small.h.
 */
#include "support/small.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char mounted[300];

static bool write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return good;
}

/* Makes this process the administrator of a namespace in which it is alone. */
static bool enter_namespace(void) {
    char text[64];
    unsigned user = geteuid(), group = getegid();
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 || !write_text("/proc/self/setgroups", "deny"))
        return false;
    snprintf(text, sizeof text, "0 %u 1", user);
    if (!write_text("/proc/self/uid_map", text))
        return false;
    snprintf(text, sizeof text, "0 %u 1", group);
    return write_text("/proc/self/gid_map", text);
}

const char *small_mount(const char *place, int megabytes) {
    static bool inside;
    char options[32];
    snprintf(options, sizeof options, "size=%dm", megabytes);
    bool done = mount("varve-test", place, "tmpfs", 0, options) == 0;
    if (!done && !inside && enter_namespace()) {
        inside = true;
        done = mount("varve-test", place, "tmpfs", 0, options) == 0;
    }
    if (!done)
        return NULL;
    snprintf(mounted, sizeof mounted, "%s", place);
    return inside ? "a tmpfs in a user namespace" : "a tmpfs";
}

void small_unmount(void) {
    if (mounted[0] != 0)
        umount2(mounted, MNT_DETACH);
    mounted[0] = 0;
}

bool small_fill(const char *place) {
    char path[350], zeros[4096] = {1};
    struct statvfs status;
    snprintf(path, sizeof path, "%s/ballast", place);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    for (int i = 0; fd >= 0 && i < 1 << 20 && write(fd, zeros, sizeof zeros) > 0; i++)
        continue;
    if (fd >= 0)
        close(fd);
    return statvfs(place, &status) == 0 && status.f_bavail == 0;
}
