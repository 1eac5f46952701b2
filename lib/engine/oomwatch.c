/*
 * oomwatch - OOM kills among the processes of an instance that lives on.
 *
 * The kernel says that an instance's memory.events has changed (inotify).
 * That it does up to a hundred times a second where memory is short, and a
 * death of the instance itself, which tells of its own cause, may come a moment
 * later: so the watch is for one change, and a while after it the file is read
 * and watched again.  Only where the cgroup counts, which is version 2 with the
 * controller memory.  What was killed while no engine was there is told by the
 * instance's death alone.
 */
#include <sys/inotify.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

#define OOMWATCH_PAUSE_MS 250

struct oomwatch {
	LIST_ENTRY(oomwatch) entry;
	struct inst *in;
	int wd;       /* -1: none */
	bool due;     /* it has changed */
	int64_t told; /* of its count, at told_ms */
	mono_ms told_ms;
};

struct oomwatches {
	struct engine *en;
	int fd; /* -1: none is to be had */
	struct loop_io io;
	struct loop_timer timer;
	LIST_HEAD(, oomwatch) list;
};

static void
oomwatch_tell(struct oomwatch *ow, int64_t now)
{
	const struct slot *sl = ow->in->slot;
	long long n = now - ow->told, all = now - ow->in->oom_kills;
	char sum[48] = "";

	if (all > n)
		snprintf(sum, sizeof sum, ", %lld since it was started", all);
	log_warnx("%s: out of memory: the kernel's OOM killer ended %lld of "
		  "its processes%s",
	    sl->name, n, sum);
	engine_event(sl->prog->en, sl->name, "oom",
	    "out of memory: the kernel's OOM killer ended %lld of its "
	    "processes%s",
	    n, sum);
}

static void
oomwatch_look(struct oomwatch *ow)
{
	struct oomwatches *all = ow->in->slot->prog->en->oomwatches;
	int64_t now;

	ow->due = false;
	/* Watched first, so that no change falls between. */
	ow->wd = tree_watch_oom(&ow->in->tree, all->fd);
	now = tree_oom_kills(&ow->in->tree);
	if (now > ow->told)
		oomwatch_tell(ow, now);
	if (now != -1)
		ow->told = now;
	ow->told_ms = loop_now(all->en->lp);
}

static void
oomwatch_on_timer(struct loop_timer *t, void *arg)
{
	struct oomwatches *all = arg;
	struct oomwatch *ow;

	(void)t;
	LIST_FOREACH(ow, &all->list, entry)
		if (ow->due)
			oomwatch_look(ow);
}

static void
oomwatch_changed(struct oomwatches *all, int wd)
{
	struct oomwatch *ow;

	LIST_FOREACH(ow, &all->list, entry) {
		if (ow->wd != wd)
			continue;
		ow->wd = -1; /* it was for one change */
		ow->due = true;
		if (!loop_timer_active(&all->timer))
			loop_timer_start(&all->timer, OOMWATCH_PAUSE_MS);
	}
}

static void
oomwatch_on_io(struct loop_io *io, int events, void *arg)
{
	union {
		struct inotify_event ev;
		char bytes[4096];
	} buf;
	const struct inotify_event *ev;
	struct oomwatches *all = arg;
	ssize_t n = read(all->fd, &buf, sizeof buf);

	(void)io;
	(void)events;
	for (char *p = buf.bytes; n > 0 && p < buf.bytes + n;
	     p += sizeof *ev + ev->len) {
		ev = (const struct inotify_event *)(void *)p;
		if ((ev->mask & IN_MODIFY) != 0)
			oomwatch_changed(all, ev->wd);
	}
}

static struct oomwatches *
oomwatch_get(struct engine *en)
{
	struct oomwatches *all = en->oomwatches;

	if (all != NULL)
		return all;
	all = en->oomwatches = xcalloc(1, sizeof *all);
	all->en = en;
	LIST_INIT(&all->list);
	loop_timer_init(&all->timer, en->lp, oomwatch_on_timer, all);
	all->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (all->fd == -1) {
		log_warn("watch for OOM kills: inotify_init1");
		return all;
	}
	loop_io_init(&all->io, en->lp, all->fd, LOOP_READ, oomwatch_on_io, all);
	loop_io_start(&all->io);
	return all;
}

void
oomwatch_start(struct inst *in, int64_t told)
{
	struct oomwatches *all;
	struct oomwatch *ow;
	int wd;

	if (in->oom_kills == -1 || in->dead || in->oomwatch != NULL)
		return;
	all = oomwatch_get(in->slot->prog->en);
	wd = all->fd != -1 ? tree_watch_oom(&in->tree, all->fd) : -1;
	if (wd == -1)
		return;
	ow = in->oomwatch = xcalloc(1, sizeof *ow);
	ow->in = in;
	ow->wd = wd;
	ow->told = told;
	ow->told_ms = loop_now(all->en->lp);
	LIST_INSERT_HEAD(&all->list, ow, entry);
}

void
oomwatch_stop(struct inst *in)
{
	struct oomwatch *ow = in->oomwatch, *other;
	bool shared = false;

	if (ow == NULL)
		return;
	LIST_REMOVE(ow, entry);
	/* One that has its cgroup after it has its number as well. */
	LIST_FOREACH(other, &in->slot->prog->en->oomwatches->list, entry)
		shared = shared || other->wd == ow->wd;
	if (ow->wd != -1 && !shared)
		inotify_rm_watch(in->slot->prog->en->oomwatches->fd, ow->wd);
	free(ow);
	in->oomwatch = NULL;
}

int64_t
oomwatch_told(const struct inst *in, mono_ms before)
{
	return in->oomwatch != NULL && in->oomwatch->told_ms < before
		   ? in->oomwatch->told
		   : in->oom_kills;
}

void
oomwatch_free(struct engine *en)
{
	struct oomwatches *all = en->oomwatches;

	if (all == NULL)
		return;
	loop_timer_stop(&all->timer);
	if (all->fd != -1)
		loop_io_stop(&all->io);
	fd_closep(&all->fd);
	free(all);
	en->oomwatches = NULL;
}
