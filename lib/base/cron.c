/*
 * cron - see cron.h.
 *
 * The arithmetic is on labels: what a clock on the wall shows, as seconds as
 * if it were UTC.  The time of a label is when local time first reaches it or
 * jumps over it, which is what both rules at a jump come to.
 */
#include "base/cron.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "base/str.h"

#define DAY 86400
/* From a 29 February to the next on the same weekday: 28 years, or 40 where
 * a year of 2100's kind comes between. */
#define DAYS_MAX  (41 * 366)
#define EVERY_MAX 315360000 /* ten years */

/* --- text ----------------------------------------------------------------- */

struct field {
	const char *name;
	int min, max;
	const char *words; /* of three letters, from min on; NULL: none */
};

static const struct field fields[5] = {
	{ "minute", 0, 59, NULL },
	{ "hour", 0, 23, NULL },
	{ "day of month", 1, 31, NULL },
	{ "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec" },
	{ "day of week", 0, 7, "sunmontuewedthufrisat" },
};

static const struct {
	const char *name, *text;
} nicknames[] = {
	{ "@hourly", "0 * * * *" },
	{ "@daily", "0 0 * * *" },
	{ "@midnight", "0 0 * * *" },
	{ "@weekly", "0 0 * * 0" },
	{ "@monthly", "0 0 1 * *" },
	{ "@yearly", "0 0 1 1 *" },
	{ "@annually", "0 0 1 1 *" },
};

static int
cron_number(const char **pp)
{
	const char *p = *pp;
	int n = 0;

	if (!isdigit((unsigned char)*p))
		return -1;
	for (; isdigit((unsigned char)*p); p++)
		if ((n = n * 10 + (*p - '0')) > 9999)
			return -1;
	*pp = p;
	return n;
}

/* A number or a name; -1: neither. */
static int
cron_value(const struct field *f, const char **pp)
{
	if (f->words == NULL || isdigit((unsigned char)**pp))
		return cron_number(pp);
	for (int i = 0; f->words[3 * i] != '\0'; i++) {
		if (strncasecmp(f->words + (ptrdiff_t)3 * i, *pp, 3) != 0)
			continue;
		*pp += 3;
		return f->min + i;
	}
	return -1;
}

/* One part of a list; -1: it is wrong. */
static int
cron_part(const struct field *f, const char **pp, uint64_t *bits)
{
	int from = f->min, to = f->max, step = 1;
	bool range = true;

	if (**pp == '*') {
		++*pp;
		to -= f->max == 7; /* Sunday once */
	} else {
		from = to = cron_value(f, pp);
		range = **pp == '-';
		if (range) {
			++*pp;
			to = cron_value(f, pp);
			/* sat-sun */
			if (f->max == 7 && to == 0 && from > 0)
				to = 7;
		}
	}
	if (**pp == '/') {
		++*pp;
		step = range ? cron_number(pp) : 0;
	}
	if (from < f->min || to > f->max || from > to || step < 1 ||
	    step > f->max)
		return -1;
	for (int i = from; i <= to; i += step)
		*bits |= UINT64_C(1) << i;
	return 0;
}

static int
cron_field(const struct field *f, const char **pp, uint64_t *bits, bool *any,
    struct err *err)
{
	const char *start = *pp;

	*bits = 0;
	*any = *start == '*';
	for (;; ++*pp) {
		if (cron_part(f, pp, bits) == -1)
			break;
		if (**pp == ',')
			continue;
		if (**pp != '\0' && !isblank((unsigned char)**pp))
			break;
		while (isblank((unsigned char)**pp))
			++*pp;
		return 0;
	}
	if (*start == '\0')
		return err_set(err,
		    "the %s is missing: five fields are needed, minute, hour, "
		    "day of month, month, day of week",
		    f->name);
	return err_set(err, "'%.*s' is not a %s (%d-%d%s, *, lists, ranges, /)",
	    (int)strcspn(start, " \t"), start, f->name, f->min, f->max,
	    f->words != NULL ? ", names" : "");
}

