/*
 * keeperlink - the engine's end of the keeper's protocol.
 *
 * Keeps what the channel can't take yet, and a copy of the fd store: the same
 * numbers and names, with descriptors of our own.  Slots of the store are
 * from 1; 0 is none.
 */
#ifndef ENGINE_KEEPERLINK_H
#define ENGINE_KEEPERLINK_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "ipc/chan.h"
#include "spawn/spawn.h"

struct keeperlink;

struct keeper_exit {
	int code;
	int signo;
	bool core;
	mono_ms died_ms;
	int64_t max_rss_kb;
};

struct keeper_welcome {
	unsigned incarnation; /* > 1: there was an engine before */
	pid_t pid;
	mono_ms started_ms;
	unsigned long soft_nofile;
	bool has_notify;
	char *program; /* path of reeved */
	int tables;    /* their version, see ipc/tables.h */
	/*
	 * The first keeper, by pid and start time (field 22 of proc(5)'s
	 * stat): what names cgroups and marks processes.  Another one than
	 * pid when that was killed, and an engine went on in its place.
	 */
	pid_t origin;
	uint64_t origin_start;
};

struct keeper_kid_end {
	bool ran;
	struct keeper_exit ex; /* of one that ran */
	int stage, errnum;     /* of one that did not */
};

/* What this engine knows of a child. */
struct keeper_kid {
	uint64_t id;
	mono_ms started_ms;
	char *label;                /* a task's; NULL: inst_label has it */
	struct keeper_kid_end *end; /* NULL: it lives, or is to */
	pid_t pid; /* 0: its start was asked for, and is not answered */
	bool kill_group;
	bool found; /* of heir.c: by what there is of it */
};

struct keeperlink_ops {
	/* One for each child that the keeper has, before synced. */
	void (*child)(void *arg, uint64_t id, pid_t pid, mono_ms started_ms,
	    const char *label);
	void (*synced)(void *arg);
	void (*spawned)(void *arg, uint64_t id, pid_t pid, mono_ms started_ms);
	void (*spawn_failed)(void *arg, uint64_t id, int stage, int errnum);
	void (*exited)(void *arg, uint64_t id, const struct keeper_exit *ex);
	/* serial: one that is given again has the same. */
	void (*signalled)(void *arg, int signo, uint32_t serial);
	void (*signal_failed)(void *arg, uint64_t id, int signo, int errnum);
	/* The keeper is gone: nothing can be asked of it any more. */
	void (*orphaned)(void *arg, const char *why);
	/* code 0: the keeper is another; text: why it is not */
	void (*upgraded)(void *arg, int code, const char *text);
};

/* Takes fd.  Says hello; everything else comes by the loop. */
struct keeperlink *keeperlink_new(
    struct loop *lp, int fd, const struct keeperlink_ops *ops, void *arg);
void keeperlink_free(struct keeperlink *kl);
const struct keeper_welcome *keeperlink_welcome(const struct keeperlink *kl);

/* Borrows sp and the message's descriptors. */
void keeperlink_spawn(struct keeperlink *kl, uint64_t id, const struct spec *sp,
    const int *fds, size_t nfds);
void keeperlink_signal(
    struct keeperlink *kl, uint64_t id, int signo, bool to_group);
void keeperlink_forget(struct keeperlink *kl, uint64_t id);
void keeperlink_ready(struct keeperlink *kl, bool daemonise);
void keeperlink_notify(struct keeperlink *kl, const char *text);
/* It executes the reeved that is installed by now. */
void keeperlink_upgrade(struct keeperlink *kl);
void keeperlink_shutdown(struct keeperlink *kl, int code);
void keeperlink_log_to(struct keeperlink *kl, unsigned slot, int level);

/* Takes fd; returns the slot.  The keeper holds it from now on, as we do. */
unsigned keeperlink_put(struct keeperlink *kl, const char *name, int fd);
/* Takes both ends: no engine ever finds one of them alone. */
void keeperlink_put_pipe(struct keeperlink *kl, const char *const names[2],
    const int fds[2], unsigned slots[2]);
/* Takes fd: in place of what has that name, in one step. */
unsigned keeperlink_replace(struct keeperlink *kl, const char *name, int fd);
/* Slot of that name, 0: none. */
unsigned keeperlink_find(const struct keeperlink *kl, const char *name);
/* Our own descriptor of a slot; -1: none.  Borrowed. */
int keeperlink_fd(const struct keeperlink *kl, unsigned slot);
const char *keeperlink_name(const struct keeperlink *kl, unsigned slot);
/* Highest slot in use, to walk over all of them. */
unsigned keeperlink_top(const struct keeperlink *kl);
/* Descriptors that are held, or wait for room in the channel. */
size_t keeperlink_fds(const struct keeperlink *kl);
void keeperlink_drop(struct keeperlink *kl, unsigned *slot);
/* Sent everything that was waiting? */
bool keeperlink_idle(const struct keeperlink *kl);

/* Those that the keeper has not been told to forget; *n of them, borrowed. */
const struct keeper_kid *keeperlink_kids(
    const struct keeperlink *kl, size_t *n);
/* clock_boot_ms when the keeper last said something: it lived then. */
int64_t keeperlink_heard(const struct keeperlink *kl);
uint32_t keeperlink_serial(const struct keeperlink *kl); /* newest signal's */
/* A file open on the keeper's program; -1: not to be had. */
int keeperlink_program(const struct keeperlink *kl);

#endif
