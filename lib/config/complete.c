/*
 * complete - defaults that depend on other keys or on who runs this.
 *
 * Root keeps its files where the system's daemons do, an ordinary user where
 * the XDG base directory specification says.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/intern.h"
#include "base/xalloc.h"
#include "config/value.h"

/* NULL may be what the file says. */
static bool
complete_is_set(const struct config *cf, enum schema_id id)
{
	return origins_line(&cf->origins, id) != 0;
}

static char *
complete_state_dir(void)
{
	const char *xdg = getenv("XDG_STATE_HOME");
	char *home, *dir;

	if (geteuid() == 0)
		return xstrdup("/var/lib/reeve");
	if (xdg != NULL && *xdg == '/')
		return xasprintf("%s/reeve", xdg);
	home = path_home();
	dir = xasprintf("%s/.local/state/reeve", home);
	free(home);
	return dir;
}

/* With state_dir = none, where it would be by itself. */
static char *
complete_below_state(const struct config *cf, const char *name)
{
	char *dir = cf->state_dir != NULL ? xstrdup(cf->state_dir)
					  : complete_state_dir();
	char *path = xasprintf("%s/%s", dir, name);

	free(dir);
	return path;
}

static char *
complete_socket(const struct config *cf)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0)
		return xstrdup("/run/reeve/reeve.sock");
	if (xdg != NULL && *xdg == '/')
		return xasprintf("%s/reeve/reeve.sock", xdg);
	return complete_below_state(cf, "reeve.sock");
}

static char *
complete_pidfile(const struct config *cf)
{
	size_t n;

	if (cf->socket == NULL)
		return NULL;
	n = strlen(cf->socket);
	if (str_ends(cf->socket, ".sock"))
		n -= strlen(".sock");
	return xasprintf("%.*s.pid", (int)n, cf->socket);
}

static char *
complete_logfile(const struct config *cf)
{
	if (geteuid() == 0)
		return xstrdup("/var/log/reeve/reeve.log");
	return complete_below_state(cf, "reeve.log");
}

static void
complete_paths(struct config *cf)
{
	char *dflt;

	if (!complete_is_set(cf, SCHEMA_REEVE_state_dir))
		cf->state_dir = complete_state_dir();
	cf->socket_set = complete_is_set(cf, SCHEMA_REEVE_socket);
	if (!cf->socket_set)
		cf->socket = complete_socket(cf);
	if (!complete_is_set(cf, SCHEMA_REEVE_pidfile))
		cf->pidfile = complete_pidfile(cf);
	if (cf->ctl_socket == NULL && cf->socket != NULL)
		cf->ctl_socket = xstrdup(cf->socket);

	dflt = complete_logfile(cf);
	cf->logfile_set = complete_is_set(cf, SCHEMA_REEVE_logfile);
	if (!cf->logfile_set || str_equal(cf->logfile, "AUTO")) {
		value_logfile_fini(&cf->logfile);
		cf->logfile = xstrdup(dflt);
		cf->logfile_set = false;
	} else if (cf->logfile != NULL) {
		char *path = path_absolute(cf->here, cf->logfile);

		free(cf->logfile);
		cf->logfile = path;
	}
	if (cf->childlogdir == NULL)
		cf->childlogdir =
		    path_folder(cf->logfile != NULL ? cf->logfile : dflt);
	free(dflt);
}

/* An identifier that is empty would make every line of a log start oddly. */
static void
complete_identifier(struct config *cf)
{
	if (cf->identifier == NULL)
		cf->identifier = xstrdup("reeve");
}

static int
complete_order(const void *a, const void *b)
{
	const struct config_program *p = *(struct config_program *const *)a;
	const struct config_program *q = *(struct config_program *const *)b;
	int64_t pg = p->group != NULL ? p->group_priority : p->priority;
	int64_t qg = q->group != NULL ? q->group_priority : q->priority;

	if (pg != qg)
		return pg < qg ? -1 : 1;
	if (p->priority != q->priority)
		return p->priority < q->priority ? -1 : 1;
	return strcmp(p->name, q->name);
}

static void
complete_programs(struct config *cf)
{
	for (size_t i = 0; i < cf->nprograms; i++) {
		struct config_program *p = cf->programs[i];

		if (p->group == NULL)
			p->group_priority = p->priority;
		if (origins_line(&p->origins, SCHEMA_PROGRAM_numprocs) != 0)
			p->workers = p->rare->numprocs;
		value_identity(p);
		if (p->output == OUTPUT_INHERIT) {
			value_logfile_fini(&p->out.path);
			value_logfile_fini(&p->err.path);
		}
		p->childlogdir = intern(cf->childlogdir);
		strv_copy(&p->reeve_environment, &cf->environment);
		p->reeve_umask = cf->umask;
	}
	if (cf->nprograms > 0)
		qsort(cf->programs, cf->nprograms, sizeof *cf->programs,
		    complete_order);
}

static int
complete_task_order(const void *a, const void *b)
{
	const struct config_task *t = *(struct config_task *const *)a;
	const struct config_task *u = *(struct config_task *const *)b;

	return strcmp(t->run.name, u->run.name);
}

static void
complete_tasks(struct config *cf)
{
	for (size_t i = 0; i < cf->ntasks; i++) {
		struct config_program *p = &cf->tasks[i]->run;

		value_identity(p);
		p->childlogdir = intern(cf->childlogdir);
		strv_copy(&p->reeve_environment, &cf->environment);
		p->reeve_umask = cf->umask;
	}
	if (cf->ntasks > 0)
		qsort(cf->tasks, cf->ntasks, sizeof *cf->tasks,
		    complete_task_order);
}

void
complete_config(struct config *cf)
{
	complete_paths(cf);
	complete_identifier(cf);
	complete_programs(cf);
	complete_tasks(cf);
}
