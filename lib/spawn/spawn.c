/*
 * spawn - start one child process from a checked spec.
 *
 * clone3 with CLONE_VM but without CLONE_VFORK: the child runs beside the
 * keeper on a stack that belongs to the start (rawsys.h says how errno stays
 * apart).  Where clone3 is refused (Docker's seccomp filter answers ENOSYS)
 * or the machine has no code for it, clone(2) with CLONE_VFORK does the same
 * work, and the child joins its cgroup itself.
 */
#include "spawn/spawn.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "spawn/rawsys.h"
#include "spawn/spawn_priv.h"

#define SPAWN_MAGIC       0x6e777073u
#define STACK_SIZE        (32 * 1024)
#define SPAWN_LATE_MAX_MS 1024
#define SPAWN_SPARES      8 /* as many commands may well be under way */

struct spawn {
	unsigned magic;
	struct spec *spec;
	struct childside cs;
	int *fd_copy; /* from and scratch of cs */
	char **envp;  /* spec->envp is replaced by this one when not NULL */
	char pid_env[2][sizeof "WATCHDOG_PID=" + LISTEN_PID_DIGITS];
	int report;              /* read end of the error pipe; -1: none */
	struct spawn_err failed; /* errnum 0: no failure was reported yet */
	struct loop_io io;
	struct loop_timer late; /* without a pipe: is it executed? */
	int late_ms;
	struct spawn *next;      /* of the room's spares */
	struct spawn_room *room; /* NULL: none */
	spawn_cb *cb;
	void *arg;
	char stack[STACK_SIZE] __attribute__((aligned(16)));
};

void
spawn_stage_name(char *out, size_t size, enum spawn_stage stage)
{
	const char *name = "";
	size_t n;

	switch (stage) {
#define STAGE(NAME, number, text)                                              \
	case STAGE_##NAME:                                                     \
		name = #NAME;                                                  \
		break;
#include "spawn/stage.def"
#undef STAGE
	}
	for (n = 0; n + 1 < size && name[n] != '\0'; n++)
		out[n] = (char)tolower((unsigned char)name[n]);
	out[n] = '\0';
}

void
spawn_err_text(char *out, size_t size, const struct spawn_err *se,
    const char *program, const char *place)
{
	const char *what = "start";

	switch (se->stage) {
#define STAGE(name, number, text)                                              \
	case STAGE_##name:                                                     \
		what = text;                                                   \
		break;
#include "spawn/stage.def"
#undef STAGE
	}
	if (se->stage == STAGE_EXEC && se->errnum == ENOEXEC)
		snprintf(out, size,
		    "%s %s: not a program of this machine and "
		    "no script with a #! line",
		    what, program);
	else if (se->stage == STAGE_EXEC)
		snprintf(out, size, "%s %s: %s", what, program,
		    strerror(se->errnum));
	else if (se->stage == STAGE_DIRECTORY || se->stage == STAGE_CHROOT ||
		 se->stage == STAGE_READ_ONLY)
		snprintf(
		    out, size, "%s %s: %s", what, place, strerror(se->errnum));
	else
		snprintf(out, size, "%s: %s", what, strerror(se->errnum));
}

static void
spawn_unmap(struct spawn *sp)
{
	munmap(sp, sizeof *sp);
}

static void
spawn_free(struct spawn *sp)
{
	struct spawn_room *room = sp->room;

	loop_io_stop(&sp->io);
	loop_timer_stop(&sp->late);
	fd_closep(&sp->report);
	spec_free(sp->spec);
	free(sp->fd_copy);
	free(sp->envp);
	sp->magic = 0;
	if (room == NULL || room->nspare == SPAWN_SPARES) {
		spawn_unmap(sp);
		return;
	}
	sp->next = room->spare;
	room->spare = sp;
	room->nspare++;
}

static void
spawn_finish(struct spawn *sp, const struct spawn_err *se)
{
	spawn_cb *cb = sp->cb;
	void *arg = sp->arg;

	spawn_free(sp);
	cb(arg, se);
}

