/*
 * jobs - from the message that submits a job to the one that answers it.
 */
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "reeve-pool.h"

#define SPARE_MAX   1024
#define PROGRESS_MS 100

/* A thread's own: what its job says, and where it is written on the board. */
static _Thread_local struct job_run this_run;
static _Thread_local struct job_thread this_thread;
static _Thread_local struct board_entry *this_entry;

/* --- a job's memory ------------------------------------------------------- */

static struct pd_job *
job_new(struct daemon *d)
{
	struct pd_job *j = d->spare;

	if (j != NULL) {
		d->spare = j->next;
		d->nspare--;
		memset(j, 0, offsetof(struct pd_job, room));
	} else {
		j = aligned_alloc(_Alignof(struct pd_job), sizeof *j);
		if (j == NULL)
			fatal("a job");
		memset(j, 0, sizeof *j);
	}
	d->njobs++;
	return j;
}

void
jobs_tell(struct daemon *d)
{
	peers_flush(d);
	while (d->ntold > 0)
		board_free(d->told[--d->ntold]);
	if (d->tidy)
		board_tidy(d->board);
	d->tidy = false;
}

/* It is free once the answer is sent. */
static void
job_told(struct daemon *d, struct board_entry *e)
{
	if (d->ntold == d->told_room) {
		d->told_room += TOLD_MAX;
		d->told = xreallocarray(
		    d->told, d->told_room, sizeof(struct board_entry *));
	}
	d->told[d->ntold++] = e;
}

static void
job_release(struct daemon *d, struct pd_job *j)
{
	for (int i = 0; i < j->nfds; i++)
		close(j->fds[i]);
	d->fds -= (size_t)j->nfds;
	buffer_unref(d, j->buffers[0]);
	buffer_unref(d, j->buffers[1]);
	if (j->entry != NULL && d->ntold >= TOLD_MAX)
		jobs_tell(d);
	if (j->entry != NULL)
		job_told(d, j->entry);
	if (j->strings != j->room)
		free(j->strings);
	free(j->err);
	free(j->answer);
	d->njobs--;
	if (d->nspare < SPARE_MAX) {
		j->next = d->spare;
		d->spare = j;
		d->nspare++;
	} else {
		free(j);
	}
}

static void
job_link(struct peer *peer, struct pd_job *j)
{
	struct pd_job **head = &peer->table[j->id % PEER_BUCKETS];

	j->peer = peer;
	j->chain = *head;
	*head = j;
	j->next = peer->jobs;
	j->prev = NULL;
	if (j->next != NULL)
		j->next->prev = j;
	peer->jobs = j;
	peer->njobs++;
}

static void
job_unlink(struct pd_job *j)
{
	struct peer *peer = j->peer;
	struct pd_job **at;

	if (peer == NULL)
		return;
	for (at = &peer->table[j->id % PEER_BUCKETS]; *at != j;)
		at = &(*at)->chain;
	*at = j->chain;
	*(j->prev != NULL ? &j->prev->next : &peer->jobs) = j->next;
	if (j->next != NULL)
		j->next->prev = j->prev;
	peer->njobs--;
	j->peer = NULL;
}

struct pd_job *
job_find(struct peer *peer, uint64_t id)
{
	struct pd_job *j = peer->table[id % PEER_BUCKETS];

	while (j != NULL && j->id != id)
		j = j->chain;
	return j;
}

void
job_give(struct pd_job *j, struct peer *peer)
{
	job_unlink(j);
	job_link(peer, j);
}

/* --- on its thread -------------------------------------------------------- */

void
job_thread_begin(void *arg, unsigned index)
{
	struct err err = { .text = "" };

	(void)arg;
	if (job_thread_init(&this_thread, &err) == -1)
		log_warnx("thread %u: %s", index, err.text);
}

void
job_thread_end(void *arg, unsigned index)
{
	(void)arg;
	(void)index;
	job_thread_fini(&this_thread);
}

/* In a signal handler. */
void
job_crashed(int sig, const struct job_run *run)
{
	if (run != NULL)
		board_crash(this_entry, sig);
}

