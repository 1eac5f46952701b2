/* value_watch - globs of files, rules that leave some out, watch=. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/value.h"
#include "watch/globs.h"

#define BLANK " \t\n,"
#define ARROW "->"

/* The next word: blanks and commas divide, but not in braces or after a \. */
static char *
glob_word(const char **text)
{
	const char *s = *text + strspn(*text, BLANK), *start = s;
	int depth = 0;

	for (; *s != '\0' && (depth > 0 || strchr(BLANK, *s) == NULL); s++) {
		if (*s == '\\' && s[1] != '\0')
			s++;
		else if (*s == '{')
			depth++;
		else if (*s == '}' && depth > 0)
			depth--;
	}
	*text = s;
	return s > start ? xstrndup(start, (size_t)(s - start)) : NULL;
}

static int
glob_words(struct strv *out, const char *text, struct err *err)
{
	char *word;

	while ((word = glob_word(&text)) != NULL) {
		if (strv_has(out, word)) {
			err_set(err, "'%s' stands there twice", word);
			free(word);
			return -1;
		}
		strv_take(out, word);
	}
	return out->n > 0 ? 0 : err_set(err, "there is no pattern");
}

static int
globs_parse(struct strv *out, const char *text, struct err *err)
{
	if (glob_words(out, text, err) == -1)
		return -1;
	return globs_check(out, err);
}

int
value_globs_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	(void)vc;
	if (globs_parse(field, text, err) == 0)
		return 0;
	strv_fini(field);
	return -1;
}

static void
globs_print(struct buf *out, const struct strv *list)
{
	for (size_t i = 0; i < list->n; i++)
		buf_addf(out, "%s%s", i > 0 ? ", " : "", list->v[i]);
}

void
value_globs_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	globs_print(out, field);
}

int
value_rules_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct strv *list = field;
	int rc = glob_words(list, text, err);

	(void)vc;
	for (size_t i = 0; rc == 0 && i < list->n; i++)
		rc = globs_check_rule(list->v[i], err);
	if (rc == -1)
		strv_fini(list);
	return rc;
}

void
value_rules_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	globs_print(out, field);
}

/* --- watch= ------------------------------------------------------------------
 */

static char *
trimmed(const char *s, size_t n)
{
	while (n > 0 && strchr(BLANK, s[n - 1]) != NULL)
		n--;
	while (n > 0 && strchr(BLANK, *s) != NULL) {
		s++;
		n--;
	}
	return xstrndup(s, n);
}

/* "build", "task:build" */
static int
watch_task(struct config_watch *cw, const char *part, struct err *err)
{
	if (str_starts(part, CONFIG_TASK_PREFIX))
		part += strlen(CONFIG_TASK_PREFIX);
	if (*part == '\0' || strpbrk(part, " \t\n,") != NULL)
		return err_set(err,
		    "'%s' is not the name of a task: PATTERNS -> TASK -> roll",
		    part);
	cw->task = xstrdup(part);
	return 0;
}

/* "roll", "roll web", "restart" */
static int
watch_action(struct config_watch *cw, const char *part, struct err *err)
{
	size_t n = strcspn(part, BLANK);
	const char *name = part + n + strspn(part + n, BLANK);

	cw->restart = n == 7 && strncasecmp(part, "restart", n) == 0;
	if (!cw->restart && (n != 4 || strncasecmp(part, "roll", n) != 0))
		return err_set(err,
		    "'%s' is not roll or restart, perhaps with the name of a "
		    "program: PATTERNS -> TASK -> roll",
		    part);
	if (strpbrk(name, BLANK) != NULL)
		return err_set(err, "'%s' is not the name of a program", name);
	if (*name != '\0')
		cw->name = xstrdup(name);
	return 0;
}

static int
watch_parts(struct config_watch *cw, const struct strv *parts, struct err *err)
{
	if (parts->n < 2 || parts->n > 3)
		return err_set(
		    err, "it is PATTERNS -> roll, or PATTERNS -> TASK -> roll");
	if (globs_parse(&cw->globs, parts->v[0], err) == -1)
		return -1;
	if (parts->n == 3 && watch_task(cw, parts->v[1], err) == -1)
		return -1;
	return watch_action(cw, parts->v[parts->n - 1], err);
}

int
value_watch_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct strv parts;
	const char *arrow;
	int rc;

	(void)vc;
	strv_init(&parts);
	for (; (arrow = strstr(text, ARROW)) != NULL; text = arrow + 2)
		strv_take(&parts, trimmed(text, (size_t)(arrow - text)));
	strv_take(&parts, trimmed(text, strlen(text)));
	rc = watch_parts(field, &parts, err);
	strv_fini(&parts);
	if (rc == -1)
		value_watch_fini(field);
	return rc;
}

void
value_watch_print(struct buf *out, const void *object, const void *field)
{
	const struct config_watch *cw = field;

	(void)object;
	if (cw->globs.n == 0)
		return;
	globs_print(out, &cw->globs);
	if (cw->task != NULL)
		buf_addf(out, " " ARROW " %s", cw->task);
	buf_addf(out, " " ARROW " %s", cw->restart ? "restart" : "roll");
	if (cw->name != NULL)
		buf_addf(out, " %s", cw->name);
}

void
value_watch_fini(void *field)
{
	struct config_watch *cw = field;

	strv_fini(&cw->globs);
	free(cw->task);
	free(cw->name);
	*cw = (struct config_watch){ 0 };
}
