/*
 * The least that a program can do that reads or appends once: the floor beside which a whole
 * process of Varve is measured. Written without anything of Varve.
 *
 *   least read FILE | least append FILE | least append-none FILE
 */
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char bytes[4416];
    if (argc != 3)
        return 2;
    if (strcmp(argv[1], "read") == 0) {
        int fd = open(argv[2], O_RDONLY);
        return fd < 0 || pread(fd, bytes, 4096, 0) < 0 ? 3 : 0;
    }
    /* Over bytes that are there already, as a store that has zeros written ahead. */
    int fd = open(argv[2], O_RDWR | O_CREAT, 0600);
    memset(bytes, 'x', sizeof bytes);
    if (fd < 0 || flock(fd, LOCK_EX) < 0 ||
        pwrite(fd, bytes, sizeof bytes, (off_t)(getpid() % 4096) * 4096) < 0)
        return 3;
    return strcmp(argv[1], "append") == 0 && fdatasync(fd) < 0 ? 3 : 0;
}
