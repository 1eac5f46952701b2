/*
 * jw - writes JSON text straight into a buf.
 *
 * No tree is built: a status of a thousand slots costs its own bytes.  key is
 * NULL inside arrays and for the outermost value.  Strings may hold any bytes;
 * what is not UTF-8 becomes U+FFFD, so the text is always valid JSON.
 */
#ifndef CTL_JW_H
#define CTL_JW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct jw {
	struct buf *b;
	bool comma; /* the next value is not the first of its container */
	bool plain; /* no JSON: see jw_plain_init */
};

void jw_init(struct jw *w, struct buf *b);
/*
 * For rows of text instead: values with a tab between them, null as nothing,
 * strings as they are but for control characters (a blank); no containers.
 */
void jw_plain_init(struct jw *w, struct buf *b);
void jw_plain_end(struct jw *w); /* of a row */
void jw_obj(struct jw *w, const char *key);
void jw_end_obj(struct jw *w);
void jw_arr(struct jw *w, const char *key);
void jw_end_arr(struct jw *w);
/* s == NULL writes null. */
void jw_str(struct jw *w, const char *key, const char *s);
void jw_strn(struct jw *w, const char *key, const char *s, size_t n);
void jw_int(struct jw *w, const char *key, int64_t v);
/* null when v equals none. */
void jw_int_or(struct jw *w, const char *key, int64_t v, int64_t none);
void jw_bool(struct jw *w, const char *key, bool v);
/* JSON text as it is; NULL: null. */
void jw_raw(struct jw *w, const char *key, const char *text);
void jw_base64(struct jw *w, const char *key, const void *data, size_t n);

/* Bytes of the valid UTF-8 sequence at p, 0 when there is none. */
size_t jw_utf8_len(const char *p, size_t n);
bool jw_is_utf8(const char *p, size_t n);

#endif
