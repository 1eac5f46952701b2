/*
 * load - from the entries of a file to a struct config.
 *
 * Twice over the entries: first the sections, the names of their keys and
 * the values of groups, because %(group_name)s needs them; then all other
 * values.  What is wrong goes to the list of errors and the walk goes on.
 * Then the defaults that depend on other keys, the order, and check.c.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/intern.h"
#include "base/near.h"
#include "base/xalloc.h"
#include "config/check.h"
#include "config/config_priv.h"
#include "config/expand.h"
#include "config/jobs.h"
#include "config/snapshot.h"
#include "config/source.h"
#include "config/value.h"

#define NO_SECTION SIZE_MAX

/* A section of the file, however often its header stands there. */
struct section {
	enum schema_section kind;
	char *name;  /* of [program:NAME], else "" */
	char *title; /* "program:NAME" */
	char *here;
	const char *file;
	int line;
	void *object;                   /* NULL: [include] */
	struct config_origins *origins; /* of the object, or the next one */
	struct config_origins own;
};

struct load {
	struct config *cf;
	struct config_errors *errs;
	struct source src;
	struct section *v;
	size_t n;
	size_t *of; /* of each entry: its section, or NO_SECTION */
	bool ctl;   /* nothing but [reeve] and [reevectl] matters */
	bool kept;  /* it is a snapshot: no file counts */
};

/* --- objects ---------------------------------------------------------------
 */

void
config_defaults(void *object, enum schema_section kind, const char *program)
{
	struct value_ctx vc = {
		.object = object, .here = "/", .program = program
	};
	size_t n;
	enum schema_id first = schema_first(kind, &n);
	struct err err;

	for (size_t i = 0; i < n; i++) {
		enum schema_id id = (enum schema_id)(first + i);

		if (schema_keys[id].dflt == NULL || schema_rows[id].rare)
			continue;
		schema_range(id, &vc.min, &vc.max);
		BUG_ON(value_set(&vc, id, schema_keys[id].dflt, &err) == -1);
	}
}

static struct config *
load_config_new(const char *file, const char *here)
{
	struct config *cf = xcalloc(1, sizeof *cf);

	cf->file = xstrdup(file);
	cf->here = xstrdup(here);
	origins_init(&cf->origins);
	origins_init(&cf->ctl_origins);
	config_defaults(cf, SECTION_REEVE, NULL);
	config_defaults(cf, SECTION_CTL, NULL);
	return cf;
}

void
config_clear(void *object, enum schema_section kind)
{
	size_t n;
	enum schema_id first = schema_first(kind, &n);

	for (size_t i = 0; i < n; i++)
		value_clear(object, (enum schema_id)(first + i));
}

void
config_free(struct config *cf)
{
	if (cf == NULL)
		return;
	buf_fini(&cf->snapshot);
	config_clear(cf, SECTION_REEVE);
	config_clear(cf, SECTION_CTL);
	for (size_t i = 0; i < cf->nprograms; i++)
		config_program_unref(cf->programs[i]);
	for (size_t i = 0; i < cf->ngroups; i++) {
		config_clear(&cf->groups[i], SECTION_GROUP);
		origins_fini(&cf->groups[i].origins);
		free(cf->groups[i].name);
	}
	for (size_t i = 0; i < cf->ntasks; i++)
		config_task_free(cf->tasks[i]);
	config_jobs_unref(cf->jobs);
	free(cf->tasks);
	free(cf->programs);
	free(cf->groups);
	free(cf->file);
	free(cf->here);
	strv_fini(&cf->files);
	origins_fini(&cf->origins);
	origins_fini(&cf->ctl_origins);
	free(cf);
}

/* --- sections --------------------------------------------------------------
 */

static void
load_unknown_section(
    struct load *ld, const struct ini_entry *e, const char *kind)
{
	enum schema_section best = SECTION__N;
	struct near nr;

