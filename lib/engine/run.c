/*
 * run - a command of a client's.  See run.h.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"
#include "engine/queued.h"
#include "engine/run.h"
#include "engine/slots.h"

#define RUN_ALONE_MS 10000   /* without a client, after an engine's death */
#define RUN_JOBS     "+jobs" /* end of a label */
#define RUN_TERM_MS  2000    /* its client is gone: TERM to KILL */

struct run {
	LIST_ENTRY(run) entry;
	struct engine *en;
	uid_t owner;
	char key[RUN_KEY_MAX + 1];
	struct task *task;
	struct channel *channel; /* NULL: none */
	bool gone;               /* its process is; end is valid */
	bool over;               /* all of it is */
	bool leaving;            /* nobody asks for it any more */
	bool started;            /* the client was told */
	bool told_gone;          /* that as well */
	bool jobs;               /* knows of the jobserver */
	pid_t pid;               /* of one that we have started, for ever */
	struct task_end end;
	const struct run_ops *ops; /* NULL: no client */
	void *arg;
	struct loop_timer timer;
	struct loop_task tell;
};

/* Its end, too, must be known before the jobserver may be filled anew. */
static void
run_has_jobs(struct run *r)
{
	r->jobs = true;
	slots_enter(queued_slots(r->en));
}

static void
run_free(struct run *r)
{
	loop_timer_stop(&r->timer);
	loop_task_cancel(r->en->lp, &r->tell);
	LIST_REMOVE(r, entry);
	channel_free(r->channel);
	/* The keeper forgets it with this. */
	if (r->over)
		task_release(r->task);
	else
		task_disown(r->task);
	free(r);
}

static void
run_on_tell(void *arg)
{
	struct run *r = arg;
	const struct run_ops *ops = r->ops;

	if (ops == NULL)
		return;
	/* What it has to say of its end comes in this turn: all in one. */
	if (!r->started && !r->gone && !r->over && task_is_over(r->task))
		return;
	/* It may be gone by now: who starts and ends in one turn did start. */
	if (!r->started && r->pid != 0) {
		r->started = true;
		ops->started(r->arg, r->pid);
	}
	if (r->gone && !r->told_gone && r->ops != NULL) {
		r->told_gone = true;
		ops->gone(r->arg, &r->end);
	}
	if (r->over && r->ops != NULL)
		ops->done(r->arg, &r->end);
}

static void
run_on_timer(struct loop_timer *t, void *arg)
{
	struct run *r = arg;

	(void)t;
	if (r->over) {
		run_free(r);
	} else if (r->leaving) {
		task_kill(r->task);
	} else {
		log_info("the client of command %s has not come back, it is "
			 "ended",
		    r->key);
		run_leave(r);
	}
}

static void
run_on_news(void *arg, const struct task_end *end)
{
	struct run *r = arg;

	if (end == NULL) {
		r->pid = task_pid(r->task);
		if (r->channel != NULL)
			channel_start(r->channel, r->pid);
		loop_task_queue(r->en->lp, &r->tell);
		return;
	}
	if (r->channel != NULL)
		channel_finish(r->channel);
	r->over = true;
	r->end = *end;
	if (r->jobs)
		slots_leave(queued_slots(r->en));
	task_hold(r->task);
	if (r->leaving)
		loop_timer_start(&r->timer, 0);
	else if (r->ops != NULL)
		loop_task_queue(r->en->lp, &r->tell);
	else
		loop_timer_start(&r->timer, RUN_ALONE_MS);
}

static void
run_on_done(void *arg, const struct task_end *end)
{
	run_on_news(arg, end);
}

static void
run_on_started(void *arg)
{
	run_on_news(arg, NULL);
}

static void
run_on_gone(void *arg, const struct task_end *end)
{
	struct run *r = arg;

	r->gone = true;
	r->end = *end;
	if (r->ops != NULL)
		loop_task_queue(r->en->lp, &r->tell);
}

static struct run *
run_new(struct engine *en, uid_t owner, const char *key)
{
	struct run *r = xcalloc(1, sizeof *r);

	r->en = en;
	r->owner = owner;
	snprintf(r->key, sizeof r->key, "%s", key);
	loop_timer_init(&r->timer, en->lp, run_on_timer, r);
	loop_task_init(&r->tell, run_on_tell, r);
	LIST_INSERT_HEAD(&en->runs, r, entry);
	return r;
}

static void
run_tree_name(const struct run *r, char *out, size_t size)
{
	snprintf(out, size, "run.%u.%s", (unsigned)r->owner, r->key);
}

