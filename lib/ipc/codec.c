/* codec - numbers and strings to bytes and back. */
#include "ipc/codec.h"

#include <stdlib.h>
#include <string.h>

void
mw_init(struct mw *w, void *mem, size_t cap)
{
	w->data = mem;
	w->len = 0;
	w->cap = cap;
	w->grows = mem == NULL;
	w->failed = false;
}

void
mw_fini(struct mw *w)
{
	if (w->grows)
		free(w->data);
	mw_init(w, NULL, 0);
}

static uint8_t *
mw_room(struct mw *w, size_t n)
{
	size_t cap = w->cap != 0 ? w->cap : 256;
	uint8_t *p;

	if (w->failed)
		return NULL;
	if (n > w->cap - w->len) {
		while (cap - w->len < n && cap < SIZE_MAX / 2)
			cap *= 2;
		p = w->grows ? realloc(w->data, cap) : NULL;
		if (p == NULL) {
			w->failed = true;
			return NULL;
		}
		w->data = p;
		w->cap = cap;
	}
	p = w->data + w->len;
	w->len += n;
	return p;
}

static void
mw_number(struct mw *w, uint64_t v, size_t n)
{
	uint8_t *p = mw_room(w, n);

	if (p == NULL)
		return;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void
mw_u8(struct mw *w, uint8_t v)
{
	mw_number(w, v, 1);
}

void
mw_u16(struct mw *w, uint16_t v)
{
	mw_number(w, v, 2);
}

void
mw_u32(struct mw *w, uint32_t v)
{
	mw_number(w, v, 4);
}

void
mw_u64(struct mw *w, uint64_t v)
{
	mw_number(w, v, 8);
}

void
mw_i64(struct mw *w, int64_t v)
{
	mw_number(w, (uint64_t)v, 8);
}

void
mw_str(struct mw *w, const char *s)
{
	mw_bytes(w, s != NULL ? s : "", s != NULL ? strlen(s) : 0);
	mw_u8(w, 0);
}

void
mw_bytes(struct mw *w, const void *p, size_t n)
{
	uint8_t *to;

	if (n > UINT32_MAX) {
		w->failed = true;
		return;
	}
	mw_u32(w, (uint32_t)n);
	to = mw_room(w, n);
	if (to != NULL && n != 0)
		memcpy(to, p, n);
}

void
mr_init(struct mr *r, const void *p, size_t n)
{
	r->p = p;
	r->end = r->p + n;
	r->failed = false;
}

static const uint8_t *
mr_take(struct mr *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->failed || n > (size_t)(r->end - r->p)) {
		r->failed = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static uint64_t
mr_number(struct mr *r, size_t n)
{
	const uint8_t *p = mr_take(r, n);
	uint64_t v = 0;

	if (p == NULL)
		return 0;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t
mr_u8(struct mr *r)
{
	return (uint8_t)mr_number(r, 1);
}

uint16_t
mr_u16(struct mr *r)
{
	return (uint16_t)mr_number(r, 2);
}

uint32_t
mr_u32(struct mr *r)
{
	return (uint32_t)mr_number(r, 4);
}

uint64_t
mr_u64(struct mr *r)
{
	return mr_number(r, 8);
}

int64_t
mr_i64(struct mr *r)
{
	return (int64_t)mr_number(r, 8);
}

const char *
mr_str(struct mr *r)
{
	size_t n;
	const char *s = mr_bytes(r, &n);

	if (mr_u8(r) != 0)
		r->failed = true;
	if (!r->failed && memchr(s, '\0', n) != NULL)
		r->failed = true;
	return r->failed ? "" : s;
}

const void *
mr_bytes(struct mr *r, size_t *n)
{
	*n = mr_u32(r);
	return mr_take(r, *n);
}

int
mr_end(const struct mr *r)
{
	return r->failed || r->p != r->end ? -1 : 0;
}
