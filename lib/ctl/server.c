/* server - the control socket: accepts, and counts. */
#include "ctl/server.h"

#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/ctl_priv.h"
#include "ctl/jobs.h"

#define SERVER_MAGIC    0x63746c73U
#define SERVER_TURN     16   /* connections accepted before others */
#define SERVER_AGAIN_MS 1000 /* pause when descriptors run out */

bool
ctl_log_room(struct ctl_server *srv)
{
	return log_quota(&srv->told, loop_now(srv->lp), "clients");
}

/* One line, as much of it as fits, and the end. */
static void
server_refuse(struct ctl_server *srv, int fd, const char *why)
{
	char line[256];
	int n;

	n = snprintf(line, sizeof line,
	    "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":%d,"
	    "\"message\":\"%s, no more are served\","
	    "\"data\":{\"exit\":4}}}\n",
	    CTL_E_BUSY, why);
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) == -1)
		log_debug("client not even told that there are too many");
	if (ctl_log_room(srv))
		log_warnx("client refused: %s", why);
}

void
ctl_server_adopt(struct ctl_server *srv, int fd)
{
	char why[CTL_NO_ROOM];

	BUG_ON(srv->magic != SERVER_MAGIC);
	if (ctl_peer_has_room(srv, fd, why)) {
		ctl_session_new(srv, fd);
		return;
	}
	server_refuse(srv, fd, why);
	ctl_peer_close(&fd);
}

void
ctl_server_refill(struct ctl_server *srv)
{
	for (int i = 0; i < CTL_SPARE; i++)
		if (srv->spare[i] == -1)
			srv->spare[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* What is wrong must be visible just then. */
static bool
server_give_up_spare(struct ctl_server *srv)
{
	for (int i = 0; i < CTL_SPARE; i++)
		if (srv->spare[i] != -1) {
			fd_closep(&srv->spare[i]);
			return true;
		}
	return false;
}

/* false: nothing more to accept now. */
static bool
server_accept(struct ctl_server *srv)
{
	int fd =
	    accept4(srv->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd != -1) {
		ctl_server_adopt(srv, fd);
		return true;
	}
	if (errno == EINTR || errno == ECONNABORTED)
		return true;
	if (errno == EAGAIN)
		return false;
	if ((errno == EMFILE || errno == ENFILE) && server_give_up_spare(srv)) {
		log_warnx("no descriptors are left: clients get those kept "
			  "for this");
		return true;
	}
	log_warn("accept a client, again in %d ms", SERVER_AGAIN_MS);
	loop_io_stop(&srv->io);
	loop_timer_start(&srv->again, SERVER_AGAIN_MS);
	return false;
}

static void
server_on_io(struct loop_io *io, int events, void *arg)
{
	struct ctl_server *srv = arg;

	(void)io;
	(void)events;
	BUG_ON(srv->magic != SERVER_MAGIC);
	for (int i = 0; i < SERVER_TURN; i++) {
		if (!server_accept(srv))
			return;
	}
}

static void
server_on_again(struct loop_timer *t, void *arg)
{
	struct ctl_server *srv = arg;

	(void)t;
	loop_io_start(&srv->io);
}

static void
server_on_regrant(void *arg)
{
	struct ctl_server *srv = arg;
	struct ctl_session *s;

	TAILQ_FOREACH(s, &srv->sessions, link)
		ctl_regrant(s);
}

/* Events come in the middle of things. */
static void
server_on_event(void *arg, const struct event *ev)
{
	struct ctl_server *srv = arg;

	if (strcmp(ev->kind, "reload") == 0)
		loop_task_queue(srv->lp, &srv->regrant);
}

struct ctl_server *
ctl_server_new(struct loop *lp, struct engine *en, struct err *err)
{
	struct ctl_server *srv = xcalloc(1, sizeof *srv);

	(void)err;
	srv->magic = SERVER_MAGIC;
	srv->lp = lp;
	srv->en = en;
	srv->listen_fd = -1;
	TAILQ_INIT(&srv->sessions);
	loop_task_init(&srv->regrant, server_on_regrant, srv);
	event_watch(engine_events(en), &srv->watcher, server_on_event, srv);
	loop_timer_init(&srv->again, lp, server_on_again, srv);
	for (int i = 0; i < CTL_SPARE; i++)
		srv->spare[i] = -1;
	ctl_server_refill(srv);
	return srv;
}

int
ctl_server_listen(struct ctl_server *srv, int listen_fd, struct err *err)
{
	BUG_ON(srv->magic != SERVER_MAGIC || srv->listen_fd != -1);
	if (fd_nonblock(listen_fd) == -1)
		return err_sys(err, "make the control socket non-blocking");
	srv->listen_fd = listen_fd;
	loop_io_init(
	    &srv->io, srv->lp, listen_fd, LOOP_READ, server_on_io, srv);
	loop_io_start(&srv->io);
	return 0;
}

void
ctl_server_free(struct ctl_server *srv)
{
	struct ctl_session *s;

	if (srv == NULL)
		return;
	BUG_ON(srv->magic != SERVER_MAGIC);
	if (srv->listen_fd != -1)
		loop_io_stop(&srv->io);
	loop_timer_stop(&srv->again);
	loop_task_cancel(srv->lp, &srv->regrant);
	event_unwatch(engine_events(srv->en), &srv->watcher);
	while ((s = TAILQ_FIRST(&srv->sessions)) != NULL)
		ctl_session_free(s);
	jobs_free(srv->jobs);
	for (int i = 0; i < CTL_SPARE; i++)
		fd_closep(&srv->spare[i]);
	srv->magic = 0;
	free(srv);
}
