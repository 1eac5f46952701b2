/* running - what a client wants run.  See running.h. */
#include "ctl/running.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/xalloc.h"
#include "spawn/spawn.h"

void
running_init(struct running *rn)
{
	memset(rn, 0, sizeof *rn);
	for (int i = 0; i < 3; i++)
		rn->req.fds[i] = -1;
}

void
running_fini(struct running *rn)
{
	free(rn->strings);
	free(rn->path);
	free(rn->argv.v);
	free(rn->envp.v);
	free(rn->groups);
	value_owner_fini(&rn->user);
	for (int i = 0; i < 3; i++)
		fd_close_given(&rn->req.fds[i]);
}

/* A memfd, so that no read of it can wait; copied, so that it can't change. */
static int
running_copy(struct running *rn, int fd, struct err *err)
{
	struct stat st;

	if (fd == -1)
		return err_set(err, "no descriptors came with the request");
	if (fcntl(fd, F_GET_SEALS) == -1 || fstat(fd, &st) == -1)
		return err_set(err, "the first descriptor is no memfd");
	if (st.st_size < 1 || st.st_size > RUN_STRINGS_MAX)
		return err_set(err, "%lld bytes of strings: at most %d",
		    (long long)st.st_size, RUN_STRINGS_MAX);
	rn->len = (size_t)st.st_size;
	rn->strings = xmalloc(rn->len);
	if (pread(fd, rn->strings, rn->len, 0) != (ssize_t)rn->len ||
	    rn->strings[rn->len - 1] != '\0')
		return err_set(err, "the strings are not ended by a NUL");
	return 0;
}

/* Borrowed: the arrays are freed, not what is in them. */
static void
running_add(struct strv *to, char *s)
{
	/* Full, with the NULL at its end, when that is a power of two. */
	if (to->n == 0 || ((to->n + 1) & to->n) == 0)
		to->v = xreallocarray(to->v, 2 * (to->n + 1), sizeof *to->v);
	to->v[to->n++] = s;
	to->v[to->n] = NULL;
}

static int
running_split(struct running *rn, int64_t argc, struct err *err)
{
	char *p = rn->strings, *end = p + rn->len;

	rn->req.directory = p;
	for (p += strlen(p) + 1; p < end; p += strlen(p) + 1) {
		if ((int64_t)rn->argv.n < argc)
			running_add(&rn->argv, p);
		else
			running_add(&rn->envp, p);
	}
	if (rn->envp.v == NULL)
		rn->envp.v = xcalloc(1, sizeof *rn->envp.v);
	if ((int64_t)rn->argv.n < argc)
		return err_set(err, "%zu words came, not %lld", rn->argv.n,
		    (long long)argc);
	if (rn->req.directory[0] != '/')
		return err_set(err, "the folder must begin with /");
	rn->req.argv = rn->argv.v;
	rn->req.envp = rn->envp.v;
	return 0;
}

int
running_read(struct running *rn, int fd, int64_t argc, struct err *err)
{
	if (running_copy(rn, fd, err) == -1)
		return -1;
	return running_split(rn, argc, err);
}

/* --- how ------------------------------------------------------------------
 */

static void
running_limits(struct running *rn, struct args *a)
{
	struct run_request *req = &rn->req;
	struct config_rlimit rl;
	struct strv words;
	struct err err;
	int resource;
	size_t at;

	strv_init(&words);
	args_strv(a, "rlimits", false, &words);
	for (size_t i = 0; !a->bad && i < words.n; i++) {
		if (value_limit_word(words.v[i], &resource, &rl, &err) == -1) {
			args_error(a, "%s", err.text);
			break;
		}
		/* Given again: the last one counts. */
		for (at = 0; at < req->nrlimits; at++)
			if (req->rlimits[at].resource == resource)
				break;
		if (at == req->nrlimits)
			req->nrlimits++;
		req->rlimits[at] =
		    (struct spec_rlimit){ resource, { rl.soft, rl.hard } };
	}
	strv_fini(&words);
}

void
running_args(struct running *rn, struct args *a)
{
	rn->req.umask = (int32_t)args_int(a, "umask", 0, 0777, SPEC_KEEP);
	rn->req.nice = (int32_t)args_int(a, "nice", -20, 19, SPEC_KEEP);
	rn->as_user = args_str(a, "user", false);
	rn->as_group = args_str(a, "as_group", false);
	running_limits(rn, a);
}

