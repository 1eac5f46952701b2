/*
 * start - from a slot's config to the order that the keeper carries out.
 *
 * Descriptors of an instance: 0 is /dev/null, 1 and 2 the slot's log pipes
 * (or all three are reeved's own: stdin=, output=), from 3 on the listeners in
 * the order of socket=, then what ready= needs.
 */
#include <sys/eventfd.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "cluster/cpus.h"
#include "cluster/ready.h"
#include "config/jobs.h"
#include "engine/engine_priv.h"
#include "engine/pooled.h"
#include "engine/queued.h"
#include "engine/slots.h"
#include "queue/queue.h"

#define LISTEN_FIRST 3

/* What a start is made of, until it is sent. */
struct start {
	struct spec spec;
	struct config_slot cs;
	struct spec_fd fds[SPEC_FDS_MAX];
	struct spec_rlimit rlimits[RLIM_NLIMITS];
	cpu_set_t cpus;
	int pass[6]; /* descriptors that go with the message */
	size_t npass;
	char label[SPEC_LABEL_MAX + 1];
};

static void
start_fd(struct start *st, int target, enum spec_fd_from from, int value)
{
	BUG_ON(st->spec.nfds == SPEC_FDS_MAX);
	st->fds[st->spec.nfds++] = (struct spec_fd){ target, from, value };
}

static void
start_stdio(
    struct start *st, const struct slot *sl, const struct config_program *conf)
{
	bool redirect = conf->redirect_stderr;

	if (conf->output == OUTPUT_INHERIT) {
		start_fd(st, 1, SPEC_FD_INHERIT, STDOUT_FILENO);
		start_fd(st, 2, SPEC_FD_INHERIT,
		    redirect ? STDOUT_FILENO : STDERR_FILENO);
		return;
	}
	start_fd(st, 1, SPEC_FD_STORE, (int)sl->out_slot);
	start_fd(st, 2, SPEC_FD_STORE,
	    (int)(redirect ? sl->out_slot : sl->err_slot));
}

static void
start_listeners(struct start *st, const struct slot *sl)
{
	const struct program *pg = sl->prog;
	struct buf names;
	char n[16];

	if (pg->nlisteners == 0)
		return;
	buf_init(&names);
	for (size_t i = 0; i < pg->nlisteners; i++) {
		const struct listener *l = &pg->listeners[i];
		int k = sl->index < l->n ? sl->index : 0;

		start_fd(
		    st, LISTEN_FIRST + (int)i, SPEC_FD_STORE, (int)l->slots[k]);
		if (i != 0)
			buf_addc(&names, ':');
		buf_adds(&names, pg->conf->sockets.v[i].name);
	}
	snprintf(n, sizeof n, "%zu", pg->nlisteners);
	strv_env_set(&st->cs.env, "LISTEN_FDS", n);
	strv_env_set(&st->cs.env, "LISTEN_FDNAMES", buf_str(&names));
	buf_fini(&names);
	st->spec.flags |= SPEC_LISTEN_PID;
}

void
inst_ready_name(const struct inst *in, char *out, size_t size)
{
	snprintf(out, size, "ready:%s#%u", in->slot->name, in->generation);
}

/* As Node's child_process.fork() does. */
static int
start_channel(struct start *st, struct inst *in, struct err *err)
{
	int target = LISTEN_FIRST + (int)in->slot->prog->nlisteners, fd;
	char text[16];

	if (!config_program_has_channel(in->conf))
		return 0;
	/* Of two that it is told the number of, this one can move. */
	if (in->conf->ready == READY_FD && in->conf->ready_fd == target)
		target++;
	if (inst_open_channel(in, &fd, err) == -1)
		return -1;
	start_fd(st, target, SPEC_FD_MESSAGE, (int)st->npass);
	st->pass[st->npass++] = fd;
	snprintf(text, sizeof text, "%d", target);
	strv_env_set(&st->cs.env, "NODE_CHANNEL_FD", text);
	strv_env_set(&st->cs.env, "NODE_CHANNEL_SERIALIZATION_MODE", "json");
	return 0;
}

