/*
 * Sums and keys. All are XXH3 (xxHash 0.8, stable since that version); SPEC.md "Sums and keys".
 *
 * A sum tells damage, it is no proof against forgery. A key names a thing: session, uid, charge,
 * cursor. Keys are not seeded, so that stores can be merged; the place of a key in the index is
 * chosen by a hash that is seeded with the store's secret.
 */
#ifndef VARVE_FORMAT_HASH_H
#define VARVE_FORMAT_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef struct { uint8_t b[16]; } vf_key; /* XXH3-128, canonical (big-endian) byte order */

uint64_t vf_sum64(const void *data, size_t size, uint64_t seed);
/* vf_sum64 with seed 0 of what these parts are, one behind the other. */
typedef struct { const void *ptr; size_t size; } vf_piece;
uint64_t vf_sum64_parts(const vf_piece *parts, size_t count);

/* Key of a session: the pair (machine id, session id), each preceded by its length. */
vf_key vf_session_key(const char *machine, size_t machine_size, const char *id, size_t id_size);
/* Key of any one string, in a name space of its own: 'space' keeps charges, cursors, names apart. */
enum { VF_SPACE_CHARGE = 1, VF_SPACE_CURSOR = 2, VF_SPACE_NAME = 3, VF_SPACE_ORIGIN = 4 };
vf_key vf_string_key(uint32_t space, const void *text, size_t size);
/* Charge part of a request id: 0 for an absent or empty one, never 0 otherwise. */
uint64_t vf_charge_part(const void *request_id, size_t size);
/* uid of the n-th line (counted from 0) with these bytes in its source, within a session. */
vf_key vf_line_uid(vf_key session, const void *line, size_t size, uint64_t nth);

/* uid of a record that has none of its own: where and when it was first stored. The time tells records of copies of one
 * store apart, which have grown by different records at the same lsn. */
vf_key vf_origin_uid(const uint8_t store_uuid[16], uint64_t lsn, int64_t time);

int vf_key_is_zero(vf_key key);
int vf_key_equal(vf_key a, vf_key b);
int vf_key_compare(vf_key a, vf_key b); /* as memcmp */

#endif
