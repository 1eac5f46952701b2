/*
 * codec - numbers and strings to bytes and back.
 *
 * Little-endian, no padding.  Both sides have a sticky error: put or get what
 * you like and ask once at the end.  A string is its length, its bytes and a
 * NUL, so that a reader can point into the message instead of copying.
 * Allocation failure is an error like any other: the keeper uses this.
 */
#ifndef IPC_CODEC_H
#define IPC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writer: into memory of the caller's, or growing (mw_init(w, NULL, 0)). */
struct mw {
	uint8_t *data;
	size_t len;
	size_t cap;
	bool grows;
	bool failed;
};

void mw_init(struct mw *w, void *mem, size_t cap);
void mw_fini(struct mw *w);
void mw_u8(struct mw *w, uint8_t v);
void mw_u16(struct mw *w, uint16_t v);
void mw_u32(struct mw *w, uint32_t v);
void mw_u64(struct mw *w, uint64_t v);
void mw_i64(struct mw *w, int64_t v);
/* NULL is written as "". */
void mw_str(struct mw *w, const char *s);
void mw_bytes(struct mw *w, const void *p, size_t n);

/* Reader: borrows the bytes. */
struct mr {
	const uint8_t *p;
	const uint8_t *end;
	bool failed;
};

void mr_init(struct mr *r, const void *p, size_t n);
uint8_t mr_u8(struct mr *r);
uint16_t mr_u16(struct mr *r);
uint32_t mr_u32(struct mr *r);
uint64_t mr_u64(struct mr *r);
int64_t mr_i64(struct mr *r);
/* Points into the message; "" after an error.  No NUL within. */
const char *mr_str(struct mr *r);
/* Length and bytes; NULL when short. */
const void *mr_bytes(struct mr *r, size_t *n);
/* -1 if anything was short, malformed or left over. */
int mr_end(const struct mr *r);

#endif
