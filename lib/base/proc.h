/*
 * proc - what /proc/PID tells of a process: proc_pid_stat(5),
 * proc_pid_environ(5).
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct proc {
	pid_t pid, parent, session;
	bool is_alive;   /* no zombie, or one whose threads live on */
	uint64_t start;  /* ticks since boot; with the pid: a name for ever */
	uint64_t memory; /* of address space; 0: a thread of the kernel */
	/* Where its environment is; 0: it has none yet, or not for us. */
	uint64_t env_begin, env_end;
};

/* false: gone, or not ours to see. */
bool proc_read(struct proc *p, pid_t pid);

enum proc_env {
	PROC_ENV_READ,
	PROC_ENV_HIDDEN, /* gone, a zombie, the kernel's, or not ours to see */
	PROC_ENV_SOON    /* it is within execve(2): ask again */
};

/*
 * The environment that a process was started with, NAME=VALUE each with a NUL
 * behind it, up to max bytes, in place of what b had.
 *
 * While a process executes another program there is an instant in which it
 * has the new memory and nothing in it; who takes it for a process without
 * environment misses one.
 */
enum proc_env proc_environ(struct buf *b, pid_t pid, size_t max);

#endif