static int
start_ready(struct start *st, struct inst *in, struct err *err)
{
	char sock[64], name[FDNAME_MAX];
	int p[2] = { -1, -1 };

	inst_ready_name(in, name, sizeof name);
	switch (in->conf->ready) {
	case READY_DELAY:
	case READY_IPC: /* the channel will tell */
		return 0;
	case READY_LOG:
		p[0] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (p[0] == -1)
			return err_sys(err, "eventfd for ready=log");
		break;
	case READY_PROBE:
	case READY_EXEC:
		return probing_new(in, err);
	case READY_NOTIFY:
		p[0] = ready_notify_open(sock, err);
		if (p[0] == -1)
			return -1;
		strv_env_set(&st->cs.env, "NOTIFY_SOCKET", sock);
		break;
	case READY_FD:
		if (sys_pipe2(p, O_CLOEXEC | O_NONBLOCK) == -1)
			return err_sys(err, "pipe for ready=fd");
		start_fd(
		    st, in->conf->ready_fd, SPEC_FD_MESSAGE, (int)st->npass);
		st->pass[st->npass++] = p[1];
		break;
	}
	in->ready_fd = p[0];
	in->ready_slot = keeperlink_put(in->slot->prog->en->kl, name, p[0]);
	return probing_scan(in, false, err);
}

static int
start_health(struct start *st, struct inst *in, struct err *err)
{
	char sock[64], usec[32];

	if (vitals_new(in, sock, err) == -1)
		return -1;
	if (sock[0] != '\0')
		strv_env_set(&st->cs.env, "NOTIFY_SOCKET", sock);
	if (in->watchdog_ms == 0)
		return 0;
	snprintf(usec, sizeof usec, "%lld", 1000LL * in->watchdog_ms);
	strv_env_set(&st->cs.env, "WATCHDOG_USEC", usec);
	st->spec.flags |= SPEC_WATCHDOG_PID;
	return 0;
}

static void
start_cpu_list(cpu_set_t *out, const struct strv *list)
{
	CPU_ZERO(out);
	for (size_t i = 0; i < list->n; i++)
		CPU_SET((size_t)atoi(list->v[i]), out);
}

static void
start_cpus(struct start *st, const struct config_program *conf, int index)
{
	const struct strv *set = &conf->rare->cpu_set;
	int cpu;

	switch (conf->rare->cpu_affinity) {
	case AFFINITY_NONE:
		if (set->n == 0)
			return;
		start_cpu_list(&st->cpus, set);
		break;
	case AFFINITY_AUTO:
		cpu = set->n > 0 ? atoi(set->v[(size_t)index % set->n])
				 : cpus_nth(index);
		CPU_ZERO(&st->cpus);
		CPU_SET((size_t)cpu, &st->cpus);
		break;
	case AFFINITY_LIST:
		start_cpu_list(&st->cpus, &conf->rare->cpu_list);
		break;
	}
	st->spec.affinity = &st->cpus;
	st->spec.affinity_len = sizeof st->cpus;
}

static void
start_limits(struct start *st, const struct engine *en,
    const struct config_program *conf)
{
	unsigned long nofile = keeperlink_welcome(en->kl)->soft_nofile;
	struct rlimit now;

	st->spec.rlimits = st->rlimits;
	for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
		struct spec_rlimit *r = &st->rlimits[st->spec.nrlimits];

		r->resource = i;
		if (conf->rare->rlimit[i].set) {
			r->limit.rlim_cur = conf->rare->rlimit[i].soft;
			r->limit.rlim_max = conf->rare->rlimit[i].hard;
			st->spec.nrlimits++;
		} else if (i == RLIMIT_NOFILE &&
			   getrlimit(RLIMIT_NOFILE, &now) == 0) {
			/* We raised our own; a child gets what we got. */
			r->limit.rlim_cur = nofile;
			r->limit.rlim_max = now.rlim_max;
			st->spec.nrlimits++;
		}
	}
}

