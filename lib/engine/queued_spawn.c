/*
 * queued_spawn - a task of the queue becomes a process.
 *
 * What is run is kept as one block: a line of numbers (see queued_pack), a
 * NUL, then the client's strings.  Its output goes into a file of its own,
 * which the command has as 1 and 2: whatever becomes of us, nothing is lost.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/queued_priv.h"
#include "engine/run.h"

#define TAIL_BYTES 2048
#define TAIL_LINES 10

/* Of a kept block. */
#define NO_JOBSERVER " no-jobserver"
#define WITH_IPC     " ipc"
#define WITH_LIMITS  " limits="

void
queued_label(char *out, size_t size, uint64_t id, int32_t tries)
{
	snprintf(out, size, "!Q:%llu.%d", (unsigned long long)id, (int)tries);
}

void
queued_tree_name(char *out, size_t size, uint64_t id)
{
	snprintf(out, size, "queue.%llu", (unsigned long long)id);
}

char *
queued_log_path(const struct engine *en, uint64_t id)
{
	return xasprintf(
	    "%s/tasks/%llu.log", en->cf->state_dir, (unsigned long long)id);
}

/* "1 ARGC UMASK NICE SET_IDS UID GID N GROUP... [WORD...]": 1 is the form's
 * number.  A word: no-jobserver, ipc, limits=RESOURCE:SOFT:HARD,... */
void
queued_pack(struct queue_task *t, const struct run_request *req,
    const char *strings, size_t len, size_t argc)
{
	struct buf b;

	buf_init(&b);
	buf_addf(&b, "1 %zu %d %d %d %u %u %zu", argc, (int)req->umask,
	    (int)req->nice, req->set_ids, (unsigned)req->uid,
	    (unsigned)req->gid, req->ngroups);
	for (size_t i = 0; i < req->ngroups; i++)
		buf_addf(&b, " %u", (unsigned)req->groups[i]);
	if (!req->jobserver)
		buf_adds(&b, NO_JOBSERVER);
	if (req->ipc != NULL)
		buf_adds(&b, WITH_IPC);
	for (size_t i = 0; i < req->nrlimits; i++)
		buf_addf(&b, "%s%d:%llu:%llu", i == 0 ? WITH_LIMITS : ",",
		    req->rlimits[i].resource,
		    (unsigned long long)req->rlimits[i].limit.rlim_cur,
		    (unsigned long long)req->rlimits[i].limit.rlim_max);
	buf_add(&b, "", 1);
	buf_add(&b, strings, len);
	t->spec_len = b.len;
	t->spec = buf_steal(&b);
}

/* What a kept block says; strings are in the block. */
struct packed {
	struct run_request req;
	char **words; /* argc, NULL, the environment, NULL */
	char *path;
	int log;
};

static void
packed_fini(struct packed *pk)
{
	free(pk->words);
	free(pk->path);
	free(pk->req.groups);
	fd_closep(&pk->log);
}

static int
packed_limits(struct run_request *r, const char *s)
{
	unsigned long long soft, hard;
	const char *at = strstr(s, WITH_LIMITS);
	int resource, more;

	if (at == NULL)
		return 0;
	for (at += strlen(WITH_LIMITS); r->nrlimits < RLIM_NLIMITS; at++) {
		if (sscanf(at, "%d:%llu:%llu%n", &resource, &soft, &hard,
			&more) != 3)
			return -1;
		r->rlimits[r->nrlimits++] =
		    (struct spec_rlimit){ resource, { soft, hard } };
		at += more;
		if (*at != ',')
			return 0;
	}
	return -1;
}

static int
packed_numbers(struct packed *pk, const char *s, size_t *argc)
{
	struct run_request *r = &pk->req;
	int form, umask_, nice_, set, at = 0, more;
	unsigned uid, gid, group;

	if (sscanf(s, "%d %zu %d %d %d %u %u %zu%n", &form, argc, &umask_,
		&nice_, &set, &uid, &gid, &r->ngroups, &at) != 8 ||
	    form != 1 || r->ngroups > SPEC_GROUPS_MAX)
		return -1;
	r->umask = umask_;
	r->nice = nice_;
	r->set_ids = set != 0;
	r->jobserver = strstr(s, NO_JOBSERVER) == NULL;
	r->ipc = strstr(s, WITH_IPC) != NULL ? "" : NULL;
	r->uid = uid;
	r->gid = gid;
	r->groups = xcalloc(r->ngroups + 1, sizeof *r->groups);
	for (size_t i = 0; i < r->ngroups; i++) {
		s += at;
		if (sscanf(s, " %u%n", &group, &more) != 1)
			return -1;
		r->groups[i] = group;
		at = more;
	}
	return packed_limits(r, s);
}

