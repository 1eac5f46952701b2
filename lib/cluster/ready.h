/*
 * ready - how an instance says that it is ready.
 *
 * notify: sd_notify(3)'s protocol, datagrams of KEY=VALUE lines on a socket
 * of the instance's own (abstract, autobound: nothing to clean up, no name
 * to guess for and no path limit).  fd:N: one newline on a pipe, as s6 and
 * dinit do.  What is read here comes from outside: bounded, never trusted.
 */
#ifndef CLUSTER_READY_H
#define CLUSTER_READY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct ready_news {
	bool ready;             /* READY=1 */
	bool stopping;          /* STOPPING=1 */
	bool reloading;         /* RELOADING=1 */
	bool watchdog;          /* WATCHDOG=1 */
	bool watchdog_trigger;  /* WATCHDOG=trigger: it gives itself up */
	uint64_t watchdog_usec; /* WATCHDOG_USEC=: from now on; 0: none */
	bool recycle;           /* X_REEVE_RECYCLE=1: it wants to be replaced */
	bool has_status;
	char status[128]; /* STATUS=, cut, control characters replaced */
};

/*
 * Returns a bound notify socket (O_CLOEXEC, O_NONBLOCK, SO_PASSCRED); name
 * gets what NOTIFY_SOCKET is to say: "@...".
 */
int ready_notify_open(char name[64], struct err *err);
/* The name of such a socket again, after the engine was restarted. */
int ready_notify_name(int fd, char name[64]);
/*
 * Reads one datagram.  1: news is filled; 0: nothing there (EAGAIN) ; -1:
 * error.  A sender whose uid is neither 0 nor uid is ignored (news empty);
 * descriptors that come along are closed; MAINPID and unknown keys ignored.
 */
int ready_notify_read(int fd, uid_t uid, struct ready_news *news);
/* The same, and it stays to be read: until it has been noted down. */
int ready_notify_peek(int fd, uid_t uid, struct ready_news *news);
/*
 * Before the last of its descriptors is closed, which may be the keeper's:
 * what waits in it may hold descriptors whose end takes as long as a stranger
 * likes (fd_close_given).
 */
void ready_notify_end(int fd);
void ready_parse(const char *data, size_t len, struct ready_news *news);
/* 1: a newline came; 0: nothing yet; -1: closed without one. */
int ready_fd_read(int fd);
/* ready=log: has the eventfd been written to?  It stays so. */
bool ready_event_is_set(int fd);
/* Is there a newline to be read? */
bool ready_fd_peek(int fd);

#endif