static enum pool_status
job_status(const struct pd_job *j)
{
	switch (j->result) {
	case JOB_OK:
		return PR_OK;
	case JOB_CANCELLED:
		return PR_CANCELLED;
	case JOB_FAILED:
	default:
		return PR_FAILED;
	}
}

static const char *
job_text(const struct pd_job *j)
{
	return j->err != NULL      ? j->err->text
	       : j->answer != NULL ? j->answer
				   : "";
}

/* Until its client is told, the board knows what became of it. */
static void
job_note_end(struct pd_job *j)
{
	struct pool_result r = { .status = (uint16_t)job_status(j),
		.bytes_in = j->bytes_in,
		.bytes_out = j->bytes_out };

	if (atomic_load(&j->pj.stop) == POOL_GO_ON)
		board_end(j->entry, &r, job_text(j));
}

static void
job_run_here(struct pool_job *pj)
{
	struct pd_job *j = (struct pd_job *)pj;
	struct job_run *run = &this_run;

	atomic_store(&j->running, true);
	this_entry = j->entry = board_begin(j->kind->pool->d->board, &j->board);
	run->err.text[0] = '\0';
	if (job_run_init(run, &j->spec, &run->err) == -1)
		j->result = JOB_FAILED;
	else
		j->result = job_run_exec(run, j->kind->plugin);
	this_entry = NULL;
	j->bytes_in = run->bytes_in;
	j->bytes_out = run->bytes_out;
	if (j->result != JOB_OK) {
		j->err = xmalloc(sizeof *j->err);
		*j->err = run->err;
	} else if (run->answer[0] != '\0') {
		j->answer = xstrdup(run->answer);
	}
	job_note_end(j);
}

/* --- answers -------------------------------------------------------------- */

static void
answer(struct peer *peer, uint64_t id, struct pd_kind *k,
    const struct pool_result *r, const char *text)
{
	if (k != NULL)
		k->results[r->status]++;
	if (peer != NULL && peer->keeps && r->status != PR_MOVED)
		kept_end(peer->d, id, r, text);
	if (peer != NULL && !kept_is_nobody(peer))
		peer_message(peer, PM_RESULT, id, r, sizeof *r, text);
}

static void
refuse(struct peer *peer, uint64_t id, struct pd_kind *k,
    enum pool_status status, const char *text)
{
	struct pool_result r = { .status = (uint16_t)status };

	answer(peer, id, k, &r, text);
}

static void
job_times(struct pd_job *j, struct pool_result *r)
{
	const struct pool_job *pj = &j->pj;
	int64_t begin = pj->started_ns != 0 ? pj->started_ns : pj->ended_ns;

	if (begin > pj->queued_ns)
		r->wait_us = (uint64_t)(begin - pj->queued_ns) / 1000;
	hist_add(&j->kind->wait, r->wait_us);
	if (pj->started_ns == 0)
		return;
	r->run_us = (uint64_t)(pj->ended_ns - pj->started_ns) / 1000;
	hist_add(&j->kind->run, r->run_us);
}

static enum pool_status
end_status(const struct pd_job *j)
{
	switch ((enum pool_end)j->pj.end) {
	case POOL_CANCELLED:
		/* It may have been done just before. */
		return j->pj.started_ns != 0 && j->result == JOB_OK
			   ? PR_OK
			   : PR_CANCELLED;
	case POOL_QUEUE_TIMEOUT:
		return PR_QUEUE_TIMEOUT;
	case POOL_RUN_TIMEOUT:
		return j->result == JOB_OK ? PR_OK : PR_RUN_TIMEOUT;
	case POOL_STUCK:
		return PR_STUCK;
	case POOL_RAN:
	case POOL_BACK:
	case POOL_ENDS:
	default:
		return job_status(j);
	}
}

