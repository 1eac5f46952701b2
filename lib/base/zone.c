/*
 * zone - a time zone by its name.  See zone.h.
 *
 * A file has the changes of the offset that are known, and after the last one
 * a rule for all that come (as of TZ in environ(7)).
 */
#include "base/zone.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"

#define ZONE_DIR      "/usr/share/zoneinfo"
#define ZONE_FILE_MAX (256 * 1024)
#define ZONE_NAME_MAX 128
#define HEAD_SIZE     44
#define TYPE_SIZE     6
#define DAY           86400

struct offset {
	int32_t seconds; /* east of UTC */
	bool dst;
};

/* A day of the year, and a time of it. */
struct rule {
	char kind; /* 'J': 1-365 without 29 February; 'D': 0-365; 'M' */
	int month, week, day;
	int32_t seconds;
};

struct zone {
	size_t ntimes, ntypes;
	int64_t *times;
	uint8_t *type_of; /* of each time: what holds from it on */
	struct offset *types;
	/* after the last time */
	bool has_rule, has_dst;
	struct offset std, dst;
	struct rule from, to; /* of dst */
};

/* --- the rule ---------------------------------------------------------------
 */

static const char *
rule_name(const char *s)
{
	const char *end;

	if (*s == '<') {
		end = strchr(s, '>');
		return end != NULL ? end + 1 : NULL;
	}
	for (end = s; isalpha((unsigned char)*end); end++)
		;
	return end - s >= 3 ? end : NULL;
}

/* "[+-]h[h[h]][:mm[:ss]]" */
static const char *
rule_time(const char *s, int32_t *out)
{
	int32_t unit = 3600, total = 0;
	bool minus = *s == '-';
	char *end;

	if (*s == '-' || *s == '+')
		s++;
	if (!isdigit((unsigned char)*s))
		return NULL;
	for (;;) {
		total += (int32_t)strtol(s, &end, 10) * unit;
		s = end;
		unit /= 60;
		if (*s != ':' || unit == 0 || !isdigit((unsigned char)s[1]))
			break;
		s++;
	}
	*out = minus ? -total : total;
	return s;
}

static const char *
rule_day(const char *s, struct rule *r)
{
	char *end;

	*r = (struct rule){ .kind = 'D', .seconds = 2 * 3600 };
	if (*s == 'M') {
		r->kind = 'M';
		r->month = (int)strtol(s + 1, &end, 10);
		if (*end != '.')
			return NULL;
		r->week = (int)strtol(end + 1, &end, 10);
		if (*end != '.')
			return NULL;
		r->day = (int)strtol(end + 1, &end, 10);
		if (r->month < 1 || r->month > 12 || r->week < 1 ||
		    r->week > 5 || r->day < 0 || r->day > 6)
			return NULL;
	} else {
		if (*s == 'J')
			r->kind = *s++;
		if (!isdigit((unsigned char)*s))
			return NULL;
		r->day = (int)strtol(s, &end, 10);
	}
	s = end;
	return *s == '/' ? rule_time(s + 1, &r->seconds) : s;
}

/* "CET-1CEST,M3.5.0,M10.5.0/3" */
static int
zone_rule(struct zone *z, const char *s)
{
	int32_t west;

	if ((s = rule_name(s)) == NULL || (s = rule_time(s, &west)) == NULL)
		return -1;
	z->std = (struct offset){ -west, false };
	z->has_rule = true;
	if (*s == '\0')
		return 0;
	z->has_dst = true;
	z->dst = (struct offset){ z->std.seconds + 3600, true };
	if ((s = rule_name(s)) == NULL)
		return -1;
	if (*s != ',' && *s != '\0') {
		if ((s = rule_time(s, &west)) == NULL)
			return -1;
		z->dst.seconds = -west;
	}
	if (*s != ',' || (s = rule_day(s + 1, &z->from)) == NULL)
		return -1;
	if (*s != ',' || (s = rule_day(s + 1, &z->to)) == NULL)
		return -1;
	return *s == '\0' ? 0 : -1;
}

/* --- the file ---------------------------------------------------------------
 */

