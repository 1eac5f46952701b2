/*
 * jtext - is this a JSON text, and what stands on top of it?
 */
#include "base/jtext.h"

#include <stdint.h>
#include <string.h>

struct scan {
	const char *p, *end;
	uint8_t objects[JTEXT_DEPTH / 8]; /* bit: that level is an object */
	size_t depth;
};

static void
scan_blank(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' ||
				    *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool
scan_char(struct scan *s, char c)
{
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool
scan_word(struct scan *s, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	return true;
}

static bool
scan_digits(struct scan *s)
{
	const char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p != from;
}

static bool
scan_number(struct scan *s)
{
	scan_char(s, '-');
	if (!scan_char(s, '0') && !scan_digits(s))
		return false;
	if (scan_char(s, '.') && !scan_digits(s))
		return false;
	if (scan_char(s, 'e') || scan_char(s, 'E')) {
		if (!scan_char(s, '+'))
			scan_char(s, '-');
		return scan_digits(s);
	}
	return true;
}

static bool
scan_hex4(struct scan *s)
{
	for (int i = 0; i < 4; i++, s->p++)
		if (s->p == s->end ||
		    strchr("0123456789abcdefABCDEF", *s->p) == NULL ||
		    *s->p == '\0')
			return false;
	return true;
}

static bool
scan_escape(struct scan *s)
{
	if (s->p == s->end || *s->p == '\0' ||
	    strchr("\"\\/bfnrtu", *s->p) == NULL)
		return false;
	return *s->p++ != 'u' || scan_hex4(s);
}

/* One character of more than 7 bits: shortest form, no surrogates. */
static bool
scan_utf8(struct scan *s)
{
	const uint8_t *u = (const uint8_t *)s->p;
	size_t left = (size_t)(s->end - s->p);
	size_t n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;

	if (u[0] < 0xc2 || u[0] > 0xf4 || left < n)
		return false;
	for (size_t i = 1; i < n; i++)
		if ((u[i] & 0xc0) != 0x80)
			return false;
	if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
	    (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
		return false;
	s->p += n;
	return true;
}

static bool
scan_string(struct scan *s)
{
	if (!scan_char(s, '"'))
		return false;
	while (s->p < s->end) {
		uint8_t c = (uint8_t)*s->p;

		if (c == '"') {
			s->p++;
			return true;
		}
		if (c < 0x20)
			return false;
		if (c >= 0x80) {
			if (!scan_utf8(s))
				return false;
			continue;
		}
		s->p++;
		if (c == '\\' && !scan_escape(s))
			return false;
	}
	return false;
}

static bool
scan_push(struct scan *s, bool object)
{
	uint8_t *byte = &s->objects[s->depth / 8 % sizeof s->objects];
	uint8_t bit = (uint8_t)(1U << s->depth % 8);

	if (s->depth == JTEXT_DEPTH)
		return false;
	*byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
	s->depth++;
	return true;
}

static bool
scan_in_object(const struct scan *s)
{
	size_t level = s->depth - 1;

	return (s->objects[level / 8] >> level % 8 & 1) != 0;
}

static bool
scan_name(struct scan *s)
{
	scan_blank(s);
	if (!scan_string(s))
		return false;
	scan_blank(s);
	return scan_char(s, ':');
}

/* A value, or the beginning of one; *open: that of a container. */
static bool
scan_value(struct scan *s, bool *open)
{
	bool object;

	*open = false;
	scan_blank(s);
	if (s->p == s->end)
		return false;
	switch (*s->p) {
	case '{':
	case '[':
		object = *s->p++ == '{';
		scan_blank(s);
		if (scan_char(s, object ? '}' : ']'))
			return true; /* empty */
		*open = true;
		return scan_push(s, object) && (!object || scan_name(s));
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

/* After a value: ends of containers, or the way to the next value. */
static bool
scan_after(struct scan *s, bool *more)
{
	*more = false;
	while (s->depth > 0) {
		bool object = scan_in_object(s);

		scan_blank(s);
		if (scan_char(s, ',')) {
			*more = true;
			return !object || scan_name(s);
		}
		if (!scan_char(s, object ? '}' : ']'))
			return false;
		s->depth--;
	}
	return true;
}

static bool
scan_text(struct scan *s)
{
	bool more = true, open;

	while (more) {
		if (!scan_value(s, &open))
			return false;
		if (!open && !scan_after(s, &more))
			return false;
	}
	scan_blank(s);
	return s->p == s->end;
}

bool
jtext_valid(const char *p, size_t n, size_t *at)
{
	struct scan s = { .p = p, .end = p + n };
	bool good = scan_text(&s);

	if (at != NULL)
		*at = (size_t)(s.p - p);
	return good;
}

/* Of a text that is one: past the value that begins here. */
static void
scan_skip(struct scan *s)
{
	size_t depth = 0;

	do {
		switch (*s->p) {
		case '"':
			scan_string(s);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return; /* of what it is in */
			depth--;
			break;
		case ',':
			if (depth == 0)
				return;
			break;
		default:
			break;
		}
		s->p++;
	} while (s->p < s->end);
}

static size_t
scan_trimmed(const char *from, const char *to)
{
	while (to > from && strchr(" \t\n\r", to[-1]) != NULL)
		to--;
	return (size_t)(to - from);
}

bool
jtext_member(
    const char *p, size_t n, const char *name, const char **value, size_t *len)
{
	struct scan s = { .p = p, .end = p + n };
	size_t name_len = strlen(name);
	bool found = false;

	scan_blank(&s);
	if (!scan_char(&s, '{'))
		return false;
	scan_blank(&s);
	while (s.p < s.end && *s.p == '"') {
		const char *key = s.p + 1, *from;
		bool same = (size_t)(s.end - key) > name_len &&
			    memcmp(key, name, name_len) == 0 &&
			    key[name_len] == '"';

		if (!scan_name(&s))
			return false;
		scan_blank(&s);
		from = s.p;
		scan_skip(&s);
		if (same) {
			found = true;
			*value = from;
			*len = scan_trimmed(from, s.p);
		}
		scan_char(&s, ',');
		scan_blank(&s);
	}
	return found;
}

bool
jtext_is_string(const char *p, size_t n, const char *want)
{
	struct scan s = { .p = p, .end = p + n };

	scan_blank(&s);
	if (!scan_char(&s, '"') || !scan_word(&s, want) || !scan_char(&s, '"'))
		return false;
	scan_blank(&s);
	return s.p == s.end;
}