static void
job_answer(struct pd_job *j)
{
	struct pool_result r = { .status = (uint16_t)end_status(j) };
	bool stuck = j->pj.end == POOL_STUCK;

	/* Of a stuck one all else is still its thread's. */
	if (!stuck) {
		r.bytes_in = j->bytes_in;
		r.bytes_out = j->bytes_out;
	}
	job_times(j, &r);
	answer(j->peer, j->id, j->kind, &r, stuck ? "" : job_text(j));
}

void
jobs_collect(struct pd_pool *pool)
{
	struct daemon *d = pool->d;
	struct pool_job *pj;
	struct pd_job *j;
	bool any = false;

	while ((pj = pool_done(pool->pool)) != NULL) {
		j = (struct pd_job *)pj;
		any = true;
		if ((j->flags & PS_PROGRESS) != 0 && pj->end != POOL_BACK)
			d->watched--;
		if (pj->end != POOL_BACK)
			job_answer(j);
		job_unlink(j);
		if (pj->end == POOL_STUCK) {
			d->nstuck++;
			daemon_recycle(d);
			continue;
		}
		d->nstuck -= pj->end == POOL_BACK;
		job_release(d, j);
	}
	if (any) {
		daemon_flush_soon(d);
		peers_resume(d);
		daemon_check_end(d);
	}
}

/* --- a submit ------------------------------------------------------------- */

/* What it is, so that it is known again: kind, arguments, input. */
static uint64_t
job_print(const struct pd_job *j)
{
	uint64_t h = str_hash(j->kind->name) * 31 + j->kind->print;
	struct stat st;

	for (size_t i = 0; i < j->spec.nargs; i++)
		h = h * 31 + str_hash(j->spec.args[i]);
	if (j->spec.in.fd == -1 || fstat(j->spec.in.fd, &st) == -1)
		return h != 0 ? h : 1;
	h = h * 31 + st.st_dev;
	h = h * 31 + st.st_ino;
	h = h * 31 + (uint64_t)st.st_size;
	h = h * 31 + (uint64_t)j->spec.in.off;
	h = h * 31 + (uint64_t)j->spec.in.len;
	return h != 0 ? h : 1;
}

static void
job_strings(struct pd_job *j, const struct pool_msg *m)
{
	const struct pool_submit *s = (const struct pool_submit *)(m + 1);
	size_t n = m->len - sizeof *m - sizeof *s;
	char *p;

	j->strings = n <= sizeof j->room ? j->room : xmalloc(n);
	memcpy(j->strings, s + 1, n);
	p = j->strings;
	j->spec.kind = p;
	p += strlen(p) + 1;
	j->spec.in.name = *p != '\0' ? p : NULL;
	p += strlen(p) + 1;
	j->spec.out.name = *p != '\0' ? p : NULL;
	for (unsigned i = 0; i < s->nargs && i < JOB_ARGS_MAX; i++) {
		p += strlen(p) + 1;
		j->args[i] = p;
	}
	j->spec.args = j->args;
	j->spec.nargs = s->nargs;
}

static struct pd_buffer *
buffer_ref(struct peer *peer, unsigned i)
{
	struct pd_buffer *b = peer->buffers[i];

	if (b != NULL)
		b->refs++;
	return b;
}

/* Its own descriptors, or those of the peer's buffers: -1: no such buffer. */
static int
job_bytes_of(struct peer *peer, struct pd_job *j, const struct pool_submit *s)
{
	int next = 0, in = -1, out = -1;

	if ((s->flags & PS_IN) != 0)
		in = j->fds[next++];
	if ((s->flags & PS_OUT) != 0)
		out = j->fds[next];
	if (s->in_buffer != 0) {
		j->buffers[0] = buffer_ref(peer, s->in_buffer - 1);
		in = j->buffers[0] != NULL ? j->buffers[0]->fd : -1;
	}
	if (s->out_buffer != 0) {
		j->buffers[1] = buffer_ref(peer, s->out_buffer - 1);
		out = j->buffers[1] != NULL ? j->buffers[1]->fd : -1;
	}
	if ((s->in_buffer != 0 && in == -1) ||
	    (s->out_buffer != 0 && out == -1))
		return -1;
	j->spec.in.fd = in;
	j->spec.in.off = s->in_off;
	j->spec.in.len = s->in_len;
	j->spec.out.fd = out;
	j->spec.out.off = s->out_off;
	j->spec.out.len = s->out_len;
	return 0;
}

