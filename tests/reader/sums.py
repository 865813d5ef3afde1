"""Sums, keys and decompression, by the shared libraries that the engine is built with."""
import ctypes
import struct


def load(*names):
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            pass
    raise SystemExit(f"second reader: no library {names[0]}")


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


_xxhash = load("libxxhash.so.0", "libxxhash.so")
_zstd = load("libzstd.so.1", "libzstd.so")
_sum64 = _xxhash.XXH3_64bits_withSeed
_sum64.restype, _sum64.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64)
_hash128 = _xxhash.XXH3_128bits
_hash128.restype, _hash128.argtypes = Hash128, (ctypes.c_char_p, ctypes.c_size_t)
for _name, _types in (("ZSTD_decompress", (ctypes.c_char_p, ctypes.c_size_t) * 2),
                      ("ZSTD_findFrameCompressedSize", (ctypes.c_char_p, ctypes.c_size_t))):
    getattr(_zstd, _name).restype, getattr(_zstd, _name).argtypes = ctypes.c_size_t, _types

LOW = 0xFFFFFFFF
EMPTY_KEY = bytes(16)


def sum64(data, seed=0):
    data = bytes(data)
    return _sum64(data, len(data), seed)


def low64(data, seed=0):
    return sum64(data, seed) & LOW


def hash128(data):
    data = bytes(data)
    made = _hash128(data, len(data))
    return struct.pack(">QQ", made.high, made.low)


def unpack_zstd(data, size):
    """What one zstd frame holds, if it is as many bytes and nothing follows it; else None."""
    room = ctypes.create_string_buffer(max(size, 1))
    if _zstd.ZSTD_findFrameCompressedSize(data, len(data)) != len(data):
        return None
    return room.raw[:size] if _zstd.ZSTD_decompress(room, size, data, len(data)) == size else None


def session_key(machine, session):
    return hash128(struct.pack("<I", len(machine)) + machine + struct.pack("<I", len(session)) + session)


def string_key(space, text):
    return hash128(struct.pack("<I", space) + text)


def charge_key(message_id):
    return string_key(1, message_id)


def cursor_key(name):
    return string_key(2, name)


def name_key(name):
    return string_key(3, name[:100])


def line_uid(line_key, line, nth=0):
    return hash128(line_key + struct.pack("<Q", nth) + line)


def place_uid(uuid, lsn, time):
    return hash128(struct.pack("<I", 4) + uuid + struct.pack("<Qq", lsn, time))


def charge_part(request_id):
    return (sum64(request_id, 1) or 1) if request_id else 0
