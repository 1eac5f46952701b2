/*
 * check - what is wrong with keys that are each right.
 *
 * Errors are what cannot work; what only does not work yet (a folder, a
 * binary that is still to be built) is a warning.
 */
#include "config/check.h"

#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <netinet/in.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "config/slot.h"

void
check_key_error(const struct config_program *p, const char *key,
    struct config_errors *errs, const char *fmt, ...)
{
	const char *file;
	struct buf b;
	va_list ap;
	int line;

	buf_init(&b);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	file = config_program_origin(p, key, &line);
	config_error(
	    errs, file, line, "[program:%s] %s: %s", p->name, key, buf_str(&b));
	buf_fini(&b);
}

/* Stands for "auto" where it matters only whether there are several. */
#define SOME_CPUS 2

struct check {
	const struct config *cf;
	struct config_errors *errs;
	struct check_log *logs;
	size_t nlogs;
};

/* A log file that some slot writes and rotates. */
struct check_log {
	char *path;
	const struct config_program *program; /* a task's own part, too */
	enum schema_id key;
	const char *file;
	int line;
	size_t seq; /* keeps the order of the file among equal paths */
};

/* Where to look for a mistake: the key, or the program when it is unset. */
static const char *
check_file(const struct config_program *p, enum schema_id id)
{
	const char *file = origins_file(&p->origins, id);

	return file != NULL ? file : p->file;
}

static int
check_line(const struct config_program *p, enum schema_id id)
{
	int line = origins_line(&p->origins, id);

	return line != 0 ? line : p->line;
}

static bool
check_is_set(const struct config_program *p, enum schema_id id)
{
	return origins_line(&p->origins, id) != 0;
}