static void
start_box(struct spec *sp, const struct config_program *conf)
{
	if (conf->rare->ioprio != -1)
		sp->ioprio = (int32_t)conf->rare->ioprio;
	if (conf->rare->no_new_privs)
		sp->flags |= SPEC_NO_NEW_PRIVS;
	if (conf->rare->private_tmp)
		sp->flags |= SPEC_PRIVATE_TMP;
	if (conf->rare->capabilities.set) {
		sp->flags |= SPEC_CAPS;
		sp->caps = conf->rare->capabilities.all
			       ? config_caps_own()
			       : conf->rare->capabilities.keep;
	}
	if (conf->rare->chroot != NULL)
		sp->root = conf->rare->chroot;
	sp->read_only = conf->rare->read_only.v;
}

static void
start_identity(
    struct start *st, const struct config_program *conf, int oom_score_adj)
{
	struct spec *sp = &st->spec;

	sp->umask = conf->umask >= 0 ? (int32_t)conf->umask
				     : (int32_t)conf->reeve_umask;
	if (conf->nice != INT64_MIN)
		sp->nice = (int32_t)conf->nice;
	if (conf->rare->oom_score_adj != oom_score_adj)
		sp->oom_score_adj = (int32_t)conf->rare->oom_score_adj;
	if (conf->rare->identity.set) {
		sp->set_ids = true;
		sp->uid = conf->rare->identity.uid;
		sp->gid = conf->rare->identity.gid;
		sp->groups = conf->rare->identity.groups;
		sp->ngroups = conf->rare->identity.ngroups;
	}
	start_box(sp, conf);
}

static void
start_tree(struct start *st, struct inst *in)
{
	int dir = tree_prepare(&in->tree, in->slot->prog->en->cgroup,
	    in->slot->name, in->tree_index, in->id);

	if (dir != -1) {
		limits_start(in);
		st->pass[st->npass++] = dir;
		st->spec.flags |= SPEC_CGROUP;
	} else {
		strv_env_set(&st->cs.env, "REEVE_TREE", in->tree.mark);
	}
	if (in->conf->killasgroup)
		st->spec.flags |= SPEC_KILL_GROUP;
}

/* Where it may submit CPU jobs. */
static void
start_jobs(struct start *st, const struct inst *in)
{
	const struct config *cf = in->slot->prog->en->cf;

	if (!in->conf->allow_jobs || cf->jobs == NULL)
		return;
	strv_env_set(&st->cs.env, "REEVE_SOCKET", cf->socket);
	strv_env_set(&st->cs.env, "REEVE_POOL", cf->jobs->socket);
}

static int
start_fill(struct start *st, struct inst *in, struct err *err)
{
	struct slot *sl = in->slot;
	struct program *pg = sl->prog;
	int fds[SPEC_FDS_MAX];

	if (pg->conf->sockets.n > SPEC_FDS_MAX / 2)
		return err_set(err, "too many sockets");
	for (size_t i = 0; i < pg->conf->sockets.n; i++)
		fds[i] = LISTEN_FIRST + (int)i;
	if (config_slot(&st->cs, pg->conf, sl->index, pg->nslots, fds,
		&pg->en->base_env, err) == -1)
		return -1;
	inst_label(in, st->label, sizeof st->label);
	st->spec.label = st->label;
	st->spec.path = st->cs.exec_path;
	st->spec.argv = st->cs.argv.v;
	st->spec.directory = st->cs.directory != NULL ? st->cs.directory : "/";
	st->spec.fds = st->fds;
	if (sl->out_slot == 0 ||
	    (!in->conf->redirect_stderr && sl->err_slot == 0))
		return err_set(err, "no pipe for its output, see reeved's log");
	/* Scaled up: the first one goes on reading it alone. */
	if (in->conf->stdin_from == STDIN_INHERIT && sl->index == 0)
		start_fd(st, 0, SPEC_FD_INHERIT, STDIN_FILENO);
	else
		start_fd(st, 0, SPEC_FD_NULL, 0);
	start_stdio(st, sl, in->conf);
	start_listeners(st, sl);
	if (start_channel(st, in, err) == -1 ||
	    start_ready(st, in, err) == -1 || start_health(st, in, err) == -1)
		return -1;
	start_jobs(st, in);
	start_tree(st, in); /* last: its descriptor closes the message */
	start_limits(st, pg->en, pg->conf);
	start_cpus(st, pg->conf, sl->index);
	start_identity(st, in->conf, pg->en->oom_score_adj);
	st->spec.envp = st->cs.env.v;
	return 0;
}

