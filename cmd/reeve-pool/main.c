/*
 * reeve-pool - CPU jobs on threads, in a process of their own.
 *
 * Started by reeved as one of its programs: the socket comes as descriptor 3
 * (LISTEN_FDS), readiness goes to NOTIFY_SOCKET.  Alone, for a test or a
 * debugger: reeve-pool -s SOCKET.
 *
 * SIGTERM: takes no more jobs, gives those that wait back to their clients,
 * ends after those that run.  SIGHUP: reads its file again; threads, bounds
 * and limits change at once, plugins want another process.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <getopt.h>
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
#include "pool/kinds/kinds.h"
#include "reeve-pool.h"

#define FIRST_LISTEN_FD 3

static const char usage[] =
    "usage: reeve-pool [-v] [-c FILE] [-d DIR] [-s SOCKET]\n"
    "  -c FILE    [pool], [pool:NAME] and [job:KIND]; default: none\n"
    "  -d DIR     where it notes what runs (default: beside the socket)\n"
    "  -s SOCKET  listens there itself; otherwise descriptor 3, LISTEN_FDS\n"
    "  -v         says more\n";

static void
notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t n = path == NULL ? 0 : strlen(path);
	int fd;

	if (n == 0 || n >= sizeof sun.sun_path)
		return;
	memcpy(sun.sun_path, path, n);
	if (sun.sun_path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd == -1 ||
	    sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		(struct sockaddr *)&sun,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == -1)
		log_warn("NOTIFY_SOCKET");
	if (fd != -1)
		close(fd);
}

/* --- the loop and the pools ----------------------------------------------- */

static int64_t
mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* All that it has for us, until it promises to tell. */
static void
pool_serve(struct pd_pool *p)
{
	int64_t due;

	do {
		jobs_collect(p);
		due = pool_tick(p->pool);
	} while (!pool_arm(p->pool));
	if (due < 0)
		loop_timer_stop(&p->timer);
	else
		loop_timer_start(&p->timer, (due - mono_ns()) / 1000000 + 1);
}

/* The end of a turn: what it brought is begun, and answers go out together. */
static void
on_flush(void *arg)
{
	struct daemon *d = arg;

	d->flushing = true;
	for (size_t i = 0; i < d->npools; i++)
		pool_serve(&d->pools[i]);
	jobs_tell(d);
	d->flushing = false;
	daemon_check_end(d);
}

void
daemon_flush_soon(struct daemon *d)
{
	if (!d->flushing)
		loop_task_queue(d->lp, &d->flush);
}

static void
on_pool(struct loop_io *io, int events, void *arg)
{
	struct pd_pool *p = arg;

	(void)io;
	(void)events;
	daemon_flush_soon(p->d);
}

static void
on_pool_timer(struct loop_timer *t, void *arg)
{
	struct pd_pool *p = arg;

	(void)t;
	daemon_flush_soon(p->d);
}

static void
on_progress(struct loop_timer *t, void *arg)
{
	(void)t;
	jobs_progress(arg);
}

bool
daemon_log_room(struct daemon *d)
{
	return log_quota(&d->wrongs, loop_now(d->lp), "clients");
}

void
daemon_recycle(struct daemon *d)
{
	if (!d->recycled && !d->draining) {
		log_warnx("a job does not stop; another process is asked for");
		notify("X_REEVE_RECYCLE=1");
	}
	d->recycled = true;
}

static int
pools_start(struct daemon *d, struct err *err)
{
	struct pd_pool *p;

	d->pools = xcalloc(d->set.npools, sizeof *p);
	for (size_t i = 0; i < d->set.npools; i++) {
		const struct set_pool *s = &d->set.pools[i];
		struct pool_options o = { .threads = s->threads,
			.bound = s->queue,
			.grace_ns = INT64_C(1000000) * s->grace_ms,
			.thread_begin = job_thread_begin,
			.thread_end = job_thread_end };

		p = &d->pools[d->npools++];
		p->d = d;
		memcpy(p->name, s->name, sizeof p->name);
		p->pool = pool_new(&o);
		if (p->pool == NULL)
			return err_sys(err, "threads of [pool%s%s]",
			    p->name[0] != '\0' ? ":" : "", p->name);
		loop_io_init(
		    &p->io, d->lp, pool_fd(p->pool), LOOP_READ, on_pool, p);
		loop_io_start(&p->io);
		loop_timer_init(&p->timer, d->lp, on_pool_timer, p);
	}
	return 0;
}

