/* str - the string work that libc leaves out. */
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

void
strv_init(struct strv *sv)
{
	sv->v = NULL;
	sv->n = 0;
}

void
strv_fini(struct strv *sv)
{
	for (size_t i = 0; i < sv->n; i++)
		free(sv->v[i]);
	free(sv->v);
	strv_init(sv);
}

void
strv_take(struct strv *sv, char *s)
{
	sv->v = xreallocarray(sv->v, sv->n + 2, sizeof *sv->v);
	sv->v[sv->n++] = s;
	sv->v[sv->n] = NULL;
}

void
strv_add(struct strv *sv, const char *s)
{
	strv_take(sv, xstrdup(s));
}

bool
strv_has(const struct strv *sv, const char *s)
{
	for (size_t i = 0; i < sv->n; i++)
		if (strcmp(sv->v[i], s) == 0)
			return true;
	return false;
}

bool
strv_equal(const struct strv *a, const struct strv *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

void
strv_copy(struct strv *to, const struct strv *from)
{
	strv_init(to);
	for (size_t i = 0; i < from->n; i++)
		strv_add(to, from->v[i]);
}

static char **
strv_env_find(const struct strv *sv, const char *key, size_t len)
{
	for (size_t i = 0; i < sv->n; i++)
		if (strncmp(sv->v[i], key, len) == 0 && sv->v[i][len] == '=')
			return &sv->v[i];
	return NULL;
}

void
strv_env_set(struct strv *sv, const char *key, const char *value)
{
	char **old = strv_env_find(sv, key, strlen(key));
	char *s = xasprintf("%s=%s", key, value);

	if (old == NULL) {
		strv_take(sv, s);
		return;
	}
	free(*old);
	*old = s;
}

void
strv_env_unset(struct strv *sv, const char *key)
{
	char **e = strv_env_find(sv, key, strlen(key));

	if (e == NULL)
		return;
	free(*e);
	sv->n--;
	memmove(e, e + 1, (size_t)(sv->v + sv->n - e) * sizeof *e);
	sv->v[sv->n] = NULL;
}

const char *
strv_env_get(const struct strv *sv, const char *key)
{
	size_t len = strlen(key);
	char **e = strv_env_find(sv, key, len);

	return e != NULL ? *e + len + 1 : NULL;
}

void
str_set(char **s, const char *text)
{
	char *copy = text[0] == '\0' ? NULL : xstrdup(text);

	free(*s);
	*s = copy;
}

const char *
str_text(const char *s)
{
	return s == NULL ? "" : s;
}

bool
str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

bool
str_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

bool
str_to_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	long long v;
	char *end;

	if (!(*s == '-' || (*s >= '0' && *s <= '9')))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || *end != '\0' || end == s || v < min || v > max)
		return false;
	*out = v;
	return true;
}

uint64_t
str_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325U;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3U;
	return h;
}

void
str_duration(char *out, size_t size, int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(out, size, "%lld ms", (long long)ms);
	else if (s < 10)
		snprintf(out, size, "%lld.%lld s", (long long)s,
		    (long long)(ms % 1000 / 100));
	else if (s < 60)
		snprintf(out, size, "%lld s", (long long)s);
	else if (s < 3600)
		snprintf(out, size, "%lld min %lld s", (long long)(s / 60),
		    (long long)(s % 60));
	else if (s < 86400)
		snprintf(out, size, "%lld h %lld min", (long long)(s / 3600),
		    (long long)(s % 3600 / 60));
	else
		snprintf(out, size, "%lld d %lld h", (long long)(s / 86400),
		    (long long)(s % 86400 / 3600));
}

void
str_bytes(char *out, size_t size, int64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t u = 0;
	double v = (double)bytes;

	while (v >= 1024 && u < 4) {
		v /= 1024;
		u++;
	}
	/* A whole number is written as one: what a file says looks the same. */
	if (u < 2 || v >= 1000 || v == (double)(int64_t)v)
		snprintf(out, size, "%.0f %s", v, units[u]);
	else
		snprintf(out, size, "%.1f %s", v, units[u]);
}
