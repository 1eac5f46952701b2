/*
 * upgrade - the keeper executes the reeved that is installed by now.
 *
 * The same process: its children stay its children, and every descriptor
 * stays open.  What they are is in a memfd, the tables; its number is in the
 * environment, with that of the program which runs until then: a successor
 * that does not trust the tables goes back to it.  Signals are blocked all the
 * time, and what comes meanwhile waits (a mask outlives exec).
 *
 * What an engine has not been told yet is in the tables as it is here: marked.
 * The engine itself goes on through it, by the same channel, and leaves when
 * it is told how it went.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "keeper/keeper_priv.h"

#define TABLES_MAGIC 0x73656c6261747672ULL
#define TABLES_ENV   "REEVE_KEEPER_TABLES" /* "FD,FD": of the program before */
#define TABLES_WHY   "REEVE_KEEPER_REFUSED"
#define TABLES_MAX   (256u << 20)

extern char **environ;

struct tables_head {
	uint64_t magic;
	uint32_t version;
	uint32_t unused;
	uint64_t len; /* of what follows */
	uint64_t sum; /* of that */
};

struct keeper_tables {
	int fd, old_exe;
	char *data;
	struct mr r;
	char **args;
	unsigned long soft_nofile;
	char *refused; /* by the successor that was tried; NULL */
};

/* FNV-1a. */
static uint64_t
tables_sum(const void *p, size_t n)
{
	const unsigned char *s = p;
	uint64_t h = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 0x100000001b3ULL;
	return h;
}

/* --- writing ----------------------------------------------------------------
 */

static void
tables_put_child(struct mw *w, const struct child *c)
{
	mw_u64(w, c->id);
	mw_str(w, c->label);
	mw_u32(w, (uint32_t)c->pid);
	mw_u32(w, (uint32_t)c->pidfd);
	mw_u8(w, (uint8_t)c->state);
	mw_u8(w, c->is_dirty);
	mw_u8(w, c->told_spawned);
	mw_u8(w, c->kill_group);
	mw_u32(w, (uint32_t)c->lost_signo);
	mw_u32(w, (uint32_t)c->lost_errno);
	mw_i64(w, c->started_ms);
	mw_i64(w, c->died_ms);
	mw_u8(w, (uint8_t)c->code);
	mw_u8(w, (uint8_t)c->signo);
	mw_u8(w, c->core);
	mw_i64(w, c->max_rss_kb);
	mw_u16(w, (uint16_t)c->err.stage);
	mw_u32(w, (uint32_t)c->err.errnum);
}

static void
tables_put_store(struct mw *w, const struct fdstore *st)
{
	uint32_t n = 0;

	for (size_t i = 0; i < st->n; i++)
		n += st->slots[i].fd != -1;
	mw_u32(w, n);
	for (size_t i = 0; i < st->n; i++) {
		if (st->slots[i].fd == -1)
			continue;
		mw_u32(w, (uint32_t)i);
		mw_u32(w, (uint32_t)st->slots[i].fd);
		mw_str(w, st->slots[i].name);
	}
}

static void
tables_put(struct mw *w, const struct keeper *kp)
{
	const struct child *c;
	uint32_t n = 0;

	for (n = 0; kp->cfg->engine_argv[n + 1] != NULL;)
		n++;
	mw_u32(w, n);
	for (uint32_t i = 0; i < n; i++)
		mw_str(w, kp->cfg->engine_argv[i + 1]);
	mw_u64(w, kp->cfg->soft_nofile);
	mw_u32(w, MSG_VERSION);
	mw_u32(w, kp->incarnation);
	mw_u32(w, kp->serial);
	mw_i64(w, kp->started_ms);
	mw_u32(w, kp->log_slot);
	mw_u8(w, (uint8_t)kp->log_level);
	mw_u32(w, (uint32_t)chan_fd(kp->ch));
	for (int i = 0; i < KEEPER_SIGNALS; i++) {
		mw_u32(w, kp->pending[i].serial);
		mw_u8(w, kp->pending[i].told);
	}
	tables_put_store(w, &kp->store);
	n = 0;
	TAILQ_FOREACH(c, &kp->children.all, all)
		n++;
	mw_u32(w, n);
	TAILQ_FOREACH(c, &kp->children.all, all)
		tables_put_child(w, c);
}