/*
 * End of file means that exec has closed the pipe: by then the child has left
 * our memory.  After a failure it is still about to exit, on the stack that is
 * ours: that outcome is told when it has been reaped, by spawn_settle.
 */
static void
spawn_on_report(struct loop_io *io, int events, void *arg)
{
	struct spawn *sp = arg;
	int32_t report[2];
	ssize_t n;

	(void)events;
	BUG_ON(sp->magic != SPAWN_MAGIC);
	n = read(sp->report, report, sizeof report);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof report) {
		spawn_finish(sp, NULL);
		return;
	}
	sp->failed.stage = (enum spawn_stage)report[0];
	sp->failed.errnum = report[1];
	loop_io_stop(io);
}

/* As long as exec takes, it is looked again. */
static void
spawn_on_late(struct loop_timer *t, void *arg)
{
	struct spawn *sp = arg;

	if (atomic_load_explicit(&sp->cs.is_here, memory_order_acquire) != 0) {
		if (sp->late_ms < SPAWN_LATE_MAX_MS)
			sp->late_ms *= 2;
		loop_timer_start(t, sp->late_ms);
	} else if (sp->cs.failed[1] == 0) {
		spawn_finish(sp, NULL);
	}
}

void
spawn_settle(struct spawn *sp)
{
	struct spawn_err se;
	int32_t report[2];

	if (sp->report == -1) {
		sp->failed.stage = (enum spawn_stage)sp->cs.failed[0];
		sp->failed.errnum = sp->cs.failed[1];
	} else if (sp->failed.errnum == 0 &&
		   read(sp->report, report, sizeof report) ==
		       (ssize_t)sizeof report) {
		sp->failed.stage = (enum spawn_stage)report[0];
		sp->failed.errnum = report[1];
	}
	se = sp->failed;
	spawn_finish(sp, se.errnum != 0 ? &se : NULL);
}

/*
 * What this process ignores, to be set back in children: bit signo - 1.  Asked
 * once: who calls spawn_start changes no dispositions after that.
 */
static uint64_t
spawn_ignored(void)
{
	static _Atomic uint64_t asked;
	static atomic_bool known;
	struct kernel_sigaction sa;
	uint64_t set = 0;

	/* Two threads that ask at once find the same. */
	if (atomic_load(&known))
		return atomic_load(&asked);
	/* The raw call: libc hides two signals of its own, and they can be
	 * ignored as well by whoever started us. */
	for (int sig = 1; sig <= 64; sig++)
		if (syscall(SYS_rt_sigaction, sig, NULL, &sa, 8) == 0 &&
		    sa.handler != SIG_DFL)
			set |= UINT64_C(1) << (sig - 1);
	atomic_store(&asked, set);
	atomic_store(&known, true);
	return set;
}

static int
spawn_prepare_fds(struct spawn *sp, const int *from)
{
	size_t n = sp->spec->nfds;
	long top = 2;

	sp->fd_copy = calloc(2 * n + 1, sizeof *sp->fd_copy);
	if (sp->fd_copy == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		sp->fd_copy[i] = from[i];
		if (sp->spec->fds[i].target > top)
			top = sp->spec->fds[i].target;
	}
	sp->cs.from = sp->fd_copy;
	sp->cs.scratch = sp->fd_copy + n;
	sp->cs.rescue_fd = top + 1;
	return 0;
}

