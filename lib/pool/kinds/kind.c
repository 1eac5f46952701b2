/* kind - what several kinds need. */
#include "pool/kinds/kind.h"

#include <errno.h>
#include <stdlib.h>

int
kind_number(
    struct reeve_job *job, const char *name, long min, long max, long *out)
{
	const char *s = job->api->arg(job, name);
	char *end;
	long v;

	if (s == NULL)
		return 0;
	errno = 0;
	v = strtol(s, &end, 10);
	if (*s < '0' || *s > '9' || *end != '\0' || errno != 0 || v < min ||
	    v > max)
		return reeve_job_fail(job,
		    "%s=%.40s is not a number from %ld "
		    "to %ld",
		    name, s, min, max);
	*out = v;
	return 0;
}

ptrdiff_t
kind_read_full(struct reeve_job *job, void *buf, size_t n)
{
	size_t have = 0;
	ptrdiff_t got;

	while (have < n) {
		got = job->api->read(job, (char *)buf + have, n - have);
		if (got == -1)
			return -1;
		if (got == 0)
			break;
		have += (size_t)got;
	}
	return (ptrdiff_t)have;
}
