/*
 * usage - CPU time and memory of slots, from proc(5): the daemon is not asked.
 *
 * A slot's are those of its instance and of whoever descends from it or is in
 * its session: instances have one of their own.  Memory is what is resident;
 * pages that two processes share count for both.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "reevectl.h"

#define USAGE_DEPTH 64 /* of descent */

struct usage_proc {
	pid_t pid, parent, session;
	uint64_t start; /* with the pid: that process and no other */
	uint64_t ticks; /* of CPU time */
	int64_t rss;    /* bytes */
};

struct usage_sample {
	struct usage_proc *v; /* by pid */
	size_t n, cap;
	mono_ms at;
};

struct usage {
	struct usage_sample now, before;
	int64_t ticks_per_s, page;
};

static bool
usage_parse(struct usage_proc *p, const char *text)
{
	/* The name may hold blanks and brackets: begin behind the last. */
	const char *s = strrchr(text, ')');
	unsigned long long user, system, start;
	long long rss;

	if (s == NULL ||
	    sscanf(s + 1,
		" %*c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d"
		" %*d %*d %*d %*d %llu %*u %lld",
		&p->parent, &p->session, &user, &system, &start, &rss) != 6)
		return false;
	p->ticks = user + system;
	p->start = start;
	p->rss = rss;
	return true;
}

static void
usage_read_one(struct usage_sample *s, pid_t pid, int64_t page)
{
	struct usage_proc p = { .pid = pid };
	char path[64], text[1024];
	FILE *f;
	size_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return;
	n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	if (!usage_parse(&p, text))
		return;
	p.rss *= page;
	if (s->n == s->cap) {
		s->cap = s->cap != 0 ? 2 * s->cap : 256;
		s->v = xreallocarray(s->v, s->cap, sizeof *s->v);
	}
	s->v[s->n++] = p;
}

static int
usage_compare(const void *a, const void *b)
{
	const struct usage_proc *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

static const struct usage_proc *
usage_find(const struct usage_sample *s, pid_t pid)
{
	struct usage_proc key = { .pid = pid };

	return s->n == 0 ? NULL
			 : bsearch(&key, s->v, s->n, sizeof key, usage_compare);
}

struct usage *
usage_new(void)
{
	struct usage *u = xcalloc(1, sizeof *u);

	u->ticks_per_s = sysconf(_SC_CLK_TCK);
	u->page = sysconf(_SC_PAGESIZE);
	return u;
}

void
usage_free(struct usage *u)
{
	if (u == NULL)
		return;
	free(u->now.v);
	free(u->before.v);
	free(u);
}

void
usage_look(struct usage *u)
{
	struct usage_sample old = u->before;
	DIR *d = opendir("/proc");
	const struct dirent *e;

	u->before = u->now;
	u->now = old;
	u->now.n = 0;
	u->now.at = clock_mono_ms();
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			usage_read_one(&u->now, atoi(e->d_name), u->page);
	if (d != NULL)
		closedir(d);
	if (u->now.n > 0)
		qsort(u->now.v, u->now.n, sizeof *u->now.v, usage_compare);
}

/* Whose p is; NULL: no slot's. */
static struct row *
usage_owner(const struct usage *u, const struct usage_proc *p,
    struct row *const *by_pid, size_t n)
{
	for (int i = 0; p != NULL && i < USAGE_DEPTH; i++) {
		const pid_t may_be[] = { p->pid, p->session };

		for (size_t k = 0; k < 2; k++) {
			size_t low = 0, high = n;

			while (low < high) {
				size_t mid = (low + high) / 2;
				int64_t pid =
				    row_int(by_pid[mid], FIELD_PID, 0);

				if (pid == may_be[k])
					return by_pid[mid];
				if (pid < may_be[k])
					low = mid + 1;
				else
					high = mid;
			}
		}
		p = usage_find(&u->now, p->parent);
	}
	return NULL;
}

/* What it has used since the look before; one that is new, in all. */
static uint64_t
usage_ticks(const struct usage *u, const struct usage_proc *p)
{
	const struct usage_proc *old = usage_find(&u->before, p->pid);

	if (old == NULL || old->start != p->start)
		return p->ticks;
	return p->ticks > old->ticks ? p->ticks - old->ticks : 0;
}

static int
usage_by_pid(const void *a, const void *b)
{
	int64_t x = row_int(*(struct row *const *)a, FIELD_PID, 0);
	int64_t y = row_int(*(struct row *const *)b, FIELD_PID, 0);

	return (x > y) - (x < y);
}

void
usage_fill(const struct usage *u, struct rows *rs)
{
	struct row **by_pid = xcalloc(rs->n + 1, sizeof *by_pid);
	int64_t span = u->now.at - u->before.at;
	size_t n = 0;

	for (size_t i = 0; i < rs->n; i++) {
		struct row *row = &rs->v[i];
		int64_t pid = row_int(row, FIELD_PID, 0);

		row->cpu = row->memory = -1;
		if (pid <= 0 || usage_find(&u->now, (pid_t)pid) == NULL)
			continue;
		row->memory = 0;
		row->cpu = u->before.at != 0 && span > 0 ? 0 : -1;
		by_pid[n++] = row;
	}
	qsort(by_pid, n, sizeof *by_pid, usage_by_pid);
	for (size_t i = 0; i < u->now.n; i++) {
		const struct usage_proc *p = &u->now.v[i];
		struct row *row = usage_owner(u, p, by_pid, n);

		if (row == NULL)
			continue;
		row->memory += p->rss;
		if (row->cpu != -1)
			row->cpu += (int64_t)usage_ticks(u, p) * 1000 * 1000 /
				    u->ticks_per_s / span;
	}
	free(by_pid);
}
