/* jobs - CPU jobs for clients of the control socket: the way to the pool. */
#include "ctl/jobs.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "config/jobs.h"

#define AGAIN_MS 200
#define IN_ROOM  65536
#define BUCKETS  1024

/* One connection: the newest is the one that is used, an older one is of a
 * pool that is being replaced, which still answers what runs there. */
struct conn {
	TAILQ_ENTRY(conn) link;
	struct jobs *js;
	int fd;
	struct loop_io io;
	struct buf in;
	struct buf orders; /* to be sent: messages without descriptors */
	struct job *part;  /* whose message was sent in part, up to at */
	size_t at;
};

struct job {
	struct jobs_job pub; /* first */
	struct job *chain;
	struct buf msg; /* empty: of an engine before this one */
	int fds[POOL_MSG_FDS];
	int emptied;       /* of fds, before it runs again; 0: none */
	struct conn *conn; /* NULL: it is to be sent */
	jobs_sent *sent;   /* NULL: it was */
	void *arg;
};

struct query {
	TAILQ_ENTRY(query) link;
	uint64_t id;
	struct conn *conn;
	jobs_answer *answer;
	void *arg;
};

TAILQ_HEAD(job_list, jobs_job);

struct jobs {
	struct ctl_server *srv;
	TAILQ_HEAD(, conn) conns;
	struct conn *now; /* NULL: none */
	struct loop_timer again;
	struct job_list unsent, sent, ended; /* in that order */
	struct job *table[BUCKETS];
	size_t live, nended;
	TAILQ_HEAD(, query) queries;
	TAILQ_HEAD(, jobs_watch) watches;
	uint64_t last_id;
	uint8_t session[POOL_SESSION]; /* the same on all connections */
};

static struct job *
job_of(struct jobs_job *pub)
{
	return (struct job *)pub;
}

static struct job *
job_find(struct jobs *js, uint64_t id)
{
	struct job *j = js->table[id % BUCKETS];

	while (j != NULL && j->pub.id != id)
		j = j->chain;
	return j;
}

/*
 * By chance: who may wait for jobs, or cancel them, but not list them, can
 * name its own alone.  Not used by an engine before, and still a number that
 * every JSON reader can hold.
 */
static uint64_t
jobs_id(struct jobs *js)
{
	uint64_t id;

	do {
		if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id)
			id = (uint64_t)clock_wall_ms() * 1000 + ++js->last_id;
		id &= (UINT64_C(1) << 53) - 1;
	} while (id == 0 || job_find(js, id) != NULL);
	return id;
}

static struct job *
job_new(struct jobs *js, uint64_t id)
{
	struct job *j = xcalloc(1, sizeof *j);

	j->pub.id = id;
	j->fds[0] = j->fds[1] = -1;
	buf_init(&j->msg);
	j->chain = js->table[id % BUCKETS];
	js->table[id % BUCKETS] = j;
	js->live++;
	return j;
}

static void
job_drop_fds(struct job *j)
{
	for (unsigned i = 0; i < POOL_MSG_FDS; i++)
		if (j->fds[i] != -1)
			fd_close_given(&j->fds[i]);
	buf_fini(&j->msg);
}

static void
job_free(struct jobs *js, struct job *j)
{
	struct job **at = &js->table[j->pub.id % BUCKETS];

	while (*at != j)
		at = &(*at)->chain;
	*at = j->chain;
	job_drop_fds(j);
	free(j->pub.text);
	free(j->pub.doing);
	free(j);
}

static void
jobs_step(struct jobs *js, const struct job *j)
{
	struct jobs_watch *w, *next;

	for (w = TAILQ_FIRST(&js->watches); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		w->step(w, &j->pub);
	}
}

static void
job_tell_sent(struct job *j)
{
	jobs_sent *cb = j->sent;

	j->sent = NULL;
	if (cb != NULL)
		cb(j->arg, j->pub.id);
}

/* The oldest end makes room.  Nobody holds one across a turn. */
static void
job_end(struct jobs *js, struct job *j, const struct pool_result *r,
    const char *text)
{
	struct job_list *from = j->conn != NULL ? &js->sent : &js->unsent;
	struct jobs_job *old;

	TAILQ_REMOVE(from, &j->pub, link);
	TAILQ_INSERT_TAIL(&js->ended, &j->pub, link);
	j->conn = NULL;
	j->pub.ended = true;
	j->pub.result = *r;
	j->pub.text = xstrdup(text);
	job_drop_fds(j);
	js->live--;
	job_tell_sent(j);
	jobs_step(js, j);
	if (++js->nended <= JOBS_ENDS)
		return;
	old = TAILQ_FIRST(&js->ended);
	TAILQ_REMOVE(&js->ended, old, link);
	js->nended--;
	job_free(js, job_of(old));
}