	near_init(&nr, kind);
	for (int s = 0; s < SECTION__N; s++) {
		near_try(&nr, schema_section_name((enum schema_section)s));
		if (nr.best == schema_section_name((enum schema_section)s))
			best = (enum schema_section)s;
	}
	if (best != SECTION__N)
		config_error(ld->errs, e->file, e->line,
		    "unknown section [%s], did you mean %s?", e->section,
		    schema_section_form(best));
	else
		config_error(ld->errs, e->file, e->line,
		    "unknown section [%s]; known are [reeve], [reevectl], "
		    "[include], [program:NAME], [group:NAME], [task:NAME], "
		    "[pool], [pool:NAME] and [job:KIND]",
		    e->section);
}

static bool
load_name_ok(const char *name)
{
	size_t n = strlen(name);

	for (const char *s = name; *s != '\0'; s++)
		if (!isalnum((unsigned char)*s) && *s != '_' && *s != '-')
			return false;
	return n > 0 && n <= CONFIG_NAME_MAX;
}

static void
load_check_name(struct load *ld, const struct section *sec)
{
	if (!load_name_ok(sec->name))
		config_error(ld->errs, sec->file, sec->line,
		    "[%s]: a name is 1 to %d letters, digits, _ or -",
		    sec->title, CONFIG_NAME_MAX);
	else if (strcmp(sec->name, "all") == 0)
		config_error(ld->errs, sec->file, sec->line,
		    "[%s]: 'all' stands for every program and cannot be a "
		    "name",
		    sec->title);
}

static struct config_program *
load_program(struct load *ld, const struct section *sec)
{
	struct config *cf = ld->cf;
	struct config_program *p = config_program_new(sec->name);

	p->here = intern(sec->here);
	p->file = intern(sec->file);
	p->line = sec->line;
	config_defaults(p, SECTION_PROGRAM, p->name);
	cf->programs = xreallocarray(
	    cf->programs, cf->nprograms + 1, sizeof *cf->programs);
	cf->programs[cf->nprograms++] = p;
	return p;
}

/* Groups move while there are more of them: known by number until then. */
static void
load_group(struct load *ld, const struct section *sec)
{
	struct config *cf = ld->cf;
	struct config_group *g;

	cf->groups =
	    xreallocarray(cf->groups, cf->ngroups + 1, sizeof *cf->groups);
	g = &cf->groups[cf->ngroups++];
	*g = (struct config_group){ .name = xstrdup(sec->name) };
	config_defaults(g, SECTION_GROUP, NULL);
}

static struct config_task *
load_task(struct load *ld, const struct section *sec)
{
	struct config *cf = ld->cf;
	struct config_task *t = config_task_new(sec->name);

	t->run.here = intern(sec->here);
	t->run.file = intern(sec->file);
	t->run.line = sec->line;
	config_defaults(t, SECTION_TASK, NULL);
	cf->tasks = xreallocarray(cf->tasks, cf->ntasks + 1, sizeof *cf->tasks);
	cf->tasks[cf->ntasks++] = t;
	return t;
}

static void
load_object(struct load *ld, struct section *sec)
{
	struct config_program *p;
	struct config_task *t;

	switch (sec->kind) {
	case SECTION_REEVE:
		sec->object = ld->cf;
		sec->origins = &ld->cf->origins;
		return;
	case SECTION_CTL:
		sec->object = ld->cf;
		sec->origins = &ld->cf->ctl_origins;
		return;
	case SECTION_PROGRAM:
		p = load_program(ld, sec);
		sec->object = p;
		sec->origins = &p->origins;
		return;
	case SECTION_TASK:
		t = load_task(ld, sec);
		sec->object = t;
		sec->origins = &t->origins;
		return;
	case SECTION_POOL:
	case SECTION_JOB:
		sec->object = jobs_section(
		    ld->cf, sec->kind, sec->name, sec->file, sec->line);
		sec->origins = jobs_origins(sec->object, sec->kind);
		return;
	case SECTION_GROUP:
		load_group(ld, sec);
		break;
	case SECTION_INCLUDE:
	case SECTION__N:
		break;
	}
	origins_init(&sec->own);
}

