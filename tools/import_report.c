/*
 * What an import tells: bad lines and progress on stderr while it runs, the sum of it at its end.
 */
#include "tools/import.h"
#include "tools/out.h"
#include "tools/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BAD_LINES_SHOWN = 20 };

/* ---- While it runs ---- */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct name_count *find_name(struct names *names, const char *name, size_t size) {
    for (size_t i = 0; i < names->used; i++) {
        if (strlen(names->list[i].name) == size && memcmp(names->list[i].name, name, size) == 0) {
            return &names->list[i];
        }
    }
    return NULL;
}

void report_name(struct names *names, const char *name, size_t size) {
    static const char others[] = "(others)";
    if (!names->list) {
        names->list = cli_alloc(IMPORT_NAMES * sizeof *names->list);
    }
    size = strnlen(name, size);
    struct name_count *found = find_name(names, name, size);
    if (!found && names->used >= IMPORT_NAMES - 1) {
        name = others;
        size = sizeof others - 1;
        found = find_name(names, name, size);
    }
    if (!found) {
        found = &names->list[names->used++];
        found->name = cli_alloc(size + 1);
        found->name[claude_mend(found->name, size, name, size)] = '\0';
        found->count = 0;
    }
    found->count++;
}

void report_bad_line(struct import *in, const char *path, uint64_t line, const char *what) {
    uint64_t told = in->report.bad_lines + in->report.too_long;
    if (told <= BAD_LINES_SHOWN) {
        report_progress_end(in);
        cli_note(in->cli, "%s:%llu: %s", path, (unsigned long long)line, what);
    }
}

void report_progress(struct import *in, uint64_t bytes, int always) {
    if (!in->progress) {
        return;
    }
    double at = now(), seconds = at - in->report.began;
    if (!always && at - in->shown < 0.1) {
        return;
    }
    in->shown = at;
    double mb = (double)(in->report.bytes + bytes) / 1e6;
    fprintf(stderr, "\r\033[Kimport: %zu of %zu files, %.1f MB, %.0f MB/s", in->path, in->paths, mb,
            seconds > 0 ? mb / seconds : 0);
    fflush(stderr);
}

void report_progress_end(struct import *in) {
    if (in->progress && in->shown > 0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        in->shown = 0;
    }
}

/* ---- At its end ---- */

static int compare_names(const void *a, const void *b) {
    return strcmp(((const struct name_count *)a)->name, ((const struct name_count *)b)->name);
}

static void sort(struct names names) {
    if (names.used > 1) {
        qsort(names.list, names.used, sizeof *names.list, compare_names);
    }
}

static void print_record(const struct import *in, double seconds) {
    const struct import_report *report = &in->report;
    const struct {
        const char *name;
        uint64_t count;
    } counts[] = {
        {"files", report->files},
        {"unchanged", report->unchanged},
        {"skipped", report->skipped},
        {"failed", report->failed},
        {"reread", report->reread},
        {"bytes", report->bytes},
        {"sessions", report->sessions},
        {"events_added", report->events_added},
        {"duplicates", report->duplicates},
        {"bad_lines", report->bad_lines},
        {"recovered", report->recovered},
        {"too_long", report->too_long},
        {"unfinished", report->unfinished},
        {"lower_bound_sessions", report->lower_bound_sessions},
        {"without_session", report->without_session},
    };
    struct out *out = out_record(in->cli);
    out_begin(out);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        out_number(out, counts[i].name, (int64_t)counts[i].count);
    }
    out_object(out, "unknown_types");
    for (size_t i = 0; i < report->unknown_types.used; i++) {
        const struct name_count *type = &report->unknown_types.list[i];
        out_number(out, type->name, (int64_t)type->count);
    }
    out_object_end(out);
    out_array(out, "unpriced");
    for (size_t i = 0; i < report->unpriced.used; i++) {
        out_word(out, NULL, report->unpriced.list[i].name);
    }
    out_array_end(out);
    char number[32];
    int size = snprintf(number, sizeof number, "%.3f", seconds);
    out_json(out, "seconds", (varve_str){number, (size_t)size});
    (void)out_end(out);
    out_close(&out);
}

static void print_count(uint64_t count, const char *what) {
    char grouped[TEXT_GROUPED];
    text_grouped(grouped, (int64_t)count);
    printf("%15s  %s\n", grouped, what);
}

static void print_some(uint64_t count, const char *what) {
    if (count > 0) {
        print_count(count, what);
    }
}

static void print_names(const char *what, struct names names) {
    for (size_t i = 0; i < names.used; i++) {
        char line[160], grouped[TEXT_GROUPED];
        text_line(line, sizeof line, names.list[i].name, strlen(names.list[i].name));
        text_grouped(grouped, (int64_t)names.list[i].count);
        printf("%15s  %s %s\n", grouped, what, line);
    }
}

static void print_table(const struct import_report *report, double seconds) {
    print_count(report->files, "files");
    print_some(report->unchanged, "of them unchanged since the last import");
    print_some(report->reread, "of them changed where they had been read, and read again");
    print_some(report->skipped, "files left out: nothing that this program knows");
    print_some(report->failed, "files not imported, or not to their end");
    print_count(report->bytes, "bytes");
    print_count(report->sessions, "sessions");
    print_count(report->events_added, "events added");
    print_count(report->duplicates, "events that were known");
    print_some(report->bad_lines, "bad lines; those of transcripts are kept as they are");
    print_some(report->recovered, "entries won back from them");
    print_some(report->too_long, "lines longer than 256 MiB, left out");
    print_some(report->unfinished, "unfinished last lines, left for the next import");
    print_some(report->lower_bound_sessions, "sessions whose output count is only a lower bound");
    print_some(report->without_session, "records of telemetry that name no session, left out");
    print_names("entries of unknown type", report->unknown_types);
    print_names("entries without a price: model", report->unpriced);
    printf("%15.3f  seconds\n", seconds);
}

void report_print(const struct import *in) {
    const struct import_report *report = &in->report;
    double seconds = now() - report->began;
    uint64_t bad = report->bad_lines + report->too_long;
    if (bad > BAD_LINES_SHOWN) {
        cli_note(in->cli, "%llu more bad lines", (unsigned long long)(bad - BAD_LINES_SHOWN));
    }
    sort(report->unknown_types);
    sort(report->unpriced);
    if (in->cli->jsonl || in->cli->csv) {
        print_record(in, seconds);
    } else {
        print_table(report, seconds);
    }
}

void report_begin(struct import *in) {
    in->report.began = now();
}

static void free_names(struct names *names) {
    for (size_t i = 0; i < names->used; i++) {
        free(names->list[i].name);
    }
    free(names->list);
    *names = (struct names){0};
}

void report_free(struct import_report *report) {
    free_names(&report->unknown_types);
    free_names(&report->unpriced);
    seen_free(&report->met);
    seen_free(&report->met_low);
}
