/* value_text - strings, paths, lists and environment=. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/value.h"

int
value_str_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	(void)vc;
	(void)err;
	/* "directory =" is as good as no directory. */
	*(char **)field = *text == '\0' ? NULL : xstrdup(text);
	return 0;
}

void
value_str_print(struct buf *out, const void *object, const void *field)
{
	const char *s = *(char *const *)field;

	(void)object;
	if (s != NULL)
		buf_adds(out, s);
}

void
value_str_fini(void *field)
{
	freep((char **)field);
}

int
value_path_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	if (*text == '\0')
		return err_set(err, "no path is given");
	*(char **)field = path_absolute(vc->here, text);
	return 0;
}

void
value_path_print(struct buf *out, const void *object, const void *field)
{
	value_str_print(out, object, field);
}

int
value_path_none_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	*(char **)field = NULL;
	return strcasecmp(text, "none") == 0
		   ? 0
		   : value_path_parse(vc, field, text, err);
}

void
value_path_none_print(struct buf *out, const void *object, const void *field)
{
	const char *s = *(char *const *)field;

	(void)object;
	buf_adds(out, s == NULL ? "none" : s);
}

static char log_auto[] = "AUTO"; /* one for all: most have it */

int
value_logfile_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	char **path = field;

	(void)vc;
	if (strcasecmp(text, "syslog") == 0)
		return err_set(err, "'syslog' is not supported; a file, AUTO "
				    "or NONE is");
	if (*text == '\0' || strcasecmp(text, "NONE") == 0 ||
	    strcasecmp(text, "OFF") == 0)
		*path = NULL;
	else if (strcasecmp(text, "AUTO") == 0)
		*path = log_auto;
	else
		*path = xstrdup(text);
	return 0;
}

void
value_logfile_fini(void *field)
{
	char **path = field;

	if (*path != log_auto)
		free(*path);
	*path = NULL;
}

void
value_logfile_print(struct buf *out, const void *object, const void *field)
{
	const char *s = *(char *const *)field;

	(void)object;
	buf_adds(out, s == NULL ? "NONE" : s);
}

int
value_list_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct strv *list = field;
	const char *rest = text;
	char *item;

	(void)vc;
	strv_init(list);
	while ((item = value_item(&rest)) != NULL) {
		/* Two commas, or a line break behind a comma. */
		if (*item == '\0') {
			free(item);
			continue;
		}
		if (strv_has(list, item)) {
			err_set(err, "'%s' stands there twice", item);
			free(item);
			strv_fini(list);
			return -1;
		}
		strv_take(list, item);
	}
	return 0;
}

void
value_list_print(struct buf *out, const void *object, const void *field)
{
	const struct strv *list = field;

	(void)object;
	for (size_t i = 0; i < list->n; i++)
		buf_addf(out, "%s%s", i > 0 ? "," : "", list->v[i]);
}

void
value_list_fini(void *field)
{
	strv_fini(field);
}

/* --- environment= ----------------------------------------------------------
 */

/* Reads KEY="value", ...; s moves along text. */
struct env_reader {
	const char *text;
	const char *s;
	struct strv *out;
	struct err *err;
};

static int
env_fail(struct env_reader *er, const char *what)
{
	return err_set(er->err, "at character %zu, '%.20s': %s",
	    (size_t)(er->s - er->text) + 1, er->s, what);
}

static void
env_skip(struct env_reader *er, const char *blanks)
{
	er->s += strspn(er->s, blanks);
}

static int
env_quoted(struct env_reader *er, struct buf *value)
{
	const char *s = er->s + 1;
	char quote = *er->s;

	for (; *s != '\0' && *s != quote; s++) {
		if (quote == '"' && *s == '\\' && (s[1] == '"' || s[1] == '\\'))
			s++;
		buf_addc(value, *s);
	}
	if (*s == '\0')
		return env_fail(er, "this quote is never closed");
	er->s = s + 1;
	return 0;
}

static int
env_bare(struct env_reader *er, struct buf *value)
{
	size_t n = strcspn(er->s, ",;\n \t\"'");

	buf_add(value, er->s, n);
	er->s += n;
	if (*er->s == '"' || *er->s == '\'')
		return env_fail(er, "a quote inside a value; put all of the "
				    "value in quotes: KEY=\"value\"");
	return 0;
}

/* What may follow a value: the end, or something that divides. */
static int
env_divider(struct env_reader *er)
{
	env_skip(er, " \t");
	if (*er->s == '\0')
		return 0;
	if (strchr(",;\n", *er->s) == NULL)
		return env_fail(er, "a comma is missing before this, or the "
				    "value needs quotes");
	env_skip(er, " \t\n");
	if (*er->s == ',' || *er->s == ';')
		er->s++;
	return 0;
}

static int
env_pair(struct env_reader *er)
{
	size_t n = strcspn(er->s, "=,;\n");
	struct buf value;
	char *key;
	int rc = -1;

	while (n > 0 && (er->s[n - 1] == ' ' || er->s[n - 1] == '\t'))
		n--;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)er->s[i]) &&
		    strchr("_.-", er->s[i]) == NULL)
			return env_fail(er, "this is not KEY=\"value\"");
	if (n == 0 || isdigit((unsigned char)*er->s))
		return env_fail(er, "this is not KEY=\"value\"");
	key = xstrndup(er->s, n);
	buf_init(&value);
	if (strv_env_get(er->out, key) != NULL) {
		env_fail(er, "this variable stands there twice");
		goto out;
	}
	er->s += n;
	env_skip(er, " \t");
	if (*er->s != '=') {
		env_fail(er, "= is missing before this");
		goto out;
	}
	er->s++;
	env_skip(er, " \t");
	rc = *er->s == '"' || *er->s == '\'' ? env_quoted(er, &value)
					     : env_bare(er, &value);
	if (rc == 0)
		rc = env_divider(er);
	if (rc == 0)
		strv_env_set(er->out, key, buf_str(&value));
out:
	buf_fini(&value);
	free(key);
	return rc;
}

int
value_env_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct env_reader er = { text, text, field, err };

	(void)vc;
	strv_init(er.out);
	for (;;) {
		env_skip(&er, " \t\n");
		if (*er.s == '\0')
			return 0;
		if (env_pair(&er) == -1) {
			strv_fini(er.out);
			return -1;
		}
	}
}

void
value_env_quote(struct buf *out, const char *value)
{
	buf_addc(out, '"');
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *value);
	}
	buf_addc(out, '"');
}

void
value_env_print(struct buf *out, const void *object, const void *field)
{
	const struct strv *env = field;

	(void)object;
	for (size_t i = 0; i < env->n; i++) {
		size_t n = strcspn(env->v[i], "=");

		buf_addf(out, "%s%.*s=", i > 0 ? ", " : "", (int)n, env->v[i]);
		value_env_quote(out, env->v[i] + n + 1);
	}
}
