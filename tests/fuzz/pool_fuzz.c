/*
 * pool_fuzz - what a client sends to the pool: each message is refused with
 * a reason, or all that is read of it lies within it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "pool/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_submit(const struct pool_msg *m)
{
	const struct pool_submit *s = (const struct pool_submit *)(m + 1);
	const char *end = (const char *)m + m->len, *str;

	BUG_ON(s->priority > 7);
	BUG_ON(s->in_off < 0 || (s->in_len >= 0 && s->in_off + s->in_len < 0));
	for (unsigned i = 0; i < 3u + s->nargs; i++) {
		str = pool_submit_string(m, i);
		BUG_ON(str + strlen(str) >= end);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* As the server has it: aligned, and not a byte more. */
	char *all = malloc(size + 1);
	const struct pool_msg *m;
	const char *why = NULL;
	size_t at = 0;
	int r;

	if (all == NULL)
		return 0;
	memcpy(all, data, size);
	for (;;) {
		m = (const struct pool_msg *)(void *)(all + at);
		r = pool_msg_check(m, size - at, &why);
		BUG_ON(r == -1 && why == NULL);
		if (r != 1)
			break;
		BUG_ON(m->len > size - at);
		if (m->type == PM_SUBMIT)
			read_submit(m);
		at += m->len;
	}
	free(all);
	return 0;
}
