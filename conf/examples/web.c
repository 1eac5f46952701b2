/*
 * web - an HTTP worker, many copies of which share one port.
 *
 * This is what "make run" starts: a small HTTP/1.1 server on libev, written
 * to be read.  What a worker has to do under reeve (or systemd) is little:
 *
 *	take	its listening sockets from fd 3 on, see sd_listen_fds(3)
 *	say	READY=1 when it accepts, STOPPING=1 when it no longer does
 *	stop	on SIGTERM: accept nothing more, answer what is under way,
 *		exit 0 when the last connection is gone
 *
 * One thread and no call that blocks: a slow client costs the others nothing.
 * The kernel gives each new connection to one of the processes that wait at
 * the same socket, so there is nothing to balance here.
 *
 * By hand, without a supervisor: web [-r] PORT	(-r: SO_REUSEPORT)
 */
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_FD      3 /* SD_LISTEN_FDS_START */
#define LISTENERS_MAX 16
#define HEAD_MAX      8192 /* longest request head; a longer one gets 431 */
#define ANSWER_MAX    512

/* How long a connection may stay as it is, in seconds. */
#define IDLE_S   60.0 /* between requests */
#define DRAIN_S  1.0  /* the same, once we were asked to stop */
#define HEAD_S   5.0  /* in the middle of a request */
#define WRITE_S  30.0 /* with an answer that the client does not read */
#define LINGER_S 2.0  /* when all is said, until the client hangs up */
#define SWEEP_S  0.25 /* how often we look for those that did */

struct conn {
	ev_io io; /* first: libev hands us the watcher, we see the connection */
	LIST_ENTRY(conn) link;
	enum {
		READING,
		WRITING,
		LINGERING
	} state;
	ev_tstamp deadline;
	bool last;        /* hang up after what is in out */
	bool client_done; /* the client said that it will send no more */
	size_t body_left; /* of the request just answered; thrown away */
	size_t in_len, out_len, out_sent;
	char in[HEAD_MAX];
	char out[8 * ANSWER_MAX]; /* to pipelined requests, sent as one */
};

struct request {
	const char *status;
	bool is_head; /* HEAD: as GET, without the body */
	bool last;    /* the client sends no more after this one */
	bool lost;    /* who knows where the next one begins */
	size_t body_len;
};

struct answer {
	char text[ANSWER_MAX];
	size_t head_len, len;
};

static struct ev_loop *loop;
static ev_io listeners[LISTENERS_MAX];
static int nlisteners;
static ev_timer sweep_timer, accept_timer;
static LIST_HEAD(, conn) conns = LIST_HEAD_INITIALIZER(conns);
static LIST_HEAD(, conn) spare = LIST_HEAD_INITIALIZER(spare);
static const char ok[] = "200 OK";
static struct answer hello[2]; /* [keep], ready to be sent */
static bool draining;

/* --- HTTP --------------------------------------------------------------- */

/* Length of the request head at p with its empty line; 0: not all here. */
static size_t
head_length(const char *p, size_t len)
{
	const char *end = p + len, *nl = p;

	while ((nl = memchr(nl, '\n', (size_t)(end - nl))) != NULL) {
		nl++;
		if (end - nl >= 1 && nl[0] == '\n')
			return (size_t)(nl + 1 - p);
		if (end - nl >= 2 && nl[0] == '\r' && nl[1] == '\n')
			return (size_t)(nl + 2 - p);
	}
	return 0;
}

/* One "Name: value" line; false when we cannot go on after it. */
static bool
parse_header(struct request *r, char *line)
{
	const char *name = strsep(&line, ":"), *value = line;
	char *end;

	if (value == NULL || strcasecmp(name, "Transfer-Encoding") == 0)
		return false;
	if (strcasecmp(name, "Connection") == 0) {
		if (strcasestr(value, "close") != NULL)
			r->last = true;
		else if (strcasestr(value, "keep-alive") != NULL)
			r->last = false;
	} else if (strcasecmp(name, "Content-Length") == 0) {
		value += strspn(value, " \t");
		r->body_len = strtoul(value, &end, 10);
		return *value >= '0' && *value <= '9' && strchr("\r", *end);
	}
	return true;
}