static size_t
run_limits(struct spec_rlimit *limits, struct engine *en,
    const struct run_request *req)
{
	size_t n = req->nrlimits;
	struct rlimit now;

	memcpy(limits, req->rlimits, n * sizeof *limits);
	for (size_t i = 0; i < n; i++)
		if (limits[i].resource == RLIMIT_NOFILE)
			return n;
	/* We raised our own; a child gets what we got. */
	if (getrlimit(RLIMIT_NOFILE, &now) == 0) {
		limits[n].resource = RLIMIT_NOFILE;
		limits[n].limit.rlim_cur =
		    keeperlink_welcome(en->kl)->soft_nofile;
		limits[n++].limit.rlim_max = now.rlim_max;
	}
	return n;
}

static void
run_fill(struct spec *sp, struct engine *en, const struct run_request *req,
    struct spec_rlimit *limits)
{
	spec_init(sp);
	sp->path = req->path;
	sp->argv = req->argv;
	sp->directory = req->directory;
	sp->umask = req->umask;
	sp->nice = req->nice;
	sp->flags = SPEC_KILL_GROUP | (req->tty ? SPEC_TTY : 0);
	if (en->oom_score_adj != 0)
		sp->oom_score_adj = 0;
	sp->set_ids = req->set_ids;
	sp->uid = req->uid;
	sp->gid = req->gid;
	sp->groups = req->groups;
	sp->ngroups = req->ngroups;
	sp->rlimits = limits;
	sp->nrlimits = run_limits(limits, en, req);
}

#define RUN_ENV_OWN 5 /* variables of ours, at most */

/* What a spawn is made of, besides its spec. */
struct run_parts {
	struct spec_fd fds[6];
	size_t nfds;
	int pass[7]; /* borrowed */
	size_t npass;
	char **env; /* the request's, borrowed, and those of own */
	size_t nenv;
	char *own[RUN_ENV_OWN];
	size_t nown;
	struct slots_told told;
};

/* In place of the request's, wherever that stands. */
static void
run_env_set(struct run_parts *rp, const char *key, const char *value)
{
	size_t at, len = strlen(key);

	BUG_ON(rp->nown == RUN_ENV_OWN);
	for (at = 0; at < rp->nenv; at++)
		if (strncmp(rp->env[at], key, len) == 0 &&
		    rp->env[at][len] == '=')
			break;
	if (at == rp->nenv)
		rp->env[++rp->nenv] = NULL;
	rp->env[at] = rp->own[rp->nown++] = xasprintf("%s=%s", key, value);
}

/* A client that is a task itself does not hand on whose it is. */
static void
run_env(struct run_parts *rp, const struct run_request *req)
{
	char number[24];
	size_t n = 0;

	while (req->envp[n] != NULL)
		n++;
	rp->env = xreallocarray(NULL, n + RUN_ENV_OWN + 1, sizeof *rp->env);
	for (char **e = req->envp; *e != NULL; e++)
		if (!str_starts(*e, "REEVE_TASK_ID="))
			rp->env[rp->nenv++] = *e;
	rp->env[rp->nenv] = NULL;
	snprintf(number, sizeof number, "%llu", (unsigned long long)req->task);
	if (req->task != 0)
		run_env_set(rp, "REEVE_TASK_ID", number);
}

static void
run_part_fd(struct run_parts *rp, int target, int fd)
{
	rp->fds[rp->nfds] = (struct spec_fd){ target, SPEC_FD_NULL, 0 };
	if (fd != -1) {
		rp->fds[rp->nfds].from = SPEC_FD_MESSAGE;
		rp->fds[rp->nfds].value = (int)rp->npass;
		rp->pass[rp->npass++] = fd;
	}
	rp->nfds++;
}

/* For another user's command, folders may be closed that are not for us. */
static bool
run_may_open(const struct run_request *req)
{
	return !req->set_ids || req->uid == 0 || req->uid == geteuid();
}

static void
run_jobserver(
    struct engine *en, const struct run_request *req, struct run_parts *rp)
{
	struct slots_told *told = &rp->told;

	slots_tell(queued_slots(en), req->envp, run_may_open(req), told);
	if (told->makeflags == NULL)
		return;
	run_env_set(rp, "MAKEFLAGS", told->makeflags);
	slots_drop_bare_j(req->argv);
	if (told->fds) {
		run_part_fd(rp, SLOTS_FD, told->rd);
		run_part_fd(rp, SLOTS_FD + 1, told->wr);
	}
}

