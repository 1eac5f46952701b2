/*
 * slot - what one slot of a program runs, with nothing left to decide.
 *
 * The environment grows in this order, later ones win: reeved's own (without
 * what is addressed to reeved), that of user=, what says who the process is,
 * [reeve] environment, env_file, environment of the program.
 */
#include "config/slot.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "config/value.h"
#include "config/words.h"

/* execvp(3)'s, less the current folder. */
#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

/* Spoken between reeved, or node, and whoever started it: not for others. */
static const char *const own_variables[] = { "NOTIFY_SOCKET", "LISTEN_FDS",
	"LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID",
	"MAINPID", "NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE",
	"NODE_UNIQUE_ID", "SUPERVISOR_SERVER_URL" };

/* What is left of reeved's environment with clear_env. */
static const char *const kept_variables[] = { "PATH", "LANG", "TZ" };

/* --- environment -----------------------------------------------------------
 */

static bool
slot_in_list(const char *entry, const char *const *list, size_t n)
{
	size_t len = strcspn(entry, "=");

	for (size_t i = 0; i < n; i++)
		if (strlen(list[i]) == len && strncmp(entry, list[i], len) == 0)
			return true;
	return false;
}

#define IN(entry, list) slot_in_list(entry, list, sizeof(list) / sizeof *(list))

static void
slot_env_base(struct strv *env, const struct slot_in *in)
{
	bool clear = in->program->clear_env;

	for (size_t i = 0; in->base_env != NULL && i < in->base_env->n; i++) {
		const char *e = in->base_env->v[i];

		if (IN(e, own_variables))
			continue;
		if (clear && !IN(e, kept_variables) && !str_starts(e, "LC_"))
			continue;
		strv_add(env, e);
	}
	if (strv_env_get(env, "PATH") == NULL)
		strv_env_set(env, "PATH", PATH_DEFAULT);
}

static void
slot_env_user(struct strv *env, const struct config_owner *user)
{
	if (!user->set)
		return;
	if (user->login == NULL) {
		strv_env_unset(env, "USER");
		strv_env_unset(env, "LOGNAME");
		strv_env_unset(env, "SHELL");
		strv_env_set(env, "HOME", "/");
		return;
	}
	strv_env_set(env, "HOME", user->home);
	strv_env_set(env, "USER", user->login);
	strv_env_set(env, "LOGNAME", user->login);
	if (*user->shell != '\0')
		strv_env_set(env, "SHELL", user->shell);
}

static void
slot_env_number(struct strv *env, const char *key, int64_t n)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)n);
	strv_env_set(env, key, text);
}

static void
slot_env_identity(
    struct strv *env, const struct slot_in *in, const char *process_name)
{
	const struct config_program *p = in->program;

	if (p->is_task) {
		strv_env_set(env, "REEVE_TASK", p->name);
		return;
	}
	strv_env_set(env, "REEVE_PROGRAM", p->name);
	slot_env_number(env, "REEVE_SLOT", in->index);
	strv_env_set(env, "SUPERVISOR_ENABLED", "1");
	strv_env_set(env, "SUPERVISOR_PROCESS_NAME", process_name);
	strv_env_set(env, "SUPERVISOR_GROUP_NAME", config_program_group(p));
	slot_env_number(env, "NODE_APP_INSTANCE", in->index);
	for (size_t i = 0; i < p->sockets.n; i++)
		if (p->sockets.v[i].family != FAMILY_UNIX) {
			slot_env_number(env, "PORT", p->sockets.v[i].port);
			break;
		}
}

static void
slot_env_merge(struct strv *env, const struct strv *more)
{
	for (size_t i = 0; i < more->n; i++) {
		size_t n = strcspn(more->v[i], "=");
		char *key = xstrndup(more->v[i], n);

		strv_env_set(env, key, more->v[i] + n + 1);
		free(key);
	}
}

/* --- the steps -------------------------------------------------------------
 */

