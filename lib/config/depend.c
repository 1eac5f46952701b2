/* depend - depends_on and bind_to: how they are written and read. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/value.h"

static const char *const conditions[] = {
	[CONDITION_STARTED] = "started",
	[CONDITION_READY] = "ready",
	[CONDITION_DONE] = "done",
};

#define NCONDITIONS (sizeof conditions / sizeof conditions[0])

const char *
config_condition_name(enum config_condition c)
{
	return conditions[c];
}

static bool
depend_condition(const char *text, enum config_condition *out)
{
	for (size_t i = 0; i < NCONDITIONS; i++) {
		if (strcmp(conditions[i], text) != 0)
			continue;
		*out = (enum config_condition)i;
		return true;
	}
	return false;
}

/* Takes item, which is then in the list with its condition. */
static int
depend_item(struct strv *list, char *item, struct err *err)
{
	char *colon = strchr(item, ':'), *full = NULL;
	enum config_condition c = CONDITION_READY;
	size_t len = colon != NULL ? (size_t)(colon - item) : strlen(item);
	int rc = -1;

	if (len == 0 || len > CONFIG_NAME_MAX)
		err_set(err, "'%s' does not begin with a program's name", item);
	else if (colon != NULL && !depend_condition(colon + 1, &c))
		err_set(
		    err, "'%s': a condition is started, ready or done", item);
	else
		full = xasprintf("%.*s:%s", (int)len, item, conditions[c]);
	if (full != NULL && strv_has(list, full)) {
		err_set(err, "'%s' stands there twice", item);
		free(full);
	} else if (full != NULL) {
		strv_take(list, full);
		rc = 0;
	}
	free(item);
	return rc;
}

int
value_depends_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct strv *list = field;
	const char *rest = text;
	char *item;

	(void)vc;
	strv_init(list);
	while ((item = value_item(&rest)) != NULL) {
		if (*item == '\0') {
			free(item);
		} else if (depend_item(list, item, err) == -1) {
			strv_fini(list);
			return -1;
		}
	}
	return 0;
}

void
value_depends_print(struct buf *out, const void *object, const void *field)
{
	value_list_print(out, object, field);
}

bool
config_program_dependency(
    const struct config_program *p, size_t n, struct config_dependency *out)
{
	bool bind = n >= p->depends_on.n;
	const char *s;
	size_t len;

	if (n >= p->depends_on.n + p->bind_to.n)
		return false;
	s = bind ? p->bind_to.v[n - p->depends_on.n] : p->depends_on.v[n];
	len = strcspn(s, ":");
	if (len > CONFIG_NAME_MAX)
		len =
		    CONFIG_NAME_MAX; /* of bind_to; there is no such program */
	memcpy(out->name, s, len);
	out->name[len] = '\0';
	out->bind = bind;
	out->condition = CONDITION_READY;
	if (!bind)
		depend_condition(s + len + 1, &out->condition);
	return true;
}