void
run_spawn(struct engine *en, struct task *t, const struct run_request *req,
    const char *label)
{
	struct run_parts rp = { .told = { .rd = -1, .wr = -1 } };
	struct spec_rlimit limits[RLIM_NLIMITS + 1];
	struct spec sp;
	const char *mark;
	int dir;

	run_fill(&sp, en, req, limits);
	/* A task of the queue of which nobody was told that it started is
	 * begun again when the keeper is killed: it is told at once. */
	if (req->key != NULL)
		sp.flags |= SPEC_LATE;
	sp.label = label;
	for (int i = 0; i < 3; i++)
		run_part_fd(&rp, i, req->fds[i]);
	run_env(&rp, req);
	if (req->ipc != NULL) {
		run_part_fd(&rp, 3, req->ipc_fd);
		run_env_set(&rp, "NODE_CHANNEL_FD", "3");
		run_env_set(&rp, "NODE_CHANNEL_SERIALIZATION_MODE", "json");
	}
	if (req->jobserver)
		run_jobserver(en, req, &rp);
	dir = task_tree(t, &mark);
	if (dir != -1) {
		rp.pass[rp.npass++] = dir;
		sp.flags |= SPEC_CGROUP;
	} else {
		run_env_set(&rp, "REEVE_TREE", mark);
	}
	sp.fds = rp.fds;
	sp.nfds = rp.nfds;
	sp.envp = rp.env;
	task_spawn(t, &sp, rp.pass, rp.npass);
	task_set_timeout(t, req->timeout_ms);
	slots_told_fini(&rp.told);
	for (size_t i = 0; i < rp.nown; i++)
		free(rp.own[i]);
	free(rp.env);
}

/* Names of channels begin so, and in the store they end with the child's id. */
#define RUN_CHANNEL "run:"

static void
run_channel_who(struct channel_who *who, const struct run *r, const char *name)
{
	who->name = name;
	who->id = task_id(r->task);
	who->generation = (uint32_t)who->id;
}

const struct channel_limits run_channel_limits = {
	.max = 1024 * 1024,
	.queue = 1000,
	.rate = { 10000, 1000 },
};

static int
run_open_channel(struct run *r, struct run_request *req, struct err *err)
{
	const struct channel *other;
	char name[MSGLOG_NAME_MAX];
	struct channel_who who;

	snprintf(name, sizeof name, RUN_CHANNEL "%s", req->ipc);
	other = channel_find(r->en, name);
	if (other != NULL && channel_is_open(other))
		return err_set(err, "there is a channel %s", name);
	run_channel_who(&who, r, name);
	r->channel = channel_new(
	    r->en, &who, &run_channel_limits, &req->ipc_fd, NULL, NULL, err);
	return r->channel != NULL ? 0 : -1;
}

/* Its name is known from the store: "ipc:run:NAME#ID". */
static void
run_adopt_channel(struct run *r)
{
	char name[MSGLOG_NAME_MAX], end[32];
	struct keeperlink *kl = r->en->kl;
	struct channel_who who;

	snprintf(end, sizeof end, "#%u", (uint32_t)task_id(r->task));
	for (unsigned i = 1; i < keeperlink_top(kl); i++) {
		const char *s = keeperlink_name(kl, i);

		if (s == NULL || !str_starts(s, "ipc:" RUN_CHANNEL) ||
		    !str_ends(s, end))
			continue;
		snprintf(name, sizeof name, "%.*s",
		    (int)(strlen(s) - strlen(end) - 4), s + 4);
		run_channel_who(&who, r, name);
		r->channel =
		    channel_adopt(r->en, &who, &run_channel_limits, NULL, NULL);
		if (task_pid(r->task) != 0)
			channel_start(r->channel, task_pid(r->task));
		return;
	}
}

struct run *
run_start(struct engine *en, uid_t owner, const struct run_request *asked,
    const struct run_ops *ops, void *arg, struct err *err)
{
	struct run *r = run_new(en, owner, asked->key);
	char label[SPEC_LABEL_MAX + 1], tree[SLOT_NAME_MAX];
	struct run_request copy = *asked, *req = &copy;

	req->ipc_fd = -1;
	r->ops = ops;
	r->arg = arg;
	run_tree_name(r, tree, sizeof tree);
	r->task = task_new(en, tree, 0, run_on_done, r);
	snprintf(label, sizeof label, RUN_LABEL "%u.%s%s@%llu~%lld",
	    (unsigned)owner, r->key, req->jobserver ? RUN_JOBS : "",
	    (unsigned long long)task_share_tree(r->task),
	    (long long)req->timeout_ms);
	task_on_start(r->task, run_on_started);
	task_on_gone(r->task, run_on_gone);
	if (req->ipc != NULL && run_open_channel(r, req, err) == -1) {
		LIST_REMOVE(r, entry);
		task_free(r->task);
		free(r);
		return NULL;
	}
	if (req->jobserver)
		run_has_jobs(r);
	run_spawn(en, r->task, req, label);
	fd_closep(&req->ipc_fd);
	return r;
}

