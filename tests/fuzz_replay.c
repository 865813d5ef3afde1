/*
 * Runs a fuzzer's function over files, so that an ordinary build keeps what fuzzing has found: every path given, or
 * every file in a directory given. Prints how many.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

enum { INPUT_MAX = 1 << 20 };

static int run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    uint8_t *room = malloc(INPUT_MAX);
    if (file == NULL || room == NULL) {
        fprintf(stderr, "%s: cannot be read\n", path);
        exit(3);
    }
    size_t size = fread(room, 1, INPUT_MAX, file);
    fclose(file);
    uint8_t *input = malloc(size > 0 ? size : 1); /* of exactly its size */
    if (input == NULL)
        exit(3);
    memcpy(input, room, size);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    free(room);
    return 1;
}

static int run_path(const char *path) {
    DIR *dir = opendir(path);
    int count = 0;
    if (dir == NULL)
        return run_file(path);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char below[1024];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        count += run_file(below);
    }
    closedir(dir);
    return count;
}

int main(int argc, char **argv) {
    int count = 0;
    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 2;
}
