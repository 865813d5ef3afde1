/*
 * A file is written without a name where the file system can do that: whoever is interrupted leaves
 * nothing. Then it gets a name beside the one that is wanted, and at once takes its place.
 *
 * Where something lies already that is no regular file (a device, a pipe), it is written to and not
 * replaced. A file that is replaced keeps its permissions; a new one is its owner's alone.
 */
#include "tools/file_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of 'path', for syncing it. */
static int open_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) {
        return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    char *folder = strndup(path, slash == path ? 1 : (size_t)(slash - path));
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    return fd;
}

static int open_unnamed(const char *path) {
    const char *slash = strrchr(path, '/');
    size_t size = !slash ? 1 : slash == path ? 1 : (size_t)(slash - path);
    char *folder = strndup(slash ? path : ".", size);
    int fd = folder ? open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600) : -1;
    free(folder);
    return fd;
}

/* Gives out->beside a new name with the path's beginning, and returns the open file there. */
static int make_beside(struct file_out *out) {
    static const char ending[] = ".XXXXXX";
    size_t size = strlen(out->real);
    out->beside = cli_alloc(size + sizeof ending);
    memcpy(out->beside, out->real, size);
    memcpy(out->beside + size, ending, sizeof ending);
    int fd = mkostemp(out->beside, O_CLOEXEC);
    if (fd < 0) {
        out->failed = errno;
        free(out->beside);
        out->beside = NULL;
    }
    return fd;
}

/* The file without a name takes the place of the empty one that make_beside left. 0 or errno. */
static int name_it(struct file_out *out) {
    char self[32];
    int fd = make_beside(out);
    if (fd < 0) {
        return out->failed;
    }
    (void)close(fd);
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", fileno(out->file));
    if (unlink(out->beside) < 0 ||
        linkat(AT_FDCWD, self, AT_FDCWD, out->beside, AT_SYMLINK_FOLLOW) < 0) {
        return errno;
    }
    return 0;
}

static int open_beside(struct file_out *out, const struct stat *there) {
    int fd = access("/proc/self/fd", X_OK) == 0 ? open_unnamed(out->real) : -1;
    out->unnamed = fd >= 0;
    if (fd < 0) {
        fd = make_beside(out);
    }
    if (fd >= 0 && there && fchmod(fd, there->st_mode & 07777) < 0) {
        out->failed = errno;
    }
    return fd;
}

FILE *file_out_open(struct file_out *out) {
    if (!out->path || strcmp(out->path, "-") == 0) {
        out->to_stdout = 1;
        return stdout;
    }
    struct stat there;
    int exists = stat(out->path, &there) == 0;
    out->real = exists ? realpath(out->path, NULL) : strdup(out->path);
    if (!out->real) {
        out->failed = errno;
        return NULL;
    }
    int fd = exists && !S_ISREG(there.st_mode) ? open(out->real, O_WRONLY | O_CLOEXEC)
                                               : open_beside(out, exists ? &there : NULL);
    if (fd < 0 || out->failed) {
        out->failed = out->failed ? out->failed : errno;
        if (fd >= 0) {
            (void)close(fd);
        }
        return NULL;
    }
    out->file = fdopen(fd, "wb");
    if (!out->file) {
        out->failed = errno;
        (void)close(fd);
        return NULL;
    }
    (void)setvbuf(out->file, NULL, _IOFBF, 1 << 20);
    return out->file;
}

/* 0 or errno. */
static int put_in_place(struct file_out *out) {
    int whole = out->beside || out->unnamed;
    if (fflush(out->file) != 0 || (whole && fsync(fileno(out->file)) < 0)) {
        return errno;
    }
    int error = out->unnamed ? name_it(out) : 0;
    if (error) {
        return error;
    }
    int closed = fclose(out->file);
    out->file = NULL;
    if (closed != 0) {
        return errno;
    }
    if (!out->beside) {
        return 0;
    }
    if (rename(out->beside, out->real) < 0) {
        return errno;
    }
    free(out->beside);
    out->beside = NULL;
    int folder = open_folder(out->real);
    error = folder >= 0 && fsync(folder) < 0 && errno != EINVAL ? errno : 0;
    if (folder >= 0) {
        (void)close(folder);
    }
    return error;
}

int file_out_finish(struct cli *cli, struct file_out *out, int error) {
    error = error ? error : out->failed;
    if (!error && !out->to_stdout) {
        error = put_in_place(out);
    }
    if (error) {
        return cli_fail(cli, "cannot write %s: %s", out->to_stdout ? "standard output" : out->path,
                        strerror(error));
    }
    return EXIT_OKAY;
}

void file_out_abandon(struct file_out *out) {
    if (out->file) {
        (void)fclose(out->file);
    }
    if (out->beside) {
        (void)unlink(out->beside);
        free(out->beside);
    }
    free(out->real);
    *out = (struct file_out){0};
}