static void
load_section_new(struct load *ld, const struct ini_entry *e,
    enum schema_section kind, char *name)
{
	struct section *sec;

	ld->v = xreallocarray(ld->v, ld->n + 1, sizeof *ld->v);
	sec = &ld->v[ld->n++];
	*sec = (struct section){
		.kind = kind, .name = name, .file = e->file, .line = e->line
	};
	/* A text's name need not be a path. */
	sec->here =
	    *e->file == '/' ? path_folder(e->file) : xstrdup(ld->cf->here);
	sec->title = *name != '\0'
			 ? xasprintf("%s:%s", schema_section_name(kind), name)
			 : xstrdup(schema_section_name(kind));
	if (*name != '\0')
		load_check_name(ld, sec);
	load_object(ld, sec);
}

/* Splits "program: web" into its parts; each is the caller's. */
static void
load_title(const char *section, char **kind, char **name)
{
	size_t n = strcspn(section, ":"), k = n;

	while (k > 0 && isspace((unsigned char)section[k - 1]))
		k--;
	*kind = xstrndup(section, k);
	*name = NULL;
	if (section[n] != ':')
		return;
	section += n + 1;
	while (isspace((unsigned char)*section))
		section++;
	*name = xstrdup(section);
}

/* [include] is of one file; all other sections go on in the next one. */
static size_t
load_section_find(struct load *ld, const struct ini_entry *e,
    enum schema_section kind, const char *name)
{
	for (size_t i = 0; i < ld->n; i++)
		if (ld->v[i].kind == kind && strcmp(ld->v[i].name, name) == 0 &&
		    (kind != SECTION_INCLUDE || ld->v[i].file == e->file))
			return i;
	return NO_SECTION;
}

/* The section that a header begins, made if it is the first of its name. */
static size_t
load_section(struct load *ld, const struct ini_entry *e)
{
	enum schema_section kind;
	char *word, *name;
	size_t i;

	load_title(e->section, &word, &name);
	kind = schema_section_parse(word);
	if (ld->ctl && kind != SECTION_REEVE && kind != SECTION_CTL)
		goto none;
	if (kind == SECTION__N) {
		load_unknown_section(ld, e, word);
		goto none;
	}
	if (!schema_section_named(kind) && name != NULL) {
		config_error(ld->errs, e->file, e->line,
		    "[%s]: this section has no name: %s", e->section,
		    schema_section_form(kind));
		goto none;
	}
	if (schema_section_named(kind) && (name == NULL || *name == '\0') &&
	    (name != NULL || !schema_section_bare(kind))) {
		config_error(ld->errs, e->file, e->line,
		    "[%s] needs a name: %s", e->section,
		    schema_section_form(kind));
		goto none;
	}
	if (name == NULL)
		name = xstrdup("");
	i = load_section_find(ld, e, kind, name);
	if (i == NO_SECTION) {
		load_section_new(ld, e, kind, name);
		i = ld->n - 1;
	} else {
		free(name);
	}
	free(word);
	return i;
none:
	free(word);
	free(name);
	return NO_SECTION;
}

/* --- the names of keys -----------------------------------------------------
 */

static void
load_unknown_key(
    struct load *ld, const struct ini_entry *e, const struct section *sec)
{
	enum schema_section other = schema_find_elsewhere(e->key);
	size_t n;
	enum schema_id first = schema_first(sec->kind, &n);
	struct near nr;

	near_init(&nr, e->key);
	for (size_t i = 0; i < n; i++)
		near_try(&nr, schema_keys[first + i].name);
	if (other != SECTION__N)
		config_error(ld->errs, e->file, e->line,
		    "key '%s' is not for [%s], it belongs in %s", e->key,
		    sec->title, schema_section_form(other));
	else if (nr.best != NULL)
		config_error(ld->errs, e->file, e->line,
		    "unknown key '%s' in [%s], did you mean '%s'?", e->key,
		    sec->title, nr.best);
	else
		config_error(ld->errs, e->file, e->line,
		    "unknown key '%s' in [%s]", e->key, sec->title);
	/* One slip, one error: do not say that the command is missing, too. */
	if (sec->kind == SECTION_PROGRAM && nr.best != NULL &&
	    strcmp(nr.best, "command") == 0)
		origins_set(
		    sec->origins, SCHEMA_PROGRAM_command, e->file, e->line);
}