/* Its pid is known in the child only: it gets room to write it into. */
static int
spawn_prepare_env(struct spawn *sp)
{
	static const struct {
		uint32_t flag;
		const char *text;
	} vars[] = { { SPEC_LISTEN_PID, "LISTEN_PID=" },
		{ SPEC_WATCHDOG_PID, "WATCHDOG_PID=" } };
	size_t n = 0;

	if ((sp->spec->flags & (SPEC_LISTEN_PID | SPEC_WATCHDOG_PID)) == 0)
		return 0;
	while (sp->spec->envp[n] != NULL)
		n++;
	sp->envp = calloc(n + 3, sizeof *sp->envp);
	if (sp->envp == NULL)
		return -1;
	memcpy(sp->envp, sp->spec->envp, n * sizeof *sp->envp);
	for (int i = 0; i < 2; i++) {
		if ((sp->spec->flags & vars[i].flag) == 0)
			continue;
		snprintf(
		    sp->pid_env[i], sizeof sp->pid_env[i], "%s", vars[i].text);
		sp->cs.pid_text[i] = sp->pid_env[i] + strlen(vars[i].text);
		sp->envp[n++] = sp->pid_env[i];
	}
	free(sp->spec->envp);
	sp->spec->envp = sp->envp;
	sp->envp = NULL;
	return 0;
}

