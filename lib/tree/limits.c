/*
 * limits - controllers of the cgroups of trees, and what they are set to.
 *
 * A controller is there for a folder when the folder above hands it down
 * (cgroup.subtree_control), from the cgroup that reeved was put into to the
 * base and from there to the instances'.  A cgroup that hands down may have
 * no processes itself (the root may), and reeved was put into this one: where
 * nobody else is in it keeper and engine move to a leaf of their own, BASE/
 * supervisor, and back when it is over.
 */
#include <sys/inotify.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "config/config.h"
#include "tree/tree_priv.h"

#define LIMITS_NO_CGROUP "no cgroup (v2) can be made here"

/* --- controllers ---------------------------------------------------------- */

/* One line, without its end; "" when it can't be read. */
static void
limits_read(struct buf *b, const char *folder, const char *name)
{
	char path[PATH_MAX];

	buf_clear(b);
	if (!tree_cgroup_path(path, folder, name) ||
	    tree_read(b, path, 4096) == -1)
		buf_clear(b);
	if (b->len > 0)
		b->data[b->len = strcspn(b->data, "\n")] = '\0';
}

static bool
limits_has_word(const char *folder, const char *name, const char *word)
{
	size_t n = strlen(word);
	bool found = false;
	struct buf b;

	buf_init(&b);
	limits_read(&b, folder, name);
	for (const char *s = buf_str(&b); *s != '\0' && !found;
	     s += strspn(s, " ")) {
		found = strcspn(s, " ") == n && strncmp(s, word, n) == 0;
		s += strcspn(s, " ");
	}
	buf_fini(&b);
	return found;
}

static int
limits_hand_down(const char *folder, const char *controller)
{
	char text[64];

	if (limits_has_word(folder, "cgroup.subtree_control", controller))
		return 0;
	snprintf(text, sizeof text, "+%s", controller);
	return tree_cgroup_write(folder, "cgroup.subtree_control", text);
}

/* All of one folder's processes into another; the number of those that a
 * process other than these two is: nothing is moved then. */
static int
limits_move(const char *from, const char *to, pid_t keeper, pid_t engine)
{
	char path[PATH_MAX], pid[16] = "";
	int strangers = 0, rc = 0;
	struct buf b;

	buf_init(&b);
	if (!tree_cgroup_path(path, from, "cgroup.procs") ||
	    tree_read(&b, path, SIZE_MAX) == -1)
		rc = -1;
	for (int pass = 0; rc == 0 && pass < 2 && strangers == 0; pass++) {
		for (char *s = b.len > 0 ? b.data : pid; *s != '\0';) {
			long n = strtol(s, &s, 10);

			s += strspn(s, "\n");
			strangers += n != keeper && n != engine;
			snprintf(pid, sizeof pid, "%ld", n);
			if (pass == 1 &&
			    tree_cgroup_write(to, "cgroup.procs", pid) == -1)
				rc = -1;
		}
	}
	buf_fini(&b);
	return strangers > 0 ? strangers : rc;
}

/* Keeper and engine out of the cgroup that is to hand down. */
static int
limits_make_room(
    const char *own, const char *base, pid_t keeper, struct err *err)
{
	char leaf[PATH_MAX];
	int n;

	if (!tree_cgroup_path(leaf, base, TREE_SUPERVISOR))
		return err_set(err, "its path is too long");
	if (mkdir(leaf, 0755) == -1 && errno != EEXIST)
		return err_sys(err, "make cgroup %s", leaf);
	n = limits_move(own, leaf, keeper, getpid());
	if (n == 0)
		return 0;
	if (n > 0)
		err_set(err,
		    "%d processes besides reeved's are in cgroup %s, so it "
		    "can't hand it down; start reeved in a cgroup of its own "
		    "(systemd: Delegate=yes)",
		    n, own);
	else
		err_sys(err, "move reeved to cgroup %s", leaf);
	limits_move(leaf, own, keeper, getpid());
	rmdir(leaf);
	return -1;
}

static int
limits_not_offered(const char *own, const char *controller, struct err *err)
{
	struct buf b;

	buf_init(&b);
	limits_read(&b, own, "cgroup.controllers");
	err_set(err, "cgroup %s does not offer controller %s (it has: %s)", own,
	    controller, b.len > 0 ? buf_str(&b) : "none");
	buf_fini(&b);
	return -1;
}

int
tree_offers(const char *controller, struct err *err)
{
	char own[PATH_MAX];

	if (!tree_cgroup_own(own) || access(own, W_OK) == -1)
		return err_set(err, LIMITS_NO_CGROUP);
	if (!limits_has_word(own, "cgroup.controllers", controller))
		return limits_not_offered(own, controller, err);
	return 0;
}