/* 31 April never comes. */
static bool
cron_is_possible(const struct cron *c)
{
	static const uint8_t lengths[13] = { 0, 31, 29, 31, 30, 31, 30, 31, 31,
		30, 31, 30, 31 };

	if (!c->any_day && !c->any_weekday)
		return true;
	for (int m = 1; m <= 12; m++)
		if ((c->months >> m & 1) != 0 &&
		    (c->days & ((UINT64_C(2) << lengths[m]) - 1)) != 0)
			return true;
	return false;
}

static int
cron_fields(struct cron *c, const char *text, struct err *err)
{
	uint64_t bits[5];
	bool any[5];
	const char *p = text;

	for (int i = 0; i < 5; i++)
		if (cron_field(&fields[i], &p, &bits[i], &any[i], err) == -1)
			return -1;
	if (*p != '\0')
		return err_set(err, "'%s' comes after the fifth field", p);
	c->minutes = bits[0];
	c->hours = (uint32_t)bits[1];
	c->days = (uint32_t)bits[2];
	c->months = (uint16_t)bits[3];
	c->weekdays = (uint8_t)((bits[4] | bits[4] >> 7) & 0x7f);
	c->any_day = any[2];
	c->any_weekday = any[4];
	if (!cron_is_possible(c))
		return err_set(err, "'%s': there is no such day", text);
	return 0;
}