#define CHECK_ERROR(ck, p, key, fmt, ...)                                      \
	config_error((ck)->errs, check_file(p, SCHEMA_PROGRAM_##key),          \
	    check_line(p, SCHEMA_PROGRAM_##key), "[program:%s] " fmt,          \
	    (p)->name __VA_OPT__(, ) __VA_ARGS__)
#define CHECK_WARNING(ck, p, key, fmt, ...)                                    \
	config_warning((ck)->errs, check_file(p, SCHEMA_PROGRAM_##key),        \
	    check_line(p, SCHEMA_PROGRAM_##key), "[program:%s] " fmt,          \
	    (p)->name __VA_OPT__(, ) __VA_ARGS__)

/* --- one program -----------------------------------------------------------
 */

static void
check_counts(struct check *ck, const struct config_program *p)
{
	bool workers = check_is_set(p, SCHEMA_PROGRAM_workers);
	bool per_cpu = check_is_set(p, SCHEMA_PROGRAM_workers_per_cpu);
	bool numprocs = check_is_set(p, SCHEMA_PROGRAM_numprocs);

	if (workers && per_cpu)
		CHECK_ERROR(ck, p, workers_per_cpu,
		    "has workers and workers_per_cpu: keep one of them");
	if (numprocs && (workers || per_cpu))
		CHECK_ERROR(ck, p, numprocs,
		    "has numprocs and %s: keep one "
		    "of them",
		    workers ? "workers" : "workers_per_cpu");
}

static void
check_memory(struct check *ck, const struct config_program *p)
{
	if (p->rare->memory_limit == 0 &&
	    check_is_set(p, SCHEMA_PROGRAM_memory_interval))
		CHECK_ERROR(ck, p, memory_interval,
		    "memory_interval: there is no memory_limit= that it could "
		    "be of");
	if (p->rare->memory_max > 0 &&
	    p->rare->memory_limit >= p->rare->memory_max)
		CHECK_WARNING(ck, p, memory_limit,
		    "memory_limit is never reached: the kernel kills at "
		    "memory_max");
}

static void
check_keys(struct check *ck, const struct config_program *p)
{
	check_memory(ck, p);
	if (p->stopasgroup && !p->killasgroup)
		CHECK_ERROR(ck, p, killasgroup,
		    "stopasgroup = true needs killasgroup = true, or what "
		    "ignores the stop would be left behind");
	if (p->backoff_min_ms > p->backoff_max_ms)
		CHECK_ERROR(ck, p, backoff_min,
		    "backoff_min is longer than backoff_max");
	if (p->ready == READY_FD && p->ready_fd < 3 + (int)p->sockets.n)
		CHECK_ERROR(ck, p, ready,
		    "ready = fd:%d: descriptors 3 to %d are its sockets, use "
		    "fd:%d or more",
		    p->ready_fd, 2 + (int)p->sockets.n, 3 + (int)p->sockets.n);
	if (p->roll_surge == 0 && p->sockets.n > 0 &&
	    config_program_workers(p, SOME_CPUS) == 1)
		CHECK_WARNING(ck, p, roll_surge,
		    "has one worker and roll_surge = 0: during a roll nobody "
		    "serves its socket");
	if (p->rare->user.set && geteuid() != 0 &&
	    p->rare->user.uid != geteuid())
		CHECK_ERROR(ck, p, user,
		    "user = %s: only root can become another user",
		    p->rare->user.name);
}

/* --- its slots -------------------------------------------------------------
 */

static void
check_log_add(struct check *ck, const struct config_program *p,
    const char *path, int64_t maxbytes, enum schema_id key)
{
	/* Devices are not rotated, and may well be shared. */
	if (path == NULL || maxbytes == 0 || str_starts(path, "/dev/"))
		return;
	ck->logs = xreallocarray(ck->logs, ck->nlogs + 1, sizeof *ck->logs);
	ck->logs[ck->nlogs] = (struct check_log){ xstrdup(path), p, key,
		check_file(p, key), check_line(p, key), ck->nlogs };
	ck->nlogs++;
}

static void
check_slot_files(
    struct check *ck, const struct config_program *p, struct config_slot *s)
{
	struct stat st;
	struct err err;

	if (config_slot_find_command(s, p, &err) == -1)
		CHECK_WARNING(ck, p, command, "command: %s", err.text);
	check_box_slot(p, s, ck->errs);
	if (s->directory == NULL)
		return;
	if (config_root_stat(p->rare->chroot, s->directory, &st) == -1)
		CHECK_WARNING(ck, p, directory, "directory %s: %s",
		    s->directory, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		CHECK_WARNING(ck, p, directory, "directory %s: it is a file",
		    s->directory);
}

/* The folder of a log that the file names; ours are made when they are needed.
 */
static const char *
check_log_folder(const char *path, const char *template, char **folder)
{
	struct stat st;

	*folder = NULL;
	if (path == NULL || template == NULL || strcmp(template, "AUTO") == 0)
		return NULL;
	*folder = path_folder(path);
	if (stat(*folder, &st) == -1)
		return strerror(errno);
	return S_ISDIR(st.st_mode) ? NULL : "it is a file";
}

static void
check_slot_logs(struct check *ck, const struct config_program *p,
    const struct config_slot *s)
{
	const char *why;
	char *folder;

	why = check_log_folder(s->out_path, p->out.path, &folder);
	if (why != NULL)
		CHECK_WARNING(ck, p, stdout_logfile,
		    "stdout_logfile: folder %s: %s", folder, why);
	free(folder);
	why = check_log_folder(s->err_path, p->err.path, &folder);
	if (why != NULL)
		CHECK_WARNING(ck, p, stderr_logfile,
		    "stderr_logfile: folder %s: %s", folder, why);
	free(folder);
}

/* It is read at each start, and may be made by then. */
static void
check_env_file(struct check *ck, const struct config_program *p,
    const struct config_slot *s, int nslots)
{
	struct strv env = expand_environ();
	struct slot_in in = { .program = p,
		.nslots = nslots,
		.base_env = &env,
		.lenient = true };
	char *path = NULL;

	if (p->env_file == NULL || *p->env_file == '-' ||
	    config_slot_env_file(&path, &in, s, NULL) == -1)
		return;
	if (path != NULL && access(path, R_OK) == -1)
		CHECK_WARNING(
		    ck, p, env_file, "env_file %s: %s", path, strerror(errno));
	free(path);
}

static void
check_hook(struct check *ck, const struct config_program *p, const char *text,
    enum schema_id id)
{
	struct strv env = expand_environ();
	struct slot_in in = { .program = p,
		.nslots = 1,
		.command = text,
		.base_env = &env,
		.lenient = true };
	const char *name = schema_keys[id].name;
	struct config_slot s;
	enum schema_id key;
	struct err err;

	if (text == NULL || config_hook_task(text) != NULL)
		return; /* a task's name: check_task.c */
	if (config_slot_build(&s, &in, &key, &err) == -1) {
		/* What is wrong with other keys has been said. */
		if (key == SCHEMA_PROGRAM_command)
			config_error(ck->errs, check_file(p, id),
			    check_line(p, id), "[program:%s] %s: %s", p->name,
			    name, err.text);
		return;
	}
	if (config_slot_find_command(&s, p, &err) == -1)
		config_warning(ck->errs, check_file(p, id), check_line(p, id),
		    "[program:%s] %s: %s", p->name, name, err.text);
	config_slot_fini(&s);
}

static void
check_hooks(struct check *ck, const struct config_program *p)
{
	check_hook(ck, p, p->rare->hook[HOOK_BEFORE_START],
	    SCHEMA_PROGRAM_before_start);
	check_hook(
	    ck, p, p->rare->hook[HOOK_AFTER_READY], SCHEMA_PROGRAM_after_ready);
	check_hook(
	    ck, p, p->rare->hook[HOOK_BEFORE_STOP], SCHEMA_PROGRAM_before_stop);
	check_hook(
	    ck, p, p->rare->hook[HOOK_AFTER_EXIT], SCHEMA_PROGRAM_after_exit);
	check_hook(
	    ck, p, p->rare->hook[HOOK_BEFORE_ROLL], SCHEMA_PROGRAM_before_roll);
}

/* --- probes ---------------------------------------------------------- */

static int
check_regex(const char *pattern, struct err *err)
{
	char text[128];
	regex_t re;
	int rc;

	if (*pattern == '\0')
		return err_set(err, "the pattern is empty");
	rc = regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB);
	if (rc == 0) {
		regfree(&re);
		return 0;
	}
	regerror(rc, &re, text, sizeof text);
	return err_set(err, "pattern '%s': %s", pattern, text);
}

/* A listener of reeved's own accepts whoever is, or is not, behind it. */
static bool
check_is_own_socket(
    const struct config_program *p, const struct config_probe *pr)
{
	const struct sockaddr_in *in = (const void *)&pr->addr[0];
	const struct sockaddr_in6 *in6 = (const void *)in;
	const struct sockaddr_un *un = (const void *)in;
	int family = pr->addr[0].ss_family;

	for (size_t i = 0; i < p->sockets.n; i++) {
		const struct config_socket *so = &p->sockets.v[i];

		if (family == AF_UNIX && so->family == FAMILY_UNIX &&
		    strcmp(so->path, un->sun_path) == 0)
			return true;
		if (family != AF_UNIX && so->family != FAMILY_UNIX &&
		    so->port == ntohs(family == AF_INET ? in->sin_port
							: in6->sin6_port))
			return true;
	}
	return false;
}

/* A key that would do nothing is a mistake of whoever wrote it. */
static void
check_probe_keys(struct check *ck, const struct config_program *p)
{
	static const enum schema_id keys[] = { SCHEMA_PROGRAM_health_interval,
		SCHEMA_PROGRAM_health_timeout, SCHEMA_PROGRAM_health_failures,
		SCHEMA_PROGRAM_health_grace, SCHEMA_PROGRAM_health_action };
	bool asked = p->ready == READY_PROBE || p->ready == READY_EXEC;

	if (!asked && check_is_set(p, SCHEMA_PROGRAM_ready_interval))
		CHECK_ERROR(ck, p, ready_interval,
		    "ready_interval is for ready = tcp:, unix:, http: and "
		    "exec:, which are tried again and again");
	if (!asked && check_is_set(p, SCHEMA_PROGRAM_ready_try_timeout))
		CHECK_ERROR(ck, p, ready_try_timeout,
		    "ready_try_timeout is for ready = tcp:, unix:, http: and "
		    "exec:");
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		if (p->health == HEALTH_NONE && check_is_set(p, keys[i]))
			config_error(ck->errs, check_file(p, keys[i]),
			    check_line(p, keys[i]),
			    "[program:%s] %s: there is no health= that it "
			    "could be of",
			    p->name, schema_keys[keys[i]].name);
	if (p->health == HEALTH_WATCHDOG &&
	    check_is_set(p, SCHEMA_PROGRAM_health_timeout))
		CHECK_ERROR(ck, p, health_timeout,
		    "health_timeout: a watchdog is not asked; health_interval "
		    "is its time");
}

static int
check_probe(struct check *ck, const struct config_program *p, const char *text,
    enum schema_id id, struct err *err)
{
	struct config_probe pr;

	if (strncasecmp(text, "log:", 4) == 0)
		return check_regex(text + 4, err);
	if (config_probe_parse(&pr, text, p->here, err) == -1)
		return -1;
	if (pr.kind == PROBE_CONNECT && check_is_own_socket(p, &pr))
		config_warning(ck->errs, check_file(p, id), check_line(p, id),
		    "[program:%s] %s: %s is a socket= of its own, which reeved "
		    "keeps open: it accepts whether an instance is there or "
		    "not; use http:, notify or another port",
		    p->name, schema_keys[id].name, pr.text);
	config_probe_fini(&pr);
	return 0;
}

/* What it comes to for one slot; false: it is wrong. */
static bool
check_probe_slot(struct check *ck, const struct config_program *p,
    const char *template, enum schema_id id, int index, int nslots)
{
	struct strv env = expand_environ();
	struct err err;
	char *text;
	int rc;

	rc = config_slot_text(&text, p, template, index, nslots, &env, &err);
	if (rc == 0)
		rc = check_probe(ck, p, text, id, &err);
	if (rc == -1)
		config_error(ck->errs, check_file(p, id), check_line(p, id),
		    "[program:%s] %s: %s", p->name, schema_keys[id].name,
		    err.text);
	free(text);
	return rc == 0;
}

static void
check_asked(struct check *ck, const struct config_program *p, const char *text,
    enum schema_id id, int nslots)
{
	if (text == NULL)
		return;
	if (strncasecmp(text, "exec:", 5) == 0)
		check_hook(ck, p, text + 5, id);
	else if (check_probe_slot(ck, p, text, id, 0, nslots) && nslots > 1 &&
		 strchr(text, '%') != NULL)
		check_probe_slot(ck, p, text, id, nslots - 1, nslots);
}

/* The slots can be built. */
static void
check_probes(struct check *ck, const struct config_program *p, int nslots)
{
	check_probe_keys(ck, p);
	check_asked(ck, p, p->ready_text, SCHEMA_PROGRAM_ready, nslots);
	check_asked(ck, p, p->health_text, SCHEMA_PROGRAM_health, nslots);
}

/* --- slots ------------------------------------------------------------ */

/* Whether the slot can be built; out is the caller's then. */
static bool
check_slot(struct check *ck, const struct config_program *p, int index,
    int nslots, struct config_slot *out)
{
	struct strv env = expand_environ();
	struct slot_in in = { .program = p,
		.index = index,
		.nslots = nslots,
		.base_env = &env,
		.lenient = true };
	enum schema_id key;
	struct err err;

	if (config_slot_build(out, &in, &key, &err) == 0)
		return true;
	if (key == SCHEMA_PROGRAM_command && p->command == NULL) {
		/* Misspelt or empty: load.c has said so. */
		if (check_is_set(p, key))
			return false;
		err_set(&err, "it is missing: what is to be run?");
	}
	config_error(ck->errs, check_file(p, key), check_line(p, key),
	    "[program:%s] %s: %s", p->name, schema_keys[key].name, err.text);
	return false;
}

static void
check_slots(struct check *ck, const struct config_program *p)
{
	int n = config_program_workers(p, SOME_CPUS);
	struct config_slot first, last;

	if (n < 1)
		n = 1; /* it may be scaled up */
	if (!check_slot(ck, p, 0, n, &first))
		return;
	check_slot_files(ck, p, &first);
	check_slot_logs(ck, p, &first);
	check_env_file(ck, p, &first, n);
	check_probes(ck, p, n);
	check_ports(ck->cf, p, n, ck->errs);
	check_log_add(ck, p, first.out_path, p->out.maxbytes,
	    SCHEMA_PROGRAM_stdout_logfile);
	check_log_add(ck, p, first.err_path, p->err.maxbytes,
	    SCHEMA_PROGRAM_stderr_logfile);
	if (n > 1 && check_slot(ck, p, n - 1, n, &last)) {
		if (strcmp(first.process_name, last.process_name) == 0)
			CHECK_ERROR(ck, p, process_name,
			    "process_name: with several workers it needs "
			    "%%(process_num)d in it");
		else
			check_log_add(ck, p, last.out_path, p->out.maxbytes,
			    SCHEMA_PROGRAM_stdout_logfile);
		config_slot_fini(&last);
	}
	config_slot_fini(&first);
}

/* --- between programs ------------------------------------------------------
 */

static int
check_log_compare(const void *a, const void *b)
{
	const struct check_log *x = a, *y = b;
	int c = strcmp(x->path, y->path);

	return c != 0 ? c : (x->seq > y->seq) - (x->seq < y->seq);
}

static void
check_log_pair(
    struct check *ck, const struct check_log *a, const struct check_log *b)
{
	const struct config_program *p = b->program;
	const char *key = schema_keys[b->key].name;

	if (strcmp(a->path, b->path) != 0)
		return;
	if (a->program != p)
		config_error(ck->errs, b->file, b->line,
		    "[%s:%s] %s: %s is a log of %s '%s' too; two that rotate "
		    "one file lose lines",
		    p->is_task ? "task" : "program", p->name, key, b->path,
		    a->program->is_task ? "task" : "program", a->program->name);
	else if (a->key != b->key)
		config_warning(ck->errs, b->file, b->line,
		    "[program:%s] %s: stdout and stderr rotate the same file; "
		    "redirect_stderr = true is the way to have both in it",
		    p->name, key);
	else
		config_warning(ck->errs, b->file, b->line,
		    "[program:%s] %s: all slots rotate the same file; put "
		    "%%(process_num)d in its name, or switch rotation off",
		    p->name, key);
}

/* What else is wrong with it check_tasks tells. */
static void
check_task_log(struct check *ck, const struct config_task *t)
{
	struct strv env = expand_environ();
	struct slot_in in = { .program = &t->run,
		.nslots = 1,
		.shell = t->shell,
		.base_env = &env,
		.lenient = true };
	const char *file = origins_file(&t->origins, SCHEMA_TASK_log);
	int line = origins_line(&t->origins, SCHEMA_TASK_log);
	struct config_slot s;
	enum schema_id key;
	struct err err;
	const char *why;
	char *folder;
	size_t n = ck->nlogs;

	if (t->run.out.path == NULL ||
	    config_slot_build(&s, &in, &key, &err) == -1)
		return;
	why = check_log_folder(s.out_path, t->run.out.path, &folder);
	if (why != NULL)
		config_warning(ck->errs, file, line,
		    "[task:%s] log: folder %s: %s", t->run.name, folder, why);
	free(folder);
	check_log_add(
	    ck, &t->run, s.out_path, t->run.out.maxbytes, SCHEMA_TASK_log);
	if (ck->nlogs > n) {
		ck->logs[n].file = file;
		ck->logs[n].line = line;
	}
	config_slot_fini(&s);
}

static void
check_logs(struct check *ck)
{
	if (ck->nlogs > 0)
		qsort(ck->logs, ck->nlogs, sizeof *ck->logs, check_log_compare);
	for (size_t i = 1; i < ck->nlogs; i++)
		check_log_pair(ck, &ck->logs[i - 1], &ck->logs[i]);
	for (size_t i = 0; i < ck->nlogs; i++)
		free(ck->logs[i].path);
	free(ck->logs);
}

/* Whether one of the two would find the other's address in use. */
static bool
check_overlap(const struct config_socket *a, const struct config_socket *b)
{
	if (a->family != b->family)
		return false;
	if (a->family == FAMILY_UNIX)
		return strcmp(a->path, b->path) == 0;
	return a->port == b->port && (a->host == NULL || b->host == NULL ||
					 strcmp(a->host, b->host) == 0);
}

static void
check_socket(struct check *ck, const struct config_program *p,
    const struct config_socket *so, size_t before)
{
	for (size_t i = 0; i < before; i++) {
		const struct config_program *q = ck->cf->programs[i];

		for (size_t k = 0; k < q->sockets.n; k++)
			if (check_overlap(so, &q->sockets.v[k]))
				CHECK_ERROR(ck, p, socket,
				    "socket %s is in use by program '%s' "
				    "(%s:%d)",
				    so->text, q->name,
				    check_file(q, SCHEMA_PROGRAM_socket),
				    check_line(q, SCHEMA_PROGRAM_socket));
	}
	if (so->family == FAMILY_UNIX && str_equal(so->path, ck->cf->socket))
		CHECK_ERROR(
		    ck, p, socket, "socket %s is reeved's own", so->text);
}

/* "*:80" and "127.0.0.1:80" of one program collide as well. */
static void
check_own_sockets(struct check *ck, const struct config_program *p)
{
	for (size_t i = 0; i < p->sockets.n; i++)
		for (size_t k = 0; k < i; k++)
			if (check_overlap(&p->sockets.v[i], &p->sockets.v[k]))
				CHECK_ERROR(ck, p, socket,
				    "socket %s overlaps %s",
				    p->sockets.v[i].text, p->sockets.v[k].text);
}

static void
check_sockets(struct check *ck)
{
	for (size_t i = 0; i < ck->cf->nprograms; i++) {
		const struct config_program *p = ck->cf->programs[i];

		check_own_sockets(ck, p);
		for (size_t k = 0; k < p->sockets.n; k++)
			check_socket(ck, p, &p->sockets.v[k], i);
	}
}

static void
check_reeve(struct check *ck)
{
	const struct config *cf = ck->cf;
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	const char *file = origins_file(&cf->origins, SCHEMA_REEVE_socket);

	if (cf->socket != NULL && strlen(cf->socket) > max)
		config_error(ck->errs, file != NULL ? file : cf->file,
		    file != NULL
			? origins_line(&cf->origins, SCHEMA_REEVE_socket)
			: 1,
		    "[reeve] socket: path of %zu bytes, but a socket's "
		    "path ends at %zu: %s",
		    strlen(cf->socket), max, cf->socket);
}

void
check_config(const struct config *cf, struct config_errors *errs)
{
	struct check ck = { .cf = cf, .errs = errs };

	check_reeve(&ck);
	for (size_t i = 0; i < cf->nprograms; i++) {
		const struct config_program *p = cf->programs[i];

		check_counts(&ck, p);
		check_keys(&ck, p);
		check_box(p, errs);
		check_stdio(p, errs);
		check_slots(&ck, p);
		check_hooks(&ck, p);
	}
	check_deps(cf, errs);
	check_tasks(cf, errs);
	check_watches(cf, errs);
	check_sockets(&ck);
	for (size_t i = 0; i < cf->ntasks; i++)
		check_task_log(&ck, cf->tasks[i]);
	check_logs(&ck);
}
