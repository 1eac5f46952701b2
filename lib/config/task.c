/* task - [task:x]: made, found, freed. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/config_priv.h"
#include "config/value.h"

struct config_task *
config_task_new(const char *name)
{
	struct config_task *t = xcalloc(1, sizeof *t);

	t->run.name = xstrdup(name);
	t->run.is_task = true;
	t->run.umask = -1;
	t->run.nice = INT64_MIN;
	t->run.ready_fd = -1;
	origins_init(&t->origins);
	origins_init(&t->run.origins);
	config_rare_init(&t->run);
	return t;
}

void
config_task_free(struct config_task *t)
{
	size_t n;
	enum schema_id first = schema_first(SECTION_TASK, &n);

	for (size_t i = 0; i < n; i++)
		value_clear(t, (enum schema_id)(first + i));
	free(t->run.name);
	strv_fini(&t->run.reeve_environment);
	origins_fini(&t->run.origins);
	config_rare_fini(&t->run);
	origins_fini(&t->origins);
	free(t);
}

struct config_task *
config_task_find(const struct config *cf, const char *name)
{
	for (size_t i = 0; i < cf->ntasks; i++)
		if (strcmp(cf->tasks[i]->run.name, name) == 0)
			return cf->tasks[i];
	return NULL;
}

const char *
config_hook_task(const char *hook)
{
	size_t n = strlen(CONFIG_TASK_PREFIX);

	if (hook == NULL || strncmp(hook, CONFIG_TASK_PREFIX, n) != 0)
		return NULL;
	hook += n;
	return hook + strspn(hook, " \t");
}