static uint64_t
file_number(const unsigned char *p, size_t n)
{
	uint64_t v = 0;

	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

struct counts {
	size_t isut, isstd, leap, times, types, chars;
};

static int
file_counts(const unsigned char *p, size_t len, struct counts *c)
{
	if (len < HEAD_SIZE || memcmp(p, "TZif", 4) != 0)
		return -1;
	c->isut = (size_t)file_number(p + 20, 4);
	c->isstd = (size_t)file_number(p + 24, 4);
	c->leap = (size_t)file_number(p + 28, 4);
	c->times = (size_t)file_number(p + 32, 4);
	c->types = (size_t)file_number(p + 36, 4);
	c->chars = (size_t)file_number(p + 40, 4);
	return c->types > 0 && c->types < 256 && c->times < 100000 &&
		       c->leap < 10000 && c->chars < 100000 && c->isut < 256 &&
		       c->isstd < 256
		   ? 0
		   : -1;
}

static size_t
file_size(const struct counts *c, size_t wide)
{
	return c->times * (wide + 1) + c->types * TYPE_SIZE + c->chars +
	       c->leap * (wide + 4) + c->isstd + c->isut;
}

/* Of numbers that are so wide; p is behind the head. */
static int
file_body(
    struct zone *z, const unsigned char *p, const struct counts *c, size_t wide)
{
	z->ntimes = c->times;
	z->ntypes = c->types;
	z->times = xcalloc(c->times + 1, sizeof *z->times);
	z->type_of = xcalloc(c->times + 1, 1);
	z->types = xcalloc(c->types, sizeof *z->types);
	for (size_t i = 0; i < c->times; i++, p += wide) {
		uint64_t v = file_number(p, wide);

		z->times[i] = wide == 8 ? (int64_t)v : (int32_t)v;
		if (i > 0 && z->times[i] <= z->times[i - 1])
			return -1;
	}
	for (size_t i = 0; i < c->times; i++) {
		z->type_of[i] = *p++;
		if (z->type_of[i] >= c->types)
			return -1;
	}
	for (size_t i = 0; i < c->types; i++, p += TYPE_SIZE) {
		z->types[i].seconds = (int32_t)file_number(p, 4);
		z->types[i].dst = p[4] != 0;
		if (z->types[i].seconds < -2 * DAY ||
		    z->types[i].seconds > 2 * DAY)
			return -1;
	}
	return 0;
}

static int
file_parse(struct zone *z, const unsigned char *p, size_t len)
{
	const unsigned char *end = p + len;
	bool wide = len > 4 && p[4] >= '2';
	struct counts c;
	char *rule;
	int rc;

	if (file_counts(p, len, &c) == -1)
		return -1;
	p += HEAD_SIZE;
	if ((size_t)(end - p) < file_size(&c, 4))
		return -1;
	if (!wide)
		return file_body(z, p, &c, 4);
	p += file_size(&c, 4);
	if (file_counts(p, (size_t)(end - p), &c) == -1)
		return -1;
	p += HEAD_SIZE;
	if ((size_t)(end - p) < file_size(&c, 8) ||
	    file_body(z, p, &c, 8) == -1)
		return -1;
	p += file_size(&c, 8);
	if (end - p < 2 || p[0] != '\n' || end[-1] != '\n')
		return -1;
	rule = xstrndup((const char *)p + 1, (size_t)(end - p) - 2);
	rc = *rule != '\0' ? zone_rule(z, rule) : 0;
	free(rule);
	return rc;
}

static int
file_read(const char *path, unsigned char **out, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n = -1;

	*out = NULL;
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    st.st_size <= ZONE_FILE_MAX) {
		*out = xmalloc((size_t)st.st_size + 1);
		n = read(fd, *out, (size_t)st.st_size);
	} else {
		errno = EINVAL;
	}
	fd_closep(&fd);
	*len = n > 0 ? (size_t)n : 0;
	return n == -1 ? -1 : 0;
}

