/*
 * ini_fuzz - any bytes as a config.
 *
 * What loads must also hold together: a config never differs from itself,
 * every value can be shown, every slot that was checked can be built, and
 * a failed load says why.  [include] is an error in a text, so no file that
 * the input names is read but env_file.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/log.h"
#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_value(void *arg, const struct config_key *key, const char *value,
    const char *origin)
{
	(void)arg;
	BUG_ON(key == NULL || value == NULL || origin == NULL);
}

static void
fuzz_use(const struct config *cf)
{
	struct config_plan plan;
	struct config_slot slot;
	struct err err;

	config_each_value(cf, NULL, fuzz_value, NULL);
	for (size_t i = 0; i < cf->nprograms; i++) {
		const struct config_program *p = cf->programs[i];

		config_each_value(cf, p, fuzz_value, NULL);
		if (config_slot(&slot, p, 0, 1, NULL, NULL, &err) == 0)
			config_slot_fini(&slot);
	}
	config_diff(&plan, cf, cf);
	BUG_ON(plan.n != 0);
	config_plan_fini(&plan);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errs;
	struct config *cf;

	config_errors_init(&errs);
	cf = config_load_text(
	    "/fuzz/reeve.conf", (const char *)data, size, &errs);
	BUG_ON((cf == NULL) != (errs.errors.n > 0));
	if (cf != NULL)
		fuzz_use(cf);
	config_free(cf);
	config_errors_fini(&errs);
	return 0;
}
