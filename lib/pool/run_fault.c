/*
 * run_fault - what becomes of a job that faults, and of the pool with it.
 *
 * The handlers run on a stack of their own, so that a job that has used up
 * its stack can be named as well.  A fault in a mapping of the running job
 * is mended and the job goes on; anything else is told to the hook, and the
 * instruction runs again without a handler: the core shows it as it was.
 */
#include <sys/mman.h>
#include <sys/syscall.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "pool/run_priv.h"

#define FAULT_STACK_MIN ((size_t)32 << 10) /* beside what the kernel saves */

/* Whose job this thread runs: a handler is given no argument of ours. */
static _Thread_local struct job_run *volatile fault_run;
static job_crash_cb *_Atomic fault_hook;

static const int fault_signals[] = { SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGABRT };

void
job_fault_current(struct job_run *run)
{
	fault_run = run;
}

/* --- the handlers
 * ---------------------------------------------------------------- */

/*
 * From the page of the fault to the end of the mapping: what lies behind is
 * missing just as well, and one signal is enough.  mmap is a bare system
 * call, and takes no lock of libc.
 */
static bool
fault_mend(struct job_run *run, struct job_map *m, char *at)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), skip;
	int saved = errno;
	void *p;

	if (m->addr == NULL || at < m->addr || at >= m->addr + m->len)
		return false;
	skip = (size_t)(at - m->addr) / page * page;
	p = mmap(m->addr + skip, m->len - skip, m->prot,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	errno = saved;
	if (p == MAP_FAILED)
		return false;
	run->fault_prot = m->prot;
	return true;
}

static void
fault_crash(int sig, const siginfo_t *si)
{
	job_crash_cb *hook = atomic_load(&fault_hook);
	struct sigaction sa = { .sa_handler = SIG_DFL };

	if (hook != NULL)
		hook(sig, fault_run);
	sigaction(sig, &sa, NULL);
	/* A fault comes again by itself; abort() and kill() do not. */
	if (si->si_code <= 0)
		syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), sig);
}

static void
fault_handler(int sig, siginfo_t *si, void *uctx)
{
	struct job_run *run = fault_run;

	(void)uctx;
	if (sig == SIGBUS && si->si_code > 0 && run != NULL &&
	    (fault_mend(run, &run->in_map, si->si_addr) ||
		fault_mend(run, &run->out_map, si->si_addr)))
		return;
	fault_crash(sig, si);
}

int
job_fault_install(job_crash_cb *hook, struct err *err)
{
	struct sigaction sa = { .sa_sigaction = fault_handler,
		.sa_flags = SA_SIGINFO | SA_ONSTACK };
	size_t i;

	atomic_store(&fault_hook, hook);
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof fault_signals / sizeof *fault_signals; i++)
		if (sigaction(fault_signals[i], &sa, NULL) == -1)
			return err_sys(err, "sigaction");
	/* A closed pipe and RLIMIT_FSIZE are errors of write(). */
	sa = (struct sigaction){ .sa_handler = SIG_IGN };
	if (sigaction(SIGPIPE, &sa, NULL) == -1 ||
	    sigaction(SIGXFSZ, &sa, NULL) == -1)
		return err_sys(err, "sigaction");
	return 0;
}

/* --- the stack
 * ------------------------------------------------------------------------ */

int
job_thread_init(struct job_thread *th, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	stack_t ss = { 0 };
	long min = sysconf(_SC_SIGSTKSZ);

	th->size = FAULT_STACK_MIN + (min > 0 ? (size_t)min : 0);
	th->size = (th->size + page - 1) / page * page + page;
	th->stack = mmap(NULL, th->size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (th->stack == MAP_FAILED) {
		th->stack = NULL;
		return err_sys(err, "map a signal stack");
	}
	/* The lowest page is never touched, and stays a fence. */
	mprotect(th->stack, page, PROT_NONE);
	ss.ss_sp = (char *)th->stack + page;
	ss.ss_size = th->size - page;
	if (sigaltstack(&ss, &th->old) == -1) {
		err_sys(err, "sigaltstack");
		munmap(th->stack, th->size);
		th->stack = NULL;
		return -1;
	}
	return 0;
}

void
job_thread_fini(struct job_thread *th)
{
	if (th->stack == NULL)
		return;
	/* What was there before belongs to whoever put it there. */
	sigaltstack(&th->old, NULL);
	munmap(th->stack, th->size);
	th->stack = NULL;
}