static struct config_origins *
section_origins(struct section *sec)
{
	return sec->origins != NULL ? sec->origins : &sec->own;
}

static void
load_key(struct load *ld, const struct ini_entry *e, struct section *sec)
{
	struct config_origins *og = section_origins(sec);
	enum schema_id id = schema_find(sec->kind, e->key);
	const char *file;

	if (id == SCHEMA__N) {
		load_unknown_key(ld, e, sec);
		return;
	}
	file = origins_file(og, id);
	if (file != NULL)
		config_error(ld->errs, e->file, e->line,
		    "key '%s' of [%s] is already defined at %s:%d", e->key,
		    sec->title, file, origins_line(og, id));
	else
		origins_set(og, id, e->file, e->line);
}

static void
load_names(struct load *ld)
{
	const struct ini *ini = &ld->src.ini;
	size_t current = NO_SECTION;

	ld->of = xcalloc(ini->n, sizeof *ld->of);
	for (size_t i = 0; i < ini->n; i++) {
		const struct ini_entry *e = &ini->v[i];

		ld->of[i] = NO_SECTION;
		if (ld->kept && jobs_take_print(ld->cf, e))
			continue;
		if (e->key == NULL)
			current = load_section(ld, e);
		else if (current != NO_SECTION)
			load_key(ld, e, &ld->v[current]);
		ld->of[i] = current;
	}
}

/* --- values ----------------------------------------------------------------
 */

static void
load_scope(
    const struct section *sec, struct expand_scope *sc, const struct strv *env)
{
	const struct config_program *p = sec->object;

	expand_scope_init(sc);
	expand_scope_text(sc, "here", sec->here);
	expand_scope_text(sc, "host_node_name", expand_host());
	if (sec->kind == SECTION_PROGRAM) {
		expand_scope_text(sc, "program_name", p->name);
		expand_scope_text(sc, "group_name", config_program_group(p));
	}
	if (sec->kind == SECTION_TASK)
		expand_scope_text(sc, "task_name", sec->name);
	sc->env[0] = env;
}

/* [reeve] environment is complete now; a program's is when it starts. */
static int
load_expand_env(
    struct strv *env, const struct expand_scope *sc, struct err *err)
{
	for (size_t i = 0; i < env->n; i++) {
		char *out;

		if (expand(&out, env->v[i], sc, err) == -1)
			return -1;
		free(env->v[i]);
		env->v[i] = out;
	}
	return 0;
}

static int
load_value(const struct ini_entry *e, struct section *sec, enum schema_id id,
    struct err *err)
{
	struct value_ctx vc = {
		.object = sec->object, .here = sec->here, .program = sec->name
	};
	bool is_env = schema_rows[id].type == TYPE_ENV;
	struct strv env = expand_environ();
	struct expand_scope sc;
	char *text = NULL;
	int rc = 0;

	schema_range(id, &vc.min, &vc.max);
	load_scope(sec, &sc, &env);
	/* In "50%" it is the unit. */
	if (schema_per_slot(id) || is_env ||
	    schema_rows[id].type == TYPE_CPUMAX)
		text = xstrdup(e->value);
	else
		rc = expand(&text, e->value, &sc, err);
	if (rc == 0) {
		value_clear(sec->object, id);
		rc = value_set(&vc, id, text, err);
	}
	if (rc == 0 && is_env && !schema_per_slot(id))
		rc = load_expand_env(value_field(sec->object, id), &sc, err);
	free(text);
	return rc;
}