void
inst_label(const struct inst *in, char *out, size_t size)
{
	snprintf(out, size, "%s#%u.%u", in->slot->name, in->generation,
	    in->tree_index);
}

/* --- an instance ------------------------------------------------------------
 */

void
start_err_text(char *out, size_t size, const struct spawn_err *se,
    const struct config_program *conf)
{
	const char *place = conf->directory != NULL ? conf->directory : "/";
	struct buf paths;

	buf_init(&paths);
	if (se->stage == STAGE_CHROOT && conf->rare->chroot != NULL)
		place = conf->rare->chroot;
	for (size_t i = 0; i < conf->rare->read_only.n; i++)
		buf_addf(&paths, "%s%s", i > 0 ? ", " : "",
		    conf->rare->read_only.v[i]);
	if (se->stage == STAGE_READ_ONLY)
		place = buf_str(&paths);
	spawn_err_text(out, size, se, conf->command, place);
	buf_fini(&paths);
}

static void
start_refused(struct inst *in, const struct err *err)
{
	struct slot *sl = in->slot;
	struct table_death d = { .at_ms = clock_wall_ms(),
		.generation = in->generation,
		.code = -1,
		.cause = DEATH_NO_START,
		.max_rss_kb = -1 };

	slot_note(sl, "%s", err->text);
	log_warnx("%s could not start: %s", sl->name, err->text);
	slot_death(sl, &d);
	slot_history_make(sl)->tail[0] = xstrdup(err->text);
	if (in->role == INST_CUR)
		op_slot_failed(sl, err->text, "");
}

static void
start_send(struct start *st, struct inst *in)
{
	/* Noted down before it is asked for. */
	slot_save(in->slot);
	keeperlink_spawn(
	    in->slot->prog->en->kl, in->id, &st->spec, st->pass, st->npass);
	inst_began(in);
}

static void
start_fini(struct start *st)
{
	for (size_t i = 0; i < st->npass; i++)
		fd_closep(&st->pass[i]);
	config_slot_fini(&st->cs);
}

/* From here on it counts. */
static void
start_place(struct inst *in)
{
	struct slot *sl = in->slot;

	TAILQ_REMOVE(&sl->draining, in, entry);
	if (in->role == INST_NEXT)
		sl->next = in;
	else
		sl->cur = in;
}

int
inst_launch(struct inst *in, struct err *err)
{
	struct start st;
	int rc;

	memset(&st, 0, sizeof st);
	spec_init(&st.spec);
	slot_streams(in->slot);
	rc = start_fill(&st, in, err);
	if (rc == 0) {
		in->preparing = false;
		start_send(&st, in);
	}
	start_fini(&st);
	return rc;
}

/* With a hook before it: that comes first, and then inst_launch. */
static int
start_prepare(struct inst *in, struct err *err)
{
	struct slot *sl = in->slot;

	start_place(in);
	in->preparing = true;
	slot_save(sl);
	if (hook_before_start(in, err) == 0)
		return 0;
	if (sl->cur == in)
		sl->cur = NULL;
	else
		sl->next = NULL;
	TAILQ_INSERT_TAIL(&sl->draining, in, entry);
	return -1;
}

