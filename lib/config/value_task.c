/* value_task - when a task runs, and what follows it. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "base/zone.h"
#include "config/value.h"

/* One of the words, or -1. */
static int
word_of(const char *text, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (strcasecmp(text, words[i]) == 0)
			return i;
	return -1;
}

static const char *const overlaps[] = { "skip", "queue", "kill" };
static const char *const crashes[] = { "adopt", "retry", "fail" };
static const char *const catch_ups[] = { "no", "once", "all" };

int
value_overlap_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int i = word_of(text, overlaps, 3);

	(void)vc;
	if (i == -1)
		return err_set(err, "'%s' is not skip, queue or kill", text);
	*(enum config_overlap *)field = (enum config_overlap)i;
	return 0;
}

void
value_overlap_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	buf_adds(out, overlaps[*(const enum config_overlap *)field]);
}

int
value_on_crash_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int i = word_of(text, crashes, 3);

	(void)vc;
	if (i == -1)
		return err_set(err, "'%s' is not adopt, retry or fail", text);
	*(enum config_crash *)field = (enum config_crash)i;
	return 0;
}

void
value_on_crash_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	buf_adds(out, crashes[*(const enum config_crash *)field]);
}

int
value_catch_up_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int i = word_of(text, catch_ups, 3);

	(void)vc;
	if (i == -1)
		return err_set(err, "'%s' is not no, once or all", text);
	*(enum config_catch_up *)field = (enum config_catch_up)i;
	return 0;
}

void
value_catch_up_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	buf_adds(out, catch_ups[*(const enum config_catch_up *)field]);
}

/* --- actions ----------------------------------------------------------------
 */

static const char *const action_words[] = {
	[ACTION_TASK] = "task",
	[ACTION_ROLL] = "roll",
	[ACTION_RESTART] = "restart",
	[ACTION_START] = "start",
	[ACTION_STOP] = "stop",
};

#define ACTION_KINDS ((int)(sizeof action_words / sizeof *action_words))

/* "roll web", "task:deploy" */
static int
action_parse(struct config_action *a, const char *item, struct err *err)
{
	size_t n = strcspn(item, " \t:"), gap = strspn(item + n, " \t");
	char *word = xstrndup(item, n);
	int kind = word_of(word, action_words, ACTION_KINDS);
	bool colon = item[n + gap] == ':';
	const char *name = item + n + gap + colon;

	free(word);
	name += strspn(name, " \t");
	if (kind == -1 || *name == '\0' || strpbrk(name, " \t") != NULL ||
	    colon != (kind == ACTION_TASK))
		return err_set(err,
		    "'%s' is not task:NAME, or roll, restart, start or stop "
		    "and the name of a program",
		    item);
	a->kind = (enum config_action_kind)kind;
	a->name = xstrdup(name);
	return 0;
}

int
value_actions_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_actions *as = field;
	char *item;
	int rc = 0;

	(void)vc;
	while (rc == 0 && (item = value_item(&text)) != NULL) {
		as->v = xreallocarray(as->v, as->n + 1, sizeof *as->v);
		rc = action_parse(&as->v[as->n], item, err);
		as->n += rc == 0;
		free(item);
	}
	if (rc == -1)
		value_actions_fini(field);
	return rc;
}

void
value_actions_print(struct buf *out, const void *object, const void *field)
{
	const struct config_actions *as = field;

	(void)object;
	for (size_t i = 0; i < as->n; i++)
		buf_addf(out, "%s%s%s%s", i > 0 ? ", " : "",
		    action_words[as->v[i].kind],
		    as->v[i].kind == ACTION_TASK ? ":" : " ", as->v[i].name);
}

void
value_actions_fini(void *field)
{
	struct config_actions *as = field;

	for (size_t i = 0; i < as->n; i++)
		free(as->v[i].name);
	free(as->v);
	*as = (struct config_actions){ 0 };
}

/* --- time zone --------------------------------------------------------------
 */

int
value_zone_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_zone *cz = field;

	(void)vc;
	cz->zone = zone_open(text, err);
	if (cz->zone == NULL)
		return -1;
	cz->name = xstrdup(text);
	return 0;
}

void
value_zone_print(struct buf *out, const void *object, const void *field)
{
	const struct config_zone *cz = field;

	(void)object;
	if (cz->name != NULL)
		buf_adds(out, cz->name);
}

void
value_zone_fini(void *field)
{
	struct config_zone *cz = field;

	zone_free(cz->zone);
	cz->zone = NULL;
	freep(&cz->name);
}
