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
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"

#define BOARD_MAGIC  UINT64_C(0x32647262766565) /* "eevbrd2" */
#define POISON_MAX   512
#define BLAME_WHOLE  2 /* it crashed, or was the only one that ran */
#define BLAME_HALF   1 /* one of several; killed by SIGKILL, say */
#define BLAME_POISON 4
#define DEATHS_MAX   65536

struct board_file {
	uint64_t magic;
	_Atomic uint32_t draining;
	uint32_t pad;
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

struct board {
	int dir, fd, poison_fd;
	char name[32];
	struct board_file *file;
	struct poison_file *poison;
	struct board_death *deaths;
	size_t ndeaths;
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

void
board_close(struct board *b)
{
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
	free(b->deaths);
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

static bool
death_add(struct board *b, const struct board_entry *e, bool blamed,
    const struct board_noted *noted)
{
	struct board_death *d;

	if (b->ndeaths >= DEATHS_MAX)
		return false;
	b->deaths = xreallocarray(b->deaths, b->ndeaths + 1, sizeof *d);
	d = &b->deaths[b->ndeaths++];
	*d = (struct board_death){
		.job = e->job,
		.ended = atomic_load(&e->state) == BOARD_ENDED,
		.blamed = blamed,
		.signal = (int)atomic_load(&e->signal),
		.result = e->result,
	};
	/* One that was caught says it better. */
	if (d->signal == 0 && blamed) {
		d->signal = (int)noted->signal;
		memcpy(d->why, noted->why, sizeof d->why);
	}
	memcpy(d->text, e->text, sizeof d->text);
	d->text[sizeof d->text - 1] = '\0';
	return true;
}

static void
board_tell(const struct board_death *d, bool draining)
{
	const struct board_job *j = &d->job;
	const char *sig = d->signal > 0 ? sigabbrev_np(d->signal) : NULL;

	log_warnx("job %llu, %.32s of %.96s, ran when the pool died: %s%s%s%s",
	    (unsigned long long)j->id, j->kind,
	    j->input[0] != '\0' ? j->input : "no file",
	    sig != NULL ? "SIG" : "",
	    sig != NULL         ? sig
	    : draining          ? "it was being replaced"
	    : d->why[0] != '\0' ? ""
	    : d->blamed         ? "it may be to blame"
				: "another one is to blame",
	    sig != NULL && d->why[0] != '\0' ? ", " : "", d->why);
}

static void
board_read_dead(struct board *b, const struct board_file *f,
    const struct board_noted *noted)
{
	unsigned running = 0, crashed = 0;
	const struct board_entry *e;
	bool blamed;

	for (unsigned i = 0; i < BOARD_JOBS; i++) {
		e = &f->entries[i];
		running += atomic_load(&e->state) == BOARD_RUNNING;
		crashed += atomic_load(&e->state) == BOARD_RUNNING &&
			   atomic_load(&e->signal) != 0;
	}
	for (unsigned i = 0; i < BOARD_JOBS; i++) {
		e = &f->entries[i];
		if (atomic_load(&e->state) != BOARD_RUNNING &&
		    atomic_load(&e->state) != BOARD_ENDED)
			continue;
		blamed = atomic_load(&e->state) == BOARD_RUNNING &&
			 atomic_load(&f->draining) == 0 &&
			 (crashed == 0 || atomic_load(&e->signal) != 0);
		if (blamed)
			poison_blame(b, e->job.print,
			    crashed > 0 || running == 1 ? BLAME_WHOLE
							: BLAME_HALF);
		if (!death_add(b, e, blamed, noted))
			return;
		if (atomic_load(&e->state) == BOARD_RUNNING)
			board_tell(&b->deaths[b->ndeaths - 1],
			    atomic_load(&f->draining) != 0);
	}
}

static void
board_collect_one(struct board *b, const char *name)
{
	int fd = openat(b->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct board_noted noted;
	struct board_file *f;
	struct stat st;

	if (fd == -1)
		return;
	/* Its owner lives. */
	if (board_lock(fd) == -1) {
		close(fd);
		return;
	}
	noted_take(b, name + strlen("board."), &noted);
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof *f) {
		f = mmap(NULL, sizeof *f, PROT_READ, MAP_SHARED, fd, 0);
		if (f != MAP_FAILED) {
			if (f->magic == BOARD_MAGIC)
				board_read_dead(b, f, &noted);
			(void)munmap(f, sizeof *f);
		}
	}
	(void)unlinkat(b->dir, name, 0);
	close(fd);
}

size_t
board_collect(struct board *b)
{
	size_t before = b->ndeaths;
	struct dirent *d;
	int fd = fcntl(b->dir, F_DUPFD_CLOEXEC, 3);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);

	if (dir == NULL) {
		log_warn("the pool's boards");
		if (fd != -1)
			close(fd);
		return 0;
	}
	rewinddir(dir);
	while ((d = readdir(dir)) != NULL)
		if (str_starts(d->d_name, "board.") &&
		    strcmp(d->d_name, b->name) != 0)
			board_collect_one(b, d->d_name);
	closedir(dir);
	return b->ndeaths - before;
}

bool
board_take_death(struct board *b, const uint8_t *session, uint64_t id,
    struct board_death *out)
{
	for (size_t i = 0; i < b->ndeaths; i++) {
		if (b->deaths[i].job.id != id ||
		    memcmp(b->deaths[i].job.session, session, POOL_SESSION) !=
			0)
			continue;
		*out = b->deaths[i];
		b->deaths[i] = b->deaths[--b->ndeaths];
		return true;
	}
	return false;
}