static int
start_now(struct inst *in, struct err *err)
{
	struct start st;
	int rc;

	memset(&st, 0, sizeof st);
	spec_init(&st.spec);
	rc = start_fill(&st, in, err);
	if (rc == 0) {
		start_place(in);
		start_send(&st, in);
	}
	start_fini(&st);
	return rc;
}

/* When its ports are free and its hook has run, where it has them. */
static int
start_in_time(struct inst *in, struct err *err)
{
	int rc = portwait_begin(in, err);

	if (rc == 1) {
		start_place(in);
		in->preparing = true;
		slot_save(in->slot);
		return 0;
	}
	if (rc == -1)
		return -1;
	return in->conf->rare->hook[HOOK_BEFORE_START] != NULL
		   ? start_prepare(in, err)
		   : start_now(in, err);
}

struct inst *
inst_start(struct slot *sl, enum inst_role role)
{
	struct engine *en = sl->prog->en;
	struct inst *in = inst_new(sl, role, sl->prog->conf);
	struct err err = { .text = "" };
	int rc;

	in->generation = ++sl->generation;
	in->id = en->next_id++;
	slot_streams(sl);
	TAILQ_INSERT_TAIL(&sl->draining, in, entry); /* until it counts */
	rc = pooled_start(in, &err);
	if (rc == 0)
		rc = start_in_time(in, &err);
	if (rc == 0)
		return in;
	start_refused(in, &err);
	inst_free(in);
	return NULL;
}

/* --- another command in a slot ----------------------------------------------
 */

/* What is run, and where. */
static void
start_words(struct start *st)
{
	st->spec.label = st->label;
	st->spec.path = st->cs.exec_path;
	st->spec.argv = st->cs.argv.v;
	st->spec.directory = st->cs.directory != NULL ? st->cs.directory : "/";
	st->spec.fds = st->fds;
	st->spec.flags |= SPEC_KILL_GROUP;
}

/* All is said but where its tree is; asks the keeper. */
static void
start_task(struct start *st, struct task *t)
{
	const char *mark;
	int dir = task_tree(t, &mark);

	if (dir != -1) {
		st->pass[st->npass++] = dir;
		st->spec.flags |= SPEC_CGROUP;
	} else {
		strv_env_set(&st->cs.env, "REEVE_TREE", mark);
	}
	st->spec.envp = st->cs.env.v;
	task_spawn(t, &st->spec, st->pass, st->npass);
}

static int
start_fill_command(struct start *st, struct slot *sl,
    const struct slot_command *c, struct err *err)
{
	struct config_program *conf = c->conf;
	struct engine *en = sl->prog->en;

	if (config_slot_hook(&st->cs, conf, c->command, sl->index,
		sl->prog->nslots, &en->base_env, err) == -1)
		return -1;
	if (sl->out_slot == 0 || (!conf->redirect_stderr && sl->err_slot == 0))
		return err_set(err, "no pipe for its output, see reeved's log");
	for (size_t i = 0; i < c->nenv; i++)
		strv_env_set(&st->cs.env, c->env[i].key, c->env[i].value);
	snprintf(st->label, sizeof st->label, "%s", c->label);
	start_words(st);
	start_fd(st, 0, SPEC_FD_NULL, 0);
	start_stdio(st, sl, conf);
	start_limits(st, en, sl->prog->conf);
	start_cpus(st, sl->prog->conf, sl->index);
	start_identity(st, conf, en->oom_score_adj);
	return 0;
}

struct task *
slot_command(struct slot *sl, const struct slot_command *c, task_done *done,
    void *arg, struct err *err)
{
	struct task *t;
	struct start st;

	memset(&st, 0, sizeof st);
	spec_init(&st.spec);
	slot_streams(sl);
	if (start_fill_command(&st, sl, c, err) == -1) {
		start_fini(&st);
		return NULL;
	}
	t = task_new(sl->prog->en, c->tree, c->index, done, arg);
	start_task(&st, t);
	task_set_timeout(t, c->timeout_ms);
	start_fini(&st);
	return t;
}