static int
packed_read(struct packed *pk, char *data, size_t len)
{
	char *end = data + len, *p = data;
	size_t argc, n = 0, count = 0;

	if (len == 0 || end[-1] != '\0' ||
	    packed_numbers(pk, data, &argc) == -1)
		return -1;
	p += strlen(p) + 1;
	if (p >= end)
		return -1;
	pk->req.directory = p;
	for (char *c = p; c < end; c += strlen(c) + 1)
		count++;
	pk->words = xcalloc(count + 2, sizeof *pk->words);
	for (p += strlen(p) + 1; p < end; p += strlen(p) + 1) {
		if (n == argc)
			n++; /* a NULL between them */
		pk->words[n++] = p;
	}
	pk->req.argv = pk->words;
	pk->req.envp = pk->words + argc + 1;
	return argc >= 1 && n >= argc ? 0 : -1;
}

/* 0600, its owner's; opened for adding, so that each write is at the end. */
static int
queued_open_log(struct engine *en, const struct live *l, struct err *err)
{
	char *path = queued_log_path(en, l->id);
	char *dir = xasprintf("%s/tasks", en->cf->state_dir);
	int fd;

	engine_make_dirs(dir, 0755);
	mkdir(dir, 0700);
	fd = open(path,
	    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY,
	    0600);
	if (fd == -1)
		err_sys(err, "open %s", path);
	else if (geteuid() == 0 && l->uid != 0 &&
		 fchown(fd, l->uid, (gid_t)-1) == -1)
		log_warn("give %s to uid %u", path, (unsigned)l->uid);
	free(path);
	free(dir);
	return fd;
}

void
queued_refused(struct queue_task *end, enum spawn_stage stage, const char *path,
    const struct err *err)
{
	end->stage = (int32_t)stage;
	end->errnum = err->errnum;
	end->reason = xstrdup(err->text);
	end->path = path != NULL ? xstrdup(path) : NULL;
}

void
queued_not_found(struct queue_task *end, const char *chroot,
    const char *command, const char *directory, struct err *err)
{
	if (config_find_lacks_directory(chroot, command, directory, err))
		queued_refused(end, STAGE_DIRECTORY, directory, err);
	else
		queued_refused(end, STAGE_EXEC, command, err);
}

static int
packed_find(struct packed *pk, struct err *err)
{
	const struct run_request *r = &pk->req;
	const char *search = NULL;

	for (char **e = r->envp; *e != NULL; e++)
		if (str_starts(*e, "PATH="))
			search = *e + 5;
	return config_find_command(
	    &pk->path, r->argv[0], r->directory, search, err);
}

static int
queued_prepare(struct queued *q, struct live *l, const struct queue_task *t,
    struct packed *pk, struct queue_task *end, struct err *err)
{
	const struct run_request *r = &pk->req;

	if (packed_read(pk, t->spec, t->spec_len) == -1)
		return err_set(err, "what it is to run is kept in a form that "
				    "is not known");
	pk->log = queued_open_log(q->en, l, err);
	if (pk->log == -1)
		return -1;
	if (packed_find(pk, err) == 0)
		return 0;
	queued_not_found(end, NULL, r->argv[0], r->directory, err);
	return -1;
}

static int
queued_spawn_packed(struct queued *q, struct live *l,
    const struct queue_task *t, struct queue_task *end, struct err *err)
{
	struct packed pk = { .log = -1 };
	char label[SPEC_LABEL_MAX + 1], tree[SLOT_NAME_MAX];
	int rc = queued_prepare(q, l, t, &pk, end, err);

	if (rc == 0) {
		pk.req.path = pk.path;
		pk.req.fds[0] = -1;
		pk.req.fds[1] = pk.req.fds[2] = pk.log;
		pk.req.timeout_ms = l->timeout_ms;
		pk.req.task = l->id;
		l->work = work_new(q, l->id, l->tries);
		queued_label(label, sizeof label, l->id, l->tries);
		queued_tree_name(tree, sizeof tree, l->id);
		l->work->task = task_new(
		    q->en, tree, (unsigned)l->tries, work_on_done, l->work);
		task_on_start(l->work->task, queued_ipc_on_start);
		pk.req.ipc_fd = -1;
		if (pk.req.ipc != NULL)
			rc = queued_ipc_begin(
			    l->work, NULL, &pk.req.ipc_fd, err);
		if (rc == 0)
			run_spawn(q->en, l->work->task, &pk.req, label);
		else
			work_unused(l->work);
		fd_closep(&pk.req.ipc_fd);
	}
	packed_fini(&pk);
	return rc;
}