static void
slot_scope(
    struct expand_scope *sc, const struct slot_in *in, const struct strv *env)
{
	const struct config_program *p = in->program;

	expand_scope_init(sc);
	expand_scope_text(sc, "here", p->here);
	expand_scope_text(
	    sc, p->is_task ? "task_name" : "program_name", p->name);
	expand_scope_text(sc, "group_name", config_program_group(p));
	expand_scope_text(sc, "host_node_name", expand_host());
	expand_scope_number(sc, "process_num", in->index);
	expand_scope_number(sc, "numprocs", in->nslots);
	sc->env[0] = env;
	sc->env[1] = in->base_env;
	sc->fds = in->fds;
	sc->keep_slot = in->keep_slot;
}

/* Expands a template that is a path; NULL stays NULL. */
static int
slot_path(char **out, const char *template, const char *here,
    const struct expand_scope *sc, struct err *err)
{
	char *text;

	*out = NULL;
	if (template == NULL)
		return 0;
	if (expand(&text, template, sc, err) == -1)
		return -1;
	if (*text != '\0')
		*out = path_absolute(here, text);
	free(text);
	return 0;
}

static int
slot_env_file(struct strv *env, const struct slot_in *in,
    struct expand_scope *sc, struct err *err)
{
	const struct config_program *p = in->program;
	const char *template = p->env_file;
	bool optional = template != NULL && *template == '-';
	struct err why;
	char *path;
	int rc;

	if (slot_path(&path, optional ? template + 1 : template, p->here, sc,
		err) == -1)
		return -1;
	if (path == NULL)
		return 0;
	rc = config_read_env_file(env, path, &why);
	if (rc == -1 && why.errnum == ENOENT && optional)
		rc = 0;
	if (rc == -1 && why.errnum != 0 && in->lenient) {
		sc->any_env = true;
		rc = 0;
	}
	if (rc == -1)
		err_set(err, "%s", why.text);
	free(path);
	return rc;
}

static int
slot_env_own(struct strv *env, const struct config_program *p,
    struct expand_scope *sc, struct err *err)
{
	struct strv own;
	int rc = 0;

	strv_init(&own);
	sc->sockets = &p->sockets;
	for (size_t i = 0; rc == 0 && i < p->environment.n; i++) {
		size_t n = strcspn(p->environment.v[i], "=") + 1;
		char *value = NULL;

		rc = expand(&value, p->environment.v[i] + n, sc, err);
		if (rc == 0)
			strv_take(&own, xasprintf("%.*s%s", (int)n,
					    p->environment.v[i], value));
		free(value);
	}
	/* Only now: no variable sees another of the same list. */
	if (rc == 0)
		slot_env_merge(env, &own);
	strv_fini(&own);
	sc->sockets = NULL;
	return rc;
}

static int
slot_command(struct strv *argv, const struct slot_in *in,
    struct expand_scope *sc, struct err *err)
{
	const struct config_program *p = in->program;
	const char *command = in->shell     ? in->shell
			      : in->command ? in->command
					    : p->command;
	char *text;
	int rc;

	if (command == NULL)
		return err_set(err, "command is empty");
	/* Its listeners are the program's alone. */
	if (in->command == NULL)
		sc->sockets = &p->sockets;
	rc = expand(&text, command, sc, err);
	sc->sockets = NULL;
	if (rc == -1)
		return -1;
	if (in->shell == NULL) {
		rc = words_split(argv, text, err);
	} else {
		strv_add(argv, "/bin/sh");
		strv_add(argv, "-c");
		strv_add(argv, text);
	}
	free(text);
	if (rc == 0 && (argv->n == 0 || *argv->v[0] == '\0'))
		return err_set(err, "command is empty");
	return rc;
}

