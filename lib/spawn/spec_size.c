/*
 * spec_size - how much room the words and the environment of a spec take.
 *
 * As fs/exec.c counts: each string with its NUL, a pointer for each of them,
 * the path; a quarter of the stack's limit, at most 6 MiB, is for that, and
 * 128 KiB for a single string.
 */
#include <sys/resource.h>

#include <stdio.h>
#include <string.h>

#include "spawn/spec.h"

#define STRING_MAX  (128 * 1024 - 1)
#define STRINGS_MIN (128 * 1024)
#define STRINGS_MAX (6 * 1024 * 1024)

static void
size_add(struct spec_size *out, char *const *strings)
{
	size_t n;

	for (; strings != NULL && *strings != NULL; strings++) {
		n = strlen(*strings);
		if (n > out->longest)
			out->longest = n;
		out->bytes += n + 1 + sizeof *strings;
	}
}

void
spec_measure(const struct spec *sp, struct spec_size *out)
{
	struct rlimit stack = { RLIM_INFINITY, RLIM_INFINITY };

	*out = (struct spec_size){ 0 };
	size_add(out, sp->argv);
	size_add(out, sp->envp);
	out->bytes += strlen(sp->path) + 1;
	getrlimit(RLIMIT_STACK, &stack);
	for (size_t i = 0; i < sp->nrlimits; i++)
		if (sp->rlimits[i].resource == RLIMIT_STACK)
			stack = sp->rlimits[i].limit;
	out->most = STRINGS_MAX;
	if (stack.rlim_cur / 4 < STRINGS_MAX)
		out->most = (size_t)stack.rlim_cur / 4;
	if (out->most < STRINGS_MIN)
		out->most = STRINGS_MIN;
}

void
spec_size_text(const struct spec_size *s, char *out, size_t size)
{
	if (s->longest > STRING_MAX)
		snprintf(out, size, "one has %zu bytes, the kernel takes %d",
		    s->longest, STRING_MAX);
	else
		snprintf(out, size,
		    "with the environment %zu bytes, the kernel takes %zu, a "
		    "quarter of the stack's limit",
		    s->bytes, s->most);
}