/* Mapped, as stacks are: on the heap each would leave a hole behind. */
static struct spawn *
spawn_map(struct spawn_room *room)
{
	struct spawn *sp = room != NULL ? room->spare : NULL;
	void *p;

	if (sp != NULL) {
		room->spare = sp->next;
		room->nspare--;
		memset(sp, 0, offsetof(struct spawn, stack));
		return sp;
	}
	p = mmap(NULL, sizeof *sp, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

void
spawn_room_trim(struct spawn_room *room)
{
	struct spawn *sp;

	while ((sp = room->spare) != NULL) {
		room->spare = sp->next;
		spawn_unmap(sp);
	}
	room->nspare = 0;
}

/* A child that has our memory can leave its report there. */
static bool
spawn_needs_pipe(const struct loop *lp, const struct spec *spec)
{
	return lp == NULL || (spec->flags & SPEC_LATE) == 0 || !RAWSYS_NATIVE ||
	       spec->oom_score_adj != SPEC_KEEP;
}

static struct spawn *
spawn_new(struct loop *lp, struct spec *spec, const struct spawn_fds *fds,
    int *report_w)
{
	struct spawn *sp = spawn_map(fds->room);
	int p[2] = { -1, -1 };

	*report_w = -1;
	if (sp == NULL) {
		spec_free(spec);
		return NULL;
	}
	sp->magic = SPAWN_MAGIC;
	sp->room = fds->room;
	sp->spec = spec;
	sp->report = -1;
	sp->cs.spec = spec;
	sp->cs.cgroup_fd = fds->cgroup;
	if (spec->oom_score_adj != SPEC_KEEP)
		snprintf(sp->cs.oom_text, sizeof sp->cs.oom_text, "%d",
		    spec->oom_score_adj);
	if (spawn_prepare_fds(sp, fds->from) == -1 ||
	    spawn_prepare_env(sp) == -1 ||
	    (spawn_needs_pipe(lp, spec) &&
		sys_pipe2(p, O_CLOEXEC | O_NONBLOCK) == -1)) {
		int saved = errno;

		spawn_free(sp);
		errno = saved;
		return NULL;
	}
	sp->report = p[0];
	sp->cs.report_fd = *report_w = p[1];
	sp->cs.ignored = spawn_ignored();
	sp->cs.parent = getpid();
	if (lp != NULL) {
		loop_io_init(
		    &sp->io, lp, sp->report, LOOP_READ, spawn_on_report, sp);
		loop_timer_init(&sp->late, lp, spawn_on_late, sp);
	}
	return sp;
}

#if RAWSYS_NATIVE
static long
spawn_clone3(struct spawn *sp, int *pidfd)
{
	struct clone_args ca = {
		.flags = CLONE_VM,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)sp->stack,
		.stack_size = sizeof sp->stack,
	};

	/* The kernel gives oom_score_adj to all that share memory, and that
	 * would be the keeper as well: such a child gets a copy instead. */
	if (sp->spec->oom_score_adj != SPEC_KEEP)
		ca.flags &= ~(uint64_t)CLONE_VM;
	if (sp->cs.keep_below != 0)
		ca.flags |= CLONE_FILES;
	/* exec is told as the end of a thread is: set_tid_address(2). */
	if (sp->report == -1) {
		sp->cs.is_here = 1;
		ca.flags |= CLONE_CHILD_CLEARTID;
		ca.child_tid = (uintptr_t)&sp->cs.is_here;
	}
	if (pidfd != NULL) {
		ca.flags |= CLONE_PIDFD;
		ca.pidfd = (uintptr_t)pidfd;
	}
	if (sp->cs.cgroup_fd != -1) {
		ca.flags |= CLONE_INTO_CGROUP;
		ca.cgroup = (uint64_t)sp->cs.cgroup_fd;
		sp->cs.cgroup_fd = -1;
	}
	return rawsys_clone3(&ca, sizeof ca, childside_main, &sp->cs);
}
#else
static long
spawn_clone3(struct spawn *sp, int *pidfd)
{
	(void)sp;
	(void)pidfd;
	return -ENOSYS;
}
#endif

/* Returns the pid or -errno; signals are blocked in the child. */
static long
spawn_clone(struct spawn *sp, int *pidfd)
{
	int cgroup_fd = sp->cs.cgroup_fd;
	sigset_t all, old;
	long pid;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	pid = getenv("REEVE_NO_CLONE3") == NULL ? spawn_clone3(sp, pidfd)
						: -ENOSYS;
	if (pid == -ENOSYS || pid == -EPERM) {
		sp->cs.cgroup_fd = cgroup_fd;
		sp->cs.keep_below = 0;
		sp->cs.is_here = 0; /* by the time that we are here again */
		pid = clone(childside_main, sp->stack + sizeof sp->stack,
		    CLONE_VM | CLONE_VFORK | SIGCHLD |
			(pidfd != NULL ? CLONE_PIDFD : 0),
		    &sp->cs, pidfd);
		if (pid == -1)
			pid = -errno;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return pid;
}

/* newest: the number of a descriptor that was opened just now; -1: none. */
static bool
spawn_enter_room(struct spawn *sp, int newest)
{
	for (size_t i = 0; i < sp->spec->nfds; i++)
		if (sp->fd_copy[i] > newest)
			newest = sp->fd_copy[i];
	return sp->room != NULL && RAWSYS_NATIVE &&
	       sp->spec->oom_score_adj == SPEC_KEEP &&
	       room_pays(sp->room, sp->spec->nfds, newest) &&
	       room_enter(sp->room, &sp->cs, sp->fd_copy);
}

pid_t
spawn_start(struct loop *lp, struct spec *spec, const struct spawn_fds *fds,
    int *pidfd, struct spawn **spp, spawn_cb *cb, void *arg,
    struct spawn_err *se)
{
	struct spawn *sp;
	bool is_shared;
	int report_w;
	long pid;

	if (pidfd != NULL)
		*pidfd = -1;
	sp = spawn_new(lp, spec, fds, &report_w);
	if (sp == NULL) {
		se->stage = STAGE_PREPARE;
		se->errnum = errno;
		return -1;
	}
	sp->cb = cb;
	sp->arg = arg;
	is_shared = spawn_enter_room(sp, report_w);
	pid = spawn_clone(sp, pidfd);
	/* Not set any more: the child has a table of its own after all. */
	if (pid > 0 && sp->cs.keep_below != 0)
		room_wait(sp->room, &sp->cs, (pid_t)pid);
	if (is_shared)
		room_leave(sp->room, spec->nfds);
	fd_closep(&report_w);
	if (pid < 0) {
		spawn_free(sp);
		se->stage = STAGE_CLONE;
		se->errnum = (int)-pid;
		return -1;
	}
	if (sp->report == -1)
		loop_timer_start(&sp->late, sp->late_ms = SPAWN_LATE_MS);
	else if (lp != NULL)
		loop_io_start(&sp->io);
	*spp = sp;
	return (pid_t)pid;
}
