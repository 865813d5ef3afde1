/*
 * Claude Code transcripts: a line in, events out. Knows what an object of a transcript says, and
 * how to take a damaged line apart; knows no files and no store.
 *
 * What counts as a message of the user: a line of type "user" whose content is text or an image,
 * that is not marked as the program's own (isMeta, isCompactSummary, isVisibleInTranscriptOnly, an
 * origin other than "human"), carries no tool result, and is not on a side chain (in a file of a
 * subagent the side chain is the session itself, and counts). Context that an editor put before the
 * text is left out of it; texts that are commands, their output, interruptions or notices of tasks
 * (<command-name>, <local-command-stdout>, <bash-input>, <task-notification>, ...) do not count.
 * A "summary" line may speak of another session: it gives no title.
 */
#ifndef TOOLS_CLAUDE_H
#define TOOLS_CLAUDE_H

#include "engine/varve.h"
#include "tools/prices.h"

#include <stdbool.h>

enum { CLAUDE_TEXT_MAX = 16384, CLAUDE_STRING_MAX = 4096, CLAUDE_ID_MAX = 512 };

/* What is remembered of a file from line to line. Zero at its beginning. */
struct claude_state {
    bool subagent;     /* the file is a subagent's */
    bool custom_title; /* the user gave a title: one of the program's does not replace it */
    uint64_t
        last_message;  /* hash of the last message id: the lines of one answer follow each other */
    int64_t last_time; /* of the last line that had one; 0 = none yet */
};

/* One object. 'event' is filled in but for session_id, uid, position, eol and the time of a line
 * that has none; its texts lie in the line or the reader and hold until the reader's next call. */
struct claude_object {
    varve_event event;
    varve_str session_id; /* as the object says, absent if it does not */
    bool record;          /* looks like a whole entry of a transcript, not like a part of one */
    bool claude;          /* ... and of no other agent's */
    bool known;           /* its type is one that this program knows */
    bool priced;          /* carries tokens, and its model has a price */
    varve_str model;      /* whose tokens they are, absent if not said */
};

enum claude_piece_kind {
    CLAUDE_BLANK,     /* a line of white space */
    CLAUDE_WHOLE,     /* an object that is the whole line */
    CLAUDE_RECOVERED, /* an object won back from a line that is not one object */
    CLAUDE_UNPARSED,  /* bytes between such objects, or a line with none */
};

/* A part of a line. All parts of a line, one after the other, are the line. */
struct claude_piece {
    enum claude_piece_kind kind;
    const char *text;
    size_t size;
    bool last;                          /* ends its line */
    const struct claude_object *object; /* of WHOLE and RECOVERED, else NULL */
};

struct claude_reader;
struct claude_reader *claude_reader_new(const struct price_table *prices);
void claude_reader_free(struct claude_reader **reader);

/* Reads the object that begins 'text'. 1 and the bytes that it takes, or 0 if none is there. */
int claude_read(struct claude_reader *reader, const char *text, size_t size,
                struct claude_object *ret_object, size_t *ret_used);

/* Begins a line (without its end). 'glued': it goes on behind an object on the same line. */
void claude_line(struct claude_reader *reader, const char *text, size_t size, bool glued);
/* The line's next piece: 1, or 0 after the last. */
int claude_next(struct claude_reader *reader, struct claude_piece *ret_piece);

/* What the place in the file adds to an event: its place in time, the first line of an answer, the
 * title that holds, and for what was won back its flag and kind of charge. 'event' is the
 * piece's own, or a new one for pieces without an object. */
void claude_place(struct claude_state *state, const struct claude_piece *piece, varve_event *event);

/* Copies 'text' as UTF-8, what is none replaced, as much as fits into 'room' in whole characters.
 */
size_t claude_mend(char *ret_text, size_t room, const char *text, size_t size);
/* ISO 8601 with a zone to ns since 1970. 1, or 0 if it is none or lies outside 1970-2261. */
int claude_time(const char *text, size_t size, int64_t *ret_time);
/* Versions whose lines carry an output count that is known to be too low. */
int claude_output_too_low(varve_str version);

#endif
