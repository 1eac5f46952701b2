/* value_units - durations, sizes and limits. */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/value.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit time_units[] = {
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", 60 * 1000 },
	{ "h", 60 * 60 * 1000 },
	{ "d", 24 * 60 * 60 * 1000 },
	{ NULL, 0 },
};

#define KB 1024LL

static const struct unit size_units[] = {
	{ "K", KB },
	{ "KB", KB },
	{ "KiB", KB },
	{ "M", KB *KB },
	{ "MB", KB *KB },
	{ "MiB", KB *KB },
	{ "G", KB *KB *KB },
	{ "GB", KB *KB *KB },
	{ "GiB", KB *KB *KB },
	{ "T", KB *KB *KB *KB },
	{ "TB", KB *KB *KB *KB },
	{ "TiB", KB *KB *KB *KB },
	{ "B", 1 },
	{ NULL, 0 },
};

static const struct unit *
unit_find(const struct unit *units, const char *s, size_t n)
{
	for (; units->name != NULL; units++)
		if (strlen(units->name) == n &&
		    strncasecmp(units->name, s, n) == 0)
			return units;
	return NULL;
}

static const char *
unit_blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/*
 * Reads "12.5" and the letters behind it.  NULL when it is no number; *unit
 * is where the letters begin and *n how many there are.
 */
static const char *
unit_number(const char *s, int64_t *whole, int64_t *thousandths,
    const char **unit, size_t *n)
{
	int64_t scale = 100;

	if (!isdigit((unsigned char)*s))
		return NULL;
	for (*whole = 0; isdigit((unsigned char)*s); s++)
		if (__builtin_mul_overflow(*whole, 10, whole) ||
		    __builtin_add_overflow(*whole, *s - '0', whole))
			return NULL;
	*thousandths = 0;
	if (*s == '.') {
		if (!isdigit((unsigned char)*++s))
			return NULL;
		for (; isdigit((unsigned char)*s); s++, scale /= 10)
			*thousandths += (*s - '0') * scale;
	}
	s = unit_blanks(s);
	*unit = s;
	while (isalpha((unsigned char)*s))
		s++;
	*n = (size_t)(s - *unit);
	return s;
}

/* Adds number * unit to *sum; -1: more than there can be. */
static int
unit_add(int64_t *sum, int64_t whole, int64_t thousandths, int64_t factor)
{
	int64_t part;

	if (__builtin_mul_overflow(whole, factor, &part) ||
	    __builtin_add_overflow(*sum, part, sum) ||
	    __builtin_add_overflow(*sum, thousandths * factor / 1000, sum))
		return -1;
	return 0;
}

static int
duration_sum(int64_t *sum, const char *s)
{
	int64_t whole, thousandths;
	const struct unit *unit;
	const char *name, *start = s;
	size_t n;

	*sum = 0;
	do {
		s = unit_number(s, &whole, &thousandths, &name, &n);
		if (s == NULL)
			return -1;
		/* A number alone is seconds, but only alone: not "1m30". */
		if (n == 0 && (*s != '\0' || strpbrk(start, "mshdMSHD")))
			return -1;
		unit =
		    unit_find(time_units, n == 0 ? "s" : name, n == 0 ? 1 : n);
		if (unit == NULL ||
		    unit_add(sum, whole, thousandths, unit->factor) == -1)
			return -1;
		s = unit_blanks(s);
	} while (*s != '\0');
	return 0;
}

int
value_duration_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int64_t *ms = field, sum;

	if (duration_sum(&sum, text) == -1)
		return err_set(err,
		    "'%s' is not a duration such as 10, 500ms "
		    "or 1m30s",
		    text);
	if (sum < vc->min)
		return err_set(
		    err, "'%s' is less than %lld ms", text, (long long)vc->min);
	if (sum > vc->max)
		return err_set(err, "'%s' is more than %lld days", text,
		    (long long)(vc->max / 86400000));
	*ms = sum;
	return 0;
}

void
value_duration_print(struct buf *out, const void *object, const void *field)
{
	int64_t ms = *(const int64_t *)field;

	(void)object;
	if (ms % 1000 == 0)
		buf_addf(out, "%lld", (long long)(ms / 1000));
	else
		buf_addf(out, "%lldms", (long long)ms);
}

/* "5/1m" */
int
value_rate_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct value_ctx period = { .min = 1, .max = 86400000 };
	struct config_rate rate = { 0, 0 };
	const char *slash = strchr(text, '/');
	char *count;
	int rc;

	if (strcmp(text, "none") == 0) {
		*(struct config_rate *)field = rate;
		return 0;
	}
	if (slash == NULL)
		return err_set(err,
		    "'%s' is not a NUMBER/DURATION such as 5/1m, and not none",
		    text);
	count = xstrndup(text, (size_t)(slash - text));
	rc = value_integer(vc, &rate.count, count, err);
	free(count);
	if (rc == -1 || value_duration_parse(
			    &period, &rate.period_ms, slash + 1, err) == -1)
		return -1;
	*(struct config_rate *)field = rate;
	return 0;
}

void
config_rate_text(char *out, size_t size, const struct config_rate *rate)
{
	static const struct unit units[] = {
		{ "h", 3600000 },
		{ "m", 60000 },
		{ "s", 1000 },
		{ "ms", 1 },
	};
	const struct unit *u = units;

	if (rate->count == 0) {
		snprintf(out, size, "none");
		return;
	}
	while (rate->period_ms % u->factor != 0)
		u++;
	snprintf(out, size, "%lld/%lld%s", (long long)rate->count,
	    (long long)(rate->period_ms / u->factor), u->name);
}

