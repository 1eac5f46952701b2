/* value - the table of types, and the types that are one word or number. */
#include "config/value.h"

#include <sys/stat.h>

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

static const struct {
	value_parse *parse;
	value_print *print;
	value_fini *fini;
} types[TYPE__N] = {
#define TYPE(NAME, stem, owner, people)                                        \
	[TYPE_##NAME] = { value_##stem##_parse, value_##stem##_print,          \
		value_##owner##_fini },
#include "config/types.def"
};

/* Of a key of a program, or of what a task has of one. */
static const struct config_program *
value_cprogram(const void *object, enum schema_id id)
{
	const struct config_task *t = object;

	return schema_rows[id].section == SECTION_TASK ? &t->run : object;
}

static struct config_program *
value_program(void *object, enum schema_id id)
{
	struct config_task *t = object;

	return schema_rows[id].section == SECTION_TASK ? &t->run : object;
}

void *
value_field(void *object, enum schema_id id)
{
	char *base = object;

	if (schema_rows[id].rare)
		base = (char *)config_rare_own(value_program(object, id));
	return base + schema_rows[id].offset;
}

const void *
value_cfield(const void *object, enum schema_id id)
{
	const char *base = object;

	if (schema_rows[id].rare)
		base = (const char *)value_cprogram(object, id)->rare;
	return base + schema_rows[id].offset;
}

int
value_set(const struct value_ctx *vc, enum schema_id id, const char *text,
    struct err *err)
{
	void *field = value_field(vc->object, id);

	return types[schema_rows[id].type].parse(vc, field, text, err);
}

void
value_add(struct buf *out, const void *object, enum schema_id id)
{
	const void *field = value_cfield(object, id);

	types[schema_rows[id].type].print(out, object, field);
}

void
value_clear(void *object, enum schema_id id)
{
	if (schema_rows[id].rare &&
	    config_rare_is_shared(value_cprogram(object, id)))
		return;
	types[schema_rows[id].type].fini(value_field(object, id));
}

bool
value_equal(const void *a, const void *b, enum schema_id id)
{
	struct buf atext, btext;
	bool equal;

	if (schema_rows[id].type == TYPE_USER ||
	    schema_rows[id].type == TYPE_OWNER) {
		const struct config_owner *x = value_cfield(a, id);
		const struct config_owner *y = value_cfield(b, id);

		return x->set == y->set && x->uid == y->uid && x->gid == y->gid;
	}
	if (schema_rows[id].type == TYPE_GROUP) {
		const struct config_gid *x = value_cfield(a, id);
		const struct config_gid *y = value_cfield(b, id);

		return x->set == y->set && x->gid == y->gid;
	}
	buf_init(&atext);
	buf_init(&btext);
	value_add(&atext, a, id);
	value_add(&btext, b, id);
	equal = strcmp(buf_str(&atext), buf_str(&btext)) == 0;
	buf_fini(&atext);
	buf_fini(&btext);
	return equal;
}

void
value_none_fini(void *field)
{
	(void)field;
}

/* --- words -----------------------------------------------------------------
 */

struct word {
	const char *word;
	int value;
};

/* Any case; fails with all the words there are. */
static int
word_parse(const struct word *words, size_t n, int *out, const char *text,
    struct err *err)
{
	struct buf known;

	for (size_t i = 0; i < n; i++)
		if (strcasecmp(words[i].word, text) == 0) {
			*out = words[i].value;
			return 0;
		}
	buf_init(&known);
	for (size_t i = 0; i < n; i++)
		buf_addf(&known, "%s%s", words[i].word,
		    i + 2 < n    ? ", "
		    : i + 2 == n ? " or "
				 : "");
	err_set(err, "'%s' is not %s", text, buf_str(&known));
	buf_fini(&known);
	return -1;
}

/* The first word of a value is how it is written. */
static const char *
word_of(const struct word *words, size_t n, int value)
{
	for (size_t i = 0; i < n; i++)
		if (words[i].value == value)
			return words[i].word;
	return "";
}

#define N(table) (sizeof(table) / sizeof *(table))

static const struct word bools[] = {
	{ "true", 1 },
	{ "false", 0 },
	{ "yes", 1 },
	{ "no", 0 },
	{ "on", 1 },
	{ "off", 0 },
	{ "1", 1 },
	{ "0", 0 },
};

int
value_bool_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int v;

	(void)vc;
	if (word_parse(bools, N(bools), &v, text, err) == -1)
		return -1;
	*(bool *)field = v != 0;
	return 0;
}

void
value_bool_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	buf_adds(out, *(const bool *)field ? "true" : "false");
}

