/*
 * kept - jobs that outlive the connection that submitted them.
 *
 * The engine submits them for clients that speak JSON-RPC, and may be killed
 * at any instruction: the job goes on here, its end is kept, among the last
 * ones, and the engine after that asks for it by its number (PM_WAIT).
 */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "reeve-pool.h"

#define KEPT_ENDS 1024

struct kept_end {
	uint64_t id; /* 0: none */
	struct pool_result result;
	char *text;
};

struct kept {
	struct peer nobody; /* whose jobs they are meanwhile */
	struct kept_end ends[KEPT_ENDS];
	size_t next;
};

static struct kept *
kept_of(struct daemon *d)
{
	if (d->kept == NULL) {
		d->kept = xcalloc(1, sizeof *d->kept);
		d->kept->nobody.d = d;
		d->kept->nobody.fd = -1;
		d->kept->nobody.keeps = true;
	}
	return d->kept;
}

struct peer *
kept_nobody(struct daemon *d)
{
	return &kept_of(d)->nobody;
}

bool
kept_is_nobody(const struct peer *p)
{
	return p->fd == -1;
}

void
kept_end(struct daemon *d, uint64_t id, const struct pool_result *r,
    const char *text)
{
	struct kept *k = kept_of(d);
	struct kept_end *e = &k->ends[k->next++ % KEPT_ENDS];

	free(e->text);
	*e = (struct kept_end){ id, *r, xstrdup(text) };
}

static const struct kept_end *
kept_find(struct daemon *d, uint64_t id)
{
	for (size_t i = 0; d->kept != NULL && i < KEPT_ENDS; i++)
		if (d->kept->ends[i].id == id)
			return &d->kept->ends[i];
	return NULL;
}

/* With nobody, or with a client whose end has not been read yet. */
static struct pd_job *
kept_job(struct daemon *d, uint64_t id)
{
	struct pd_job *j =
	    d->kept != NULL ? job_find(&d->kept->nobody, id) : NULL;

	for (struct peer *p = d->peers; p != NULL && j == NULL; p = p->next) {
		j = job_find(p, id);
		if (j != NULL && (j->flags & PS_KEEP) == 0)
			j = NULL;
	}
	return j;
}

void
kept_wait(struct peer *p, uint64_t id)
{
	struct pool_result lost = { .status = PR_LOST };
	const struct kept_end *e = kept_find(p->d, id);
	struct pd_job *j = e == NULL ? kept_job(p->d, id) : NULL;

	p->keeps = true;
	if (j != NULL) {
		/* Its descriptors are here alone: it is never given back. */
		j->stays = j->stays || j->peer != p;
		job_give(j, p);
	} else if (e != NULL) {
		peer_message(
		    p, PM_RESULT, id, &e->result, sizeof e->result, e->text);
	} else {
		peer_message(p, PM_RESULT, id, &lost, sizeof lost,
		    "there is no such job, or its end was forgotten");
	}
}

void
kept_free(struct daemon *d)
{
	for (size_t i = 0; d->kept != NULL && i < KEPT_ENDS; i++)
		free(d->kept->ends[i].text);
	free(d->kept);
	d->kept = NULL;
}