static void
job_lost(struct jobs *js, struct job *j, const char *why)
{
	struct pool_result r = { .status = PR_LOST };

	job_end(js, j, &r, why);
}

/* --- a connection ----------------------------------------------------------
 */

static void
conn_order(
    struct conn *c, uint16_t type, uint64_t id, const void *body, size_t n)
{
	static const char zeros[8];
	size_t pad = -n % 8;
	struct pool_msg m = { (uint32_t)(sizeof m + n + pad), type, 0, id };

	buf_add(&c->orders, &m, sizeof m);
	if (n > 0)
		buf_add(&c->orders, body, n);
	buf_add(&c->orders, zeros, pad);
}

static void
conn_free(struct conn *c)
{
	struct jobs *js = c->js;

	if (js->now == c)
		js->now = NULL;
	TAILQ_REMOVE(&js->conns, c, link);
	loop_io_stop(&c->io);
	close(c->fd);
	buf_fini(&c->in);
	buf_fini(&c->orders);
	free(c);
}

/* To be sent once more, by the next connection. */
static void
job_unsend(struct jobs *js, struct job *j)
{
	TAILQ_REMOVE(&js->sent, &j->pub, link);
	TAILQ_INSERT_TAIL(&js->unsent, &j->pub, link);
	j->conn = NULL;
}

static void
job_submit_again(struct job *j)
{
	struct pool_submit *s =
	    (struct pool_submit *)(void *)(j->msg.data +
					   sizeof(struct pool_msg));

	s->flags |= PS_AGAIN;
	/* The first run may have written more than the second will. */
	if (j->emptied != 0 && ftruncate(j->emptied, 0) == -1)
		log_warn("job %llu: empty its output",
		    (unsigned long long)j->pub.id);
}

static void
jobs_retry(struct jobs *js)
{
	if (!TAILQ_EMPTY(&js->unsent) && !loop_timer_active(&js->again))
		loop_timer_start(&js->again, AGAIN_MS);
}

static void
conn_lost(struct conn *c)
{
	struct jobs *js = c->js;
	struct jobs_job *pub, *next;
	struct query *q, *qnext;

	TAILQ_FOREACH(pub, &js->sent, link)
		if (job_of(pub)->conn == c && job_of(pub) != c->part &&
		    job_of(pub)->msg.len > 0)
			job_submit_again(job_of(pub));
	for (pub = TAILQ_FIRST(&js->sent); pub != NULL; pub = next) {
		next = TAILQ_NEXT(pub, link);
		if (job_of(pub)->conn == c)
			job_unsend(js, job_of(pub));
	}
	for (q = TAILQ_FIRST(&js->queries); q != NULL; q = qnext) {
		qnext = TAILQ_NEXT(q, link);
		if (q->conn != c)
			continue;
		TAILQ_REMOVE(&js->queries, q, link);
		q->answer(q->arg, NULL);
		free(q);
	}
	conn_free(c);
	jobs_retry(js);
}

/* --- to the pool -----------------------------------------------------------
 */

/* 1: all of it is sent; 0: not now; -1: it broke. */
static int
conn_send(struct conn *c, const struct buf *b, size_t *at, const int *fds,
    size_t nfds)
{
	ssize_t n;

	while (*at < b->len) {
		n = pool_send(c->fd, b->data + *at, b->len - *at, fds,
		    *at == 0 ? nfds : 0);
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		*at += (size_t)n;
	}
	return 1;
}

static int
conn_send_orders(struct conn *c)
{
	size_t at = 0;
	int r = conn_send(c, &c->orders, &at, NULL, 0);

	buf_consume(&c->orders, at);
	return r;
}

static int
conn_send_part(struct conn *c)
{
	struct job *j = c->part;
	size_t nfds = 0;
	int r;

	while (nfds < POOL_MSG_FDS && j->fds[nfds] != -1)
		nfds++;
	r = conn_send(c, &j->msg, &c->at, j->fds, nfds);
	if (r != 1)
		return r;
	c->part = NULL;
	/* The kernel has it: the pool will read it, whatever becomes of us. */
	job_tell_sent(j);
	return 1;
}

