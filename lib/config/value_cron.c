/* value_cron - times that come again, and a share of CPUs. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/value.h"

int
value_cron_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_cron *cc = field;

	(void)vc;
	if (cron_parse(&cc->cron, text, err) == -1)
		return -1;
	cc->text = xstrdup(text);
	return 0;
}

void
value_cron_print(struct buf *out, const void *object, const void *field)
{
	const struct config_cron *cc = field;

	(void)object;
	if (cc->text != NULL)
		buf_adds(out, cc->text);
}

void
value_cron_fini(void *field)
{
	struct config_cron *cc = field;

	freep(&cc->text);
}

/* --- share of CPUs ---------------------------------------------------------
 */

#define CPU_PERIOD_US     100000
#define CPU_PERIOD_MIN_US 1000
#define CPU_PERIOD_MAX_US 1000000
#define CPU_QUOTA_MAX_US  (INT64_C(10000) * CPU_PERIOD_MAX_US)

static bool
cpumax_parse(struct config_cpu_max *out, const char *text)
{
	const char *slash = strchr(text, '/');
	int64_t percent;
	char *quota;
	bool ok;

	if (slash == NULL) {
		quota = xstrndup(text, strlen(text) - str_ends(text, "%"));
		ok = str_ends(text, "%") &&
		     str_to_i64(quota, 1, 1000000, &percent);
		out->period_us = CPU_PERIOD_US;
		out->quota_us = ok ? percent * (CPU_PERIOD_US / 100) : 0;
	} else {
		quota = xstrndup(text, (size_t)(slash - text));
		ok = str_to_i64(quota, CPU_PERIOD_MIN_US, CPU_QUOTA_MAX_US,
			 &out->quota_us) &&
		     str_to_i64(slash + 1, CPU_PERIOD_MIN_US, CPU_PERIOD_MAX_US,
			 &out->period_us);
	}
	free(quota);
	return ok;
}

int
value_cpumax_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_cpu_max *out = field, cm = { 0 };

	(void)vc;
	if (strcasecmp(text, "none") != 0 && !cpumax_parse(&cm, text))
		return err_set(err,
		    "'%s' is not none, a percentage of one CPU such as 50%% or "
		    "250%%, or QUOTA/PERIOD in microseconds (PERIOD from %d "
		    "to %d, QUOTA at least %d)",
		    text, CPU_PERIOD_MIN_US, CPU_PERIOD_MAX_US,
		    CPU_PERIOD_MIN_US);
	*out = cm;
	return 0;
}

void
value_cpumax_print(struct buf *out, const void *object, const void *field)
{
	const struct config_cpu_max *cm = field;

	(void)object;
	if (cm->quota_us == 0)
		buf_adds(out, "none");
	else if (cm->period_us == CPU_PERIOD_US &&
		 cm->quota_us % (CPU_PERIOD_US / 100) == 0)
		buf_addf(out, "%lld%%",
		    (long long)(cm->quota_us / (CPU_PERIOD_US / 100)));
	else
		buf_addf(out, "%lld/%lld", (long long)cm->quota_us,
		    (long long)cm->period_us);
}
