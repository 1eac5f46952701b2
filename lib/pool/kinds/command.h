/*
 * command - what the files of the job kind command share: the child.
 */
#ifndef POOL_KINDS_COMMAND_H
#define POOL_KINDS_COMMAND_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "reeve/job.h"

#define COMMAND_BUFFER ((size_t)64 << 10)
#define COMMAND_SAID   512          /* bytes of what it said last */
#define COMMAND_MARK   "REEVE_JOB=" /* in the environment of all of it */

/* Our ends; -1: there is no pipe. */
struct command {
	struct reeve_job *job;
	const char *path;    /* of the program, as found */
	struct spawn *start; /* until it is known whether it was executed */
	bool not_started;    /* it was not; the job's error says why */
	pid_t pid; /* 0: not started; it is reaped by command_wait alone */
	int pidfd;
	int in;    /* we write its input; not blocking */
	int out;   /* we read its output; not blocking */
	int err;   /* we read what it says; not blocking */
	char *buf; /* of its input, COMMAND_BUFFER bytes */
	size_t buf_len, buf_pos;
	char *copy; /* of its output, the same size */
	char said[COMMAND_SAID + 1];
	size_t said_len;
	int status; /* as si_status and si_code of waitid */
	int code;
	char mark[64];
};

/* Starts it; ends: its descriptors 0 to 2, borrowed.  -1: it failed. */
int command_spawn(struct command *c, char *const *argv, const int *ends);
/* It is reaped: how did its start go? */
void command_settle(struct command *c);

/* Moves bytes until the child has ended; -1: cancelled, or they could not be
 * moved.  The child and all that it left are dead and reaped in any case. */
int command_wait(struct command *c);

void command_mark(struct command *c);
/* SIGKILL to it, and all below it. */
void command_kill_below(pid_t pid, int depth);
/* It has ended: what it left is killed, wherever it went. */
void command_sweep(const struct command *c);

#endif
