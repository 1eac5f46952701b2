/*
 * ini_reeve - the lines of the [reeve] dialect.
 *
 *	[section]          a line that begins with [
 *	key = value        or key: value; the first = or : divides
 *	    more value     deeper than its key: goes on with the value
 *	; comment          or #, first on a line; after a blank also behind a
 *	                   value, unless inside quotes
 *
 * The columns are compared as Python's configparser compares them, so that a
 * file whose keys are all indented alike is what it seems to be.  Nothing is
 * guessed: a line that is none of these is an error that says what to do,
 * and reading goes on behind it.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/xalloc.h"
#include "config/ini.h"

struct lines {
	struct ini_sink *sink;
	bool in_section;
	bool open;  /* a deeper line belongs to the line before */
	int indent; /* column of the last key or section */
	char *key;  /* NULL: nothing to emit, or a bad line that is dropped */
	int key_line;
	struct buf value; /* raw: with comments, quotes and line breaks */
};

static bool
lines_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f';
}

/* --- comments behind a value -----------------------------------------------
 */

/*
 * The quote that closes the one at s, or NULL.  \" and \\ count in double
 * quotes only, as they do when a command is split: the two must agree.
 */
static const char *
lines_quote_end(const char *s, const char *end)
{
	char quote = *s;

	for (s++; s < end; s++) {
		if (quote == '"' && *s == '\\' && s + 1 < end &&
		    (s[1] == '"' || s[1] == '\\'))
			s++;
		else if (*s == quote)
			return s;
	}
	return NULL;
}

/*
 * Copies a raw value without its comments.  A quote that is never closed is
 * an ordinary character: the ' of don't must not swallow the comment.
 */
static void
lines_uncomment(struct buf *out, const char *raw, size_t len)
{
	const char *s = raw, *end = raw + len, *close;
	bool hopeless[2] = { false, false }; /* no ' or " closes any more */

	while (s < end) {
		if ((*s == ';' || *s == '#') && s > raw && lines_blank(s[-1])) {
			while (s < end && *s != '\n')
				s++;
			continue;
		}
		if (*s == '\\' && s + 1 < end && s[1] != '\n') {
			buf_add(out, s, 2);
			s += 2;
			continue;
		}
		if ((*s == '"' || *s == '\'') && !hopeless[*s == '"']) {
			close = lines_quote_end(s, end);
			hopeless[*s == '"'] = close == NULL;
			if (close != NULL) {
				buf_add(out, s, (size_t)(close - s));
				s = close;
			}
		}
		buf_addc(out, *s++);
	}
}

static bool
lines_space(char c)
{
	return lines_blank(c) || c == '\n';
}

/* Blanks at the end of each line, and around the whole, are not meant. */
static void
lines_trim(struct buf *b)
{
	size_t from = 0, to = 0;

	for (size_t i = 0; i < b->len; i++) {
		if (b->data[i] == '\n')
			while (to > 0 && lines_blank(b->data[to - 1]))
				to--;
		b->data[to++] = b->data[i];
	}
	while (to > 0 && lines_space(b->data[to - 1]))
		to--;
	b->len = to;
	while (from < to && lines_space(b->data[from]))
		from++;
	buf_consume(b, from);
}

/* --- one line after the other ----------------------------------------------
 */

static void
lines_flush(struct lines *ls)
{
	struct buf value;

	if (ls->key == NULL)
		return;
	buf_init(&value);
	lines_uncomment(&value, buf_str(&ls->value), ls->value.len);
	lines_trim(&value);
	ini_sink_key(
	    ls->sink, ls->key, buf_str(&value), value.len, ls->key_line);
	buf_fini(&value);
	freep(&ls->key);
	buf_clear(&ls->value);
}

static void
lines_header(struct lines *ls, const char *s, size_t n, int line)
{
	const char *close = memchr(s, ']', n), *end = s + n, *rest;
	char *name;

	rest = close == NULL ? end : close + 1;
	while (rest < end && lines_blank(*rest))
		rest++;
	if (close == NULL)
		ini_sink_error(ls->sink, line,
		    "'%.*s': ] is missing at the end of the section's name",
		    (int)n, s);
	else if (rest < end && *rest != ';' && *rest != '#')
		ini_sink_error(ls->sink, line,
		    "'%.*s' behind [section]: put it on a line of its own",
		    (int)(end - rest), rest);
	/* Go on with the name as it was meant, to find more errors. */
	for (s++, end = close == NULL ? end : close; s < end; s++)
		if (!lines_blank(*s))
			break;
	while (end > s && lines_blank(end[-1]))
		end--;
	if (s == end)
		ini_sink_error(ls->sink, line, "[] has no name");
	name = xstrndup(s, (size_t)(end - s));
	ini_sink_section(ls->sink, name, line);
	free(name);
	ls->in_section = true;
	ls->open = false;
}