/* stream: "stdout" or "stderr". */
static int
slot_log(char **out, const struct config_log *log, const char *stream,
    const struct config_slot *s, const struct slot_in *in,
    const struct expand_scope *sc, struct err *err)
{
	const struct config_program *p = in->program;

	if (!str_equal(log->path, "AUTO"))
		return slot_path(out, log->path, p->here, sc, err);
	*out =
	    xasprintf("%s/%s.%s.log", p->childlogdir, s->process_name, stream);
	return 0;
}

static int
slot_task_log(struct config_slot *out, const struct config_program *p,
    const struct expand_scope *sc, struct err *err)
{
	if (!str_equal(p->out.path, "AUTO"))
		return slot_path(&out->out_path, p->out.path, p->here, sc, err);
	out->out_path = xasprintf("%s/%s.task.log", p->childlogdir, p->name);
	return 0;
}

static int
slot_name(struct config_slot *out, const struct config_program *p,
    const struct expand_scope *sc, struct err *err)
{
	const char *process_name =
	    p->process_name != NULL
		? p->process_name
		: schema_keys[SCHEMA_PROGRAM_process_name].dflt;

	if (expand(&out->process_name, process_name, sc, err) == -1)
		return -1;
	/* It becomes a file's name. */
	if (*out->process_name == '\0' || strchr(out->process_name, '/') ||
	    strpbrk(out->process_name, " \t\n:") != NULL)
		return err_set(err,
		    "'%s' is no name: it is empty or has a "
		    "blank, : or / in it",
		    out->process_name);
	return 0;
}

static int
slot_steps(struct config_slot *out, const struct slot_in *in,
    enum schema_id *key, struct err *err)
{
	const struct config_program *p = in->program;
	struct expand_scope sc;

	slot_scope(&sc, in, &out->env);
	slot_env_base(&out->env, in);
	*key = SCHEMA_PROGRAM_process_name;
	if (!p->is_task && slot_name(out, p, &sc, err) == -1)
		return -1;
	slot_env_user(&out->env, &p->rare->user);
	slot_env_identity(&out->env, in, out->process_name);
	slot_env_merge(&out->env, &p->reeve_environment);
	*key = SCHEMA_PROGRAM_env_file;
	if (slot_env_file(&out->env, in, &sc, err) == -1)
		return -1;
	*key = SCHEMA_PROGRAM_environment;
	if (slot_env_own(&out->env, p, &sc, err) == -1)
		return -1;
	*key = SCHEMA_PROGRAM_command;
	if (slot_command(&out->argv, in, &sc, err) == -1)
		return -1;
	*key = SCHEMA_PROGRAM_directory;
	if (slot_path(&out->directory, p->directory, p->here, &sc, err) == -1)
		return -1;
	if (p->is_task) {
		*key = SCHEMA_TASK_log;
		return slot_task_log(out, p, &sc, err);
	}
	*key = SCHEMA_PROGRAM_stdout_logfile;
	if (slot_log(&out->out_path, &p->out, "stdout", out, in, &sc, err) ==
	    -1)
		return -1;
	*key = SCHEMA_PROGRAM_stderr_logfile;
	if (p->redirect_stderr)
		return 0;
	return slot_log(&out->err_path, &p->err, "stderr", out, in, &sc, err);
}

int
config_slot_env_file(char **out, const struct slot_in *in,
    const struct config_slot *s, struct err *err)
{
	const struct config_program *p = in->program;
	const char *template = p->env_file;
	struct expand_scope sc;

	slot_scope(&sc, in, &s->env);
	if (template != NULL && *template == '-')
		template = template + 1;
	return slot_path(out, template, p->here, &sc, err);
}

int
config_slot_build(struct config_slot *out, const struct slot_in *in,
    enum schema_id *key, struct err *err)
{
	*out = (struct config_slot){ 0 };
	if (slot_steps(out, in, key, err) == 0)
		return 0;
	config_slot_fini(out);
	return -1;
}

void
config_slot_fini(struct config_slot *s)
{
	free(s->process_name);
	strv_fini(&s->argv);
	free(s->exec_path);
	free(s->directory);
	strv_fini(&s->env);
	free(s->out_path);
	free(s->err_path);
	*s = (struct config_slot){ 0 };
}