static void
load_entry(struct load *ld, const struct ini_entry *e, struct section *sec)
{
	struct config_origins *og = section_origins(sec);
	enum schema_id id = schema_find(sec->kind, e->key);
	struct err err;

	/* Unknown or defined twice: load_key has said so. */
	if (id == SCHEMA__N || origins_line(og, id) != e->line ||
	    !str_equal(origins_file(og, id), e->file))
		return;
	if (*e->file != '-') /* an option has no lines */
		suspect_value(ld->errs, e, sec->kind);
	if (load_value(e, sec, id, &err) == -1)
		config_error(ld->errs, e->file, e->line, "[%s] %s: %s",
		    sec->title, e->key, err.text);
	else if ((id == SCHEMA_PROGRAM_command || id == SCHEMA_TASK_command ||
		     id == SCHEMA_TASK_shell) &&
		 *e->value == '\0')
		config_error(ld->errs, e->file, e->line, "[%s] %s: it is empty",
		    sec->title, e->key);
}

static void
load_values(struct load *ld, bool groups)
{
	const struct ini *ini = &ld->src.ini;

	for (size_t i = 0; i < ini->n; i++) {
		struct section *sec;

		if (ini->v[i].key == NULL || ld->of[i] == NO_SECTION)
			continue;
		sec = &ld->v[ld->of[i]];
		if (sec->kind == SECTION_INCLUDE)
			continue;
		if ((sec->kind == SECTION_GROUP) == groups)
			load_entry(ld, &ini->v[i], sec);
	}
}

/* --- groups ----------------------------------------------------------------
 */

/* Now that no group is added any more, their addresses are known. */
static void
load_group_objects(struct load *ld)
{
	size_t g = 0;

	for (size_t i = 0; i < ld->n; i++) {
		struct section *sec = &ld->v[i];

		if (sec->kind != SECTION_GROUP)
			continue;
		sec->object = &ld->cf->groups[g];
		sec->origins = &ld->cf->groups[g++].origins;
		*sec->origins = sec->own;
	}
}

static void
load_group_member(struct load *ld, struct section *sec,
    const struct config_group *g, const char *name)
{
	struct config_program *p = config_program_find(ld->cf, name);
	const char *file = origins_file(sec->origins, SCHEMA_GROUP_programs);
	int line = origins_line(sec->origins, SCHEMA_GROUP_programs);
	struct near nr;

	if (p != NULL && p->group == NULL) {
		p->group = xstrdup(g->name);
		p->group_priority = g->priority;
		p->group_rate = g->restart_rate;
		return;
	}
	if (p != NULL) {
		config_error(ld->errs, file, line,
		    "program '%s' is in [group:%s] already", name, p->group);
		return;
	}
	near_init(&nr, name);
	for (size_t i = 0; i < ld->cf->nprograms; i++)
		near_try(&nr, ld->cf->programs[i]->name);
	config_error(ld->errs, file, line,
	    nr.best != NULL ? "[%s] names '%s', but there is no such program; "
			      "did you mean '%s'?"
			    : "[%s] names '%s', but there is no such program",
	    sec->title, name, nr.best);
}

static void
load_groups(struct load *ld)
{
	for (size_t i = 0; i < ld->n; i++) {
		struct section *sec = &ld->v[i];
		const struct config_group *g = sec->object;

		if (sec->kind != SECTION_GROUP)
			continue;
		if (g->programs.n == 0)
			config_error(ld->errs, sec->file, sec->line,
			    "[%s] needs programs = NAME, ...", sec->title);
		if (config_program_find(ld->cf, g->name) != NULL &&
		    !strv_has(&g->programs, g->name))
			config_error(ld->errs, sec->file, sec->line,
			    "[%s] has the name of a program that is not in it",
			    sec->title);
		for (size_t k = 0; k < g->programs.n; k++)
			load_group_member(ld, sec, g, g->programs.v[k]);
	}
}

/* --- the whole -------------------------------------------------------------
 */

static const struct ini_entry *
load_find_header(const struct load *ld, const char *section)
{
	const struct ini *ini = &ld->src.ini;

	for (size_t i = 0; i < ini->n; i++)
		if (ini->v[i].key == NULL &&
		    ini->v[i].file == ini->files.v[0] &&
		    strcmp(ini->v[i].section, section) == 0)
			return &ini->v[i];
	return NULL;
}