/* Cuts up head, a string whose last line is an empty one. */
static void
parse_head(struct request *r, char *head)
{
	char *line = strsep(&head, "\n");
	const char *method = strsep(&line, " "), *target = strsep(&line, " ");
	bool good = line != NULL && strncmp(line, "HTTP/1.", 7) == 0;

	*r = (struct request){ .last = good && line[7] == '0' };
	while (good && (line = strsep(&head, "\n")) != NULL &&
	       line[strspn(line, "\r")] != '\0')
		good = parse_header(r, line);

	r->is_head = strcmp(method, "HEAD") == 0;
	r->status = ok;
	r->lost = !good;
	if (!good) {
		r->status = "400 Bad Request";
	} else if (strcmp(target, "/") != 0 && strncmp(target, "/?", 2) != 0) {
		r->status = "404 Not Found";
	} else if (!r->is_head && strcmp(method, "GET") != 0) {
		r->status = "405 Method Not Allowed";
	}
}

static void
answer_make(struct answer *a, const char *status, const char *body, bool keep)
{
	int n;

	n = snprintf(a->text, sizeof a->text,
	    "HTTP/1.1 %s\r\nContent-Type: text/plain\r\n"
	    "Content-Length: %zu\r\nConnection: %s\r\n%s\r\n",
	    status, strlen(body) + 1, keep ? "keep-alive" : "close",
	    strncmp(status, "405", 3) == 0 ? "Allow: GET, HEAD\r\n" : "");
	a->head_len = (size_t)n;
	n += snprintf(a->text + n, sizeof a->text - (size_t)n, "%s\n", body);
	a->len = (size_t)n;
}

/* --- connections -------------------------------------------------------- */

static bool
conn_is_idle(const struct conn *c)
{
	return c->state == READING && c->in_len == 0 && c->body_left == 0;
}

static void
conn_wait(struct conn *c, int events)
{
	if (ev_is_active(&c->io) && (c->io.events & events))
		return;
	ev_io_stop(loop, &c->io);
	ev_io_modify(&c->io, events);
	ev_io_start(loop, &c->io);
}

static void
conn_close(struct conn *c)
{
	ev_io_stop(loop, &c->io);
	close(c->io.fd);
	LIST_REMOVE(c, link);
	LIST_INSERT_HEAD(&spare, c, link);
	if (draining && LIST_EMPTY(&conns))
		ev_break(loop, EVBREAK_ALL);
}

/*
 * Closing a socket with unread bytes in it resets the connection, and that
 * may destroy our last answer before the client has read it.  So we end our
 * half only, and read until the client has ended its own.
 */
static void
conn_hang_up(struct conn *c)
{
	if (c->client_done && c->in_len == 0 && c->body_left == 0) {
		conn_close(c);
		return;
	}
	shutdown(c->io.fd, SHUT_WR);
	c->state = LINGERING;
	c->in_len = 0;
	c->deadline = ev_now(loop) + LINGER_S;
	conn_wait(c, EV_READ);
}

static void
conn_answer(struct conn *c, const struct request *r, bool keep)
{
	struct answer *a = &hello[keep], error;

	if (r->status != ok) {
		a = &error;
		answer_make(a, r->status, r->status, keep);
	}
	memcpy(c->out + c->out_len, a->text, r->is_head ? a->head_len : a->len);
	c->out_len += r->is_head ? a->head_len : a->len;
	c->last = !keep;
	c->client_done = r->last;
	c->deadline = ev_now(loop) + HEAD_S;
}

/* Answers the whole requests in c->in, as many as c->out has room for. */
static void
conn_parse(struct conn *c)
{
	size_t at = 0, len;
	struct request r;
	bool keep;

	while (!c->last && c->out_len + ANSWER_MAX <= sizeof c->out) {
		for (; c->body_left > 0 && at < c->in_len; at++)
			c->body_left--;
		len = head_length(c->in + at, c->in_len - at);
		if (len > 0) {
			c->in[at + len - 1] = '\0';
			parse_head(&r, c->in + at);
		} else if (c->in_len - at == sizeof c->in) {
			r = (struct request){
				.status = "431 Request Header Fields Too Large",
				.lost = true,
			};
		} else {
			break;
		}
		at += len;
		c->body_left = r.body_len;
		/* Pipelined requests: the last of them gets the "close". */
		keep = !r.last && !r.lost && (!draining || at < c->in_len);
		conn_answer(c, &r, keep);
	}
	c->in_len -= at;
	memmove(c->in, c->in + at, c->in_len);
}

