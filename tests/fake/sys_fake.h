/*
 * sys_fake - sys.h as a script.
 *
 * Linked into every unit test before libreeve.a.  Every call passes through
 * to the kernel until the test says otherwise:
 *
 *	fake_fail(FAKE_PIPE2, 2, EMFILE);	the second call from now fails
 *	fake_children(true);			waitid, kill and pidfd signals
 *						are about the children below
 *
 * Safe from several threads.  fake_reset() before each test.
 */
#ifndef FAKE_SYS_FAKE_H
#define FAKE_SYS_FAKE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sys.h"

enum fake_call {
	FAKE_SOCKET,
	FAKE_BIND,
	FAKE_LISTEN,
	FAKE_SETSOCKOPT,
	FAKE_PIPE2,
	FAKE_MEMFD_CREATE,
	FAKE_CLOSE,
	FAKE_SENDMSG,
	FAKE_RECVMSG,
	FAKE_WAITID,
	FAKE_PIDFD_SEND_SIGNAL,
	FAKE_KILL,
	FAKE__N
};

/* No failure, no fake child, all counters 0. */
void fake_reset(void);

/* The nth call from now (1: the next) fails with errnum, once. */
void fake_fail(enum fake_call call, unsigned nth, int errnum);
/* Every call from now on fails; 0: works again. */
void fake_fail_always(enum fake_call call, int errnum);
/*
 * For a sweep: the nth fallible call of whatever kind from now fails (all but
 * close; a failing close still closes).  fake_fail_hit: was there an nth?
 *
 *	for (unsigned i = 1;; i++) {
 *		fake_reset();
 *		fake_fail_any(i, EMFILE);
 *		scenario();
 *		if (!fake_fail_hit())
 *			break;
 *	}
 */
void fake_fail_any(unsigned nth, int errnum);
bool fake_fail_hit(void);
/* Calls since fake_reset, failed ones included. */
unsigned fake_calls(enum fake_call call);

/* --- fake children ----------------------------------------------------------
 */

/* On: sys_waitid, sys_kill and sys_pidfd_send_signal never reach the kernel. */
void fake_children(bool on);
/* A child is there; pidfd is any number that stands for it, -1: none. */
void fake_child_new(pid_t pid, int pidfd);
/* It is a zombie from now on, until it is waited for. */
void fake_child_exit(pid_t pid, int code);
void fake_child_killed(pid_t pid, int sig, bool core);
/* Neither exited nor waited for yet. */
bool fake_child_alive(pid_t pid);
bool fake_child_reaped(pid_t pid);
/* Peak memory that rusage will tell. */
void fake_child_rss(pid_t pid, long kb);

struct fake_sent {
	pid_t pid; /* negative: kill(2) to a process group */
	int sig;
	bool by_pidfd;
	bool late; /* to a group whose leader had been reaped: a stranger's? */
};

/* The signals sent since fake_reset or fake_sent_clear, in order. */
size_t fake_sent_count(void);
struct fake_sent fake_sent_get(size_t i);
/* How many times sig was sent to pid. */
unsigned fake_sent_to(pid_t pid, int sig);
void fake_sent_clear(void);

/* --- leaks -------------------------------------------------------------------
 */

/* Open descriptors of this process. */
int fake_fd_count(void);
/* Bytes on the heap, for comparing before and after; also under ASan. */
size_t fake_heap_bytes(void);

#endif