/* An enum whose values are words and nothing else. */
#define WORD_TYPE(stem, words, ctype)                                          \
	int value_##stem##_parse(const struct value_ctx *vc, void *field,      \
	    const char *text, struct err *err)                                 \
	{                                                                      \
		int v;                                                         \
                                                                               \
		(void)vc;                                                      \
		if (word_parse(words, N(words), &v, text, err) == -1)          \
			return -1;                                             \
		*(ctype *)field = (ctype)v;                                    \
		return 0;                                                      \
	}                                                                      \
	void value_##stem##_print(                                             \
	    struct buf *out, const void *object, const void *field)            \
	{                                                                      \
		int v = (int)*(const ctype *)field;                            \
                                                                               \
		(void)object;                                                  \
		buf_adds(out, word_of(words, N(words), v));                    \
	}

static const struct word autorestarts[] = {
	{ "true", AUTORESTART_TRUE },
	{ "false", AUTORESTART_FALSE },
	{ "unexpected", AUTORESTART_UNEXPECTED },
	{ "never", AUTORESTART_NEVER },
	{ "on-failure", AUTORESTART_ON_FAILURE },
	{ "always", AUTORESTART_TRUE },
	{ "yes", AUTORESTART_TRUE },
	{ "no", AUTORESTART_FALSE },
	{ "on", AUTORESTART_TRUE },
	{ "off", AUTORESTART_FALSE },
	{ "1", AUTORESTART_TRUE },
	{ "0", AUTORESTART_FALSE },
};

static const struct word essentials[] = {
	{ "no", ESSENTIAL_NO },
	{ "on-fatal", ESSENTIAL_ON_FATAL },
	{ "on-exit", ESSENTIAL_ON_EXIT },
	{ "yes", ESSENTIAL_YES },
	{ "main", ESSENTIAL_MAIN },
	{ "false", ESSENTIAL_NO },
	{ "true", ESSENTIAL_YES },
};

static const struct word on_signals[] = {
	{ "own", ON_SIGNAL_OWN },
	{ "pass", ON_SIGNAL_PASS },
	{ "stop", ON_SIGNAL_STOP },
	{ "ignore", ON_SIGNAL_IGNORE },
};

static const struct word stdins[] = {
	{ "null", STDIN_NULL },
	{ "inherit", STDIN_INHERIT },
};

static const struct word outputs[] = {
	{ "logs", OUTPUT_LOGS },
	{ "inherit", OUTPUT_INHERIT },
};

static const struct word sockmodes[] = {
	{ "shared", SOCKMODE_SHARED },
	{ "reuseport", SOCKMODE_REUSEPORT },
};

static const struct word jobservers[] = {
	{ "auto", CONFIG_JOBSERVER_AUTO },
	{ "fifo", CONFIG_JOBSERVER_FIFO },
	{ "fds", CONFIG_JOBSERVER_FDS },
	{ "no", CONFIG_JOBSERVER_NO },
	{ "yes", CONFIG_JOBSERVER_AUTO },
	{ "false", CONFIG_JOBSERVER_NO },
	{ "true", CONFIG_JOBSERVER_AUTO },
};

static const struct word colors[] = {
	{ "auto", COLOR_AUTO },
	{ "always", COLOR_ALWAYS },
	{ "never", COLOR_NEVER },
};

static const struct word loglevels[] = {
	{ "debug", LOG_DEBUG },
	{ "info", LOG_INFO },
	{ "warn", LOG_WARN },
	{ "error", LOG_ERROR },
};

WORD_TYPE(autorestart, autorestarts, enum config_autorestart)
WORD_TYPE(essential, essentials, enum config_essential)
WORD_TYPE(on_signal, on_signals, enum config_on_signal)
WORD_TYPE(stdin, stdins, enum config_stdin)
WORD_TYPE(output, outputs, enum config_output)
WORD_TYPE(sockmode, sockmodes, enum config_sockmode)
WORD_TYPE(jobserver, jobservers, enum config_jobserver)
WORD_TYPE(color, colors, enum config_color)
WORD_TYPE(loglevel, loglevels, enum log_level)

/* --- numbers ---------------------------------------------------------------
 */

int
value_integer(
    const struct value_ctx *vc, int64_t *out, const char *text, struct err *err)
{
	/* Python takes a +, and so do supervisord's files. */
	const char *digits = *text == '+' ? text + 1 : text;

	if (*digits == '\0' || *digits == '+' ||
	    digits[strspn(digits, "-0123456789")] != '\0')
		return err_set(err, "'%s' is not an integer", text);
	if (!str_to_i64(digits, vc->min, vc->max, out)) {
		if (vc->max == INT64_MAX && vc->min == INT64_MIN + 1)
			return err_set(err, "'%s' is not an integer", text);
		if (vc->max == INT64_MAX)
			return err_set(err, "'%s' is less than %lld", text,
			    (long long)vc->min);
		return err_set(err, "'%s' is not within %lld and %lld", text,
		    (long long)vc->min, (long long)vc->max);
	}
	return 0;
}

