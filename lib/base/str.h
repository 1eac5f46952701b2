/*
 * str - the string work that libc leaves out.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A NULL-terminated vector of owned strings. */
struct strv {
	char **v; /* NULL when empty and never added to */
	size_t n;
};

void strv_init(struct strv *sv);
void strv_fini(struct strv *sv);
void strv_add(struct strv *sv, const char *s);
/* Takes s, which is from xalloc. */
void strv_take(struct strv *sv, char *s);
bool strv_has(const struct strv *sv, const char *s);
bool strv_equal(const struct strv *a, const struct strv *b);
void strv_copy(struct strv *to, const struct strv *from);
/* Sets "KEY=value" in an environment vector, replacing KEY's old entry. */
void strv_env_set(struct strv *sv, const char *key, const char *value);
void strv_env_unset(struct strv *sv, const char *key);
/* Value of KEY in an environment vector, or NULL; borrowed. */
const char *strv_env_get(const struct strv *sv, const char *key);

/* *s becomes a copy of text, NULL when that is empty; text may be *s. */
void str_set(char **s, const char *text);
/* s, or "" for NULL. */
const char *str_text(const char *s);
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* NULL counts as equal to NULL only. */
bool str_equal(const char *a, const char *b);
/* Decimal, the whole of s, within [min, max]; no blanks, no "+". */
bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out);
/* FNV-1a, 64 bits. */
uint64_t str_hash(const char *s);
/* "1.5 s", "210 ms", "3 min 20 s", "2 d 3 h": for people. */
void str_duration(char *out, size_t size, int64_t ms);
/* "812 KiB", "34.5 MiB", "1.2 GiB": for people. */
void str_bytes(char *out, size_t size, int64_t bytes);

#endif
