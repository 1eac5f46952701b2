/* jw - writes JSON text straight into a buf. */
#include "ctl/jw.h"

#include <string.h>

void
jw_init(struct jw *w, struct buf *b)
{
	w->b = b;
	w->comma = false;
	w->plain = false;
}

void
jw_plain_init(struct jw *w, struct buf *b)
{
	jw_init(w, b);
	w->plain = true;
}

void
jw_plain_end(struct jw *w)
{
	buf_addc(w->b, '\n');
	w->comma = false;
}

static size_t
jw_utf8_width(unsigned char c)
{
	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef)
		return 3;
	if (c >= 0xf0 && c <= 0xf4)
		return 4;
	return 0;
}

/* Overlong forms, surrogates and what lies beyond U+10FFFF are invalid. */
static bool
jw_utf8_second(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0;
	case 0xed:
		return second <= 0x9f;
	case 0xf0:
		return second >= 0x90;
	case 0xf4:
		return second <= 0x8f;
	default:
		return true;
	}
}

size_t
jw_utf8_len(const char *p, size_t n)
{
	size_t w = n > 0 ? jw_utf8_width((unsigned char)p[0]) : 0;

	if (w == 0 || w > n)
		return 0;
	for (size_t i = 1; i < w; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
	}
	if (w > 1 && !jw_utf8_second((unsigned char)p[0], (unsigned char)p[1]))
		return 0;
	return w;
}

bool
jw_is_utf8(const char *p, size_t n)
{
	size_t w;

	for (; n > 0; p += w, n -= w) {
		w = jw_utf8_len(p, n);
		if (w == 0)
			return false;
	}
	return true;
}

/* A character that may not stand in a JSON string as it is. */
static void
jw_escape(struct buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		buf_add(b, "\\\"", 2);
		return;
	case '\\':
		buf_add(b, "\\\\", 2);
		return;
	case '\n':
		buf_add(b, "\\n", 2);
		return;
	case '\r':
		buf_add(b, "\\r", 2);
		return;
	case '\t':
		buf_add(b, "\\t", 2);
		return;
	default:
		buf_addf(b, "\\u%04x", c);
	}
}

static bool
jw_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static void
jw_string(struct buf *b, const char *s, size_t n)
{
	size_t run, w;

	buf_addc(b, '"');
	while (n > 0) {
		for (run = 0; run < n && jw_plain((unsigned char)s[run]);)
			run++;
		buf_add(b, s, run);
		s += run;
		n -= run;
		if (n == 0)
			break;
		w = jw_utf8_len(s, n);
		if (w > 1)
			buf_add(b, s, w);
		else if (w == 1)
			jw_escape(b, (unsigned char)*s);
		else
			buf_add(b, "\xef\xbf\xbd", 3);
		s += w > 0 ? w : 1;
		n -= w > 0 ? w : 1;
	}
	buf_addc(b, '"');
}

/* JSON's own rules are for when the rows become a string. */
static void
jw_words(struct buf *b, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_addc(b, (unsigned char)s[i] < 0x20 ? ' ' : s[i]);
}

static void
jw_begin(struct jw *w, const char *key)
{
	if (w->comma)
		buf_addc(w->b, w->plain ? '\t' : ',');
	w->comma = true;
	if (key == NULL)
		return;
	jw_string(w->b, key, strlen(key));
	buf_addc(w->b, ':');
}

void
jw_obj(struct jw *w, const char *key)
{
	jw_begin(w, key);
	buf_addc(w->b, '{');
	w->comma = false;
}

void
jw_end_obj(struct jw *w)
{
	buf_addc(w->b, '}');
	w->comma = true;
}

void
jw_arr(struct jw *w, const char *key)
{
	jw_begin(w, key);
	buf_addc(w->b, '[');
	w->comma = false;
}

void
jw_end_arr(struct jw *w)
{
	buf_addc(w->b, ']');
	w->comma = true;
}

void
jw_str(struct jw *w, const char *key, const char *s)
{
	if (s == NULL)
		jw_raw(w, key, NULL);
	else
		jw_strn(w, key, s, strlen(s));
}

void
jw_strn(struct jw *w, const char *key, const char *s, size_t n)
{
	jw_begin(w, key);
	if (w->plain)
		jw_words(w->b, s, n);
	else
		jw_string(w->b, s, n);
}

void
jw_int(struct jw *w, const char *key, int64_t v)
{
	char digits[24], *p = digits + sizeof digits;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	jw_begin(w, key);
	/* Lists of tasks have hundreds of thousands: not through printf. */
	do
		*--p = (char)('0' + u % 10);
	while ((u /= 10) != 0);
	if (v < 0)
		*--p = '-';
	buf_add(w->b, p, (size_t)(digits + sizeof digits - p));
}

void
jw_int_or(struct jw *w, const char *key, int64_t v, int64_t none)
{
	if (v == none)
		jw_raw(w, key, NULL);
	else
		jw_int(w, key, v);
}

void
jw_bool(struct jw *w, const char *key, bool v)
{
	jw_raw(w, key, v ? "true" : "false");
}

void
jw_raw(struct jw *w, const char *key, const char *text)
{
	jw_begin(w, key);
	if (text == NULL)
		text = w->plain ? "" : "null";
	buf_adds(w->b, text);
}

void
jw_base64(struct jw *w, const char *key, const void *data, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;

	jw_begin(w, key);
	buf_addc(w->b, '"');
	for (; n > 0; p += 3) {
		unsigned v = (unsigned)p[0] << 16;
		char out[4];

		v |= n > 1 ? (unsigned)p[1] << 8 : 0;
		v |= n > 2 ? p[2] : 0;
		out[0] = digits[v >> 18];
		out[1] = digits[v >> 12 & 63];
		out[2] = n > 1 ? digits[v >> 6 & 63] : '=';
		out[3] = n > 2 ? digits[v & 63] : '=';
		buf_add(w->b, out, sizeof out);
		n -= n > 3 ? 3 : n;
	}
	buf_addc(w->b, '"');
}
