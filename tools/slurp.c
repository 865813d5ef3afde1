/*
 * Most inputs are a few kilobytes: these need no allocation.
 */
#include "tools/slurp.h"

#include "tools/cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int slurp(int fd, char **ret_text, size_t *ret_size, int *ret_own) {
    static char first[64 << 10];
    char *text = first, *own = NULL;
    size_t used = 0, room = sizeof first;
    for (;;) {
        if (used == room) {
            own = cli_grow(own, room * 2, 1);
            if (text == first) {
                memcpy(own, first, used);
            }
            text = own;
            room *= 2;
        }
        ssize_t got = read(fd, text + used, room - used);
        if (got == 0) {
            break;
        }
        int error = got < 0 && errno != EINTR ? -errno : 0;
        used += got < 0 ? 0 : (size_t)got;
        if (error == 0 && used > SLURP_MAX) {
            error = -EFBIG;
        }
        if (error < 0) {
            free(own);
            return error;
        }
    }
    *ret_text = text;
    *ret_size = used;
    *ret_own = own != NULL;
    return 0;
}