/* The next job that waits: true. */
static bool
conn_take(struct conn *c)
{
	struct jobs *js = c->js;
	struct jobs_job *pub = TAILQ_FIRST(&js->unsent);
	struct job *j;

	if (pub == NULL || js->now != c)
		return false;
	j = job_of(pub);
	TAILQ_REMOVE(&js->unsent, pub, link);
	TAILQ_INSERT_TAIL(&js->sent, pub, link);
	j->conn = c;
	c->at = 0;
	if (j->msg.len > 0)
		c->part = j;
	else
		conn_order(c, PM_WAIT, pub->id, NULL, 0);
	return true;
}

static int
conn_write(struct conn *c)
{
	int r = 1;

	while (r == 1) {
		if (c->part != NULL)
			r = conn_send_part(c);
		else if (c->orders.len > 0)
			r = conn_send_orders(c);
		else if (!conn_take(c))
			break;
	}
	if (r != -1)
		loop_io_set(&c->io, LOOP_READ | (r == 0 ? LOOP_WRITE : 0));
	return r;
}

/* --- from the pool ---------------------------------------------------------
 */

static void jobs_dial(struct jobs *js);

static void
on_result(struct conn *c, const struct pool_msg *m)
{
	const struct pool_result *r = (const struct pool_result *)(m + 1);
	struct jobs *js = c->js;
	struct job *j = job_find(js, m->id);

	if (j == NULL || j->pub.ended || j->conn != c || c->part == j)
		return;
	if (r->status != PR_MOVED) {
		job_end(js, j, r, (const char *)(r + 1));
		return;
	}
	job_unsend(js, j);
	if (js->now == c)
		js->now = NULL;
}

static void
on_progress(struct conn *c, const struct pool_msg *m)
{
	const struct pool_progress *pr = (const struct pool_progress *)(m + 1);
	struct job *j = job_find(c->js, m->id);

	if (j == NULL || j->pub.ended)
		return;
	j->pub.percent = pr->percent <= 100 ? (int)pr->percent : 100;
	free(j->pub.doing);
	j->pub.doing = xstrdup((const char *)(pr + 1));
	jobs_step(c->js, j);
}

static void
on_answer(struct conn *c, const struct pool_msg *m)
{
	struct query *q;

	TAILQ_FOREACH(q, &c->js->queries, link)
		if (q->id == m->id && q->conn == c)
			break;
	if (q == NULL)
		return;
	TAILQ_REMOVE(&c->js->queries, q, link);
	q->answer(q->arg, (const char *)(m + 1));
	free(q);
}

static int
on_message(struct conn *c, const struct pool_msg *m)
{
	switch (m->type) {
	case PM_RESULT:
		on_result(c, m);
		return 0;
	case PM_PROGRESS:
		on_progress(c, m);
		return 0;
	case PM_ANSWER:
		on_answer(c, m);
		return 0;
	case PM_BYE:
		log_warnx("the pool: %s", (const char *)(m + 1));
		return -1;
	default:
		return 0;
	}
}

/* 1: something came; 0: nothing; -1: the end. */
static int
conn_read(struct conn *c)
{
	const struct pool_msg *m;
	const char *why = NULL;
	size_t at = 0, nfds = 0;
	ssize_t n;

	n = pool_recv(
	    c->fd, buf_reserve(&c->in, IN_ROOM), IN_ROOM, NULL, &nfds);
	if (n <= 0)
		return n == -1 && errno == EAGAIN ? 0 : -1;
	c->in.len += (size_t)n;
	for (;;) {
		m = (const struct pool_msg *)(void *)(c->in.data + at);
		if (pool_msg_check(m, c->in.len - at, &why) != 1 ||
		    on_message(c, m) == -1)
			break;
		at += m->len;
	}
	buf_consume(&c->in, at);
	if (why != NULL)
		log_warnx("the pool talks rubbish: %s", why);
	return why != NULL ? -1 : 1;
}

static void
on_io(struct loop_io *io, int events, void *arg)
{
	struct conn *c = arg;
	struct jobs *js = c->js;
	int r = 0;

	(void)io;
	if ((events & LOOP_READ) != 0)
		r = conn_read(c);
	if (r != -1)
		r = conn_write(c);
	if (r == -1) {
		/* An answer that came before the end is one: the next pool
		 * does not know of that job. */
		while (conn_read(c) == 1)
			;
		conn_lost(c);
	}
	if (js->now == NULL && !TAILQ_EMPTY(&js->unsent) &&
	    !loop_timer_active(&js->again))
		jobs_dial(js);
}

/* --- connecting ------------------------------------------------------------
 */