int
value_int_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	return value_integer(vc, field, text, err);
}

/* INT64_MIN is "not set". */
void
value_int_print(struct buf *out, const void *object, const void *field)
{
	int64_t v = *(const int64_t *)field;

	(void)object;
	if (v != INT64_MIN)
		buf_addf(out, "%lld", (long long)v);
}

int
value_count_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	return value_integer(vc, field, text, err);
}

/* 0 is "not set". */
void
value_count_print(struct buf *out, const void *object, const void *field)
{
	if (*(const int64_t *)field != 0)
		value_int_print(out, object, field);
}

static int
octal_parse(int64_t *out, const char *text, struct err *err)
{
	const char *digits = str_starts(text, "0o") ? text + 2 : text;
	int64_t v = 0;

	for (const char *s = digits; *s != '\0'; s++) {
		if (*s < '0' || *s > '7' || s - digits > 8)
			return err_set(err,
			    "'%s' is not an octal mode such "
			    "as 0660",
			    text);
		v = v * 8 + (*s - '0');
	}
	if (*digits == '\0' || v > 07777)
		return err_set(
		    err, "'%s' is not an octal mode such as 0660", text);
	*out = v;
	return 0;
}

int
value_octal_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int64_t v;

	(void)vc;
	if (octal_parse(&v, text, err) == -1)
		return -1;
	*(mode_t *)field = (mode_t)v;
	return 0;
}

void
value_octal_print(struct buf *out, const void *object, const void *field)
{
	(void)object;
	buf_addf(out, "0%03o", (unsigned)*(const mode_t *)field);
}

int
value_umask_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	(void)vc;
	return octal_parse(field, text, err);
}

void
value_umask_print(struct buf *out, const void *object, const void *field)
{
	int64_t v = *(const int64_t *)field;

	(void)object;
	if (v != -1)
		buf_addf(out, "0%03o", (unsigned)v);
}

int
value_workers_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int64_t *v = field;

	if (strcasecmp(text, "auto") == 0)
		*v = -1;
	else if (value_integer(vc, v, text, NULL) == -1)
		return err_set(err,
		    "'%s' is not auto or an integer from %lld "
		    "to %lld",
		    text, (long long)vc->min, (long long)vc->max);
	return 0;
}

void
value_workers_print(struct buf *out, const void *object, const void *field)
{
	int64_t v = *(const int64_t *)field;

	(void)object;
	if (v == -1)
		buf_adds(out, "auto");
	else
		buf_addf(out, "%lld", (long long)v);
}

int
value_retries_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int64_t *v = field;

	if (strcasecmp(text, "unlimited") == 0)
		*v = -1;
	else if (value_integer(vc, v, text, NULL) == -1)
		return err_set(err,
		    "'%s' is not unlimited or an integer from "
		    "0 on",
		    text);
	return 0;
}

void
value_retries_print(struct buf *out, const void *object, const void *field)
{
	int64_t v = *(const int64_t *)field;

	(void)object;
	if (v == -1)
		buf_adds(out, "unlimited");
	else
		buf_addf(out, "%lld", (long long)v);
}

/* --- signals ---------------------------------------------------------------
 */

int
config_signal_parse(const char *text)
{
	int64_t v;

	if (str_to_i64(text, 1, SIGRTMAX, &v))
		return (int)v;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int sig = 1; sig < NSIG; sig++) {
		const char *name = sigabbrev_np(sig);

		if (name != NULL && strcasecmp(name, text) == 0)
			return sig;
	}
	if (strncasecmp(text, "RTMIN", 5) == 0 &&
	    (text[5] == '\0' ||
		(text[5] == '+' &&
		    str_to_i64(text + 6, 0, SIGRTMAX - SIGRTMIN, &v))))
		return SIGRTMIN + (text[5] == '\0' ? 0 : (int)v);
	if (strcasecmp(text, "RTMAX") == 0)
		return SIGRTMAX;
	return -1;
}

int
value_signal_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	int sig = config_signal_parse(text);

	(void)vc;
	if (sig == -1)
		return err_set(err,
		    "'%s' is not a signal such as TERM, QUIT "
		    "or USR1",
		    text);
	*(int *)field = sig;
	return 0;
}

void
value_signal_print(struct buf *out, const void *object, const void *field)
{
	int sig = *(const int *)field;
	const char *name = sigabbrev_np(sig);

	(void)object;
	if (name != NULL)
		buf_adds(out, name);
	else if (sig >= SIGRTMIN && sig <= SIGRTMAX)
		buf_addf(out, "RTMIN+%d", sig - SIGRTMIN);
	else
		buf_addf(out, "%d", sig);
}

