/* value_cron - times that come again. */
#include <stdlib.h>

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
