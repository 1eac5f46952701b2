/* run - what run.c and run_io.c share: one command under way. */
#ifndef REEVECTL_RUN_H
#define REEVECTL_RUN_H

#include <poll.h>
#include <stdbool.h>
#include <termios.h>

#include "base/clock.h"
#include "reevectl.h"

#define RUN_IO_MAX 4

/* Output that is kept: the first half of what may be, and the last. */
struct capture {
	int fd; /* -1: closed */
	struct buf head, tail;
	uint64_t dropped; /* bytes between them */
};

struct run {
	struct command *cmd;
	char key[33];
	int argc;
	struct strv env;
	int pass[4]; /* strings, and its 0, 1 and 2 */
	int id;      /* of the request */
	int signals;
	int pause_ms; /* reeved has many clients: before it is asked again */
	int unheard;  /* signal that was handed on, and not answered; 0: none */
	mono_ms leave_at; /* then it is not waited for any more */
	bool started;
	bool resumed; /* asked again after an engine died */
	bool anew;    /* what was asked last: to run it */
	bool reached; /* that may have come to an engine */
	json_t *result;
	struct capture out[2];
	int child_end[2]; /* of the pipes, until they are passed */
	int master, slave;
	bool raw; /* our terminal is */
	bool input_over;
	struct buf typed; /* for the master, which had no room */
	bool mid_line;    /* what was typed so far does not end with a line */
	struct termios before;
};

/* A new key; the command and its environment into pass[0].  -1, or the exit
 * code. */
void run_key(struct run *r);
int run_strings(struct run *r);
/* umask, nice, user, as_group, rlimits of the options, into params. */
void run_params_how(const struct command *cmd, json_t *params);
int run_io_open(struct run *r);
nfds_t run_io_poll(struct run *r, struct pollfd *pfd);
void run_io_turn(struct run *r, struct pollfd *pfd);
/* The command is gone: what is left in the pipes, the terminal. */
void run_io_end(struct run *r);
void run_io_fini(struct run *r);
void pty_resize(struct run *r);
/* Our terminal is somebody else's for a while, and ours again. */
void pty_leave(struct run *r);
void pty_return(struct run *r);
/* The result with the output, as one JSON object. */
void capture_print(struct run *r);

#endif