void
value_rate_print(struct buf *out, const void *object, const void *field)
{
	char text[64];

	(void)object;
	config_rate_text(text, sizeof text, field);
	buf_adds(out, text);
}

static int
size_parse(int64_t *out, const char *text)
{
	int64_t whole, thousandths, sum = 0;
	const struct unit *unit = NULL;
	const char *name, *s;
	size_t n;

	s = unit_number(text, &whole, &thousandths, &name, &n);
	if (s == NULL || *s != '\0' || thousandths != 0)
		return -1;
	if (n > 0 && (unit = unit_find(size_units, name, n)) == NULL)
		return -1;
	if (unit_add(&sum, whole, 0, unit == NULL ? 1 : unit->factor) == -1)
		return -1;
	*out = sum;
	return 0;
}

int
value_bytes_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	(void)vc;
	if (size_parse(field, text) == -1)
		return err_set(err,
		    "'%s' is not a size such as 4096, 512KB "
		    "or 50MB",
		    text);
	return 0;
}

static void
size_print(struct buf *out, uint64_t v)
{
	if (v != 0 && v % (KB * KB * KB) == 0)
		buf_addf(out, "%lluGB", (unsigned long long)v / (KB * KB * KB));
	else if (v != 0 && v % (KB * KB) == 0)
		buf_addf(out, "%lluMB", (unsigned long long)v / (KB * KB));
	else if (v != 0 && v % KB == 0)
		buf_addf(out, "%lluKB", (unsigned long long)v / KB);
	else
		buf_addf(out, "%llu", (unsigned long long)v);
}

void
value_bytes_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	size_print(out, (uint64_t) * (const int64_t *)field);
}

/* --- limits ----------------------------------------------------------------
 */

static int
limit_parse(rlim_t *out, const char *s, size_t n, bool units)
{
	char *text = xstrndup(s, n);
	int64_t v = 0;
	int rc = 0;

	if (strcasecmp(text, "unlimited") == 0 ||
	    strcasecmp(text, "infinity") == 0)
		*out = RLIM_INFINITY;
	else if (units ? size_parse(&v, text) == 0
		       : str_to_i64(text, 0, INT64_MAX, &v))
		*out = (rlim_t)v;
	else
		rc = -1;
	free(text);
	return rc;
}

static int
limits_parse(
    struct config_rlimit *out, const char *text, bool units, struct err *err)
{
	const char *colon = strchr(text, ':');
	size_t n = colon == NULL ? strlen(text) : (size_t)(colon - text);
	struct config_rlimit rl = { .set = true };

	if (limit_parse(&rl.soft, text, n, units) == -1)
		goto bad;
	rl.hard = rl.soft;
	if (colon != NULL &&
	    limit_parse(&rl.hard, colon + 1, strlen(colon + 1), units) == -1)
		goto bad;
	if (rl.soft > rl.hard)
		return err_set(err,
		    "'%s': the soft limit is above the hard "
		    "one",
		    text);
	*out = rl;
	return 0;
bad:
	return err_set(err, "'%s' is not a limit such as %s, or two as in %s",
	    text, units ? "512MB or unlimited" : "1024 or unlimited",
	    units ? "1GB:unlimited" : "1024:4096");
}

int
value_rlimit_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	(void)vc;
	return limits_parse(field, text, true, err);
}

int
value_rlimcount_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	(void)vc;
	return limits_parse(field, text, false, err);
}

int
value_limit_word(
    const char *word, int *resource, struct config_rlimit *out, struct err *err)
{
	static const struct {
		const char *name;
		int resource;
		bool units;
	} limits[] = { { "as", RLIMIT_AS, true }, { "core", RLIMIT_CORE, true },
		{ "cpu", RLIMIT_CPU, false }, { "data", RLIMIT_DATA, true },
		{ "fsize", RLIMIT_FSIZE, true },
		{ "memlock", RLIMIT_MEMLOCK, true },
		{ "nofile", RLIMIT_NOFILE, false },
		{ "nproc", RLIMIT_NPROC, false },
		{ "rtprio", RLIMIT_RTPRIO, false },
		{ "stack", RLIMIT_STACK, true } };
	size_t len = strcspn(word, "=");

	if (word[len] == '\0')
		return err_set(
		    err, "'%s' is not NAME=SOFT[:HARD], as nofile=1024", word);
	for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
		if (strlen(limits[i].name) != len ||
		    strncmp(limits[i].name, word, len) != 0)
			continue;
		*resource = limits[i].resource;
		return limits_parse(out, word + len + 1, limits[i].units, err);
	}
	return err_set(err,
	    "no limit '%.*s': as, core, cpu, data, fsize, memlock, nofile, "
	    "nproc, rtprio or stack",
	    (int)len, word);
}

static void
limit_print(struct buf *out, rlim_t v, bool units)
{
	if (v == RLIM_INFINITY)
		buf_adds(out, "unlimited");
	else if (units)
		size_print(out, v);
	else
		buf_addf(out, "%llu", (unsigned long long)v);
}

static void
limits_print(struct buf *out, const struct config_rlimit *rl, bool units)
{
	if (!rl->set)
		return;
	limit_print(out, rl->soft, units);
	if (rl->hard == rl->soft)
		return;
	buf_addc(out, ':');
	limit_print(out, rl->hard, units);
}

void
value_rlimit_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	limits_print(out, field, true);
}

void
value_rlimcount_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	limits_print(out, field, false);
}