/*
 * One that was draining when this one began may have died since: its board is
 * read when the first of its clients asks.
 */
static struct board_entry *
job_find_end(struct peer *peer, const struct pd_job *j)
{
	struct board *b = peer->d->board;
	struct board_entry *e = board_take_end(b, peer->session, j->id);

	if (e != NULL || peer->looked)
		return e;
	peer->looked = true;
	return board_collect(b) > 0 ? board_take_end(b, peer->session, j->id)
				    : NULL;
}

/* It ran when a pool died, or had ended.  True: that is its answer. */
static bool
job_has_ended(struct peer *peer, struct pd_job *j)
{
	struct daemon *d = peer->d;
	struct board_entry *e = job_find_end(peer, j);
	bool again;

	if (e == NULL)
		return false;
	again = (j->flags & PS_RETRY) != 0 &&
		(e->result.status == PR_CRASHED || e->result.status == PR_LOST);
	if (again)
		j->spec.attempt = 2;
	else
		answer(peer, j->id, j->kind, &e->result, e->text);
	job_told(d, e);
	d->tidy = true;
	daemon_flush_soon(d);
	return !again;
}

/* For the log of the pool after this one. */
static void
job_name(struct pd_job *j)
{
	const char *input = j->spec.in.name != NULL ? j->spec.in.name : "";
	size_t n = strlen(input), max = sizeof j->board.input - 1;

	(void)memccpy(
	    j->board.kind, j->kind->name, '\0', sizeof j->board.kind - 1);
	/* Of a long path, its end. */
	if (n > max)
		input += n - max;
	memcpy(j->board.input, input, (n > max ? max : n) + 1);
}

/* True: it need not run. */
static bool
job_is_settled(struct peer *peer, struct pd_job *j)
{
	struct daemon *d = peer->d;

	if (d->draining) {
		refuse(peer, j->id, NULL, PR_MOVED, "");
		return true;
	}
	if (j->kind == NULL) {
		refuse(peer, j->id, NULL, PR_REFUSED, "there is no such kind");
		return true;
	}
	if (peer->guest && pool_kind_acts(j->kind->name)) {
		refuse(peer, j->id, j->kind, PR_REFUSED,
		    "it acts with the rights of the pool: allow_jobs is not "
		    "enough");
		return true;
	}
	if (j->spec.nargs > JOB_ARGS_MAX) {
		refuse(
		    peer, j->id, j->kind, PR_REFUSED, "more than 32 arguments");
		return true;
	}
	j->board.print = job_print(j);
	job_name(j);
	if ((j->flags & PS_AGAIN) != 0 && job_has_ended(peer, j))
		return true;
	if (!board_is_poison(d->board, j->board.print))
		return false;
	refuse(
	    peer, j->id, j->kind, PR_POISONED, "it has killed the pool twice");
	return true;
}

static void
job_enqueue(struct peer *peer, struct pd_job *j, const struct pool_submit *s)
{
	struct daemon *d = peer->d;
	struct pd_kind *k = j->kind;
	struct pool_stats st;
	struct pool_result r = { .status = PR_FULL };
	uint32_t q = s->queue_timeout_ms, t = s->run_timeout_ms;

	j->pj.run = job_run_here;
	j->pj.cls = &k->cls;
	j->pj.priority = s->priority;
	j->pj.queue_timeout_ns =
	    INT64_C(1000000) * (q != 0 ? q : k->queue_timeout_ms);
	j->pj.run_timeout_ns =
	    INT64_C(1000000) * (t != 0 ? t : k->run_timeout_ms);
	if (pool_submit(k->pool->pool, &j->pj) == 0) {
		job_link(peer, j);
		if ((j->flags & PS_PROGRESS) != 0 && d->watched++ == 0)
			loop_timer_start(&d->progress, PROGRESS_MS);
		return;
	}
	pool_get_stats(k->pool->pool, &st);
	r.queued = st.queued;
	answer(peer, j->id, k, &r, "the queue is full");
	job_release(d, j);
}