/* The memfd, or -1 and errno. */
static int
tables_make(const struct keeper *kp)
{
	struct tables_head head = { .magic = TABLES_MAGIC,
		.version = KEEPER_TABLES_VERSION };
	int fd = sys_memfd_create("reeve-keeper", MFD_CLOEXEC);
	struct mw w;

	mw_init(&w, NULL, 0);
	tables_put(&w, kp);
	head.len = w.len;
	head.sum = tables_sum(w.data, w.len);
	if (w.failed)
		errno = ENOMEM;
	if (w.failed || fd == -1 ||
	    fd_write_all(fd, &head, sizeof head) == -1 ||
	    fd_write_all(fd, w.data, w.len) == -1) {
		int saved = errno;

		fd_closep(&fd);
		errno = saved;
	}
	mw_fini(&w);
	return fd;
}

/* --- executing -------------------------------------------------------------
 */

static void
upgrade_keep_fd(int fd, bool on)
{
	if (fd != -1)
		fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

static void
upgrade_keep_fds(struct keeper *kp, bool on)
{
	const struct child *c;

	for (size_t i = 0; i < kp->store.n; i++)
		upgrade_keep_fd(kp->store.slots[i].fd, on);
	TAILQ_FOREACH(c, &kp->children.all, all)
		upgrade_keep_fd(c->pidfd, on);
	upgrade_keep_fd(chan_fd(kp->ch), on);
}

static void
upgrade_exec(struct keeper *kp, int fd, int exe)
{
	char env[64];
	size_t n = 0;
	char **envp;

	while (environ[n] != NULL)
		n++;
	envp = calloc(n + 2, sizeof *envp);
	if (envp == NULL)
		return;
	memcpy(envp, environ, n * sizeof *envp);
	snprintf(env, sizeof env, TABLES_ENV "=%d,%d", fd, exe);
	envp[n] = env;
	upgrade_keep_fds(kp, true);
	upgrade_keep_fd(fd, true);
	upgrade_keep_fd(exe, true);
	execve(kp->cfg->self, kp->cfg->argv, envp);
	n = (size_t)errno;
	upgrade_keep_fds(kp, false);
	free(envp);
	errno = (int)n;
}

static void
upgrade_failed(struct keeper *kp, const char *what, const char *why)
{
	snprintf(
	    kp->upgrade_text, sizeof kp->upgrade_text, "%s: %s", what, why);
	log_errorx("upgrade: %s", kp->upgrade_text);
	kp->upgrade_code = 1;
	kp->upgrade_news = true;
	handoff_flush(kp);
}

/* Starts under way share our memory: they are waited for. */
static void
upgrade_try(void *arg)
{
	struct keeper *kp = arg;
	char text[160];
	int fd, exe;

	if (!kp->upgrading || kp->starting != 0)
		return;
	kp->upgrading = false;
	if (kp->terms != 0 || kp->shutting_down || kp->ch == NULL) {
		upgrade_failed(kp, kp->cfg->self, "reeved is stopping");
		return;
	}
	exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	fd = tables_make(kp);
	if (fd == -1) {
		upgrade_failed(kp, "write the tables", strerror(errno));
	} else {
		log_info("upgrade: executing %s", kp->cfg->self);
		upgrade_exec(kp, fd, exe);
		snprintf(text, sizeof text, "execute %s", kp->cfg->self);
		upgrade_failed(kp, text, strerror(errno));
	}
	fd_closep(&fd);
	fd_closep(&exe);
}

/* From the end of the turn: a message is being handled. */
void
upgrade_go_on(struct keeper *kp)
{
	if (kp->upgrade_task.cb == NULL)
		loop_task_init(&kp->upgrade_task, upgrade_try, kp);
	loop_task_queue(kp->lp, &kp->upgrade_task);
}

/* --- reading ----------------------------------------------------------------
 */

static int
tables_read(struct keeper_tables *kt, struct err *err)
{
	struct tables_head head;
	struct stat st;

	if (fstat(kt->fd, &st) == -1 || lseek(kt->fd, 0, SEEK_SET) == -1 ||
	    fd_read_all(kt->fd, &head, sizeof head) == -1)
		return err_sys(err, "read the keeper's tables");
	if (head.magic != TABLES_MAGIC || head.version != KEEPER_TABLES_VERSION)
		return err_set(err,
		    "the keeper's tables are of version %u, not %d",
		    (unsigned)head.version, KEEPER_TABLES_VERSION);
	if (head.len > TABLES_MAX ||
	    (uint64_t)st.st_size != sizeof head + head.len)
		return err_set(err, "the keeper's tables are cut");
	kt->data = malloc(head.len);
	if (kt->data == NULL || fd_read_all(kt->fd, kt->data, head.len) == -1)
		return err_sys(err, "read the keeper's tables");
	if (tables_sum(kt->data, head.len) != head.sum)
		return err_set(err, "the keeper's tables are corrupt");
	mr_init(&kt->r, kt->data, head.len);
	return 0;
}

static int
tables_args(struct keeper_tables *kt, struct err *err)
{
	uint32_t n = mr_u32(&kt->r);

	if (n > 60)
		return err_set(err, "the keeper's tables make no sense");
	kt->args = calloc(n + 1, sizeof *kt->args);
	for (uint32_t i = 0; kt->args != NULL && i < n; i++) {
		kt->args[i] = strdup(mr_str(&kt->r));
		if (kt->args[i] == NULL)
			return err_sys(err, "read the keeper's tables");
	}
	kt->soft_nofile = mr_u64(&kt->r);
	return kt->args == NULL ? err_sys(err, "read the keeper's tables") : 0;
}

/* Back to the program that was before: it reads its own tables. */
static void
tables_go_back(struct keeper_tables *kt, char **argv, const struct err *err)
{
	char text[64];

	if (kt->old_exe == -1)
		return;
	snprintf(text, sizeof text, "%d,-1", kt->fd);
	setenv(TABLES_ENV, text, 1);
	setenv(TABLES_WHY, err->text, 1);
	upgrade_keep_fd(kt->fd, true);
	fexecve(kt->old_exe, argv, environ);
}

struct keeper_tables *
keeper_tables_open(char **argv, struct err *err)
{
	const char *text = getenv(TABLES_ENV);
	struct keeper_tables *kt;

	if (text == NULL)
		return NULL;
	kt = calloc(1, sizeof *kt);
	if (kt == NULL || sscanf(text, "%d,%d", &kt->fd, &kt->old_exe) != 2) {
		err_set(err, TABLES_ENV " makes no sense");
		free(kt);
		return NULL;
	}
	unsetenv(TABLES_ENV);
	text = getenv(TABLES_WHY);
	if (text != NULL)
		kt->refused = strdup(text);
	unsetenv(TABLES_WHY);
	upgrade_keep_fd(kt->fd, false);
	if (tables_read(kt, err) == 0 && tables_args(kt, err) == 0)
		return kt;
	tables_go_back(kt, argv, err);
	free(kt->data);
	free(kt);
	return NULL;
}

char **
keeper_tables_args(const struct keeper_tables *kt, unsigned long *soft_nofile)
{
	*soft_nofile = kt->soft_nofile;
	return kt->args;
}

static int
tables_get_child(struct mr *r, struct keeper *kp)
{
	struct child_table *ct = &kp->children;
	uint64_t id = mr_u64(r);
	struct child *c = child_new(ct, id, mr_str(r));
	pid_t pid = (pid_t)mr_u32(r);
	int pidfd = (int)mr_u32(r);
	bool dirty;

	if (c == NULL)
		return -1;
	c->kp = kp;
	c->pid = pid;
	c->state = (enum child_state)mr_u8(r);
	dirty = mr_u8(r) != 0;
	c->told_spawned = mr_u8(r) != 0;
	c->kill_group = mr_u8(r) != 0;
	c->lost_signo = (int)mr_u32(r);
	c->lost_errno = (int)mr_u32(r);
	c->started_ms = mr_i64(r);
	c->died_ms = mr_i64(r);
	c->code = mr_u8(r);
	c->signo = mr_u8(r);
	c->core = mr_u8(r) != 0;
	c->max_rss_kb = mr_i64(r);
	c->err.stage = (enum spawn_stage)mr_u16(r);
	c->err.errnum = (int)mr_u32(r);
	if (r->failed)
		return -1;
	if (pidfd != -1) {
		upgrade_keep_fd(pidfd, false);
		child_started(ct, c, pid, pidfd, c->started_ms);
	}
	if (dirty)
		child_mark(ct, c);
	if (id == ENGINE_ID)
		kp->engine = c;
	return 0;
}

static int
tables_get_store(struct mr *r, struct keeper *kp)
{
	uint32_t n = mr_u32(r);

	for (uint32_t i = 0; i < n && !r->failed; i++) {
		uint32_t slot = mr_u32(r);
		int fd = (int)mr_u32(r);

		upgrade_keep_fd(fd, false);
		if (fdstore_put(&kp->store, slot, mr_str(r), &fd) == -1)
			return -1;
	}
	return 0;
}

int
upgrade_resume(struct keeper *kp, struct keeper_tables *kt)
{
	struct mr *r = &kt->r;
	bool same = mr_u32(r) == MSG_VERSION;
	int ch;

	kp->incarnation = mr_u32(r);
	kp->serial = mr_u32(r);
	kp->started_ms = mr_i64(r);
	kp->log_slot = mr_u32(r);
	kp->log_level = mr_u8(r);
	ch = (int)mr_u32(r);
	upgrade_keep_fd(ch, false);
	for (int i = 0; i < KEEPER_SIGNALS; i++) {
		kp->pending[i].serial = mr_u32(r);
		kp->pending[i].told = mr_u8(r) != 0;
	}
	if (tables_get_store(r, kp) == -1)
		return -1;
	for (uint32_t n = mr_u32(r); n > 0; n--)
		if (tables_get_child(r, kp) == -1)
			return -1;
	if (mr_end(r) == -1 || kp->engine == NULL)
		return -1;
	log_set_fd(fdstore_get(&kp->store, kp->log_slot));
	log_set_level((enum log_level)kp->log_level);
	kp->was_ready = kp->synced = true;
	kp->handoff.phase = HANDOFF_DONE;
	kp->ch = chan_new(kp->lp, ch, &keeper_chan_ops, kp);
	if (kp->ch == NULL || !same)
		keeper_engine_kill(kp, "it speaks another version");
	kp->upgrade_news = true;
	if (kt->refused != NULL)
		upgrade_failed(kp, "the new reeved refuses", kt->refused);
	else
		kp->engine_leaves = true;
	log_info("upgrade: this is reeved %s, pid %d as before, %zu children",
	    REEVE_VERSION, (int)getpid(), kp->children.alive);
	child_reap(&kp->children, loop_now(kp->lp));
	if (kp->engine->pidfd == -1)
		keeper_engine_exited(kp, kp->engine);
	else
		handoff_flush(kp);
	return 0;
}

void
keeper_tables_close(struct keeper_tables *kt)
{
	if (kt == NULL)
		return;
	fd_closep(&kt->fd);
	fd_closep(&kt->old_exe);
	free(kt->refused);
	free(kt->data);
	free(kt);
}