static const char *
jobs_path(const struct jobs *js)
{
	const struct config_jobs *cj = engine_config(js->srv->en)->jobs;

	return cj != NULL ? cj->socket : NULL;
}

bool
jobs_possible(const struct ctl_server *srv)
{
	return engine_config(srv->en)->jobs != NULL;
}

static int
conn_socket(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof sun.sun_path)
		return -1;
	memcpy(sun.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 &&
	    connect(fd, (struct sockaddr *)&sun, sizeof sun) == -1) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void
conn_new(struct jobs *js, int fd)
{
	struct conn *c = xcalloc(1, sizeof *c);
	struct pool_hello h = { .version = POOL_PROTO };

	memcpy(h.session, js->session, sizeof h.session);
	c->js = js;
	c->fd = fd;
	buf_init(&c->in);
	buf_init(&c->orders);
	conn_order(c, PM_HELLO, 0, &h, sizeof h);
	TAILQ_INSERT_TAIL(&js->conns, c, link);
	js->now = c;
	loop_io_init(&c->io, js->srv->lp, fd, LOOP_READ | LOOP_WRITE, on_io, c);
	loop_io_start(&c->io);
}

/* There is no pool any more: what waits for it has an end. */
static void
jobs_give_up(struct jobs *js)
{
	struct jobs_job *pub;

	while ((pub = TAILQ_FIRST(&js->unsent)) != NULL)
		job_lost(js, job_of(pub), "there is no pool any more");
}

static void
jobs_dial(struct jobs *js)
{
	const char *path = jobs_path(js);
	int fd;

	if (path == NULL) {
		jobs_give_up(js);
		return;
	}
	fd = conn_socket(path);
	if (fd == -1)
		jobs_retry(js);
	else
		conn_new(js, fd);
}

/* Something is to be sent; from the loop, not from here. */
static void
jobs_push(struct jobs *js)
{
	if (js->now != NULL)
		loop_io_set(&js->now->io, LOOP_READ | LOOP_WRITE);
	else if (!loop_timer_active(&js->again))
		jobs_dial(js);
}

static void
on_again(struct loop_timer *t, void *arg)
{
	struct jobs *js = arg;

	(void)t;
	if (!TAILQ_EMPTY(&js->unsent))
		jobs_push(js);
}

/* --- for the commands ------------------------------------------------------
 */

struct jobs *
jobs_of(struct ctl_server *srv)
{
	struct jobs *js = srv->jobs;

	if (js != NULL)
		return js;
	js = srv->jobs = xcalloc(1, sizeof *js);
	js->srv = srv;
	if (getrandom(js->session, sizeof js->session, GRND_NONBLOCK) == -1)
		log_warn("a number for the session with the pool");
	TAILQ_INIT(&js->conns);
	TAILQ_INIT(&js->unsent);
	TAILQ_INIT(&js->sent);
	TAILQ_INIT(&js->ended);
	TAILQ_INIT(&js->queries);
	TAILQ_INIT(&js->watches);
	loop_timer_init(&js->again, srv->lp, on_again, js);
	return js;
}

void
jobs_free(struct jobs *js)
{
	struct job_list *lists[3];
	struct jobs_job *pub;
	struct query *q;

	if (js == NULL)
		return;
	lists[0] = &js->unsent;
	lists[1] = &js->sent;
	lists[2] = &js->ended;
	loop_timer_stop(&js->again);
	while (!TAILQ_EMPTY(&js->conns))
		conn_free(TAILQ_FIRST(&js->conns));
	for (int i = 0; i < 3; i++)
		while ((pub = TAILQ_FIRST(lists[i])) != NULL) {
			TAILQ_REMOVE(lists[i], pub, link);
			job_free(js, job_of(pub));
		}
	while ((q = TAILQ_FIRST(&js->queries)) != NULL) {
		TAILQ_REMOVE(&js->queries, q, link);
		free(q);
	}
	free(js);
}

static void
put_string(struct buf *b, const char *s)
{
	s = s != NULL ? s : "";
	buf_add(b, s, strlen(s) + 1);
}

