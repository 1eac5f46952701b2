/*
 * jtext - is this a JSON text, and what stands on top of it?
 *
 * For texts of strangers that are passed on as they are: nothing is built,
 * nothing is allocated, however the text is made.  RFC 8259, in UTF-8; no
 * deeper than JTEXT_DEPTH.
 */
#ifndef BASE_JTEXT_H
#define BASE_JTEXT_H

#include <stdbool.h>
#include <stddef.h>

#define JTEXT_DEPTH 1024

/* One value and nothing else.  at, if not NULL: where it is wrong. */
bool jtext_valid(const char *p, size_t n, size_t *at);
/*
 * Of an object: the value of that member, as it is written; of several, the
 * last.  The text is one by jtext_valid.  A name written with escapes is
 * not found.
 */
bool jtext_member(
    const char *p, size_t n, const char *name, const char **value, size_t *len);
/* Is the value that string, written without escapes? */
bool jtext_is_string(const char *p, size_t n, const char *s);

#endif