bool
running_refused(
    const struct running *rn, const struct ctl_session *s, struct task_end *end)
{
	struct spawn_err se = { STAGE_RLIMIT, 0 };
	struct rlimit now;

	/* The child is still root when it sets these; it is not for root. */
	if (geteuid() != 0 || s->who.uid == 0)
		return false;
	for (size_t i = 0; i < rn->req.nrlimits; i++) {
		const struct spec_rlimit *rl = &rn->req.rlimits[i];

		if (getrlimit((__rlimit_resource_t)rl->resource, &now) == -1 ||
		    rl->limit.rlim_max > now.rlim_max)
			se.errnum = EPERM;
	}
	if (se.errnum == 0 && rn->req.nice != SPEC_KEEP &&
	    rn->req.nice < getpriority(PRIO_PROCESS, 0))
		se = (struct spawn_err){ STAGE_NICE, EACCES };
	if (se.errnum == 0)
		return false;
	*end = (struct task_end){ .how = TASK_NO_START,
		.code = -1,
		.max_rss_kb = -1,
		.stage = (int)se.stage,
		.errnum = se.errnum };
	spawn_err_text(end->text, sizeof end->text, &se, rn->req.argv[0],
	    rn->req.directory);
	return true;
}

/* --- as whom ----------------------------------------------------------------
 */

static int
running_peer_groups(struct running *rn, int fd, struct err *err)
{
	socklen_t len = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == -1 &&
	    errno != ERANGE)
		return err_sys(err, "read the client's groups");
	rn->groups = xmalloc(len + sizeof(gid_t));
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, rn->groups, &len) == -1)
		return err_sys(err, "read the client's groups");
	rn->req.groups = rn->groups;
	rn->req.ngroups = len / sizeof(gid_t);
	return 0;
}

static int
running_as_user(
    struct running *rn, const struct ctl_session *s, struct err *err)
{
	if (s->who.uid != 0 || geteuid() != 0)
		return err_set(err, "only root may run as another user");
	if (value_owner_lookup(&rn->user, rn->as_user, err) == -1) {
		rn->unknown = STAGE_UID;
		return -1;
	}
	value_owner_groups(&rn->user);
	rn->req.set_ids = true;
	rn->req.uid = rn->user.uid;
	rn->req.gid = rn->user.gid;
	rn->req.groups = rn->user.groups;
	rn->req.ngroups = rn->user.ngroups;
	return 0;
}

/* Never as anyone but the client, unless root says so. */
static int
running_uid(struct running *rn, const struct ctl_session *s, struct err *err)
{
	if (rn->as_user != NULL)
		return running_as_user(rn, s, err);
	if (s->who.uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return err_set(err,
		    "reeved is not root: it can run nothing "
		    "for uid %u",
		    (unsigned)s->who.uid);
	rn->req.set_ids = true;
	rn->req.uid = s->who.uid;
	rn->req.gid = s->who.gid;
	return running_peer_groups(rn, s->fd, err);
}

/* Is the client in it? */
static bool
running_is_member(const struct running *rn, gid_t gid)
{
	if (rn->req.gid == gid)
		return true;
	for (size_t i = 0; i < rn->req.ngroups; i++)
		if (rn->req.groups[i] == gid)
			return true;
	return false;
}

/* One of the client's own gives no rights; any other is root's to give. */
static int
running_gid(struct running *rn, const struct ctl_session *s, struct err *err)
{
	struct config_gid g = { .set = false };
	gid_t gid;

	if (value_group_parse(NULL, &g, rn->as_group, err) == -1) {
		rn->unknown = STAGE_GID;
		return -1;
	}
	if (!g.set)
		return err_set(err, "no group is named");
	gid = g.gid;
	value_group_fini(&g);
	if (geteuid() != 0)
		return gid == getegid()
			   ? 0
			   : err_set(err,
				 "reeved is not root: it can run nothing "
				 "with another group");
	if (s->who.uid != 0 && !running_is_member(rn, gid))
		return err_set(err,
		    "only root may run with a group that the client is not in");
	if (!rn->req.set_ids && running_peer_groups(rn, s->fd, err) == -1)
		return -1;
	/* uid: 0 unless one was set above. */
	rn->req.set_ids = true;
	rn->req.gid = gid;
	return 0;
}

int
running_identity(
    struct running *rn, const struct ctl_session *s, struct err *err)
{
	if (running_uid(rn, s, err) == -1)
		return -1;
	return rn->as_group != NULL ? running_gid(rn, s, err) : 0;
}

void
running_not_as(
    const struct running *rn, const struct err *err, struct task_end *end)
{
	*end = (struct task_end){ .how = TASK_NO_START,
		.code = -1,
		.max_rss_kb = -1,
		.stage = rn->unknown,
		.errnum = EINVAL };
	snprintf(end->text, sizeof end->text, "%.150s", err->text);
}

void
running_put_no_start(struct jw *w, const struct task_end *end, const char *path)
{
	char stage[32];

	spawn_stage_name(stage, sizeof stage, (enum spawn_stage)end->stage);
	jw_str(w, "stage", stage);
	jw_str(w, "errno_name", strerrorname_np(end->errnum));
	jw_str(w, "path", path);
}

bool
run_key_ok(const char *key)
{
	size_t n = strlen(key);

	return n > 0 && n <= RUN_KEY_MAX &&
	       strspn(key, "0123456789abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}