int
tree_enable(const char *base, const char *controller, pid_t keeper,
    bool may_move, struct err *err)
{
	char own[PATH_MAX];

	if (base[0] == '\0')
		return err_set(err, LIMITS_NO_CGROUP);
	if (limits_has_word(base, "cgroup.subtree_control", controller))
		return 0;
	snprintf(own, sizeof own, "%s", base);
	*strrchr(own, '/') = '\0';
	if (!limits_has_word(own, "cgroup.controllers", controller))
		return limits_not_offered(own, controller, err);
	if (!may_move &&
	    !limits_has_word(own, "cgroup.subtree_control", controller))
		return err_set(err, "cgroup %s does not hand it down", own);
	if (limits_hand_down(own, controller) == -1 &&
	    (errno != EBUSY || limits_make_room(own, base, keeper, err) == -1 ||
		limits_hand_down(own, controller) == -1))
		return err->text[0] != '\0'
			   ? -1
			   : err_sys(err, "hand down %s from cgroup %s",
				 controller, own);
	if (limits_hand_down(base, controller) == -1)
		return err_sys(
		    err, "hand down %s from cgroup %s", controller, base);
	return 0;
}

/* "memory pids" -> "-memory", "-pids", one by one. */
static void
limits_hand_down_nothing(const char *folder)
{
	char text[64], *s, *save;
	struct buf b;

	buf_init(&b);
	limits_read(&b, folder, "cgroup.subtree_control");
	s = b.len > 0 ? strtok_r(b.data, " ", &save) : NULL;
	for (; s != NULL; s = strtok_r(NULL, " ", &save)) {
		snprintf(text, sizeof text, "-%s", s);
		tree_cgroup_write(folder, "cgroup.subtree_control", text);
	}
	buf_fini(&b);
}

/* As it was before: whoever had processes there handed nothing down. */
void
tree_limits_undo(const char *base, pid_t keeper)
{
	char leaf[PATH_MAX], own[PATH_MAX];

	if (!tree_cgroup_path(leaf, base, TREE_SUPERVISOR) ||
	    access(leaf, F_OK) == -1)
		return;
	snprintf(own, sizeof own, "%s", base);
	*strrchr(own, '/') = '\0';
	limits_hand_down_nothing(base);
	limits_hand_down_nothing(own);
	limits_move(leaf, own, keeper, getpid());
	rmdir(leaf);
}

/* --- values --------------------------------------------------------------- */

static int
limits_set(
    const char *folder, const char *file, const char *text, struct err *err)
{
	if (tree_cgroup_write(folder, file, text) == -1)
		return err_sys(err, "write %s to %s/%s", text, folder, file);
	return 0;
}

static int
limits_set_number(const char *folder, const char *file, int64_t n,
    const char *none, struct err *err)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRId64, n);
	return limits_set(folder, file, n > 0 ? text : none, err);
}

static int
limits_set_cpu(
    const char *folder, const struct config_program *p, struct err *err)
{
	char text[64] = "max 100000";

	if (p->rare->cpu_max.quota_us > 0)
		snprintf(text, sizeof text, "%" PRId64 " %" PRId64,
		    p->rare->cpu_max.quota_us, p->rare->cpu_max.period_us);
	if (limits_set_number(
		folder, "cpu.weight", p->rare->cpu_weight, "100", err) == -1)
		return -1;
	return limits_set(folder, "cpu.max", text, err);
}

/* All of them: the folder may have been another instance's. */
int
tree_limit(const struct tree *t, unsigned controllers,
    const struct config_program *p, struct err *err)
{
	int rc = 0;

	if (t->cgroup == NULL)
		return 0;
	if ((controllers & TREE_MEMORY) != 0)
		rc |= limits_set_number(
		    t->cgroup, "memory.max", p->rare->memory_max, "max", err);
	if ((controllers & TREE_PIDS) != 0)
		rc |= limits_set_number(
		    t->cgroup, "pids.max", p->rare->pids_max, "max", err);
	if ((controllers & TREE_CPU) != 0)
		rc |= limits_set_cpu(t->cgroup, p, err);
	return rc;
}

/* --- out of memory -------------------------------------------------------- */

static int64_t
oom_count(const char *folder, const char *file)
{
	char path[PATH_MAX], text[16 * 1024];
	const char *s = NULL;

	if (tree_cgroup_path(path, folder, file) &&
	    tree_read_some(text, sizeof text, path))
		s = strstr(text, "\noom_kill ");
	return s != NULL ? strtoll(s + strlen("\noom_kill "), NULL, 10) : -1;
}

int64_t
tree_oom_kills(const struct tree *t)
{
	return t->cgroup != NULL ? oom_count(t->cgroup, "memory.events") : -1;
}

int
tree_watch_oom(const struct tree *t, int inotify)
{
	char path[PATH_MAX];

	if (t->cgroup == NULL ||
	    !tree_cgroup_path(path, t->cgroup, "memory.events"))
		return -1;
	return inotify_add_watch(inotify, path, IN_MODIFY | IN_ONESHOT);
}

int64_t
tree_oom_kills_anywhere(void)
{
	return oom_count("/proc", "vmstat");
}