/* --- the file to run -------------------------------------------------------
 */

/* Links are the program's as well: /bin/sh in a root is a link within it. */
int
config_root_stat(const char *chroot, const char *path, struct stat *st)
{
	struct open_how how = { .flags = O_PATH | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT };
	int root, fd, rc = -1;
	char *whole;

	if (chroot == NULL)
		return stat(path, st);
	root = open(chroot, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root == -1)
		return -1;
	fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
	if (fd != -1) {
		rc = fstat(fd, st);
		close(fd);
	} else if (errno == ENOSYS) { /* before Linux 5.6 */
		whole = xasprintf("%s%s", chroot, path);
		rc = stat(whole, st);
		free(whole);
	}
	fd_closep(&root);
	return rc;
}

static int
slot_refuse_file(struct err *err, const char *path, const char *why)
{
	err_set(err, "run %s: %s", path, why);
	if (err != NULL)
		err->errnum = EACCES;
	return -1;
}

static int
slot_check_file(const char *chroot, const char *path, struct err *err)
{
	struct stat st;

	if (config_root_stat(chroot, path, &st) == -1)
		return chroot == NULL
			   ? err_sys(err, "run %s", path)
			   : err_sys(err, "run %s in chroot %s", path, chroot);
	if (S_ISDIR(st.st_mode))
		return slot_refuse_file(err, path, "it is a directory");
	if ((st.st_mode & 0111) == 0)
		return slot_refuse_file(
		    err, path, "it is not executable (chmod +x)");
	return 0;
}

/* Along PATH; something that is there but cannot run is only remembered.
 * here: what a relative folder in it is below; NULL: such are left out. */
static int
slot_search(char **out, const char *chroot, const char *here, const char *name,
    const char *path, struct err *err)
{
	struct err why, first = { 0 };
	const char *dir = path;

	while (*dir != '\0') {
		size_t n = strcspn(dir, ":");
		char *file = NULL;

		if (*dir == '/')
			file = xasprintf("%.*s/%s", (int)n, dir, name);
		else if (n > 0 && here != NULL)
			file = xasprintf("%s/%.*s/%s", here, (int)n, dir, name);
		if (file != NULL && slot_check_file(chroot, file, &why) == 0) {
			*out = file;
			return 0;
		}
		if (file != NULL && why.errnum == EACCES &&
		    first.text[0] == '\0')
			first = why;
		free(file);
		dir += n + (dir[n] == ':');
	}
	if (first.text[0] != '\0' && err != NULL) {
		*err = first;
		return -1;
	}
	err_set(err, "can't find command '%s' in PATH (%s)", name, path);
	if (err != NULL)
		err->errnum = ENOENT;
	return -1;
}

/* As config_find_command, of a program whose root is chroot. */
static int
slot_find(char **out, const char *chroot, const char *here, const char *name,
    const char *directory, const char *path, struct err *err)
{
	*out = NULL;
	if (*name == '\0') {
		err_set(err, "the name of the command is empty");
		if (err != NULL)
			err->errnum = ENOENT;
		return -1;
	}
	if (strchr(name, '/') == NULL)
		return slot_search(out, chroot, here, name,
		    path != NULL ? path : PATH_DEFAULT, err);
	/* Not path_absolute: ~ is a shell's business in a command. */
	*out =
	    *name == '/' ? xstrdup(name) : xasprintf("%s/%s", directory, name);
	return slot_check_file(chroot, *out, err);
}

int
config_find_command(char **out, const char *name, const char *directory,
    const char *path, struct err *err)
{
	return slot_find(out, NULL, directory, name, directory, path, err);
}

bool
config_find_lacks_directory(const char *chroot, const char *name,
    const char *directory, struct err *err)
{
	struct stat st;

	if (*name == '/' || strchr(name, '/') == NULL ||
	    config_root_stat(chroot, directory, &st) == 0)
		return false;
	err_sys(err, "change to the directory %s", directory);
	return true;
}

