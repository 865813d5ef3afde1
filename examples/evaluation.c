/*
 * A run of an evaluation: one session a task, labelled with the run, the task and its score; then the
 * dearest first, and the mean.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve.h>

static varve *store;

static int must(int result) {
    if (result < 0) {
        fprintf(stderr, "%s\n", store ? varve_last_error(store) : varve_strerror(result));
        exit(1);
    }
    return result;
}

/* The task's session as it is when the task is over: what it cost, and how well it went. */
static void add_task(varve_batch *batch, const char *task, int64_t cost, const char *score) {
    char id[64], labels[128];
    (void)snprintf(id, sizeof id, "run-7-%s", task);
    (void)snprintf(labels, sizeof labels, "run=7\ntask=%s\nscore=%s", task, score);
    varve_event event;
    varve_event_init(&event);
    event.session_id = varve_cstr(id);
    event.type = varve_cstr("TaskCompleted");
    event.str[VARVE_STR_MODEL] = varve_cstr("some-model");
    event.cost = cost;
    event.present = VARVE_HAS_COST;
    must(varve_batch_add(batch, &event));

    varve_event_init(&event);
    event.session_id = varve_cstr(id);
    event.str[VARVE_STR_LABELS] = varve_cstr(labels);
    event.status = VARVE_STATUS_COMPLETED;
    must(varve_batch_set(batch, &event));
}

/* The value of "key=" in lines of "key=value". */
static varve_str label(varve_str lines, const char *key) {
    size_t size = strlen(key);
    for (const char *at = lines.ptr, *end = lines.ptr + lines.size; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        if ((size_t)(stop - at) > size && memcmp(at, key, size) == 0 && at[size] == '=')
            return (varve_str){at + size + 1, (size_t)(stop - at) - size - 1};
        at = stop + 1;
    }
    return varve_cstr("");
}

int main(void) {
    varve_batch *batch = NULL;
    must(varve_open("example-store", NULL, &store));
    must(varve_batch_new(&batch));
    add_task(batch, "sort", 17300000, "1.0"); /* nano-dollars */
    add_task(batch, "search", 64000000, "0.5");
    add_task(batch, "merge", 21000000, "0.75");
    must(varve_append(store, batch, VARVE_GROUP, NULL));
    varve_batch_free(&batch);

    varve_session_filter filter;
    varve_session_filter_init(&filter);
    filter.labels = varve_cstr("run=7");
    filter.order = VARVE_ORDER_COST;
    varve_list *list = NULL;
    must(varve_session_list(store, &filter, &list));
    varve_session session;
    double sum = 0;
    int tasks = 0;
    while (must(varve_list_next(list, &session)) == 1) {
        varve_str labels = session.str[VARVE_STR_LABELS], task = label(labels, "task"), score = label(labels, "score");
        char number[32];
        (void)snprintf(number, sizeof number, "%.*s", (int)score.size, score.ptr);
        sum += strtod(number, NULL);
        tasks++;
        printf("%-8.*s $%.4f  score %s\n", (int)task.size, task.ptr, (double)session.cost / 1e9, number);
    }
    printf("%d tasks, mean score %.2f\n", tasks, sum / tasks);
    varve_list_close(&list);
    varve_close(&store);
    return 0;
}
