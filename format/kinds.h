/*
 * Names that stand in records as numbers: event types, sources, string fields, and the small enums
 * of sessions. Every list is open: what has no number is kept as text. SPEC.md "Numbers and names".
 */
#ifndef VARVE_FORMAT_KINDS_H
#define VARVE_FORMAT_KINDS_H

#include <stddef.h>
#include <stdint.h>

/* Number of an event type, 0 if it has none; name of a number, NULL if it has none. */
uint16_t vf_type_number(const char *name, size_t size);
const char *vf_type_name(uint16_t type);

enum { /* event types that the fold acts on; the whole list is in kinds.c */
    VF_TYPE_SESSION_START = 1,
    VF_TYPE_SESSION_END = 2,
    VF_TYPE_USER_PROMPT = 3,
    VF_TYPE_PRE_TOOL = 4,
    VF_TYPE_POST_TOOL = 5,
    VF_TYPE_PERMISSION = 6,
    VF_TYPE_STOP = 7,
    VF_TYPE_SUBAGENT_START = 8,
    VF_TYPE_SUBAGENT_STOP = 9,
    VF_TYPE_PRE_COMPACT = 10,
    VF_TYPE_NOTIFICATION = 11,
    VF_TYPE_API_REQUEST = 12,
    VF_TYPE_API_ERROR = 13,
    VF_TYPE_TURN_END = 14,
    VF_TYPE_USER = 32, /* transcript lines, by the name that they carry */
    VF_TYPE_ASSISTANT = 33,
    VF_TYPE_PROGRESS = 34,
    VF_TYPE_SYSTEM = 35,
    VF_TYPE_ATTACHMENT = 36,
    VF_TYPE_SNAPSHOT = 37,
    VF_TYPE_QUEUE = 38,
    VF_TYPE_SUMMARY = 39,
    VF_TYPE_BLANK = 60,    /* a blank line */
    VF_TYPE_UNPARSED = 61, /* bytes that did not parse */
};

/* Sources, by rising priority of their counters. API counters stand by themselves. */
enum { VF_SOURCE_API = 0, VF_SOURCE_HOOK = 1, VF_SOURCE_OTEL = 2, VF_SOURCE_TRANSCRIPT = 3, VF_SOURCES = 4 };
/* Kinds of a charge: a later one counts only what it exceeds the earlier ones by. */
enum { VF_CHARGE_MESSAGE = 0, VF_CHARGE_AGENT_PROGRESS = 1, VF_CHARGE_RECOVERED = 2, VF_CHARGES = 3 };
/* How a line ended in its source. */
enum { VF_EOL_LF = 0, VF_EOL_CRLF = 1, VF_EOL_NONE = 2, VF_EOL_JOINED = 3 };
/* Token classes: disjoint, except that reasoning is part of output. */
enum { VF_TOK_INPUT = 0, VF_TOK_OUTPUT = 1, VF_TOK_CACHE_READ = 2, VF_TOK_CACHE_WRITE_5M = 3,
       VF_TOK_CACHE_WRITE_1H = 4, VF_TOK_REASONING = 5, VF_TOKENS = 6 };

enum { VF_ROLE_NONE = 0, VF_ROLE_USER = 1, VF_ROLE_ASSISTANT = 2, VF_ROLE_SYSTEM = 3, VF_ROLE_TOOL = 4 };
enum { VF_STATUS_NONE = 0, VF_STATUS_IDLE = 1, VF_STATUS_BUSY = 2, VF_STATUS_WAIT = 3, VF_STATUS_DONE = 4,
       VF_STATUS_ACTIVE = 5, VF_STATUS_COMPLETED = 6, VF_STATUS_FAILED = 7, VF_STATUS_CANCELLED = 8,
       VF_STATUS_UNKNOWN = 9, VF_STATUS_NAMED = 255 };
enum { VF_SESSION_NONE = 0, VF_SESSION_MAIN = 1, VF_SESSION_FORKED = 2, VF_SESSION_SUBAGENT = 3, VF_SESSION_NAMED = 255 };
enum { VF_MODE_NONE = 0, VF_MODE_INTERACTIVE = 1, VF_MODE_AUTONOMOUS = 2, VF_MODE_ACP = 3, VF_MODE_NAMED = 255 };
enum { VF_CHANNEL_NONE = 0, VF_CHANNEL_CLI = 1, VF_CHANNEL_TUI = 2, VF_CHANNEL_TELEGRAM = 3, VF_CHANNEL_DISCORD = 4,
       VF_CHANNEL_SLACK = 5, VF_CHANNEL_ACP = 6, VF_CHANNEL_NAMED = 255 };

/* String fields of a record's body. */
typedef enum {
    VF_STR_TYPE = 1,          /* event type that has no number */
    VF_STR_FRAMEWORK = 2,     /* claude_code, codex, gemini, ... */
    VF_STR_TOOL_USE_ID = 3,
    VF_STR_SPAWNED_AGENT = 4,
    VF_STR_TOOL_NAME = 5,
    VF_STR_SUBAGENT_TYPE = 6,
    VF_STR_PERMISSION_MODE = 7,
    VF_STR_TRANSCRIPT_PATH = 8,
    VF_STR_CWD = 9,
    VF_STR_GIT_BRANCH = 10,
    VF_STR_MODEL = 11,
    VF_STR_TEXT = 12,         /* what a user said, cut to VF_TEXT_MAX at a character's end */
    VF_STR_METADATA = 13,     /* JSON */
    VF_STR_FINISH_REASON = 14,
    VF_STR_NATIVE_ID = 15,    /* the source's own id of the event (uuid) */
    VF_STR_NATIVE_PARENT = 16,
    VF_STR_REQUEST_ID = 17,
    VF_STR_MESSAGE_ID = 18,
    VF_STR_AGENT_ID = 19,
    VF_STR_VERSION = 20,      /* of the agent's program */
    VF_STR_TITLE = 21,
    VF_STR_ERROR = 22,
    VF_STR_GIT_DIR = 23,
    VF_STR_GIT_WORKTREE = 24,
    VF_STR_GITHUB_REPO = 25,
    VF_STR_SESSION_ID = 26,   /* SESSION records with seq 0: the identity */
    VF_STR_MACHINE_ID = 27,
    VF_STR_PARENT_ID = 28,    /* session id of the parent, same machine unless PARENT_MACHINE says otherwise */
    VF_STR_PARENT_MACHINE = 29,
    VF_STR_PARENT_TOOL_CALL = 30,
    VF_STR_GOAL = 31,
    VF_STR_CALLBACKS = 32,    /* JSON array */
    VF_STR_LABELS = 33,       /* JSON object of strings: merged key by key; null removes */
    VF_STR_STATUS = 34,       /* text of an enum value without number */
    VF_STR_SESSION_TYPE = 35,
    VF_STR_MODE = 36,
    VF_STR_CHANNEL = 37,
    VF_STR_BOOT_ID = 38,      /* of the machine on which 'pid' lived */
    VF_STR_PID_NAMESPACE = 39,
    VF_STR_PROJECT = 40,
    VF_STR_CURSOR_NAME = 41,  /* CURSOR records: what input this is */
    VF_STR_SUBTYPE = 42,      /* finer type, as the source names it */
    VF_STRS = 43,             /* one past the last number that this version knows */
} vf_str_id;
enum { VF_TEXT_MAX = 16384 };

/* Name of a string field in JSON ("tool_use_id"), NULL if unknown. */
const char *vf_str_name(unsigned id);

#endif