int
config_slot_find_command(
    struct config_slot *s, const struct config_program *p, struct err *err)
{
	const char *directory = p->here;

	if (s->directory != NULL)
		directory = s->directory;
	else if (p->rare->chroot !=
		 NULL) /* the file's folder is not in there */
		directory = "";
	/* Where PATH comes from another folder is not known. */
	return slot_find(&s->exec_path, p->rare->chroot, NULL, s->argv.v[0],
	    directory, strv_env_get(&s->env, "PATH"), err);
}

int
config_slot_text(char **out, const struct config_program *p,
    const char *template, int index, int nslots, const struct strv *base_env,
    struct err *err)
{
	struct slot_in in = { .program = p,
		.index = index,
		.nslots = nslots,
		.base_env = base_env,
		.lenient = true };
	struct expand_scope sc;
	struct config_slot s;
	enum schema_id key;
	int rc;

	*out = NULL;
	if (config_slot_build(&s, &in, &key, err) == -1)
		return -1;
	slot_scope(&sc, &in, &s.env);
	rc = expand(out, template, &sc, err);
	config_slot_fini(&s);
	return rc;
}

int
config_slot_ports(struct config_sockets *out, const struct config_program *p,
    int index, int nslots, const struct strv *base_env, struct err *err)
{
	char *text;
	int rc;

	if (config_slot_text(&text, p, p->rare->wait_port_free, index, nslots,
		base_env, err) == -1)
		return -1;
	rc = value_ports_parse(out, text, err);
	free(text);
	return rc;
}

int
config_slot_hook(struct config_slot *out, const struct config_program *p,
    const char *command, int index, int nslots, const struct strv *base_env,
    struct err *err)
{
	struct slot_in in = { .program = p,
		.index = index,
		.nslots = nslots,
		.command = command,
		.base_env = base_env };
	enum schema_id key;

	if (config_slot_build(out, &in, &key, err) == -1)
		return -1;
	if (config_slot_find_command(out, p, err) == -1) {
		config_slot_fini(out);
		return -1;
	}
	return 0;
}

int
config_task_slot(struct config_slot *out, const struct config_task *t,
    const struct strv *base_env, struct err *err)
{
	struct slot_in in = { .program = &t->run,
		.nslots = 1,
		.shell = t->shell,
		.base_env = base_env };
	enum schema_id key;

	if (config_slot_build(out, &in, &key, err) == -1)
		return err_prefix(err, "%s: ", schema_keys[key].name);
	return config_slot_find_command(out, &t->run, err);
}

int
config_task_log(char **out, const struct config_task *t,
    const struct strv *base_env, struct err *err)
{
	struct slot_in in = { .program = &t->run,
		.nslots = 1,
		.shell = t->shell,
		.base_env = base_env,
		.lenient = true };
	struct config_slot cs;
	enum schema_id key;

	*out = NULL;
	if (t->run.out.path == NULL)
		return 0;
	if (config_slot_build(&cs, &in, &key, err) == -1)
		return err_prefix(err, "%s: ", schema_keys[key].name);
	*out = cs.out_path;
	cs.out_path = NULL;
	config_slot_fini(&cs);
	return 0;
}

int
config_slot(struct config_slot *out, const struct config_program *p, int index,
    int nslots, const int *fds, const struct strv *base_env, struct err *err)
{
	struct slot_in in = { .program = p,
		.index = index,
		.nslots = nslots,
		.fds = fds,
		.base_env = base_env };
	enum schema_id key;

	if (config_slot_build(out, &in, &key, err) == -1)
		return err_prefix(
		    err, "program %s: %s: ", p->name, schema_keys[key].name);
	if (config_slot_find_command(out, p, err) == -1) {
		config_slot_fini(out);
		return err_prefix(err, "program %s: ", p->name);
	}
	return 0;
}