/* Parse and send, again if there was more than c->out could hold, and wait. */
static void
conn_serve(struct conn *c)
{
	ssize_t n;

	while (conn_parse(c), c->out_len > 0) {
		n = send(c->io.fd, c->out + c->out_sent,
		    c->out_len - c->out_sent, 0);
		if (n == -1 && errno != EAGAIN && errno != EINTR) {
			conn_close(c);
			return;
		}
		c->out_sent += n > 0 ? (size_t)n : 0;
		if (c->out_sent < c->out_len) {
			c->state = WRITING;
			c->deadline = ev_now(loop) + WRITE_S;
			conn_wait(c, EV_WRITE);
			return;
		}
		c->out_len = c->out_sent = 0;
		if (c->last) {
			conn_hang_up(c);
			return;
		}
	}
	c->state = READING;
	if (conn_is_idle(c))
		c->deadline = ev_now(loop) + (draining ? DRAIN_S : IDLE_S);
	conn_wait(c, EV_READ);
}

/* One read an event: a client that never pauses does not keep us busy. */
static void
conn_read(struct conn *c)
{
	ssize_t n =
	    recv(c->io.fd, c->in + c->in_len, sizeof c->in - c->in_len, 0);

	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		conn_close(c);
	} else if (n == -1) {
		conn_wait(c, EV_READ);
	} else if (c->state == READING) { /* LINGERING throws it away */
		if (c->in_len == 0)
			c->deadline = ev_now(loop) + HEAD_S;
		c->in_len += (size_t)n;
		conn_serve(c);
	}
}

static void
conn_event(struct ev_loop *lp, ev_io *w, int revents)
{
	struct conn *c = (struct conn *)w;

	(void)lp;
	(void)revents;
	if (c->state == WRITING)
		conn_serve(c);
	else
		conn_read(c);
}

static void
conn_open(int fd)
{
	struct conn *c = LIST_FIRST(&spare);

	if (c != NULL)
		LIST_REMOVE(c, link);
	else if ((c = malloc(sizeof *c)) == NULL)
		abort();
	memset(c, 0, offsetof(struct conn, in));
	ev_io_init(&c->io, conn_event, fd, EV_READ);
	c->deadline = ev_now(loop) + IDLE_S;
	LIST_INSERT_HEAD(&conns, c, link);
	if (!ev_is_active(&sweep_timer))
		ev_timer_again(loop, &sweep_timer);
	conn_read(c); /* more often than not the request is here already */
}

/* Ends the connections whose time is up, unless something just arrived. */
static void
sweep(struct ev_loop *lp, ev_timer *w, int revents)
{
	struct conn *c, *next;

	(void)revents;
	for (c = LIST_FIRST(&conns); c != NULL; c = next) {
		next = LIST_NEXT(c, link);
		if (c->deadline > ev_now(lp) || ev_is_pending(&c->io))
			continue;
		if (c->state == READING)
			conn_hang_up(c);
		else
			conn_close(c);
	}
	if (LIST_EMPTY(&conns))
		ev_timer_stop(lp, w); /* no client, no wake-up */
}

/* --- the worker --------------------------------------------------------- */

/* sd_notify(3): one datagram; a leading @ means an abstract address. */
static void
notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;
	int fd;

	if (len == 0 || len >= sizeof sun.sun_path)
		return;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	len += offsetof(struct sockaddr_un, sun_path);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sendto(fd, text, strlen(text), 0, (void *)&sun, (socklen_t)len) < 0)
		perror("web: NOTIFY_SOCKET");
	close(fd);
}

/*
 * One connection an event: whoever took all that are queued would leave
 * nothing to the other processes, which woke up for them as well.
 */