int
job_submit(struct peer *peer, const struct pool_msg *m, const int *fds,
    const char **why)
{
	const struct pool_submit *s = (const struct pool_submit *)(m + 1);
	struct daemon *d = peer->d;
	struct pd_job *j = job_new(d);

	j->id = j->board.id = m->id;
	j->serial = ++d->serial;
	memcpy(j->board.session, peer->session, sizeof j->board.session);
	j->flags = s->flags;
	peer->keeps = peer->keeps || (j->flags & PS_KEEP) != 0;
	for (unsigned i = 0; i < m->nfds; i++)
		j->fds[j->nfds++] = fds[i];
	job_strings(j, m);
	j->spec.id = m->id;
	j->spec.attempt = 1;
	j->spec.cancel = &j->pj.stop;
	j->spec.progress = &j->progress;
	j->kind = kinds_find(d, j->spec.kind);
	*why = job_bytes_of(peer, j, s) == -1 ? "no such buffer" : NULL;
	if (peer->guest && (j->flags & PS_KEEP) != 0)
		*why = "jobs are kept for reeved alone";
	for (const struct pd_job *o = peer->table[m->id % PEER_BUCKETS];
	     o != NULL; o = o->chain)
		if (o->id == m->id)
			*why = "a job of that number is there";
	if (*why == NULL && !job_is_settled(peer, j))
		job_enqueue(peer, j, s);
	else
		job_release(d, j);
	return *why == NULL ? 0 : -1;
}

/* --- orders --------------------------------------------------------------- */

void
job_cancel(struct peer *peer, uint64_t id)
{
	struct pd_job *j = job_find(peer, id);

	if (j != NULL)
		pool_cancel(j->kind->pool->pool, &j->pj);
}

void
job_forget_all(struct peer *peer)
{
	struct pd_job *j;

	while ((j = peer->jobs) != NULL) {
		if ((j->flags & PS_KEEP) != 0) {
			j->stays = true;
			job_give(j, kept_nobody(peer->d));
			continue;
		}
		job_unlink(j);
		pool_cancel(j->kind->pool->pool, &j->pj);
	}
}

void
jobs_move(struct daemon *d)
{
	struct pd_job *j, *next;

	for (struct peer *p = d->peers; p != NULL; p = p->next)
		for (j = p->jobs; j != NULL; j = next) {
			next = j->next;
			if (j->stays ||
			    !pool_withdraw(j->kind->pool->pool, &j->pj))
				continue;
			d->watched -= (j->flags & PS_PROGRESS) != 0;
			refuse(p, j->id, NULL, PR_MOVED, "");
			job_unlink(j);
			job_release(d, j);
		}
	daemon_flush_soon(d);
}

static void
job_tell_progress(struct pd_job *j)
{
	char text[JOB_TEXT_MAX + 1];
	struct pool_progress pr = { 0, 0 };
	uint32_t seq = atomic_load(&j->progress.seq);

	if ((j->flags & PS_PROGRESS) == 0)
		return;
	pr.percent =
	    (uint32_t)job_progress_get(&j->progress, text, sizeof text);
	/* The text has a number of its own; the percentage has none. */
	if (seq == j->told_seq && pr.percent == j->told_percent)
		return;
	j->told_seq = seq;
	j->told_percent = pr.percent;
	peer_message(j->peer, PM_PROGRESS, j->id, &pr, sizeof pr, text);
}

void
jobs_progress(struct daemon *d)
{
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		for (struct pd_job *j = p->jobs; j != NULL; j = j->next)
			job_tell_progress(j);
	daemon_flush_soon(d);
	if (d->watched > 0)
		loop_timer_start(&d->progress, PROGRESS_MS);
}

void
jobs_free_spare(struct daemon *d)
{
	struct pd_job *j;

	while ((j = d->spare) != NULL) {
		d->spare = j->next;
		free(j);
	}
}