/* --- signals -------------------------------------------------------------- */

void
daemon_check_end(struct daemon *d)
{
	if (!d->draining || d->flushing)
		return;
	peers_close_idle(d);
	if (d->njobs == d->nstuck)
		loop_stop(d->lp);
}

static void
on_term(struct loop_signal *s, int signo, void *arg)
{
	struct daemon *d = arg;

	(void)s;
	(void)signo;
	if (d->draining)
		return;
	notify("STOPPING=1");
	d->draining = true;
	board_draining(d->board);
	peers_stop_listening(d);
	for (size_t i = 0; i < d->npools; i++)
		pool_close(d->pools[i].pool);
	jobs_move(d);
	log_info("no more jobs; %zu run", d->njobs - d->nstuck);
}

static void
apply(struct daemon *d, const struct settings *s)
{
	struct pd_kind *k;

	for (size_t i = 0; i < s->npools; i++)
		for (size_t n = 0; n < d->npools; n++)
			if (strcmp(d->pools[n].name, s->pools[i].name) == 0) {
				pool_resize(
				    d->pools[n].pool, s->pools[i].threads);
				pool_set_bound(
				    d->pools[n].pool, s->pools[i].queue);
			}
	for (size_t i = 0; i < s->njobs; i++) {
		k = kinds_find(d, s->jobs[i].kind);
		if (k == NULL)
			continue;
		pool_class_limit(
		    k->pool->pool, &k->cls, s->jobs[i].concurrency);
		k->queue_timeout_ms = s->jobs[i].queue_timeout_ms;
		k->run_timeout_ms = s->jobs[i].run_timeout_ms;
	}
}

static void
on_hup(struct loop_signal *s, int signo, void *arg)
{
	struct daemon *d = arg;
	struct err err = { .text = "" };
	struct settings new;

	(void)s;
	(void)signo;
	if (settings_load(&new, d->file, &err) == -1) {
		log_errorx("%s; all is left as it is", err.text);
		return;
	}
	apply(d, &new);
	settings_fini(&d->set);
	d->set = new;
	guests_check(d);
	daemon_flush_soon(d);
	log_info("read %s again", d->file != NULL ? d->file : "the defaults");
}

/* --- the socket ----------------------------------------------------------- */

static int
socket_make(const char *path, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof sun.sun_path)
		return err_set(err, "%s: a socket's path is at most %zu bytes",
		    path, sizeof sun.sun_path - 1);
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return err_sys(err, "socket");
	/* A connection tells whether somebody is there. */
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == 0) {
		close(fd);
		return err_set(err, "%s: another pool listens there", path);
	}
	close(fd);
	(void)unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	umask(0177);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sun, sizeof sun) == -1 ||
	    listen(fd, 1024) == -1) {
		if (fd != -1)
			close(fd);
		return err_sys(err, "%s", path);
	}
	umask(022);
	return fd;
}

static int
socket_get(const char *path, struct err *err)
{
	const char *n = getenv("LISTEN_FDS");

	if (path != NULL)
		return socket_make(path, err);
	if (n == NULL || strcmp(n, "1") != 0)
		return err_set(err, "no socket: -s SOCKET, or LISTEN_FDS=1");
	return FIRST_LISTEN_FD;
}

/* --- begin ---------------------------------------------------------------- */

