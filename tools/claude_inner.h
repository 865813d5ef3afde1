/*
 * Between the parts of the Claude reader: what was picked out of one object, before it is judged.
 */
#ifndef TOOLS_CLAUDE_INNER_H
#define TOOLS_CLAUDE_INNER_H

#include "tools/claude.h"
#include "tools/json_pick.h"

/* Numbers of the picked places: texts are kept under theirs. */
enum claude_id {
    RAW_TYPE = 1,
    RAW_UUID,
    RAW_PARENT_UUID,
    RAW_SESSION_ID,
    RAW_TIMESTAMP,
    RAW_CWD,
    RAW_GIT_BRANCH,
    RAW_VERSION,
    RAW_REQUEST_ID,
    RAW_AGENT_ID,
    RAW_PERMISSION_MODE,
    RAW_SUBTYPE,
    RAW_ERROR,
    RAW_ERROR_MESSAGE,
    RAW_CUSTOM_TITLE,
    RAW_AI_TITLE,
    RAW_OPERATION,
    RAW_TOOL_USE_ID,
    RAW_PARENT_TOOL_USE_ID,
    RAW_PR_REPOSITORY,
    RAW_LEAF_UUID,
    RAW_ORIGIN_KIND,
    RAW_ATTACHMENT_TYPE,
    RAW_DATA_TYPE,
    RAW_DATA_AGENT_ID,
    RAW_RESULT_AGENT_ID,
    RAW_MESSAGE_ID,
    RAW_MESSAGE_MODEL,
    RAW_MESSAGE_ROLE,
    RAW_STOP_REASON,
    RAW_INNER_REQUEST_ID,
    RAW_INNER_MESSAGE_ID,
    RAW_INNER_MODEL,
    RAW_TEXTS,

    RAW_IS_SIDECHAIN = RAW_TEXTS, /* true or false: a bit each in 'is' and 'said' */
    RAW_IS_META,
    RAW_IS_COMPACT_SUMMARY,
    RAW_IS_TRANSCRIPT_ONLY,
    RAW_IS_API_ERROR,
    RAW_SNAPSHOT, /* only whether it is there */
    RAW_PAYLOAD,
    RAW_PARTS,
    RAW_MESSAGE,
    RAW_FLAGS,

    RAW_DURATION_MS = RAW_FLAGS, /* numbers */
    RAW_PR_NUMBER,               /* the last that has a bit */

    RAW_CONTENT, /* message.content and what stands in it */
    RAW_BLOCK,
    RAW_BLOCK_TYPE,
    RAW_BLOCK_TEXT,
    RAW_BLOCK_NAME,
    RAW_BLOCK_ID,
    RAW_BLOCK_RESULT_OF,
    RAW_BLOCK_SUBAGENT_TYPE,

    RAW_USAGE,             /* message.usage: + USAGE_* */
    RAW_INNER_USAGE = 100, /* data.message.message.usage: + USAGE_* */
};

enum { /* fields of a usage object */
       USAGE_OBJECT,
       USAGE_INPUT,
       USAGE_OUTPUT,
       USAGE_CACHE_READ,
       USAGE_CACHE_WRITE,
       USAGE_BREAKDOWN,
       USAGE_5M,
       USAGE_1H,
       USAGE_SPEED,
       USAGE_FIELDS,
};

_Static_assert(RAW_PR_NUMBER < 64, "bits of 'is' and 'said'");
_Static_assert(RAW_USAGE + USAGE_FIELDS <= RAW_INNER_USAGE, "numbers of usage fields");

struct claude_usage {
    uint32_t said; /* bit 1 << USAGE_* */
    int64_t number[USAGE_FIELDS];
    bool fast;
};

enum { BLOCK_TEXT = 1, BLOCK_TOOL_USE = 2, BLOCK_TOOL_RESULT = 4, BLOCK_IMAGE = 8 };

/* The texts of message.content, put together. */
struct claude_words {
    char text[CLAUDE_TEXT_MAX + 4];
    size_t size;
    bool any;   /* some text counts as said */
    bool noise; /* some text was a command or a notice */
};

struct claude_raw {
    varve_str text[RAW_TEXTS];
    uint64_t is, said; /* bit 1 << (RAW_IS_* ...) */
    int64_t duration, pr_number;
    struct claude_usage usage, inner_usage;
    unsigned blocks; /* BLOCK_* that message.content has */
    int32_t tool_calls;
    varve_str tool_name, tool_use_id, result_of, subagent_type; /* of the first such block */
    struct {
        varve_str type, name, id, result_of, subagent_type;
        size_t words;    /* size of the words before it */
        bool any, noise; /* likewise */
    } block;             /* the one being read */
};

enum { ARENA_SIZE = 256 << 10 };

struct claude_reader {
    struct json_pick *pick;
    const struct price_table *prices;
    uint64_t last_model; /* hash of the model that 'last_price' is the price of */
    const struct price *last_price;

    const char *begin, *end; /* of the bytes that are being read */
    struct claude_raw raw;
    struct claude_words words;
    size_t arena_used;
    char *arena; /* texts that had to be decoded or mended */

    const char *line, *line_end, *at; /* what claude_next is taking apart */
    bool fresh;                       /* nothing of the line has been given out */
    bool glued;
    bool pending; /* 'object' begins at 'at', 'pending_size' bytes */
    size_t pending_size;
    size_t budget; /* bytes that the search in this line may still look at */
    struct claude_object object;
};

extern const struct pick_rule claude_rules[];
extern const size_t claude_rules_count;
void claude_take(void *context, int id, enum pick_kind kind, const char *text, size_t size);

/* A copy of 'text' that is UTF-8, at most 'most' bytes, cut at a character's end; the bytes
 * themselves where they lie in the line and need no mending. */
varve_str claude_keep(struct claude_reader *reader, const char *text, size_t size, size_t most);
/* Adds a text of message.content, unless it is none that anybody said. */
void claude_say(struct claude_words *words, const char *text, size_t size);

/* Tokens, cost and charge of an object, into its event. */
void claude_usage_take(struct claude_usage *usage, int field, enum pick_kind kind, const char *text,
                       size_t size);
void claude_usage_put(struct claude_reader *reader, struct claude_object *object);
/* The rest of the event. */
void claude_event_put(struct claude_reader *reader, struct claude_object *object);

#endif
