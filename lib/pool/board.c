/*
 * board - see board.h.
 */
#include "pool/board.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"

#define BOARD_MAGIC  UINT64_C(0x33647262766565) /* "eevbrd3" */
#define POISON_MAX   512
#define BLAME_WHOLE  2 /* it crashed, or was the only one that ran */
#define BLAME_HALF   1 /* one of several, or a SIGKILL that was sent */
#define BLAME_POISON 4
#define OLD_MAX      16 /* boards of which not all have been told */
#define OLD_S        60 /* by then, who wanted to know has asked */

struct board_file {
	uint64_t magic;
	_Atomic uint32_t draining;
	uint32_t pad;
	int64_t found_s; /* that it is a dead one's; 0: nobody has */
	struct board_entry entries[BOARD_JOBS];
};

struct poison {
	_Atomic uint64_t print;
	_Atomic uint32_t blame;
	uint32_t pad;
};

struct poison_file {
	_Atomic uint32_t next; /* the oldest goes first */
	uint32_t pad;
	struct poison all[POISON_MAX];
};

/* Of a pool that has died; its lock is ours, as long as fd is open. */
struct board_old {
	struct board_old *next;
	char name[32];
	int fd;
	struct board_file *file;
};

struct board {
	int dir, fd, poison_fd;
	char name[32];
	struct board_file *file;
	struct poison_file *poison;
	struct board_old *olds;
	size_t nolds;
	struct board_entry **ends; /* in olds */
	size_t nends;
	atomic_uint hint; /* where the next free entry may be */
};

/* --- files ---------------------------------------------------------------- */

static void *
board_map(int fd, size_t size, struct err *err)
{
	void *p;

	/* Written out now: a full disk is an error here and no SIGBUS later. */
	if ((errno = posix_fallocate(fd, 0, (off_t)size)) != 0) {
		err_sys(err, "room for the pool's board");
		return NULL;
	}
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		return p;
	err_sys(err, "mmap of the pool's board");
	return NULL;
}

/*
 * Held as long as the owner lives.  A record lock, not flock(2): when a process
 * dies the kernel drops these as it closes its descriptors, and ends its
 * sockets only after that, whatever their numbers.  So who has seen a pool's
 * connection end finds its board free.
 */
static int
board_lock(int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &fl);
}

static int
board_files(struct board *b, const char *dir, struct err *err)
{
	const int flags = O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW;

	if (mkdir(dir, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "mkdir %s", dir);
	b->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dir == -1)
		return err_sys(err, "%s", dir);
	(void)snprintf(b->name, sizeof b->name, "board.%d", (int)getpid());
	/* Of one that had the same pid; its lock is gone. */
	(void)unlinkat(b->dir, b->name, 0);
	b->fd = openat(b->dir, b->name, flags | O_EXCL, 0600);
	b->poison_fd = openat(b->dir, "poison", flags, 0600);
	if (b->fd == -1 || b->poison_fd == -1)
		return err_sys(err, "%s/%s", dir, b->name);
	if (board_lock(b->fd) == -1)
		return err_sys(err, "lock of %s/%s", dir, b->name);
	b->file = board_map(b->fd, sizeof *b->file, err);
	if (b->file == NULL)
		return -1;
	b->poison = board_map(b->poison_fd, sizeof *b->poison, err);
	if (b->poison == NULL)
		return -1;
	b->file->magic = BOARD_MAGIC;
	return 0;
}

struct board *
board_open(const char *dir, struct err *err)
{
	struct board *b = xcalloc(1, sizeof *b);

	b->dir = b->fd = b->poison_fd = -1;
	if (board_files(b, dir, err) == 0)
		return b;
	board_close(b);
	return NULL;
}

/* The next pool may have it. */
static void
old_let_go(struct board *b, struct board_old **at)
{
	struct board_old *o = *at;

	*at = o->next;
	b->nolds--;
	(void)munmap(o->file, sizeof *o->file);
	close(o->fd);
	free(o);
}

static void
olds_let_go(struct board *b)
{
	b->nends = 0;
	while (b->olds != NULL)
		old_let_go(b, &b->olds);
}

