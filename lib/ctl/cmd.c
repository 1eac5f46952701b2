/* cmd - the table of methods, and the parameters of a request. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/near.h"
#include "ctl/ctl_priv.h"

enum {
	ADMIN = false,
	OPERATE = false,
	READ = true
};

static const struct ctl_cmd cmds[] = {
#define CMD(name, kind, params, help)                                          \
	{ #name, VERB_##name, kind, params, help, cmd_##name },
#include "ctl/cmd.def"
#undef CMD
};

#define NCMDS (sizeof cmds / sizeof cmds[0])

/* job.submit is job_submit: clients of JSON-RPC often name methods so. */
static bool
cmd_is_called(const char *name, const char *asked)
{
	for (; *name == *asked || (*name == '_' && *asked == '.');
	     name++, asked++)
		if (*name == '\0')
			return true;
	return false;
}

const struct ctl_cmd *
ctl_cmd_find(const char *name)
{
	for (size_t i = 0; i < NCMDS; i++) {
		if (cmd_is_called(cmds[i].name, name))
			return &cmds[i];
	}
	return NULL;
}

const char *
ctl_cmd_nearest(const char *name)
{
	struct near nr;

	near_init(&nr, name);
	for (size_t i = 0; i < NCMDS; i++)
		near_try(&nr, cmds[i].name);
	return nr.best;
}

/* --- parameters ----------------------------------------------------------- */

void
args_init(struct args *a, json_t *params)
{
	memset(a, 0, sizeof *a);
	a->obj = params;
}

void
args_error(struct args *a, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (a->bad)
		return;
	a->bad = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	err_set(&a->err, "%s", text);
}

static json_t *
args_get(struct args *a, const char *name, bool required)
{
	json_t *v;

	BUG_ON(a->nseen == sizeof a->seen / sizeof a->seen[0]);
	a->seen[a->nseen++] = name;
	v = a->obj != NULL ? json_object_get(a->obj, name) : NULL;
	if (json_is_null(v))
		v = NULL;
	if (v == NULL && required)
		args_error(a, "parameter \"%s\" is missing", name);
	return v;
}

json_t *
args_json(struct args *a, const char *name)
{
	return args_get(a, name, true);
}

const char *
args_str(struct args *a, const char *name, bool required)
{
	json_t *v = args_get(a, name, required);

	if (v == NULL)
		return NULL;
	if (!json_is_string(v))
		args_error(a, "parameter \"%s\" must be a string", name);
	return json_string_value(v);
}

bool
args_bool(struct args *a, const char *name, bool dflt)
{
	json_t *v = args_get(a, name, false);

	if (v == NULL)
		return dflt;
	if (!json_is_boolean(v))
		args_error(a, "parameter \"%s\" must be true or false", name);
	return json_is_true(v);
}

int64_t
args_int(
    struct args *a, const char *name, int64_t min, int64_t max, int64_t dflt)
{
	json_t *v = args_get(a, name, false);
	json_int_t n;

	if (v == NULL)
		return dflt;
	n = json_integer_value(v);
	if (!json_is_integer(v) || n < min || n > max)
		args_error(a,
		    "parameter \"%s\" must be a number from %lld to %lld", name,
		    (long long)min, (long long)max);
	return n;
}

void
args_strv(struct args *a, const char *name, bool required, struct strv *out)
{
	json_t *v = args_get(a, name, required), *item;
	size_t i;

	if (v == NULL)
		return;
	if (json_is_string(v)) {
		strv_add(out, json_string_value(v));
		return;
	}
	for (i = 0; i < json_array_size(v); i++) {
		item = json_array_get(v, i);
		if (!json_is_string(item))
			break;
		strv_add(out, json_string_value(item));
	}
	if (!json_is_array(v) || i < json_array_size(v))
		args_error(
		    a, "parameter \"%s\" must be an array of strings", name);
	else if (required && out->n == 0)
		args_error(a, "parameter \"%s\" is empty", name);
}

static bool
args_saw(const struct args *a, const char *name)
{
	for (size_t i = 0; i < a->nseen; i++) {
		if (strcmp(a->seen[i], name) == 0)
			return true;
	}
	return false;
}

int
args_end(struct args *a, struct ctl_req *r)
{
	const char *has = *r->cmd->params != '\0' ? r->cmd->params : "none";
	void *it = a->obj != NULL ? json_object_iter(a->obj) : NULL;

	for (; it != NULL; it = json_object_iter_next(a->obj, it)) {
		const char *key = json_object_iter_key(it);

		if (!args_saw(a, key))
			args_error(a,
			    "%s has no parameter \"%.64s\" (it has: %s)",
			    r->cmd->name, key, has);
	}
	if (!a->bad)
		return 0;
	ctl_fail(r, CTL_E_PARAMS, "%s", a->err.text);
	return -1;
}
