/* tables - all that a keeper knows, for the one that goes on in its place. */
#include "ipc/tables.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sys.h"
#include "ipc/chan.h"

#define TABLES_MAGIC 0x73656c6261747672ULL
#define TABLES_ENV   "REEVE_KEEPER_TABLES" /* "FD,FD": of the program before */
#define TABLES_WHY   "REEVE_KEEPER_REFUSED"
#define TABLES_MAX   (256u << 20)

extern char **environ;

struct tables_cover {
	uint64_t magic;
	uint32_t version;
	uint32_t unused;
	uint64_t len; /* of what follows */
	uint64_t sum; /* of that */
};

struct tables {
	int fd, old_exe;
	char *data;
	struct mr r;
	struct tables_head head;
	char *args[TABLES_ARGS + 1];
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

void
tables_put_head(struct mw *w, const struct tables_head *h)
{
	size_t n = 0;

	while (h->args[n] != NULL)
		n++;
	mw_u32(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		mw_str(w, h->args[i]);
	mw_u64(w, h->soft_nofile);
	mw_u32(w, MSG_VERSION);
	mw_u32(w, h->incarnation);
	mw_u32(w, h->serial);
	mw_i64(w, h->started_ms);
	mw_u32(w, h->log_slot);
	mw_u8(w, h->log_level);
	mw_u32(w, (uint32_t)h->origin.pid);
	mw_u64(w, h->origin.start);
	mw_u32(w, (uint32_t)h->channel);
	mw_u32(w, (uint32_t)h->program);
	for (int i = 0; i < TABLES_SIGNALS; i++) {
		mw_u32(w, h->signals[i].serial);
		mw_u8(w, h->signals[i].told);
	}
}

void
tables_put_number(struct mw *w, size_t n)
{
	mw_u32(w, (uint32_t)n);
}

void
tables_put_fd(struct mw *w, const struct tables_fd *f)
{
	mw_u32(w, f->slot);
	mw_u32(w, (uint32_t)f->fd);
	mw_str(w, f->name);
}

void
tables_put_child(struct mw *w, const struct tables_child *c)
{
	mw_u64(w, c->id);
	mw_str(w, c->label);
	mw_u32(w, (uint32_t)c->pid);
	mw_u8(w, c->is_alive);
	mw_u32(w, (uint32_t)c->pidfd);
	mw_u8(w, (uint8_t)c->state);
	mw_u8(w, c->is_dirty);
	mw_u8(w, c->told_spawned);
	mw_u8(w, c->kill_group);
	mw_u8(w, c->is_foreign);
	mw_u32(w, (uint32_t)c->lost_signo);
	mw_u32(w, (uint32_t)c->lost_errno);
	mw_i64(w, c->started_ms);
	mw_i64(w, c->died_ms);
	mw_u8(w, (uint8_t)c->code);
	mw_u8(w, (uint8_t)c->signo);
	mw_u8(w, c->core);
	mw_i64(w, c->max_rss_kb);
	mw_u16(w, (uint16_t)c->stage);
	mw_u32(w, (uint32_t)c->errnum);
}

int
tables_make(struct mw *w)
{
	struct tables_cover cover = { .magic = TABLES_MAGIC,
		.version = TABLES_VERSION };
	int fd = sys_memfd_create("reeve-keeper", MFD_CLOEXEC);

	cover.len = w->len;
	cover.sum = tables_sum(w->data, w->len);
	if (w->failed)
		errno = ENOMEM;
	if (w->failed || fd == -1 ||
	    fd_write_all(fd, &cover, sizeof cover) == -1 ||
	    fd_write_all(fd, w->data, w->len) == -1) {
		int saved = errno;

		fd_closep(&fd);
		errno = saved;
	}
	mw_fini(w);
	return fd;
}

void
tables_keep(int fd, bool on)
{
	if (fd != -1)
		fcntl(fd, F_SETFD, on ? 0 : FD_CLOEXEC);
}

void
tables_exec(const char *path, char *const *argv, int fd, int exe)
{
	char env[64];
	size_t n = 0;
	char **envp;
	int saved;

	while (environ[n] != NULL)
		n++;
	envp = calloc(n + 2, sizeof *envp);
	if (envp == NULL)
		return;
	memcpy(envp, environ, n * sizeof *envp);
	snprintf(env, sizeof env, TABLES_ENV "=%d,%d", fd, exe);
	envp[n] = env;
	tables_keep(fd, true);
	tables_keep(exe, true);
	execve(path, argv, envp);
	saved = errno;
	free(envp);
	errno = saved;
}

/* --- reading ----------------------------------------------------------------
 */

static int
tables_read(struct tables *t, struct err *err)
{
	struct tables_cover cover;
	struct stat st;

	if (fstat(t->fd, &st) == -1 || lseek(t->fd, 0, SEEK_SET) == -1 ||
	    fd_read_all(t->fd, &cover, sizeof cover) == -1)
		return err_sys(err, "read the keeper's tables");
	if (cover.magic != TABLES_MAGIC || cover.version != TABLES_VERSION)
		return err_set(err,
		    "the keeper's tables are of version %u, not %d",
		    (unsigned)cover.version, TABLES_VERSION);
	if (cover.len > TABLES_MAX ||
	    (uint64_t)st.st_size != sizeof cover + cover.len)
		return err_set(err, "the keeper's tables are cut");
	t->data = malloc(cover.len);
	if (t->data == NULL || fd_read_all(t->fd, t->data, cover.len) == -1)
		return err_sys(err, "read the keeper's tables");
	if (tables_sum(t->data, cover.len) != cover.sum)
		return err_set(err, "the keeper's tables are corrupt");
	mr_init(&t->r, t->data, cover.len);
	return 0;
}

static int
tables_get_head(struct tables *t, struct err *err)
{
	struct tables_head *h = &t->head;
	struct mr *r = &t->r;
	uint32_t n = mr_u32(r);

	if (n > TABLES_ARGS)
		return err_set(err, "the keeper's tables make no sense");
	h->args = t->args;
	for (uint32_t i = 0; i < n; i++) {
		t->args[i] = strdup(mr_str(r));
		if (t->args[i] == NULL)
			return err_sys(err, "read the keeper's tables");
	}
	h->soft_nofile = mr_u64(r);
	h->same_messages = mr_u32(r) == MSG_VERSION;
	h->incarnation = mr_u32(r);
	h->serial = mr_u32(r);
	h->started_ms = mr_i64(r);
	h->log_slot = mr_u32(r);
	h->log_level = mr_u8(r);
	h->origin.pid = (pid_t)mr_u32(r);
	h->origin.start = mr_u64(r);
	h->channel = (int)mr_u32(r);
	h->program = (int)mr_u32(r);
	for (int i = 0; i < TABLES_SIGNALS; i++) {
		h->signals[i].serial = mr_u32(r);
		h->signals[i].told = mr_u8(r) != 0;
	}
	if (r->failed)
		return err_set(err, "the keeper's tables make no sense");
	tables_keep(h->channel, false);
	tables_keep(h->program, false);
	return 0;
}

/* Back to the program that was before: it reads its own tables. */
static void
tables_go_back(struct tables *t, char **argv, const struct err *err)
{
	char text[64];

	if (t->old_exe == -1)
		return;
	snprintf(text, sizeof text, "%d,-1", t->fd);
	setenv(TABLES_ENV, text, 1);
	setenv(TABLES_WHY, err->text, 1);
	tables_keep(t->fd, true);
	fexecve(t->old_exe, argv, environ);
}

struct tables *
tables_open(char **argv, struct err *err)
{
	const char *text = getenv(TABLES_ENV);
	struct tables *t;

	if (text == NULL)
		return NULL;
	t = calloc(1, sizeof *t);
	if (t == NULL || sscanf(text, "%d,%d", &t->fd, &t->old_exe) != 2) {
		err_set(err, TABLES_ENV " makes no sense");
		free(t);
		return NULL;
	}
	unsetenv(TABLES_ENV);
	text = getenv(TABLES_WHY);
	if (text != NULL)
		t->refused = strdup(text);
	unsetenv(TABLES_WHY);
	tables_keep(t->fd, false);
	if (tables_read(t, err) == 0 && tables_get_head(t, err) == 0)
		return t;
	tables_go_back(t, argv, err);
	tables_free(t);
	return NULL;
}

const struct tables_head *
tables_head(const struct tables *t)
{
	return &t->head;
}

const char *
tables_refused(const struct tables *t)
{
	return t->refused;
}

size_t
tables_get_number(struct tables *t)
{
	return mr_u32(&t->r);
}

int
tables_get_fd(struct tables *t, struct tables_fd *f)
{
	f->slot = mr_u32(&t->r);
	f->fd = (int)mr_u32(&t->r);
	f->name = mr_str(&t->r);
	if (t->r.failed)
		return -1;
	tables_keep(f->fd, false);
	return 0;
}

int
tables_get_child(struct tables *t, struct tables_child *c)
{
	struct mr *r = &t->r;

	c->id = mr_u64(r);
	c->label = mr_str(r);
	c->pid = (pid_t)mr_u32(r);
	c->is_alive = mr_u8(r) != 0;
	c->pidfd = (int)mr_u32(r);
	c->state = (enum child_state)mr_u8(r);
	c->is_dirty = mr_u8(r) != 0;
	c->told_spawned = mr_u8(r) != 0;
	c->kill_group = mr_u8(r) != 0;
	c->is_foreign = mr_u8(r) != 0;
	c->lost_signo = (int)mr_u32(r);
	c->lost_errno = (int)mr_u32(r);
	c->started_ms = mr_i64(r);
	c->died_ms = mr_i64(r);
	c->code = mr_u8(r);
	c->signo = mr_u8(r);
	c->core = mr_u8(r) != 0;
	c->max_rss_kb = mr_i64(r);
	c->stage = mr_u16(r);
	c->errnum = (int)mr_u32(r);
	if (r->failed)
		return -1;
	tables_keep(c->pidfd, false);
	return 0;
}

int
tables_end(struct tables *t)
{
	return mr_end(&t->r);
}

void
tables_free(struct tables *t)
{
	if (t == NULL)
		return;
	fd_closep(&t->fd);
	fd_closep(&t->old_exe);
	free(t->refused);
	free(t->data);
	free(t);
}
