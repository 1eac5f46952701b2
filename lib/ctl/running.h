/*
 * running - what a client wants run: from its request into a run_request.
 *
 * The strings come in a memfd: folder, argc words, the environment, each ended
 * by a NUL.  It runs as the client, unless root says otherwise.
 */
#ifndef CTL_RUNNING_H
#define CTL_RUNNING_H

#include "config/value.h"
#include "ctl/ctl_priv.h"
#include "engine/run.h"

#define RUN_STRINGS_MAX (8 << 20)

/* What a request is made of, until it is started. */
struct running {
	struct run_request req;
	struct strv argv, envp; /* borrowed: into strings */
	char *strings;
	size_t len;
	char *path;
	struct config_owner user;
	gid_t *groups;
	int unknown; /* STAGE_UID, STAGE_GID: there is none of that name */
	const char *as_user, *as_group; /* borrowed from the request */
};

void running_init(struct running *rn);
void running_fini(struct running *rn);
/* Strings of a memfd; borrows fd.  -1: err says what is wrong with them. */
int running_read(struct running *rn, int fd, int64_t argc, struct err *err);
/* umask, nice, user, as_group, rlimits. */
void running_args(struct running *rn, struct args *a);
/* No user: the client itself.  -1: it may not, or there is no such user or
 * group. */
int running_identity(
    struct running *rn, const struct ctl_session *s, struct err *err);
/* What the kernel would let root do, but not the client: false, or end tells
 * as what it failed. */
bool running_refused(const struct running *rn, const struct ctl_session *s,
    struct task_end *end);
/* A start that failed since there is no such user or group (unknown). */
void running_not_as(
    const struct running *rn, const struct err *err, struct task_end *end);
/* What was in the way of a start: stage, errno_name, path; path NULL: it is
 * not about one. */
void running_put_no_start(
    struct jw *w, const struct task_end *end, const char *path);
/* Letters and digits, not too many. */
bool run_key_ok(const char *key);

#endif
