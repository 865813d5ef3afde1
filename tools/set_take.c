/*
 * The options of 'varve set' as one record: numbers within their bounds, texts as they are, and the
 * moment at which it holds.
 */
#include "tools/process.h"
#include "tools/set_values.h"

#include <string.h>
#include <time.h>

static int take_number(uint64_t said, const char *name, uint32_t has, int32_t *to,
                       varve_event *event) {
    if (said == UINT64_MAX) {
        return CLI_GO_ON;
    }
    if (said > INT32_MAX) {
        return cli_usage("--%s: %llu is too much", name, (unsigned long long)said);
    }
    *to = (int32_t)said;
    event->present |= has;
    return CLI_GO_ON;
}

static int take_numbers(const struct set_said *said, varve_event *event) {
    const struct {
        uint64_t said;
        const char *name;
        uint32_t has;
        int32_t *to;
    } numbers[] = {
        {said->turns, "turns", VARVE_HAS_TURN, &event->turn},
        {said->issue, "github-issue", VARVE_HAS_GITHUB_ISSUE, &event->github_issue},
        {said->pr, "github-pr", VARVE_HAS_GITHUB_PR, &event->github_pr},
        {said->additions, "additions", VARVE_HAS_GIT_ADDITIONS, &event->git_additions},
        {said->deletions, "deletions", VARVE_HAS_GIT_DELETIONS, &event->git_deletions},
        {said->pid, "pid", VARVE_HAS_PID, &event->pid},
    };
    int answer = CLI_GO_ON;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && answer == CLI_GO_ON; i++) {
        answer =
            take_number(numbers[i].said, numbers[i].name, numbers[i].has, numbers[i].to, event);
    }
    for (unsigned i = 0; i < VARVE_TOKENS && answer == CLI_GO_ON; i++) {
        if (said->tokens[i] > INT64_MAX && said->tokens[i] != UINT64_MAX) {
            return cli_usage("tokens: %llu is too much", (unsigned long long)said->tokens[i]);
        }
        if (said->tokens[i] != UINT64_MAX) {
            event->tokens[i] = (int64_t)said->tokens[i];
            event->present |= (uint32_t)VARVE_HAS_TOKENS << i;
        }
    }
    if (answer == CLI_GO_ON && said->cost) {
        event->present |= VARVE_HAS_COST;
        answer = set_dollars(said->cost, &event->cost);
    }
    return answer;
}

static void take_now(varve_event *event) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    event->present |= VARVE_HAS_TIME;
    event->time = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void set_created(const struct set_said *said, varve_event *event) {
    if (!said->at) {
        take_now(event);
    }
}

/* Figures are a moment of the session's life; other attributes are not, unless a time is said. */
static int take_time(const struct set_said *said, varve_event *event) {
    const uint32_t figures =
        VARVE_HAS_COST | VARVE_HAS_TURN | ((UINT32_C(1) << VARVE_TOKENS) - 1) * VARVE_HAS_TOKENS;
    if (said->at) {
        event->present |= VARVE_HAS_TIME;
        return set_time(said->at, &event->time);
    }
    if (event->present & figures) {
        take_now(event);
    }
    return CLI_GO_ON;
}

/* A process of here and now, unless its boot is said. */
static int take_process(const struct set_said *said, varve_event *event) {
    const char *boot = said->str[VARVE_STR_BOOT_ID];
    if (said->pid == UINT64_MAX) {
        return boot || said->process_start != UINT64_MAX
                   ? cli_usage("--boot-id and --process-start want --pid")
                   : CLI_GO_ON;
    }
    process_here(event);
    if (boot) {
        event->str[VARVE_STR_BOOT_ID] = varve_cstr(boot);
    }
    if (said->process_start != UINT64_MAX) {
        if (said->process_start > INT64_MAX / 1000000000) {
            return cli_usage("--process-start wants seconds since 1970");
        }
        event->process_start = (int64_t)said->process_start;
        event->present |= VARVE_HAS_PROCESS_START;
    } else if (!boot && process_start(event->pid, &event->process_start) == 0) {
        event->present |= VARVE_HAS_PROCESS_START;
    }
    return CLI_GO_ON;
}

int set_take(const struct cli *cli, const struct set_said *said, struct set_wish *wish) {
    varve_event *event = &wish->event;
    varve_event_init(event);
    for (unsigned i = 0; i < VARVE_STRS; i++) {
        event->str[i] = varve_cstr(said->str[i]);
    }
    int answer = CLI_GO_ON;
    for (unsigned i = 0; i < SET_ENUMS && answer == CLI_GO_ON; i++) {
        answer = said->enums[i] ? set_enum((enum set_enum)i, said->enums[i], event) : CLI_GO_ON;
    }
    if (answer == CLI_GO_ON) {
        answer = take_numbers(said, event);
    }
    if (answer == CLI_GO_ON) {
        answer = set_labels(&said->labels, &said->unlabels, &wish->labels);
    }
    if (answer == CLI_GO_ON && said->callbacks) {
        answer = set_callbacks(cli, said->callbacks, &wish->callbacks);
    }
    if (answer == CLI_GO_ON && said->str[VARVE_STR_PARENT_ID] && !*said->str[VARVE_STR_PARENT_ID]) {
        answer = cli_usage("--parent is empty");
    }
    if (answer == CLI_GO_ON) {
        answer = take_time(said, event);
    }
    event->str[VARVE_STR_LABELS] = varve_cstr(wish->labels);
    event->str[VARVE_STR_CALLBACKS] = varve_cstr(wish->callbacks);
    event->flags |= said->hidden ? VARVE_EV_HIDDEN : 0;
    return answer == CLI_GO_ON ? take_process(said, event) : answer;
}
