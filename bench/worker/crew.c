/*
 * Threads or processes that begin at once. See crew.h.
 */
#include "bench/worker/crew.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct post { /* before the members */
    pthread_barrier_t all_there;
    int (*work)(crew_member *member);
} post;

static post *the_post;

void crew_start(crew_member *member) {
    pthread_barrier_wait(&the_post->all_there);
    member->begun = measure_now();
}

static void *work(void *context) {
    crew_member *member = context;
    member->result = the_post->work(member);
    member->ended = measure_now();
    return NULL;
}

static size_t crew_size(uint64_t count) {
    return sizeof(post) + count * sizeof(crew_member);
}

static int run_threads(crew_member *crew, uint64_t count) {
    pthread_t *thread = calloc(count, sizeof *thread);
    for (uint64_t i = 0; i < count && thread != NULL; i++)
        if (pthread_create(&thread[i], NULL, work, &crew[i]) != 0)
            abort(); /* the others would wait for ever */
    for (uint64_t i = 0; i < count && thread != NULL; i++)
        pthread_join(thread[i], NULL);
    free(thread);
    return thread == NULL ? -1 : 0;
}

static int run_processes(crew_member *crew, uint64_t count) {
    int status, result = 0;
    fflush(NULL);
    for (uint64_t i = 0; i < count; i++) {
        pid_t child = fork();
        if (child < 0)
            abort();
        if (child == 0) {
            work(&crew[i]);
            fflush(NULL);
            _exit(crew[i].result < 0 ? 1 : 0);
        }
    }
    while (wait(&status) > 0)
        result = status != 0 ? -1 : result;
    return result;
}

crew_member *crew_run(const options *o, uint64_t count, int (*job)(crew_member *member)) {
    the_post =
        mmap(NULL, crew_size(count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (the_post == MAP_FAILED)
        return NULL;
    pthread_barrierattr_t shared;
    pthread_barrierattr_init(&shared);
    pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&the_post->all_there, &shared, (unsigned)count);
    the_post->work = job;
    crew_member *crew = (crew_member *)(the_post + 1);
    for (uint64_t i = 0; i < count; i++) {
        crew[i].o = o;
        crew[i].number = i;
        crew[i].result = -1;
    }
    int result = o->threads ? run_threads(crew, count) : run_processes(crew, count);
    for (uint64_t i = 0; i < count; i++)
        result = crew[i].result < 0 ? -1 : result;
    if (result < 0)
        crew_free(&crew, count);
    return crew;
}

void crew_free(crew_member **crew, uint64_t count) {
    munmap(the_post, crew_size(count));
    *crew = NULL;
}