/* As the config in force has it. */
static int
queued_spawn_named(struct queued *q, struct live *l, const struct queue_task *t,
    struct queue_task *end, struct err *err)
{
	const char *name = queue_key_name(l->key);
	const struct config_task *conf = config_task_find(q->en->cf, name);
	char label[SPEC_LABEL_MAX + 1], tree[SLOT_NAME_MAX];
	int log, ipc = -1, rc = 0;

	if (conf == NULL)
		return err_set(
		    err, "there is no [task:%s] in the config any more", name);
	log = queued_open_log(q->en, l, err);
	if (log == -1)
		return -1;
	queued_label(label, sizeof label, l->id, l->tries);
	queued_tree_name(tree, sizeof tree, l->id);
	l->work = work_new(q, l->id, l->tries);
	l->work->task =
	    task_new(q->en, tree, (unsigned)l->tries, work_on_done, l->work);
	task_on_start(l->work->task, queued_ipc_on_start);
	queued_log_begin(q, l->work, name);
	if (conf->run.ipc)
		rc = queued_ipc_begin(l->work, name, &ipc, err);
	if (rc == 0)
		rc = named_command(
		    q->en, l->work->task, label, conf, t, log, ipc, end);
	if (rc == 0)
		task_set_timeout(l->work->task, l->timeout_ms);
	else
		work_unused(l->work);
	fd_closep(&log);
	fd_closep(&ipc);
	return rc;
}

int
queued_spawn(struct queued *q, struct live *l, const struct queue_task *t,
    struct queue_task *end)
{
	struct err err = { .text = "" };
	int rc = l->key != NULL ? queued_spawn_named(q, l, t, end, &err)
				: queued_spawn_packed(q, l, t, end, &err);

	if (rc == -1 && end->stage == 0)
		queued_refused(end, STAGE_PREPARE, NULL, &err);
	return rc;
}

static char *
recall_packed(const struct queue_task *t, int stage)
{
	struct packed pk = { .log = -1 };
	char *path = NULL;
	struct err err;

	if (packed_read(&pk, t->spec, t->spec_len) == 0) {
		packed_find(&pk, &err);
		path = xstrdup(
		    str_text(stage == STAGE_EXEC ? pk.path : pk.req.directory));
	}
	packed_fini(&pk);
	return path;
}

static char *
recall_named(const struct queued *q, const struct live *l, int stage)
{
	const struct config_task *conf =
	    config_task_find(q->en->cf, queue_key_name(l->key));
	struct config_slot cs = { 0 };
	char *path;
	struct err err;

	if (conf == NULL)
		return NULL;
	config_task_slot(&cs, conf, &q->en->base_env, &err);
	path = xstrdup(
	    str_text(stage == STAGE_EXEC ? cs.exec_path : cs.directory));
	config_slot_fini(&cs);
	return path;
}

void
queued_recall(struct queued *q, struct live *l, const struct queue_task *t)
{
	struct task_end *e = &l->work->end;
	struct spawn_err se = { (enum spawn_stage)e->stage, e->errnum };

	free(l->path);
	l->path = l->key != NULL ? recall_named(q, l, e->stage)
				 : recall_packed(t, e->stage);
	if (str_text(l->path)[0] == '\0')
		freep(&l->path);
	else
		spawn_err_text(e->text, sizeof e->text, &se, l->path, l->path);
}

char *
queued_tail(const struct engine *en, uint64_t id)
{
	char *path = queued_log_path(en, id), *text = NULL, *p;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char data[TAIL_BYTES + 1];
	struct stat st;
	ssize_t n = 0;
	int lines = 0;

	free(path);
	if (fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = pread(fd, data, TAIL_BYTES,
		    st.st_size > TAIL_BYTES ? st.st_size - TAIL_BYTES : 0);
	fd_closep(&fd);
	if (n > 0) {
		data[n] = '\0';
		for (p = data + n - 1; p > data; p--)
			if (p[-1] == '\n' && ++lines == TAIL_LINES)
				break;
		text = xstrdup(p);
	}
	return text;
}