static int
cron_every(struct cron *c, const char *text, struct err *err)
{
	static const struct {
		char unit;
		int64_t s;
	} units[] = { { 'd', DAY }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	const char *p = text;
	bool ok = *p != '\0';
	size_t u = 0;
	int n;

	for (; ok && *p != '\0'; u++) {
		n = cron_number(&p);
		while (u < 4 && units[u].unit != *p)
			u++;
		ok = n != -1 && u < 4;
		if (ok) {
			c->every_s += n * units[u].s;
			p++;
		}
	}
	if (!ok || c->every_s < 1 || c->every_s > EVERY_MAX)
		return err_set(err,
		    "'%s' is not a duration such as 30s, 10m or 1h30m", text);
	return 0;
}

int
cron_parse(struct cron *c, const char *text, struct err *err)
{
	*c = (struct cron){ 0 };
	while (isblank((unsigned char)*text))
		text++;
	if (strncasecmp(text, "@every", 6) == 0 &&
	    isblank((unsigned char)text[6])) {
		for (text += 6; isblank((unsigned char)*text);)
			text++;
		return cron_every(c, text, err);
	}
	for (size_t i = 0; i < sizeof nicknames / sizeof nicknames[0]; i++)
		if (strcasecmp(nicknames[i].name, text) == 0)
			return cron_fields(c, nicknames[i].text, err);
	if (*text == '@')
		return err_set(err,
		    "'%s' is none of @hourly, @daily, @weekly, @monthly, "
		    "@yearly and @every 10m",
		    text);
	return cron_fields(c, text, err);
}

/* --- labels --------------------------------------------------------------- */

struct calendar {
	const struct cron *c;
	const struct cron_zone *zone;
};

/* Days since 1970 of a date; months from 1 (Gregorian, for ever). */
static int64_t
date_to_day(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void
day_to_date(int64_t day, int *month, int *mday)
{
	int64_t z = day + 719468, era, doe, yoe, doy, mp;

	era = (z >= 0 ? z : z - 146096) / 146097;
	doe = z - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*mday = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
}

static int64_t
cal_label(const struct calendar *cal, int64_t t)
{
	struct tm tm = { 0 };
	time_t tt = (time_t)t;

	if (cal->zone != NULL)
		cal->zone->local(cal->zone->arg, tt, &tm);
	else
		localtime_r(&tt, &tm);
	return date_to_day(
		   (int64_t)tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) *
		   DAY +
	       tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
}

static int64_t
cal_offset(const struct calendar *cal, int64_t t)
{
	return cal_label(cal, t) - t;
}

/* When local time is at or behind a label for the first time. */
static int64_t
cal_time(const struct calendar *cal, int64_t label)
{
	int64_t lo = label - DAY, hi = label + DAY, mid;
	int64_t before = cal_offset(cal, lo), behind = cal_offset(cal, hi);

	if (before == behind || label - before < lo)
		return label - before;
	/* There is a jump: before hi, and not before lo. */
	while (hi - lo > 1) {
		mid = lo + (hi - lo) / 2;
		if (cal_offset(cal, mid) == before)
			lo = mid;
		else
			hi = mid;
	}
	if (label - before < hi)
		return label - before;
	return label - behind > hi ? label - behind : hi;
}

static int64_t
day_of(int64_t label)
{
	return (label >= 0 ? label : label - (DAY - 1)) / DAY;
}

static bool
cal_has_day(const struct calendar *cal, int64_t day)
{
	const struct cron *c = cal->c;
	int month, mday, wday = (int)(((day + 4) % 7 + 7) % 7);
	bool by_date, by_week;

	day_to_date(day, &month, &mday);
	if ((c->months >> month & 1) == 0)
		return false;
	by_date = (c->days >> mday & 1) != 0;
	by_week = (c->weekdays >> wday & 1) != 0;
	if (c->any_day || c->any_weekday)
		return by_date && by_week;
	return by_date || by_week;
}

/* --- the next one --------------------------------------------------------- */

/* Each label once.  -1: none on that day. */
static int64_t
next_on_day(const struct calendar *cal, int64_t day, int64_t after)
{
	int64_t t;

	if (!cal_has_day(cal, day) ||
	    cal_time(cal, day * DAY + DAY - 60) <= after)
		return -1;
	for (int h = 0; h < 24; h++) {
		if ((cal->c->hours >> h & 1) == 0)
			continue;
		for (int m = 0; m < 60; m++) {
			if ((cal->c->minutes >> m & 1) == 0)
				continue;
			t = cal_time(cal, day * DAY + h * 3600 + m * 60);
			if (t > after)
				return t;
		}
	}
	return -1;
}

static int64_t
next_label(const struct calendar *cal, int64_t after)
{
	/* What a gap swallowed is due behind it: begin a day early, two where
	 * a whole day was left out. */
	int64_t day = day_of(cal_label(cal, after)) - 2, t;

	for (int i = 0; i < DAYS_MAX; i++) {
		t = next_on_day(cal, day + i, after);
		if (t != -1)
			return t;
	}
	return -1;
}

/* In every hour: whatever the clock shows, each time that it does. */
static int64_t
next_shown(const struct calendar *cal, int64_t after)
{
	int64_t t = after + 1, label = cal_label(cal, t), day, to;
	int64_t end = after + (int64_t)DAYS_MAX * DAY;

	/* On the minute. */
	t += (60 - (label % 60 + 60) % 60) % 60;
	while (t < end) {
		label = cal_label(cal, t);
		day = day_of(label);
		if (!cal_has_day(cal, day)) {
			to = cal_time(cal, (day + 1) * DAY);
			t = to > t ? to : t + 60;
			continue;
		}
		if ((cal->c->minutes >> (label - day * DAY) / 60 % 60 & 1) != 0)
			return t;
		t += 60;
	}
	return -1;
}

time_t
cron_next(const struct cron *c, time_t after, const struct cron_zone *zone)
{
	const uint32_t all = (UINT32_C(1) << 24) - 1;
	struct calendar cal = { c, zone };

	/* Far enough from any overflow, and from years that tm can't tell. */
	if (after < 0 || after > INT64_C(1) << 48)
		return -1;
	if (c->every_s > 0)
		return (time_t)((after / c->every_s + 1) * c->every_s);
	return (time_t)(c->hours == all ? next_shown(&cal, after)
					: next_label(&cal, after));
}