void
board_close(struct board *b)
{
	olds_let_go(b);
	if (b->file != NULL) {
		(void)munmap(b->file, sizeof *b->file);
		(void)unlinkat(b->dir, b->name, 0);
	}
	if (b->poison != NULL)
		(void)munmap(b->poison, sizeof *b->poison);
	if (b->fd != -1)
		close(b->fd);
	if (b->poison_fd != -1)
		close(b->poison_fd);
	if (b->dir != -1)
		close(b->dir);
	free(b->ends);
	free(b);
}

void
board_leave(struct board *b)
{
	(void)unlinkat(b->dir, b->name, 0);
}

/* --- the living ----------------------------------------------------------- */

struct board_entry *
board_begin(struct board *b, const struct board_job *job)
{
	unsigned at = atomic_load(&b->hint);
	struct board_entry *e;
	uint32_t none;

	for (unsigned i = 0; i < BOARD_JOBS; i++) {
		e = &b->file->entries[(at + i) % BOARD_JOBS];
		none = BOARD_FREE;
		if (!atomic_compare_exchange_strong(
			&e->state, &none, BOARD_CLAIMED))
			continue;
		e->job = *job;
		atomic_store(&e->signal, 0);
		atomic_store(&e->state, BOARD_RUNNING);
		atomic_store(&b->hint, (at + i + 1) % BOARD_JOBS);
		return e;
	}
	return NULL;
}

void
board_end(
    struct board_entry *e, const struct pool_result *result, const char *text)
{
	size_t n = strlen(text) + 1;

	/* Without its text it is no result: then it is as if it ran. */
	if (e == NULL || n > sizeof e->text)
		return;
	memcpy(e->text, text, n);
	e->result = *result;
	atomic_store(&e->state, BOARD_ENDED);
}

void
board_free(struct board_entry *e)
{
	if (e != NULL)
		atomic_store(&e->state, BOARD_FREE);
}

void
board_crash(struct board_entry *e, int sig)
{
	if (e != NULL)
		atomic_store(&e->signal, (uint32_t)sig);
}

void
board_draining(struct board *b)
{
	atomic_store(&b->file->draining, 1);
	/* Clients go to the next one, which is there already. */
	olds_let_go(b);
}

/* --- poison --------------------------------------------------------------- */

static struct poison *
poison_find(const struct board *b, uint64_t print)
{
	for (size_t i = 0; i < POISON_MAX; i++)
		if (atomic_load(&b->poison->all[i].print) == print)
			return &b->poison->all[i];
	return NULL;
}

static void
poison_blame(struct board *b, uint64_t print, unsigned blame)
{
	struct poison *p = poison_find(b, print);
	unsigned i;

	if (p == NULL) {
		i = atomic_fetch_add(&b->poison->next, 1) % POISON_MAX;
		p = &b->poison->all[i];
		atomic_store(&p->blame, 0);
		atomic_store(&p->print, print);
	}
	atomic_fetch_add(&p->blame, blame);
}

bool
board_is_poison(const struct board *b, uint64_t print)
{
	const struct poison *p = poison_find(b, print);

	return p != NULL && atomic_load(&p->blame) >= BLAME_POISON;
}

/* --- the dead ------------------------------------------------------------- */

/* How it ended, by its parent. */
struct board_noted {
	int64_t signal;      /* 0: it exited, or that is not known */
	char why[BOARD_WHY]; /* or "" */
};