/* A name, and no way out of the folder. */
static bool
zone_name_ok(const char *name)
{
	if (*name == '\0' || *name == '/' || strlen(name) > ZONE_NAME_MAX ||
	    strstr(name, "..") != NULL)
		return false;
	for (; *name != '\0'; name++)
		if (!isalnum((unsigned char)*name) &&
		    strchr("_+-/", *name) == NULL)
			return false;
	return true;
}

struct zone *
zone_open(const char *name, struct err *err)
{
	const char *dir = getenv("TZDIR");
	struct zone *z = xcalloc(1, sizeof *z);
	unsigned char *data = NULL;
	char *path = NULL;
	size_t len;
	int rc = -1;

	/* Where the machine has no zones there still is one. */
	if (strcmp(name, "UTC") == 0) {
		z->has_rule = true;
		return z;
	}
	if (!zone_name_ok(name)) {
		err_set(err, "'%s' is no name of a time zone", name);
		goto out;
	}
	path = xasprintf("%s/%s", dir != NULL ? dir : ZONE_DIR, name);
	if (file_read(path, &data, &len) == -1)
		err_sys(err, "there is no time zone '%s': %s", name, path);
	else if (file_parse(z, data, len) == -1)
		err_set(err, "time zone '%s': %s is no such file", name, path);
	else
		rc = 0;
out:
	free(data);
	free(path);
	if (rc == 0)
		return z;
	zone_free(z);
	return NULL;
}

void
zone_free(struct zone *z)
{
	if (z == NULL)
		return;
	free(z->times);
	free(z->type_of);
	free(z->types);
	free(z);
}

/* --- local time -------------------------------------------------------------
 */

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970 to 1 January of a year. */
static int64_t
days_to(int64_t year)
{
	int64_t y = year - 1;

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

/* When the rule says so in a year: seconds since 1970, by that local time. */
static int64_t
rule_at(const struct rule *r, int64_t year)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243,
		273, 304, 334, 365 };
	int64_t day = days_to(year);
	int leap = is_leap(year), first, length, n;

	if (r->kind == 'D')
		return (day + r->day) * DAY + r->seconds;
	if (r->kind == 'J')
		return (day + r->day - 1 + (leap && r->day > 59)) * DAY +
		       r->seconds;
	first = before[r->month - 1] + (leap && r->month > 2);
	length =
	    before[r->month] - before[r->month - 1] + (leap && r->month == 2);
	/* 1 January 1970 was a Thursday. */
	n = (int)(((day + first + 4) % 7 + 7) % 7);
	n = (r->day - n + 7) % 7 + (r->week - 1) * 7;
	if (n >= length)
		n -= 7;
	return (day + first + n) * DAY + r->seconds;
}

static struct offset
rule_offset(const struct zone *z, int64_t t)
{
	time_t there = (time_t)(t + z->std.seconds);
	int64_t from, to;
	struct tm tm;

	if (!z->has_dst || gmtime_r(&there, &tm) == NULL)
		return z->std;
	from = rule_at(&z->from, tm.tm_year + 1900) - z->std.seconds;
	to = rule_at(&z->to, tm.tm_year + 1900) - z->dst.seconds;
	if (from < to)
		return t >= from && t < to ? z->dst : z->std;
	return t >= from || t < to ? z->dst : z->std;
}

static struct offset
zone_offset(const struct zone *z, int64_t t)
{
	size_t low = 0, high = z->ntimes, mid;

	if (z->ntimes == 0 || (z->has_rule && t >= z->times[z->ntimes - 1]))
		return z->has_rule ? rule_offset(z, t) : z->types[0];
	if (t < z->times[0])
		return z->types[0];
	while (high - low > 1) {
		mid = low + (high - low) / 2;
		if (z->times[mid] <= t)
			low = mid;
		else
			high = mid;
	}
	return z->types[z->type_of[low]];
}

void
zone_local(const struct zone *z, time_t t, struct tm *out)
{
	struct offset of = zone_offset(z, t);
	time_t there = t + of.seconds;

	memset(out, 0, sizeof *out);
	gmtime_r(&there, out);
	out->tm_isdst = of.dst;
	out->tm_gmtoff = of.seconds;
	out->tm_zone = NULL;
}
