/* words - a command line as its words. */
#include "config/words.h"

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

static bool
words_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* s is behind the quote; returns what is behind the closing one, or NULL. */
static const char *
words_quoted(struct buf *word, const char *s, char quote)
{
	for (; *s != '\0' && *s != quote; s++) {
		if (quote == '"' && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		buf_addc(word, *s);
	}
	return *s == quote ? s + 1 : NULL;
}

/* One word from s on; returns what is behind it, or NULL with err. */
static const char *
words_one(struct buf *word, const char *s, struct err *err)
{
	while (*s != '\0' && !words_blank(*s)) {
		const char *start = s;

		if (*s == '\'' || *s == '"') {
			s = words_quoted(word, s + 1, *s);
			if (s == NULL) {
				err_set(err,
				    "the quote at %.20s is never "
				    "closed",
				    start);
				return NULL;
			}
			continue;
		}
		if (*s == '\\' && *++s == '\0') {
			err_set(err, "nothing follows the \\ at its end");
			return NULL;
		}
		buf_addc(word, *s++);
	}
	return s;
}

int
words_split(struct strv *out, const char *text, struct err *err)
{
	struct buf word;

	buf_init(&word);
	for (;;) {
		while (words_blank(*text))
			text++;
		if (*text == '\0')
			break;
		text = words_one(&word, text, err);
		if (text == NULL) {
			buf_fini(&word);
			return -1;
		}
		strv_take(out, buf_steal(&word));
	}
	buf_fini(&word);
	return 0;
}
