/* show - the effective values of a config, and the list of all keys. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/jobs.h"
#include "config/value.h"

/* --- reevectl config -------------------------------------------------------
 */

static void
show_text(struct buf *out, const void *object, enum schema_id id)
{
	const struct config_program *p = object;

	const struct config_task *t = object;

	if (id == SCHEMA_PROGRAM_umask && p->umask == -1)
		value_octal_print(out, NULL, &p->reeve_umask);
	else if (id == SCHEMA_TASK_umask && t->run.umask == -1)
		value_octal_print(out, NULL, &t->run.reeve_umask);
	else if (id != SCHEMA_PROGRAM_workers || p->rare->workers_per_cpu == 0)
		value_add(out, object, id);
}

/* A pinned value is that of reeved's start; the file's is for the next. */
static char *
show_origin(
    const void *object, const struct config_origins *og, enum schema_id id)
{
	const char *file = origins_file(og, id);
	const struct config *cf = object;
	bool is_pinned = schema_rows[id].section == SECTION_REEVE &&
			 (cf->pinned & pin_bit(id)) != 0;

	if (is_pinned && file != NULL)
		return xasprintf("until reeved is restarted, then %s:%d", file,
		    origins_line(og, id));
	if (is_pinned)
		return xstrdup("until reeved is restarted, then the default");
	if (file == NULL)
		return xstrdup("default");
	if (*file == '-') /* an option of reeved --exec has no lines */
		return xstrdup(file);
	return xasprintf("%s:%d", file, origins_line(og, id));
}

static void
show_section(const void *object, const struct config_origins *og,
    enum schema_section section, config_value_cb *cb, void *arg)
{
	size_t n;
	enum schema_id first = schema_first(section, &n);
	struct buf text;

	buf_init(&text);
	for (size_t i = 0; i < n; i++) {
		enum schema_id id = (enum schema_id)(first + i);
		char *origin = show_origin(object, og, id);

		show_text(&text, object, id);
		cb(arg, &schema_keys[id], buf_str(&text), origin);
		buf_clear(&text);
		free(origin);
	}
	buf_fini(&text);
}

void
config_each_value(const struct config *cf, const struct config_program *prog,
    config_value_cb *cb, void *arg)
{
	if (prog != NULL)
		show_section(prog, &prog->origins, SECTION_PROGRAM, cb, arg);
	else
		show_section(cf, &cf->origins, SECTION_REEVE, cb, arg);
}

void
config_each_task_value(
    const struct config_task *t, config_value_cb *cb, void *arg)
{
	show_section(t, &t->origins, SECTION_TASK, cb, arg);
}

void
config_each_pool_value(
    const struct config_pool *p, config_value_cb *cb, void *arg)
{
	show_section(p, &p->origins, SECTION_POOL, cb, arg);
}

void
config_each_job_value(
    const struct config_job *j, config_value_cb *cb, void *arg)
{
	show_section(j, &j->origins, SECTION_JOB, cb, arg);
}

void
config_each_group_value(
    const struct config_group *group, config_value_cb *cb, void *arg)
{
	show_section(group, &group->origins, SECTION_GROUP, cb, arg);
}

/* --- reeve.conf(5) ---------------------------------------------------------
 */

/* Text as roff wants it: a \ is \e, and a dash is not a hyphen. */
static void
man_text(FILE *out, const char *s)
{
	for (; *s != '\0'; s++)
		if (*s == '\\')
			fputs("\\e", out);
		else if (*s == '-')
			fputs("\\-", out);
		else
			putc(*s, out);
}

static void
man_needs(FILE *out, const struct config_key *key)
{
	bool reeve = strcmp(key->section, "reeve") == 0;

	switch (key->needs) {
	case CONFIG_LIVE:
		return;
	case CONFIG_ROLL:
		fputs("A change is a roll", out);
		fputs(reeve ? " of the programs it touches.\n" : ".\n", out);
		return;
	case CONFIG_RESTART:
		fputs(reeve ? "A change needs a restart of reeved.\n"
			    : "A change stops every instance first.\n",
		    out);
		return;
	}
}

static void
man_key(FILE *out, const struct config_key *key)
{
	fprintf(out, ".It Cm %s No = Ar ", key->name);
	man_text(out, key->type);
	putc('\n', out);
	/* A help that begins with a . or ' would be a request. */
	fputs("\\&", out);
	man_text(out, key->help);
	fputs(".\n", out);
	if (key->dflt != NULL) {
		fputs("Default:\n.Ql ", out);
		man_text(out, key->dflt);
		fputs(" .\n", out);
	}
	man_needs(out, key);
}

void
config_print_man(FILE *out)
{
	for (int s = 0; s < SECTION__N; s++) {
		size_t n;
		enum schema_id first = schema_first((enum schema_section)s, &n);

		fprintf(out, ".Ss %s\n.Bl -tag -width Ds\n",
		    schema_section_form((enum schema_section)s));
		for (size_t i = 0; i < n; i++)
			man_key(out, &schema_keys[first + i]);
		fputs(".El\n", out);
	}
}

/* --- for programs ----------------------------------------------------------
 */

static const char *
schema_needs(enum config_needs needs)
{
	switch (needs) {
	case CONFIG_LIVE:
		return "live";
	case CONFIG_ROLL:
		return "roll";
	case CONFIG_RESTART:
		break;
	}
	return "restart";
}

void
config_print_schema(FILE *out)
{
	for (int id = 0; id < SCHEMA__N; id++) {
		const struct config_key *key = &schema_keys[id];

		fprintf(out, "%s\t%s\t%s\t%s\t%s\n", key->section, key->name,
		    key->type, key->dflt != NULL ? key->dflt : "-",
		    schema_needs(key->needs));
	}
}