/* The makes in it take their CPUs from the queue's budget. */
static void
start_jobserver(struct start *st, struct engine *en)
{
	bool may_open = !st->spec.set_ids || st->spec.uid == geteuid();
	struct slots_told told;

	slots_tell(queued_slots(en), st->cs.env.v, may_open, &told);
	if (told.makeflags == NULL)
		return;
	strv_env_set(&st->cs.env, "MAKEFLAGS", told.makeflags);
	slots_drop_bare_j(st->spec.argv);
	if (told.fds) {
		start_fd(st, SLOTS_FD, SPEC_FD_MESSAGE, (int)st->npass);
		st->pass[st->npass++] = told.rd;
		start_fd(st, SLOTS_FD + 1, SPEC_FD_MESSAGE, (int)st->npass);
		st->pass[st->npass++] = told.wr;
		told.rd = told.wr = -1;
	}
	slots_told_fini(&told);
}

/* --- a run of a task --------------------------------------------------------
 */

/* What began_changed wrote: how many, and a line for each of the first ones. */
static void
start_changed(struct strv *env, const char *text)
{
	char count[24];
	size_t n = text != NULL ? strcspn(text, "\n") : 0;

	if (text == NULL || text[n] == '\0')
		return; /* it is run because of something else */
	snprintf(count, sizeof count, "%.*s", (int)n, text);
	strv_env_set(env, "REEVE_CHANGED_COUNT", count);
	strv_env_set(env, "REEVE_CHANGED", text + n + 1);
}

static void
start_named_channel(struct start *st, int fd)
{
	start_fd(st, 3, SPEC_FD_MESSAGE, (int)st->npass);
	st->pass[st->npass++] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	strv_env_set(&st->cs.env, "NODE_CHANNEL_FD", "3");
	strv_env_set(&st->cs.env, "NODE_CHANNEL_SERIALIZATION_MODE", "json");
}

int
named_command(struct engine *en, struct task *t, const char *label,
    const struct config_task *conf, const struct queue_task *q, int out_fd,
    int ipc_fd, struct queue_task *end)
{
	struct err err = { .text = "" };
	char number[24];
	struct start st;
	int rc;

	memset(&st, 0, sizeof st);
	spec_init(&st.spec);
	rc = config_task_slot(&st.cs, conf, &en->base_env, &err);
	/* The words are there: it is the command that was not found. */
	if (rc == -1 && st.cs.argv.n > 0)
		queued_not_found(end, conf->run.rare->chroot, st.cs.argv.v[0],
		    st.cs.directory != NULL ? st.cs.directory : "/", &err);
	if (rc == 0) {
		snprintf(st.label, sizeof st.label, "%s", label);
		st.pass[st.npass++] = fcntl(out_fd, F_DUPFD_CLOEXEC, 0);
		start_fd(&st, 0, SPEC_FD_NULL, 0);
		start_fd(&st, 1, SPEC_FD_MESSAGE, 0);
		start_fd(&st, 2, SPEC_FD_MESSAGE, 0);
		start_words(&st);
		snprintf(
		    number, sizeof number, "%llu", (unsigned long long)q->id);
		strv_env_set(&st.cs.env, "REEVE_TASK_ID", number);
		start_changed(&st.cs.env, q->spec);
		if (ipc_fd != -1)
			start_named_channel(&st, ipc_fd);
		start_limits(&st, en, &conf->run);
		start_identity(&st, &conf->run, en->oom_score_adj);
		start_jobserver(&st, en);
		if (st.pass[0] == -1 || (ipc_fd != -1 && st.pass[1] == -1))
			rc = err_sys(&err, "pass its output");
	}
	if (rc == 0)
		start_task(&st, t);
	else if (end->stage == 0)
		queued_refused(end, STAGE_PREPARE, NULL, &err);
	start_fini(&st);
	return rc;
}