static int
up(struct daemon *d, const char *socket_path, const char *dir, struct err *err)
{
	char *beside =
	    socket_path == NULL ? NULL : xasprintf("%s.d", socket_path);
	size_t n;
	int fd;

	if (dir == NULL)
		dir = beside;
	if (dir == NULL)
		err_set(err, "-d DIR is missing: where it notes what runs");
	else
		d->board = board_open(dir, err);
	free(beside);
	if (d->board == NULL || pools_start(d, err) == -1 ||
	    kinds_set(d, &d->set, err) == -1 ||
	    job_fault_install(job_crashed, err) == -1)
		return -1;
	/* Last: one that cannot work takes no socket's place. */
	fd = socket_get(socket_path, err);
	if (fd == -1)
		return -1;
	n = board_collect(d->board);
	if (n > 0)
		log_warnx(
		    "the pool before this one died, and %zu jobs of it", n);
	return peers_listen(d, fd, err);
}

static int
down(struct daemon *d)
{
	/* A thread that is stuck would be waited for, and may come back now. */
	if (d->nstuck > 0) {
		board_leave(d->board);
		_exit(0);
	}
	for (size_t i = 0; i < d->npools; i++) {
		loop_io_stop(&d->pools[i].io);
		loop_timer_stop(&d->pools[i].timer);
		(void)pool_free(d->pools[i].pool);
	}
	loop_timer_stop(&d->progress);
	loop_timer_stop(&d->mute);
	loop_task_cancel(d->lp, &d->flush);
	kinds_free(d);
	kept_free(d);
	jobs_free_spare(d);
	free(d->told);
	board_close(d->board);
	settings_fini(&d->set);
	free(d->pools);
	loop_free(d->lp);
	return 0;
}

static void
run(struct daemon *d)
{
	struct loop_signal term, intr, hup;

	loop_signal_init(&term, d->lp, SIGTERM, on_term, d);
	loop_signal_init(&intr, d->lp, SIGINT, on_term, d);
	loop_signal_init(&hup, d->lp, SIGHUP, on_hup, d);
	loop_signal_start(&term);
	loop_signal_start(&intr);
	loop_signal_start(&hup);
	daemon_flush_soon(d);
	notify("READY=1");
	loop_run(d->lp);
	loop_signal_stop(&term);
	loop_signal_stop(&intr);
	loop_signal_stop(&hup);
}

int
main(int argc, char **argv)
{
	static struct daemon d;
	const char *socket_path = NULL, *dir = NULL;
	struct err err = { .text = "" };
	unsigned long old = 0;
	int c;

	log_init("pool", LOG_WARN);
	while ((c = getopt(argc, argv, "c:d:s:vh")) != -1)
		switch (c) {
		case 'c':
			d.file = optarg;
			break;
		case 'd':
			dir = optarg;
			break;
		case 's':
			socket_path = optarg;
			break;
		case 'v':
			log_set_level(LOG_INFO);
			break;
		default:
			(void)fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	if (optind != argc) {
		(void)fputs(usage, stderr);
		return 2;
	}
	fd_raise_limit(&old);
	job_command_files = old;
	d.fds_max = (size_t)sysconf(_SC_OPEN_MAX);
	if (settings_load(&d.set, d.file, &err) == -1) {
		log_errorx("%s", err.text);
		return 2;
	}
	if (socket_path == NULL && getenv("LISTEN_FDS") == NULL) {
		log_errorx("no socket: give -s SOCKET, or run it as a program "
			   "of reeved with a socket");
		return 2;
	}
	d.lp = loop_new();
	if (d.lp == NULL)
		fatal("loop");
	loop_task_init(&d.flush, on_flush, &d);
	loop_timer_init(&d.progress, d.lp, on_progress, &d);
	loop_timer_init(&d.mute, d.lp, guests_on_timer, &d);
	if (up(&d, socket_path, dir, &err) == -1)
		fatalx("%s", err.text);
	run(&d);
	if (socket_path != NULL)
		(void)unlink(socket_path);
	return down(&d);
}