/* Where the key ends: at = or :, or -1 when there is none before a comment. */
static ssize_t
lines_divider(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '=' || s[i] == ':')
			return (ssize_t)i;
		if ((s[i] == ';' || s[i] == '#') && i > 0 &&
		    lines_blank(s[i - 1]))
			break;
	}
	return -1;
}

static void
lines_key(struct lines *ls, const char *s, size_t n, int line)
{
	ssize_t div = lines_divider(s, n);
	size_t len;

	ls->open = true; /* also when it is bad: its continuation is, too */
	if (div == -1) {
		ini_sink_error(ls->sink, line,
		    "'%.*s' is neither 'key = value' nor a [section]; to go "
		    "on with the value above, indent it deeper than its key",
		    (int)(n < 200 ? n : 200), s);
		return;
	}
	len = (size_t)div;
	while (len > 0 && lines_blank(s[len - 1]))
		len--;
	if (len == 0) {
		ini_sink_error(
		    ls->sink, line, "nothing stands before '%c'", s[div]);
		return;
	}
	if (!ls->in_section) {
		ini_sink_error(ls->sink, line,
		    "'%.*s' stands before the first [section]", (int)len, s);
		return;
	}
	ls->key = xstrndup(s, len);
	for (char *c = ls->key; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	ls->key_line = line;
	/* With the divider, so that a comment may follow it at once. */
	buf_add(&ls->value, s + div + 1, n - (size_t)div - 1);
}

static void
lines_line(struct lines *ls, const char *s, size_t n, int line)
{
	size_t col = 0;

	while (col < n && lines_blank(s[col]))
		col++;
	s += col;
	n -= col;
	while (n > 0 && lines_blank(s[n - 1]))
		n--;
	if (n > 0 && (*s == ';' || *s == '#'))
		return;
	if (n > 0 && !(ls->open && (int)col > ls->indent)) {
		lines_flush(ls);
		ls->indent = (int)col;
		if (*s == '[')
			lines_header(ls, s, n, line);
		else
			lines_key(ls, s, n, line);
		return;
	}
	if (ls->key != NULL) {
		buf_addc(&ls->value, '\n');
		buf_add(&ls->value, s, n);
	}
}

/* --- bytes that are no text ------------------------------------------------
 */

/* Length of the UTF-8 sequence at s, 0 when it is none. */
static size_t
lines_utf8(const unsigned char *s, size_t n)
{
	unsigned c = s[0], min;
	size_t len;

	if (c < 0x80)
		return 1;
	len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || len > n)
		return 0;
	c &= 0xffU >> (len + 1);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	min = len == 4 ? 0x10000 : len == 3 ? 0x800 : 0x80;
	if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return len;
}

static bool
lines_is_text(struct lines *ls, const char *s, size_t n, int line)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = lines_utf8(u + i, n - i);
		if (u[i] == '\0' || len == 0) {
			ini_sink_error(ls->sink, line,
			    u[i] == '\0' ? "byte 0x%02x in column %zu: not a "
					   "text file"
					 : "byte 0x%02x in column %zu is not "
					   "UTF-8",
			    u[i], i + 1);
			return false;
		}
	}
	return true;
}

/* Length of the line at s; *next is where the next one begins. */
static size_t
lines_length(const char *s, size_t n, size_t *next)
{
	size_t i = 0;

	while (i < n && s[i] != '\n' && s[i] != '\r')
		i++;
	*next = i + 1;
	if (i + 1 < n && s[i] == '\r' && s[i + 1] == '\n')
		*next = i + 2;
	return i;
}

void
ini_lines_reeve(struct ini_sink *sink, const char *text, size_t len)
{
	struct lines ls = { .sink = sink };
	size_t pos = 0, n, next;

	buf_init(&ls.value);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		pos = 3; /* a byte order mark, from editors on Windows */
	for (int line = 1; pos < len; line++, pos += next) {
		n = lines_length(text + pos, len - pos, &next);
		if (lines_is_text(&ls, text + pos, n, line))
			lines_line(&ls, text + pos, n, line);
	}
	lines_flush(&ls);
	buf_fini(&ls.value);
}
