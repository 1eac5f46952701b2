/* kinds - the list of what is built in. */
#include "pool/kinds/kinds.h"

#include <string.h>

const struct reeve_job_plugin *const job_kinds[] = {
	&job_kind_command,
	&job_kind_compress,
	&job_kind_copy,
	&job_kind_decompress,
	&job_kind_decrypt,
	&job_kind_digest,
	&job_kind_encrypt,
	&job_kind_noop,
	NULL,
};

const struct reeve_job_plugin *
job_kinds_find(const char *name)
{
	size_t i;

	for (i = 0; job_kinds[i] != NULL; i++)
		if (strcmp(job_kinds[i]->name, name) == 0)
			return job_kinds[i];
	return NULL;
}

static void
kinds_unload_first(size_t n)
{
	while (n-- > 0)
		if (job_kinds[n]->unload != NULL)
			job_kinds[n]->unload();
}

int
job_kinds_load(struct err *err)
{
	const char *why;
	size_t i;

	for (i = 0; job_kinds[i] != NULL; i++) {
		why = "it does not say why";
		if (job_kinds[i]->load == NULL || job_kinds[i]->load(&why) == 0)
			continue;
		err_set(err, "job kind %s: %s", job_kinds[i]->name, why);
		kinds_unload_first(i);
		return -1;
	}
	return 0;
}

void
job_kinds_unload(void)
{
	kinds_unload_first(sizeof job_kinds / sizeof *job_kinds - 1);
}
