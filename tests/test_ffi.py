#!/usr/bin/env python3
"""libvarve.so can be called from another language without a compiler: by name, with plain arguments, and
structs whose layout this script takes from the order of their fields. It opens a store, appends and lists.

Environment: BUILD the build tree.
"""
import ctypes as c
import os
import pathlib
import sys
import tempfile

if os.environ.get("SANITIZE"):
    print("skipped: a library built for a sanitizer cannot be loaded into python")
    sys.exit(77)
lib = c.CDLL(str(pathlib.Path(os.environ["BUILD"]) / "libvarve.so"))

STRS, TEXT, TOKENS, SOURCES = 43, 12, 6, 4
KEY = c.c_uint8 * 16


class Str(c.Structure):
    _fields_ = [("ptr", c.POINTER(c.c_char)), ("size", c.c_size_t)]

    @classmethod
    def of(cls, text):
        """The bytes must live as long as it is used: ctypes keeps them in _objects."""
        if text is None:
            return cls()
        data = text.encode()
        return cls(c.cast(c.c_char_p(data), c.POINTER(c.c_char)), len(data))

    def __str__(self):
        return c.string_at(self.ptr, self.size).decode() if self.ptr else ""


class Event(c.Structure):
    _fields_ = [
        ("struct_size", c.c_size_t), ("session_id", Str), ("machine_id", Str), ("type", Str), ("str", Str * STRS),
        ("payload", c.c_void_p), ("payload_size", c.c_size_t), ("present", c.c_uint32), ("flags", c.c_uint32),
        ("time", c.c_int64), ("tokens", c.c_int64 * TOKENS), ("cost", c.c_int64), ("duration", c.c_int64),
        ("process_start", c.c_int64), ("uid", KEY), ("charge", KEY), ("charge_part", c.c_uint64),
        ("position", c.c_uint64), ("pid", c.c_int32), ("turn", c.c_int32), ("tool_calls", c.c_int32),
        ("github", c.c_int32 * 4), ("price_table", c.c_uint32), ("source", c.c_uint8), ("role", c.c_uint8),
        ("charge_kind", c.c_uint8), ("eol", c.c_uint8), ("status", c.c_uint8), ("session_type", c.c_uint8),
        ("mode", c.c_uint8), ("channel", c.c_uint8), ("record", c.c_uint8), ("lsn", c.c_uint64), ("seq", c.c_uint64)]


class Session(c.Structure):
    """As far as it is read here, and room for the rest, which may grow."""
    _fields_ = [("struct_size", c.c_size_t), ("key", KEY), ("row", c.c_uint64), ("session_id", Str), ("machine_id", Str),
                ("rest", c.c_uint8 * 8192)]


def check(result, store=None):
    if result < 0:
        lib.varve_last_error.restype = lib.varve_strerror.restype = c.c_char_p
        sys.exit((lib.varve_last_error(store) if store else lib.varve_strerror(result)).decode())
    return result


lib.varve_version.restype = c.c_char_p
assert lib.varve_version().count(b".") == 2

event = Event()
lib.varve_event_init(c.byref(event))
assert event.struct_size == c.sizeof(Event), (event.struct_size, c.sizeof(Event))

with tempfile.TemporaryDirectory(prefix="varve-test-") as folder:
    store, batch = c.c_void_p(), c.c_void_p()
    check(lib.varve_open(f"{folder}/store".encode(), None, c.byref(store)))
    check(lib.varve_batch_new(c.byref(batch)))
    said = {"blue": ["hello", "l\u00fcs \u2603"], "green": ["bye"]}
    for session, texts in said.items():
        for text in texts:
            lib.varve_event_init(c.byref(event))
            event.session_id, event.type, event.str[TEXT] = Str.of(session), Str.of("UserPromptSubmit"), Str.of(text)
            check(lib.varve_batch_add(batch, c.byref(event)))
    check(lib.varve_append(store, batch, 1, None), store)
    lib.varve_batch_free(c.byref(batch))
    assert not batch, "what ends a handle nulls it"

    listed, session, found = c.c_void_p(), Session(), {}
    check(lib.varve_session_list(store, None, c.byref(listed)), store)
    while check(lib.varve_list_next(listed, c.byref(session)), store) == 1:
        found[str(session.session_id)] = []
    lib.varve_list_close(c.byref(listed))
    for name, texts in found.items():
        cursor = c.c_void_p()
        lib.varve_cursor_session.argtypes = [c.c_void_p, Str, Str, c.c_uint64, c.c_uint32, c.c_void_p]
        check(lib.varve_cursor_session(store, Str(), Str.of(name), 0, 0, c.byref(cursor)), store)
        lib.varve_event_init(c.byref(event))
        while check(lib.varve_cursor_next(cursor, c.byref(event)), store) == 1:
            texts.append(str(event.str[TEXT]))
        lib.varve_cursor_close(c.byref(cursor))
    lib.varve_close(c.byref(store))
    assert found == said, found
print("all as promised")
