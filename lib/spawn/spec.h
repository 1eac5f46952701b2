/*
 * spec - everything about one start, complete and checked before any fork.
 *
 * The engine fills a spec and writes it into a message; the keeper reads it
 * back (spec_read checks every count and index) and spawns.  Ids are numbers:
 * nothing is looked up in the keeper.  Strings of a read spec point into its
 * own copy of the message.
 */
#ifndef SPAWN_SPEC_H
#define SPAWN_SPEC_H

#include <sys/resource.h>
#include <sys/types.h>

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ipc/codec.h"

#define SPEC_LABEL_MAX   95
#define SPEC_FDS_MAX     256 /* descriptors that a child is given */
#define SPEC_TARGET_MAX  1023
#define SPEC_GROUPS_MAX  1024
#define SPEC_PATHS_MAX   64      /* of read_only */
#define SPEC_STRINGS_MAX 1000000 /* words of argv, of envp */

enum spec_fd_from {
	SPEC_FD_NULL,    /* /dev/null, read and write */
	SPEC_FD_STORE,   /* value: slot of the keeper's fd store */
	SPEC_FD_MESSAGE, /* value: index among the message's descriptors */
	SPEC_FD_INHERIT, /* value: number in the keeper itself */
};

struct spec_fd {
	int target; /* number in the child */
	enum spec_fd_from from;
	int value;
};

struct spec_rlimit {
	int resource;
	struct rlimit limit;
};

enum {
	/* When it exits, SIGKILL what is left of its process group. */
	SPEC_KILL_GROUP = 1,
	/* Join the cgroup whose folder is the message's last descriptor. */
	SPEC_CGROUP = 2,
	/* LISTEN_PID=: the child writes its pid behind it. */
	SPEC_LISTEN_PID = 4,
	/* Descriptor 0 becomes the controlling terminal. */
	SPEC_TTY = 8,
	/* WATCHDOG_PID=, as LISTEN_PID. */
	SPEC_WATCHDOG_PID = 1024,
	SPEC_NO_NEW_PRIVS = 16,
	/* A fresh tmpfs on /tmp and /var/tmp. */
	SPEC_PRIVATE_TMP = 32,
	/* caps is valid: keep these capabilities and no other. */
	SPEC_CAPS = 64,
	/* SIGKILL when the thread that started it ends. */
	SPEC_DIE_WITH_PARENT = 128,
	/* Nobody waits to hear that it was executed: see SPAWN_LATE_MS. */
	SPEC_LATE = 256,
};

#define SPEC_KEEP INT32_MIN /* of nice, ioprio and so on: leave it */

struct spec {
	const char *label; /* for the engine: "web.0#3"; not understood here */
	const char *path;  /* absolute, or relative to directory */
	char **argv;
	char **envp;
	const char *directory; /* "": stay */
	bool set_ids;          /* groups, gid, uid are valid */
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t ngroups;
	int32_t umask;
	int32_t nice;
	int32_t oom_score_adj;
	int32_t ioprio;   /* as ioprio_set(2) takes it */
	uint64_t caps;    /* bit n: capability n; of SPEC_CAPS */
	const char *root; /* absolute, of chroot(2); "": ours */
	char **read_only; /* absolute, as seen from root; NULL: none */
	struct spec_rlimit *rlimits;
	size_t nrlimits;
	const void *affinity; /* bytes of a cpu mask; NULL: leave it */
	size_t affinity_len;
	struct spec_fd *fds;
	size_t nfds;
	uint32_t flags;

	void *mem; /* of spec_read: what the pointers point into */
};

/* A spec with nothing set: keeps, no descriptors. */
void spec_init(struct spec *sp);

/* Of what exec gives to the program; all in bytes. */
struct spec_size {
	size_t bytes;   /* words, environment, path */
	size_t longest; /* string */
	size_t most;    /* that the kernel takes */
};

void spec_measure(const struct spec *sp, struct spec_size *out);
/* "with the environment 3000000 bytes, the kernel takes 2097152, ...": why it
 * was too long. */
void spec_size_text(const struct spec_size *s, char *out, size_t size);
void spec_write(struct mw *w, const struct spec *sp);
/*
 * Reads to the end of r.  nfds_given: descriptors that came with the message.
 * NULL and err when it is malformed or there is no memory.
 */
struct spec *spec_read(struct mr *r, size_t nfds_given, struct err *err);
/* Of spec_read, or of calloc with arrays of malloc. */
void spec_free(struct spec *sp);

#endif