static void
accept_event(struct ev_loop *lp, ev_io *w, int revents)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)revents;
	if (fd != -1) {
		conn_open(fd);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		   errno == ENOMEM) {
		perror("web: accept, trying again in a second");
		for (int i = 0; i < nlisteners; i++)
			ev_io_stop(lp, &listeners[i]);
		ev_timer_again(lp, &accept_timer);
	}
}

static void
accept_start(struct ev_loop *lp, ev_timer *w, int revents)
{
	(void)revents;
	ev_timer_stop(lp, w);
	for (int i = 0; i < nlisteners; i++)
		ev_io_start(lp, &listeners[i]);
}

/*
 * SIGTERM.  What is queued at the listener is left to the other processes
 * that hold it.  An idle connection must not just be closed, for a request
 * may be on its way: we keep it for DRAIN_S more, in which a client that is
 * at work sends its next one and learns from the answer to connect anew.
 * A second SIGTERM waits for nobody.
 */
static void
drain(struct ev_loop *lp, ev_signal *w, int revents)
{
	struct conn *c;

	(void)w;
	(void)revents;
	if (draining)
		_exit(1);
	draining = true;
	ev_timer_stop(lp, &accept_timer);
	for (int i = 0; i < nlisteners; i++) {
		ev_io_stop(lp, &listeners[i]);
		close(listeners[i].fd);
	}
	notify("STOPPING=1");
	LIST_FOREACH(c, &conns, link)
		if (conn_is_idle(c))
			c->deadline = ev_now(lp) + DRAIN_S;
	if (LIST_EMPTY(&conns))
		ev_break(lp, EVBREAK_ALL);
}

/* Before all else that is due, so that nothing is accepted after it. */
static void
drain_on(ev_signal *w, int sig)
{
	ev_signal_init(w, drain, sig);
	ev_set_priority(w, EV_MAXPRI);
	ev_signal_start(loop, w);
}

/* How many sockets a supervisor has put at FIRST_FD for us. */
static int
listeners_inherited(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	int n = fds != NULL ? atoi(fds) : 0;

	if (pid == NULL || atol(pid) != (long)getpid())
		return 0;
	return n < LISTENERS_MAX ? n : LISTENERS_MAX;
}

static int
listener_bind(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int port = argc > 1 ? atoi(argv[argc - 1]) : 0, one = 1, fd;

	if (port <= 0 || port > 65535) {
		fprintf(stderr, "usage: web [-r] PORT\n");
		exit(2);
	}
	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (strcmp(argv[1], "-r") == 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
	if (bind(fd, (void *)&sin, sizeof sin) < 0 || listen(fd, 4096) < 0) {
		fprintf(stderr, "web: port %d: %s\n", port, strerror(errno));
		exit(1);
	}
	return fd;
}

static void
listener_add(int fd)
{
	int one = 1;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1) {
		fprintf(stderr, "web: listener %d: %s\n", fd, strerror(errno));
		exit(1);
	}
	/* Connections inherit it; a Unix socket refuses it, no matter. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	ev_io_init(&listeners[nlisteners], accept_event, fd, EV_READ);
	nlisteners++;
}

int
main(int argc, char **argv)
{
	const char *program = getenv("REEVE_PROGRAM");
	const char *slot = getenv("REEVE_SLOT");
	ev_signal on_term, on_int;
	int n = listeners_inherited();
	char text[128];

	signal(SIGPIPE, SIG_IGN);
	loop = ev_default_loop(0);
	snprintf(text, sizeof text, "Hello from %s.%s, pid %ld",
	    program != NULL ? program : "web", slot != NULL ? slot : "0",
	    (long)getpid());
	answer_make(&hello[false], ok, text, false);
	answer_make(&hello[true], ok, text, true);

	for (int i = 0; i < n; i++)
		listener_add(FIRST_FD + i);
	if (n == 0)
		listener_add(listener_bind(argc, argv));
	ev_timer_init(&accept_timer, accept_start, 0, 1.0);
	ev_timer_init(&sweep_timer, sweep, 0, SWEEP_S);
	drain_on(&on_term, SIGTERM);
	drain_on(&on_int, SIGINT);

	accept_start(loop, &accept_timer, 0);
	notify("READY=1");
	ev_run(loop, 0);
	return 0;
}