struct run *
run_find(struct engine *en, uid_t owner, const char *key)
{
	struct run *r;

	LIST_FOREACH(r, &en->runs, entry)
		if (r->owner == owner && !r->leaving &&
		    strcmp(r->key, key) == 0)
			return r;
	return NULL;
}

bool
run_is_taken(struct engine *en, uid_t owner, const char *key)
{
	const struct run *r = run_find(en, owner, key);

	return r != NULL && r->ops != NULL;
}

/* The engine before this one knew what it is: for the reason why it did not
 * start. */
static void
run_recall(struct run *r, const struct run_request *req)
{
	struct spec_rlimit limits[RLIM_NLIMITS + 1];
	const struct task_end *end;
	struct spec sp;

	run_fill(&sp, r->en, req, limits);
	sp.envp = req->envp;
	end = task_recall(r->task, &sp);
	if (r->over)
		r->end = *end;
}

struct run *
run_resume(struct engine *en, uid_t owner, const char *key,
    const struct run_request *req, const struct run_ops *ops, void *arg)
{
	struct run *r = run_find(en, owner, key);

	if (r == NULL || r->ops != NULL)
		return NULL;
	if (req != NULL)
		run_recall(r, req);
	r->ops = ops;
	r->arg = arg;
	r->started = r->told_gone = false; /* not this client */
	loop_timer_stop(&r->timer);
	loop_task_queue(en->lp, &r->tell);
	return r;
}

const char *
run_failed_path(const struct run *r)
{
	return task_failed_path(r->task);
}

void
run_leave(struct run *r)
{
	r->ops = NULL;
	r->leaving = true;
	loop_task_cancel(r->en->lp, &r->tell);
	if (r->over) {
		loop_timer_start(&r->timer, 0);
		return;
	}
	task_signal(r->task, SIGTERM);
	task_signal(r->task, SIGCONT);
	loop_timer_start(&r->timer, RUN_TERM_MS);
}

void
run_signal(struct run *r, int signo)
{
	task_signal(r->task, signo);
}

void
run_end_all(struct engine *en)
{
	struct run *r, *next;

	for (r = LIST_FIRST(&en->runs); r != NULL; r = next) {
		next = LIST_NEXT(r, entry);
		if (!r->over)
			task_kill(r->task);
		else if (r->ops == NULL)
			run_free(r);
	}
}

/* The number behind the @; 0: a tree without a cgroup. */
static uint64_t
run_adopted_tree(const char *label)
{
	const char *at = strrchr(label, '@');

	return at != NULL ? strtoull(at + 1, NULL, 10) : 0;
}

/* It is what the command may take, not what an engine lives to see. */
static int64_t
run_adopted_timeout(const char *label)
{
	const char *at = strchr(label, '~');

	return at != NULL ? strtoll(at + 1, NULL, 10) : 0;
}

/* "!q:1000.KEY@7~0", "!q:1000.KEY+jobs@7~5000": its tree, its timeout */
bool
run_adopt(struct engine *en, const struct orphan *o)
{
	char key[RUN_KEY_MAX + 1], tree[SLOT_NAME_MAX];
	unsigned uid;
	struct run *r;

	_Static_assert(RUN_KEY_MAX == 40, "the width below");
	if (sscanf(o->label, RUN_LABEL "%u.%40[0-9A-Za-z]", &uid, key) != 2)
		return false;
	r = run_new(en, uid, key);
	r->pid = o->pid;
	if (strstr(o->label, RUN_JOBS) != NULL)
		run_has_jobs(r);
	run_tree_name(r, tree, sizeof tree);
	r->task = task_adopt(
	    en, tree, 0, o->id, o->pid, o->started_ms, run_on_done, r);
	task_adopt_shared(r->task, run_adopted_tree(o->label));
	task_set_timeout(r->task, run_adopted_timeout(o->label));
	task_on_start(r->task, run_on_started);
	task_on_gone(r->task, run_on_gone);
	run_adopt_channel(r);
	/* Its client may come back. */
	loop_timer_start(&r->timer, RUN_ALONE_MS);
	return true;
}