static void
job_write(struct job *j, const struct jobs_request *rq)
{
	struct pool_msg m = { .type = PM_SUBMIT, .id = j->pub.id };
	struct pool_submit s = { .flags = PS_KEEP,
		.priority = (uint8_t)rq->priority,
		.nargs = (uint8_t)rq->args->n,
		.queue_timeout_ms = rq->queue_timeout_ms,
		.run_timeout_ms = rq->run_timeout_ms,
		.in_len = -1,
		.out_len = -1 };
	static const char zeros[8];

	s.flags |= rq->in_fd != -1 ? PS_IN : 0;
	s.flags |= rq->out_fd != -1 ? PS_OUT : 0;
	s.flags |= rq->retry ? PS_RETRY : 0;
	s.flags |= rq->progress ? PS_PROGRESS : 0;
	if (rq->in_fd != -1)
		j->fds[m.nfds++] = rq->in_fd;
	if (rq->out_fd != -1)
		j->fds[m.nfds++] = rq->out_fd;
	j->emptied = rq->retry && rq->out_name != NULL ? rq->out_fd : 0;
	buf_add(&j->msg, &m, sizeof m);
	buf_add(&j->msg, &s, sizeof s);
	put_string(&j->msg, rq->kind);
	put_string(&j->msg, rq->in_name);
	put_string(&j->msg, rq->out_name);
	for (size_t i = 0; i < rq->args->n; i++)
		put_string(&j->msg, rq->args->v[i]);
	buf_add(&j->msg, zeros, -j->msg.len % 8);
	((struct pool_msg *)(void *)j->msg.data)->len = (uint32_t)j->msg.len;
}

int
jobs_submit(
    struct jobs *js, const struct jobs_request *rq, jobs_sent *sent, void *arg)
{
	struct job *j;

	if (js->live >= JOBS_LIVE_MAX)
		return -1;
	j = job_new(js, jobs_id(js));
	job_write(j, rq);
	j->sent = sent;
	j->arg = arg;
	TAILQ_INSERT_TAIL(&js->unsent, &j->pub, link);
	jobs_push(js);
	return 0;
}

void
jobs_forget(struct jobs *js, const void *arg)
{
	struct jobs_job *pub;
	struct query *q;

	TAILQ_FOREACH(pub, &js->unsent, link)
		if (job_of(pub)->arg == arg)
			job_of(pub)->sent = NULL;
	TAILQ_FOREACH(pub, &js->sent, link)
		if (job_of(pub)->arg == arg)
			job_of(pub)->sent = NULL;
	TAILQ_FOREACH(q, &js->queries, link)
		if (q->arg == arg)
			break;
	if (q != NULL) {
		TAILQ_REMOVE(&js->queries, q, link);
		free(q);
	}
}

const struct jobs_job *
jobs_get(struct jobs *js, uint64_t id)
{
	struct job *j = job_find(js, id);

	if (j == NULL && js->live < JOBS_LIVE_MAX) {
		j = job_new(js, id);
		TAILQ_INSERT_TAIL(&js->unsent, &j->pub, link);
		jobs_push(js);
	}
	return j != NULL ? &j->pub : NULL;
}

void
jobs_cancel(struct jobs *js, uint64_t id)
{
	struct pool_result r = { .status = PR_CANCELLED };
	struct job *j;

	(void)jobs_get(js, id);
	j = job_find(js, id);
	if (j == NULL || j->pub.ended)
		return;
	if (j->conn == NULL && j->msg.len > 0) {
		job_end(js, j, &r, "");
		return;
	}
	if (j->conn == NULL && js->now != NULL) {
		/* Asked for first, so that the pool knows whose it is. */
		TAILQ_REMOVE(&js->unsent, &j->pub, link);
		TAILQ_INSERT_TAIL(&js->sent, &j->pub, link);
		j->conn = js->now;
		conn_order(js->now, PM_WAIT, id, NULL, 0);
	}
	if (j->conn != NULL) {
		conn_order(j->conn, PM_CANCEL, id, NULL, 0);
		loop_io_set(&j->conn->io, LOOP_READ | LOOP_WRITE);
	}
}

void
jobs_query(struct jobs *js, const char *what, jobs_answer *answer, void *arg)
{
	struct query *q;

	if (js->now == NULL)
		jobs_push(js);
	if (js->now == NULL) {
		answer(arg, NULL);
		return;
	}
	q = xcalloc(1, sizeof *q);
	q->id = jobs_id(js);
	q->conn = js->now;
	q->answer = answer;
	q->arg = arg;
	TAILQ_INSERT_TAIL(&js->queries, q, link);
	conn_order(js->now, PM_QUERY, q->id, what, strlen(what) + 1);
	loop_io_set(&js->now->io, LOOP_READ | LOOP_WRITE);
}

void
jobs_watch(struct jobs *js, struct jobs_watch *w)
{
	TAILQ_INSERT_TAIL(&js->watches, w, link);
}

void
jobs_unwatch(struct jobs *js, struct jobs_watch *w)
{
	TAILQ_REMOVE(&js->watches, w, link);
}
