/*
 * check_box - keys that shut a program in, against what this process may do.
 *
 * A start would fail with EPERM each time: better told with its line.
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "config/check.h"
#include "config/slot.h"

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

struct box {
	const struct config_program *p;
	struct config_errors *errs;
	uint64_t own; /* capabilities of this process */
};

static const char *
box_file(const struct box *b, enum schema_id id)
{
	const char *file = origins_file(&b->p->origins, id);

	return file != NULL ? file : b->p->file;
}

static int
box_line(const struct box *b, enum schema_id id)
{
	int line = origins_line(&b->p->origins, id);

	return line != 0 ? line : b->p->line;
}

#define BOX_ERROR(b, key, fmt, ...)                                            \
	config_error((b)->errs, box_file(b, SCHEMA_PROGRAM_##key),             \
	    box_line(b, SCHEMA_PROGRAM_##key), "[program:%s] " #key ": " fmt,  \
	    (b)->p->name __VA_OPT__(, ) __VA_ARGS__)
#define BOX_WARNING(b, key, fmt, ...)                                          \
	config_warning((b)->errs, box_file(b, SCHEMA_PROGRAM_##key),           \
	    box_line(b, SCHEMA_PROGRAM_##key), "[program:%s] " #key ": " fmt,  \
	    (b)->p->name __VA_OPT__(, ) __VA_ARGS__)

#define NO_CPU "there is no CPU %s: this machine has 0 to %ld"

/* Why a right is not there, and what to do about it. */
#define BOX_NEED(b, key, cap, what)                                            \
	do {                                                                   \
		if (((b)->own >> (cap)&1) == 0)                                \
			BOX_ERROR(b, key,                                      \
			    "only root with CAP_%s can %s: %s, or remove the " \
			    "key",                                             \
			    config_cap_name(cap), what, box_remedy());         \
	} while (0)

static const char *
box_remedy(void)
{
	return geteuid() == 0
		   ? "give reeved that capability (a container's --cap-add)"
		   : "run reeved as root";
}

/* --- who it is -------------------------------------------------------------
 */

static void
box_identity(const struct box *b)
{
	const struct config_program *p = b->p;

	if (p->rare->run_group.set && p->rare->user.set &&
	    strchr(p->rare->user.name, ':') &&
	    p->rare->user.gid != p->rare->run_group.gid)
		BOX_ERROR(b, group,
		    "user = %s names another group than group = %s: keep one "
		    "of them",
		    p->rare->user.name, p->rare->run_group.name);
	if (!p->rare->identity.set)
		return;
	if (p->rare->run_group.set)
		BOX_NEED(b, group, CAP_SETGID, "change the group");
	if (p->rare->supplementary.set)
		BOX_NEED(b, supplementary_groups, CAP_SETGID, "change groups");
}

static void
box_capabilities(const struct box *b)
{
	const struct config_caps *cc = &b->p->rare->capabilities;
	uint64_t keep = cc->all ? b->own : cc->keep;

	if (!cc->set)
		return;
	if (cc->all && b->own == 0)
		BOX_ERROR(b, capabilities,
		    "reeved has none to pass on: run it as root, or remove "
		    "the key");
	else if ((config_caps_bounding() & ~keep) != 0)
		BOX_NEED(b, capabilities, CAP_SETPCAP,
		    "reduce what a program may have");
	for (int cap = 0; cap < 64; cap++)
		if ((keep & ~b->own) >> cap & 1)
			BOX_ERROR(b, capabilities,
			    "reeved itself does not have CAP_%s here: %s, or "
			    "take it off the list",
			    config_cap_name(cap), box_remedy());
}

/* --- where it runs ---------------------------------------------------------
 */

/* The first of them that this machine does not have; NULL: none. */
static const char *
box_no_cpu(const struct strv *cpus, long n)
{
	for (size_t i = 0; i < cpus->n; i++)
		if (n > 0 && atol(cpus->v[i]) >= n)
			return cpus->v[i];
	return NULL;
}

static void
box_cpus(const struct box *b)
{
	const struct config_program *p = b->p;
	const char *in_set, *in_list;
	long n;

	if (p->rare->cpu_set.n == 0 && p->rare->cpu_list.n == 0)
		return; /* nobody asks how many there are: a file is read */
	n = sysconf(_SC_NPROCESSORS_CONF);
	in_set = box_no_cpu(&p->rare->cpu_set, n);
	in_list = box_no_cpu(&p->rare->cpu_list, n);
	if (in_set != NULL)
		BOX_ERROR(b, cpu_set, NO_CPU, in_set, n - 1);
	if (in_list != NULL)
		BOX_ERROR(b, cpu_affinity, NO_CPU, in_list, n - 1);
	if (p->rare->cpu_set.n == 0 || p->rare->cpu_affinity != AFFINITY_LIST)
		return;
	for (size_t i = 0; i < p->rare->cpu_list.n; i++)
		if (!strv_has(&p->rare->cpu_set, p->rare->cpu_list.v[i]))
			BOX_ERROR(b, cpu_affinity,
			    "CPU %s is not in cpu_set: add it there, or take "
			    "it off here",
			    p->rare->cpu_list.v[i]);
}

static void
box_ioprio(const struct box *b)
{
	if (b->p->rare->ioprio != -1 &&
	    CONFIG_IOPRIO_CLASS(b->p->rare->ioprio) == 1 &&
	    (b->own >> CAP_SYS_ADMIN & 1) == 0)
		BOX_NEED(b, ioprio, CAP_SYS_NICE, "have realtime");
}

/* RLIMIT_NICE counts from 20 down: 1 is nice 19, 40 is nice -20. */
static void
box_nice(const struct box *b)
{
	int64_t nice = b->p->nice;
	struct rlimit rl;

	if (nice == INT64_MIN || nice >= getpriority(PRIO_PROCESS, 0) ||
	    (getrlimit(RLIMIT_NICE, &rl) == 0 &&
		20 - nice <= (int64_t)rl.rlim_cur))
		return;
	BOX_NEED(b, nice, CAP_SYS_NICE, "have more than reeved itself");
}

/* More than the kernel gives anybody; 0: no such bound, or not known. */
static rlim_t
box_nr_open(void)
{
	FILE *fp = fopen("/proc/sys/fs/nr_open", "re");
	unsigned long long n = 0;

	if (fp == NULL)
		return 0;
	if (fscanf(fp, "%llu", &n) != 1)
		n = 0;
	fclose(fp);
	return n;
}

static void
box_limit(const struct box *b, int resource, enum schema_id id, const char *key)
{
	const struct config_rlimit *want = &b->p->rare->rlimit[resource];
	bool may = (b->own >> CAP_SYS_RESOURCE & 1) != 0;
	rlim_t most =
	    resource == RLIMIT_NOFILE && want->set ? box_nr_open() : 0;
	struct rlimit rl;

	if (!want->set)
		return;
	if (most != 0 && want->hard > most)
		config_error(b->errs, box_file(b, id), box_line(b, id),
		    "[program:%s] %s: more than the kernel allows: %llu "
		    "(sysctl fs.nr_open)",
		    b->p->name, key, (unsigned long long)most);
	else if (!may && getrlimit(resource, &rl) == 0 &&
		 want->hard > rl.rlim_max)
		config_error(b->errs, box_file(b, id), box_line(b, id),
		    "[program:%s] %s: only root with CAP_SYS_RESOURCE can have "
		    "more than reeved's own hard limit of %llu: %s, or take "
		    "less",
		    b->p->name, key, (unsigned long long)rl.rlim_max,
		    box_remedy());
}

static void
box_limits(const struct box *b)
{
#define LIMIT(R, key)                                                          \
	box_limit(b, RLIMIT_##R, SCHEMA_PROGRAM_rlimit_##key, "rlimit_" #key)
	LIMIT(AS, as);
	LIMIT(CORE, core);
	LIMIT(CPU, cpu);
	LIMIT(DATA, data);
	LIMIT(FSIZE, fsize);
	LIMIT(MEMLOCK, memlock);
	LIMIT(NOFILE, nofile);
	LIMIT(NPROC, nproc);
	LIMIT(RTPRIO, rtprio);
	LIMIT(STACK, stack);
#undef LIMIT
}

/* --- what it sees of the files ---------------------------------------------
 */

static bool
box_below(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (n == 1)
		return true;
	return strncmp(path, folder, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

static bool
box_hidden(const char *path)
{
	return (box_below(path, "/tmp") && strcmp(path, "/tmp") != 0) ||
	       (box_below(path, "/var/tmp") && strcmp(path, "/var/tmp") != 0);
}

static void
box_chroot(const struct box *b)
{
	struct stat st;

	BOX_NEED(b, chroot, CAP_SYS_CHROOT, "change the root");
	if (stat(b->p->rare->chroot, &st) == -1)
		BOX_WARNING(
		    b, chroot, "%s: %s", b->p->rare->chroot, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		BOX_WARNING(b, chroot, "%s: it is a file", b->p->rare->chroot);
}

/*
 * Before Linux 5.12 a tree of mounts can't be made read-only at once: each has
 * to be named, or it would stay writable and nobody would know.
 */
static void
box_submounts(const struct box *b, const char *path)
{
	const struct config_program *p = b->p;
	size_t len = p->rare->chroot != NULL ? strlen(p->rare->chroot) : 0;
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *save, *at;
	size_t room = 0;

	while (f != NULL && getline(&line, &room, f) != -1) {
		at = strtok_r(line, " ", &save);
		for (int i = 0; i < 4 && at != NULL; i++)
			at = strtok_r(NULL, " ", &save);
		if (at == NULL ||
		    (len > 0 &&
			(!box_below(at, p->rare->chroot) || at[len] == '\0')))
			continue;
		at += len;
		if (strcmp(at, path) != 0 && strcmp(at, "/") != 0 &&
		    box_below(at, path) && !strv_has(&p->rare->read_only, at))
			BOX_ERROR(b, read_only,
			    "%s is a mount below %s, and this kernel (before "
			    "5.12) makes it read-only only when it is named: "
			    "add it",
			    at, path);
	}
	free(line);
	if (f != NULL)
		fclose(f);
}

static void
box_read_only(const struct box *b)
{
	const struct config_program *p = b->p;
	bool old = syscall(SYS_mount_setattr, -1, "", 0, NULL, 0) == -1 &&
		   errno == ENOSYS;
	struct stat st;

	BOX_NEED(b, read_only, CAP_SYS_ADMIN, "mount for a program alone");
	for (size_t i = 0; i < p->rare->read_only.n; i++) {
		const char *path = p->rare->read_only.v[i];

		if (p->rare->private_tmp &&
		    (box_hidden(path) || strcmp(path, "/tmp") == 0 ||
			strcmp(path, "/var/tmp") == 0))
			BOX_ERROR(b, read_only,
			    "%s: with private_tmp there is another, writable "
			    "/tmp: keep one of the two",
			    path);
		else if (config_root_stat(p->rare->chroot, path, &st) == -1)
			BOX_WARNING(
			    b, read_only, "%s: %s", path, strerror(errno));
		if (old)
			box_submounts(b, path);
	}
}

void
check_box(const struct config_program *p, struct config_errors *errs)
{
	struct box b = { .p = p, .errs = errs, .own = config_caps_own() };

	box_identity(&b);
	box_capabilities(&b);
	box_cpus(&b);
	box_ioprio(&b);
	box_nice(&b);
	box_limits(&b);
	if (p->rare->chroot != NULL)
		box_chroot(&b);
	if (p->rare->private_tmp)
		BOX_NEED(&b, private_tmp, CAP_SYS_ADMIN,
		    "mount for a program alone");
	if (p->rare->read_only.n > 0)
		box_read_only(&b);
}

void
check_box_slot(const struct config_program *p, const struct config_slot *s,
    struct config_errors *errs)
{
	struct box b = { .p = p, .errs = errs };

	if (!p->rare->private_tmp)
		return;
	if (s->exec_path != NULL && box_hidden(s->exec_path))
		BOX_ERROR(&b, private_tmp,
		    "hides %s, which is to be run: keep it elsewhere, or "
		    "remove the key",
		    s->exec_path);
	if (s->directory != NULL && box_hidden(s->directory))
		BOX_ERROR(&b, private_tmp,
		    "hides directory %s: use another, or remove the key",
		    s->directory);
}
