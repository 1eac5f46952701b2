/* names - from what people type to slots. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

/* "grp:*" or "grp:web" */
static bool
names_in_group(const struct slot *sl, const char *name)
{
	const char *colon = strchr(name, ':');
	const char *group = sl->prog->conf->group;

	if (colon == NULL || group == NULL ||
	    strlen(group) != (size_t)(colon - name) ||
	    strncmp(group, name, strlen(group)) != 0)
		return false;
	return colon[1] == '\0' ||
	       fnmatch(colon + 1, sl->prog->conf->name, 0) == 0 ||
	       fnmatch(colon + 1, sl->name, 0) == 0;
}

static bool
names_fits(const struct slot *sl, const char *name)
{
	return strcmp(name, "all") == 0 ||
	       fnmatch(name, sl->prog->conf->name, 0) == 0 ||
	       fnmatch(name, sl->name, 0) == 0 || names_in_group(sl, name);
}

static int
names_unknown(struct engine *en, const char *name, struct err *err)
{
	struct near nr;

	near_init(&nr, name);
	for (size_t i = 0; i < en->nprograms; i++)
		near_try(&nr, en->programs[i]->conf->name);
	if (nr.best != NULL)
		return err_set(err, "no such name '%s', did you mean '%s'?",
		    name, nr.best);
	return err_set(err, "no such name '%s'", name);
}

/* A program without slots is a name as well. */
static bool
names_is_program(struct engine *en, const char *name)
{
	if (strcmp(name, "all") == 0)
		return true;
	for (size_t i = 0; i < en->nprograms; i++)
		if (fnmatch(name, en->programs[i]->conf->name, 0) == 0)
			return true;
	return false;
}

int
names_match(struct engine *en, char *const *names, size_t n, struct slot ***out,
    size_t *nout, struct err *err)
{
	bool *hit = xcalloc(n + 1, sizeof *hit);
	struct slot **v = NULL;
	size_t count = 0;

	for (size_t i = 0; i < en->nprograms; i++)
		for (int k = 0; k < en->programs[i]->nslots; k++) {
			struct slot *sl = en->programs[i]->slots[k];
			bool fits = n == 0;

			for (size_t j = 0; j < n; j++)
				if (names_fits(sl, names[j]))
					fits = hit[j] = true;
			if (!fits)
				continue;
			v = xreallocarray(v, count + 1, sizeof *v);
			v[count++] = sl;
		}
	for (size_t j = 0; j < n; j++) {
		if (hit[j] || names_is_program(en, names[j]))
			continue;
		names_unknown(en, names[j], err);
		free(hit);
		free(v);
		return -1;
	}
	free(hit);
	*out = v;
	*nout = count;
	return 0;
}