/* The main section says which dialect the file is written in. */
static bool
load_dialect(struct load *ld)
{
	const struct ini_entry *e = load_find_header(ld, "supervisord");

	if (load_find_header(ld, "reeve") != NULL)
		return true;
	if (e == NULL) {
		config_error(ld->errs, ld->src.ini.files.v[0], 1,
		    "not a reeve config: there is no [reeve] section");
		return true;
	}
	/* By the rules of this dialect everything in there looks wrong. */
	strv_fini(&ld->errs->errors);
	strv_fini(&ld->errs->warnings);
	config_error(ld->errs, e->file, e->line,
	    "[supervisord]: this is a supervisord config, a dialect that is "
	    "not supported yet; a reeve config has a [reeve] section");
	return false;
}

static void
load_fini(struct load *ld)
{
	for (size_t i = 0; i < ld->n; i++) {
		free(ld->v[i].name);
		free(ld->v[i].title);
		free(ld->v[i].here);
		if (ld->v[i].origins == NULL)
			origins_fini(&ld->v[i].own);
	}
	free(ld->v);
	free(ld->of);
	source_fini(&ld->src);
}

static void
load_build(struct load *ld)
{
	load_names(ld);
	jobs_program(ld->cf, ld->cf->here);
	load_group_objects(ld);
	load_values(ld, true);
	load_groups(ld);
	load_values(ld, false);
	complete_config(ld->cf);
	jobs_complete(ld->cf, ld->errs);
	strv_copy(&ld->cf->files, &ld->src.ini.files);
	snapshot_write(&ld->cf->snapshot, &ld->src.ini);
	jobs_snapshot(ld->cf);
	if (!ld->ctl)
		check_config(ld->cf, ld->errs);
	if (!ld->ctl)
		check_jobs(ld->cf, !ld->kept, ld->errs);
}

/* The source is read: the rest is the same for files and texts. */
static struct config *
load_finish(struct load *ld, const char *file)
{
	char *here = *file == '/' ? path_folder(file) : path_from_cwd(".");

	ld->cf = load_config_new(file, here);
	free(here);
	if (load_dialect(ld))
		load_build(ld);
	load_fini(ld);
	config_errors_sort(ld->errs);
	if (ld->errs->errors.n > 0 && !ld->ctl) {
		config_free(ld->cf);
		ld->cf = NULL;
	}
	return ld->cf;
}

static struct config *
load_file(const char *file, struct config_errors *errs, bool ctl)
{
	struct load ld = { .errs = errs, .ctl = ctl };
	char *path = path_from_cwd(file);
	struct err err;

	source_init(&ld.src, errs);
	if (source_read(&ld.src, path, &err) == -1) {
		strv_add(&errs->errors, err.text);
		source_fini(&ld.src);
	} else {
		load_finish(&ld, path);
	}
	free(path);
	return ld.cf;
}

struct config *
config_load(const char *file, struct config_errors *errs)
{
	return load_file(file, errs, false);
}

struct config *
config_load_ctl(const char *file, struct config_errors *errs)
{
	return load_file(file, errs, true);
}

struct config *
config_load_text(
    const char *name, const char *text, size_t len, struct config_errors *errs)
{
	struct load ld = { .errs = errs };
	char *path = path_from_cwd(name);

	source_init(&ld.src, errs);
	source_read_text(&ld.src, name, text, len);
	load_finish(&ld, path);
	free(path);
	return ld.cf;
}

struct config *
config_load_snapshot(
    const char *file, const char *data, size_t len, struct config_errors *errs)
{
	struct load ld = { .errs = errs, .kept = true };

	source_init(&ld.src, errs);
	if (snapshot_read(&ld.src.ini, data, len) == -1) {
		strv_add(&errs->errors, "the kept config can't be read");
		source_fini(&ld.src);
		return NULL;
	}
	return load_finish(&ld, file);
}
