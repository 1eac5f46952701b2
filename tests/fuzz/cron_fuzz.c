/*
 * cron_fuzz - an expression, whatever it holds: refused with a reason, or
 * its times come one after the other, on the minute, and not too late.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cron.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
zone(void *arg, time_t t, struct tm *out)
{
	/* An hour forth and back, every 199 days, not on a full hour. */
	(void)arg;
	t += 1234 * 60 + (t / (199 * 86400) % 2 != 0 ? 3600 : 0);
	gmtime_r(&t, out);
}

static void
check_times(const struct cron *c)
{
	static const struct cron_zone jumpy = { zone, NULL };
	time_t t = 1700000000, last;

	for (int i = 0; i < 20; i++) {
		last = t;
		t = cron_next(c, last, &jumpy);
		BUG_ON(t <= last);
		BUG_ON(t - last > INT64_C(41) * 366 * 86400 &&
		       t - last > c->every_s);
		BUG_ON(c->every_s == 0 && t % 60 != 0);
		/* A second earlier it is the same, or it was in between. */
		BUG_ON(t - 1 > last && cron_next(c, t - 1, &jumpy) != t);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct err err = { .text = "" };
	struct cron c;

	if (text == NULL)
		return 0;
	if (size != 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (cron_parse(&c, text, &err) == 0)
		check_times(&c);
	else
		BUG_ON(err.text[0] == '\0');
	free(text);
	return 0;
}