void
board_note_end(const char *dir, pid_t pid, int signal, const char *why)
{
	char name[32], text[BOARD_WHY + 16];
	int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1, n;

	if (d == -1)
		return;
	(void)snprintf(name, sizeof name, "board.%d", (int)pid);
	if (faccessat(d, name, F_OK, 0) == 0) {
		(void)snprintf(name, sizeof name, "death.%d", (int)pid);
		fd = openat(d, name,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	}
	n = snprintf(text, sizeof text, "%d %.*s", signal, BOARD_WHY - 1, why);
	if (fd != -1 && fd_write_all(fd, text, (size_t)n) == -1)
		log_warn("%s/%s", dir, name);
	fd_closep(&fd);
	close(d);
}

/* Nobody need have noted it: then nothing is known. */
static void
noted_take(const struct board *b, const char *pid, struct board_noted *out)
{
	char name[32], text[BOARD_WHY + 16], *why;
	ssize_t n;
	int fd;

	*out = (struct board_noted){ 0 };
	(void)snprintf(name, sizeof name, "death.%.16s", pid);
	fd = openat(b->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	(void)unlinkat(b->dir, name, 0);
	text[n > 0 ? n : 0] = '\0';
	why = strchr(text, ' ');
	if (why == NULL)
		return;
	*why++ = '\0';
	if (str_to_i64(text, 0, NSIG, &out->signal))
		(void)snprintf(out->why, sizeof out->why, "%s", why);
}

static void
board_tell(const struct board_entry *e, bool draining)
{
	const struct board_job *j = &e->job;
	int n = e->result.signal;
	const char *sig = n > 0 ? sigabbrev_np(n) : NULL;

	log_warnx("job %llu, %.32s of %.96s, ran when the pool died: %s%s%s%s",
	    (unsigned long long)j->id, j->kind,
	    j->input[0] != '\0' ? j->input : "no file",
	    sig != NULL ? "SIG" : "",
	    sig != NULL                      ? sig
	    : draining                       ? "it was being replaced"
	    : e->text[0] != '\0'             ? ""
	    : e->result.status == PR_CRASHED ? "it may be to blame"
					     : "another one is to blame",
	    sig != NULL && e->text[0] != '\0' ? ", " : "", e->text);
}

/* It ran: that it died of it, or beside another one, is what became of it. */
static void
dead_end(struct board_entry *e, bool blamed, const struct board_noted *noted)
{
	unsigned sig = atomic_load(&e->signal);

	e->result =
	    (struct pool_result){ .status = blamed ? PR_CRASHED : PR_LOST };
	e->text[0] = '\0';
	if (blamed)
		e->result.signal =
		    (uint16_t)(sig != 0 ? sig : (unsigned)noted->signal);
	/* One that was caught says it better. */
	if (blamed && sig == 0)
		memcpy(e->text, noted->why, sizeof noted->why);
	atomic_store(&e->state, BOARD_ENDED);
}

static void
board_read_dead(
    struct board *b, struct board_file *f, const struct board_noted *noted)
{
	unsigned running = 0, crashed = 0;
	bool draining = atomic_load(&f->draining) != 0, blamed, sent;
	struct board_entry *e;

	for (unsigned i = 0; i < BOARD_JOBS; i++) {
		e = &f->entries[i];
		running += atomic_load(&e->state) == BOARD_RUNNING;
		crashed += atomic_load(&e->state) == BOARD_RUNNING &&
			   atomic_load(&e->signal) != 0;
	}
	/* By somebody, as it seems: no job did that. */
	sent = noted->signal == SIGKILL && noted->why[0] == '\0';
	for (unsigned i = 0; i < BOARD_JOBS; i++) {
		e = &f->entries[i];
		if (atomic_load(&e->state) != BOARD_RUNNING)
			continue;
		blamed =
		    !draining && (crashed == 0 || atomic_load(&e->signal) != 0);
		if (blamed)
			poison_blame(b, e->job.print,
			    crashed > 0 || (running == 1 && !sent)
				? BLAME_WHOLE
				: BLAME_HALF);
		dead_end(e, blamed, noted);
		board_tell(e, draining);
	}
}

/* How many ends are in it; they are ours to tell from now on. */
static size_t
board_keep_ends(struct board *b, struct board_file *f)
{
	size_t n = 0;

	for (unsigned i = 0; i < BOARD_JOBS; i++)
		n += atomic_load(&f->entries[i].state) == BOARD_ENDED;
	if (n == 0)
		return 0;
	b->ends =
	    xreallocarray(b->ends, b->nends + n, sizeof(struct board_entry *));
	for (unsigned i = 0; i < BOARD_JOBS; i++)
		if (atomic_load(&f->entries[i].state) == BOARD_ENDED)
			b->ends[b->nends++] = &f->entries[i];
	return n;
}

static bool
board_is_old(struct board_file *f)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (f->found_s == 0)
		f->found_s = ts.tv_sec + 1;
	return ts.tv_sec > f->found_s + OLD_S;
}

/* True: it is kept, with fd. */
static bool
board_read_old(struct board *b, const char *name, int fd)
{
	struct board_noted noted;
	struct board_old *o;
	struct board_file *f;
	struct stat st;

	noted_take(b, name + strlen("board."), &noted);
	if (fstat(fd, &st) == -1 || st.st_size < (off_t)sizeof *f)
		return false;
	f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (f == MAP_FAILED)
		return false;
	if (f->magic == BOARD_MAGIC)
		board_read_dead(b, f, &noted);
	if (f->magic != BOARD_MAGIC || board_is_old(f) || b->nolds >= OLD_MAX ||
	    board_keep_ends(b, f) == 0) {
		(void)munmap(f, sizeof *f);
		return false;
	}
	o = xcalloc(1, sizeof *o);
	(void)snprintf(o->name, sizeof o->name, "%s", name);
	o->fd = fd;
	o->file = f;
	o->next = b->olds;
	b->olds = o;
	b->nolds++;
	return true;
}

static bool
board_has_old(const struct board *b, const char *name)
{
	for (const struct board_old *o = b->olds; o != NULL; o = o->next)
		if (strcmp(o->name, name) == 0)
			return true;
	return false;
}

static void
board_collect_one(struct board *b, const char *name)
{
	int fd;

	/* To close another descriptor of it would lose its lock. */
	if (board_has_old(b, name))
		return;
	fd = openat(b->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return;
	/* Its owner lives. */
	if (board_lock(fd) == -1) {
		close(fd);
		return;
	}
	if (board_read_old(b, name, fd))
		return;
	(void)unlinkat(b->dir, name, 0);
	close(fd);
}

/* Nobody asks for them any more. */
static void
ends_forget(struct board *b, const struct board_file *f)
{
	for (size_t i = 0; i < b->nends;)
		if (b->ends[i] >= f->entries &&
		    b->ends[i] < f->entries + BOARD_JOBS)
			b->ends[i] = b->ends[--b->nends];
		else
			i++;
}

static bool
board_is_empty(const struct board_file *f)
{
	for (unsigned i = 0; i < BOARD_JOBS; i++)
		if (atomic_load(&f->entries[i].state) == BOARD_ENDED)
			return false;
	return true;
}

static void
olds_drop(struct board *b, bool expired)
{
	struct board_old **at = &b->olds;

	while (*at != NULL) {
		if (expired ? !board_is_old((*at)->file)
			    : !board_is_empty((*at)->file)) {
			at = &(*at)->next;
			continue;
		}
		ends_forget(b, (*at)->file);
		(void)unlinkat(b->dir, (*at)->name, 0);
		old_let_go(b, at);
	}
}

void
board_tidy(struct board *b)
{
	olds_drop(b, false);
}

size_t
board_collect(struct board *b)
{
	struct dirent *d;
	size_t before;
	int fd = fcntl(b->dir, F_DUPFD_CLOEXEC, 3);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		log_warn("the pool's boards");
		if (fd != -1)
			close(fd);
		return 0;
	}
	olds_drop(b, true);
	before = b->nends;
	rewinddir(dir);
	while ((d = readdir(dir)) != NULL)
		if (str_starts(d->d_name, "board.") &&
		    strcmp(d->d_name, b->name) != 0)
			board_collect_one(b, d->d_name);
	closedir(dir);
	return b->nends - before;
}

struct board_entry *
board_take_end(struct board *b, const uint8_t *session, uint64_t id)
{
	struct board_entry *e;

	for (size_t i = 0; i < b->nends; i++) {
		e = b->ends[i];
		if (e->job.id != id ||
		    memcmp(e->job.session, session, POOL_SESSION) != 0)
			continue;
		b->ends[i] = b->ends[--b->nends];
		e->text[sizeof e->text - 1] = '\0';
		return e;
	}
	return NULL;
}