/* --- lists of numbers ------------------------------------------------------
 */

char *
value_item(const char **text)
{
	const char *s = *text, *end;

	while (*s == ' ' || *s == '\t')
		s++;
	if (*s == '\0')
		return NULL;
	end = s + strcspn(s, ",\n");
	*text = *end == '\0' ? end : end + 1;
	while (end > s && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return xstrndup(s, (size_t)(end - s));
}

/* A number is always a code. */
static bool
exit_parse(const char *item, int64_t *bit)
{
	int sig;

	if (str_to_i64(item, 0, 255, bit))
		return true;
	sig = *item >= 'A' && *item <= 'z' ? config_signal_parse(item) : -1;
	if (sig <= 0 || sig >= CONFIG_EXITS - CONFIG_EXIT_SIGNAL)
		return false;
	*bit = CONFIG_EXIT_SIGNAL + sig;
	return true;
}

int
value_exitcodes_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	uint8_t bits[CONFIG_EXITS / 8] = { 0 };
	char *item;
	int64_t v;

	(void)vc;
	while ((item = value_item(&text)) != NULL) {
		bool ok = exit_parse(item, &v);

		if (!ok)
			err_set(err,
			    "'%s' is not an exit code from 0 to 255 and not "
			    "a signal such as SIGTERM",
			    item);
		free(item);
		if (!ok)
			return -1;
		bits[v / 8] |= (uint8_t)(1U << (v % 8));
	}
	memcpy(field, bits, sizeof bits);
	return 0;
}

void
value_exitcodes_print(struct buf *out, const void *object, const void *field)
{
	const uint8_t *bits = field;
	const char *comma = "";

	(void)object;
	for (int i = 0; i < CONFIG_EXITS; i++) {
		int sig = i - CONFIG_EXIT_SIGNAL;

		if ((bits[i / 8] & 1U << (i % 8)) == 0)
			continue;
		buf_addf(out, "%s%s", comma, sig > 0 ? "SIG" : "");
		if (sig > 0)
			value_signal_print(out, object, &sig);
		else
			buf_addf(out, "%d", i);
		comma = ",";
	}
}

int
value_cpus_add(struct strv *list, const char *item)
{
	const char *dash = strchr(item, '-');
	char *first =
	    xstrndup(item, dash == NULL ? strlen(item) : (size_t)(dash - item));
	int64_t from, to;
	int rc = -1;

	if (!str_to_i64(first, 0, 4095, &from))
		goto out;
	to = from;
	if (dash != NULL && !str_to_i64(dash + 1, from, 4095, &to))
		goto out;
	for (; from <= to; from++) {
		char *cpu = xasprintf("%lld", (long long)from);

		if (!strv_has(list, cpu))
			strv_add(list, cpu);
		free(cpu);
	}
	rc = 0;
out:
	free(first);
	return rc;
}

static struct config_rare *
affinity_rare(void *field)
{
	return (struct config_rare *)(void *)((char *)field -
					      offsetof(struct config_rare,
						  cpu_affinity));
}

int
value_affinity_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct strv list;
	const char *rest = text;
	char *item;
	int bad = 0;

	(void)vc;
	strv_init(&list);
	if (strcasecmp(text, "none") == 0 || strcasecmp(text, "auto") == 0) {
		*(enum config_affinity *)field = strcasecmp(text, "none") == 0
						     ? AFFINITY_NONE
						     : AFFINITY_AUTO;
		affinity_rare(field)->cpu_list = list;
		return 0;
	}
	while (bad == 0 && (item = value_item(&rest)) != NULL) {
		bad = value_cpus_add(&list, item);
		free(item);
	}
	if (bad != 0 || list.n == 0) {
		strv_fini(&list);
		return err_set(err,
		    "'%s' is not none, auto or a list of CPUs "
		    "such as 0,2-3",
		    text);
	}
	*(enum config_affinity *)field = AFFINITY_LIST;
	affinity_rare(field)->cpu_list = list;
	return 0;
}

void
value_affinity_print(struct buf *out, const void *object, const void *field)
{
	const struct config_program *p = object;

	switch (*(const enum config_affinity *)field) {
	case AFFINITY_NONE:
		buf_adds(out, "none");
		break;
	case AFFINITY_AUTO:
		buf_adds(out, "auto");
		break;
	case AFFINITY_LIST:
		for (size_t i = 0; i < p->rare->cpu_list.n; i++)
			buf_addf(out, "%s%s", i > 0 ? "," : "",
			    p->rare->cpu_list.v[i]);
		break;
	}
}

void
value_affinity_fini(void *field)
{
	strv_fini(&affinity_rare(field)->cpu_list);
}
