/*
 * cpus - how many CPUs there are to use, and which.
 *
 * /proc/self/cgroup tells the cgroup, /proc/self/mountinfo where its
 * hierarchy is mounted and which part of it (in a container the mount may
 * begin at the container's own cgroup).  Both hierarchies are looked at: in a
 * hybrid set-up the CPU controller is in v1 and v2 knows no quota.
 */
#include "cluster/cpus.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xalloc.h"

/* Where a hierarchy is; NULL: not found. */
struct cpus_cgroup {
	char *mount; /* folder */
	char *top;   /* cgroup that is seen there */
	char *self;  /* our cgroup */
};

static void
cpus_cgroup_fini(struct cpus_cgroup *g)
{
	free(g->mount);
	free(g->top);
	free(g->self);
}

/* Is word one of the list's, which commas part? */
static bool
cpus_has_word(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, word, n) == 0 && (p[n] == ',' || p[n] == '\0'))
			return true;
	}
	return false;
}

/* mountinfo writes a blank as \040. */
static void
cpus_unescape(char *s)
{
	char *to = s;

	for (; *s != '\0'; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 +
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* The nth field, counted from 0, as a string of its own; or NULL. */
static char *
cpus_field(const char *line, int nth)
{
	while (nth-- > 0) {
		line = strchr(line, ' ');
		if (line == NULL)
			return NULL;
		line++;
	}
	return xstrndup(line, strcspn(line, " \n"));
}

/* ID PARENT DEV TOP MOUNT OPTIONS [TAGS...] - TYPE SOURCE SUPEROPTIONS */
static void
cpus_parse_mount(
    const char *line, struct cpus_cgroup *v1, struct cpus_cgroup *v2)
{
	const char *dash = strstr(line, " - ");
	struct cpus_cgroup *g = NULL;
	char *type, *options;

	if (dash == NULL)
		return;
	type = cpus_field(dash + 3, 0);
	options = cpus_field(dash + 3, 2);
	if (str_equal(type, "cgroup2"))
		g = v2;
	else if (str_equal(type, "cgroup") && options != NULL &&
		 cpus_has_word(options, "cpu"))
		g = v1;
	if (g != NULL && g->mount == NULL) {
		g->top = cpus_field(line, 3);
		g->mount = cpus_field(line, 4);
		if (g->mount == NULL) {
			freep(&g->top);
			goto out;
		}
		cpus_unescape(g->top);
		cpus_unescape(g->mount);
	}
out:
	free(type);
	free(options);
}

/* "0::/PATH" or "4:cpu,cpuacct:/PATH" */
static void
cpus_parse_cgroup(
    const char *line, struct cpus_cgroup *v1, struct cpus_cgroup *v2)
{
	const char *controllers = strchr(line, ':'), *path;
	struct cpus_cgroup *g = NULL;
	char *list;

	path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
	if (path == NULL)
		return;
	list = xstrndup(controllers + 1, (size_t)(path - controllers) - 1);
	if (list[0] == '\0')
		g = v2;
	else if (cpus_has_word(list, "cpu"))
		g = v1;
	if (g != NULL && g->self == NULL)
		g->self = xstrndup(path + 1, strcspn(path + 1, "\n"));
	free(list);
}

typedef void cpus_line(
    const char *line, struct cpus_cgroup *v1, struct cpus_cgroup *v2);

static void
cpus_each_line(const char *root, const char *path, cpus_line *cb,
    struct cpus_cgroup *v1, struct cpus_cgroup *v2)
{
	char *name = xasprintf("%s%s", root, path), *line = NULL;
	FILE *f = fopen(name, "re");
	size_t cap = 0;

	free(name);
	if (f == NULL)
		return;
	while (getline(&line, &cap, f) != -1)
		cb(line, v1, v2);
	free(line);
	fclose(f);
}

/* At most two numbers of a small file; "max" is -1.  Returns how many. */
static int
cpus_read(const char *dir, const char *file, int64_t v[2])
{
	char *name = xasprintf("%s/%s", dir, file), text[64], *p, *end;
	FILE *f = fopen(name, "re");
	int n = 0;

	free(name);
	if (f == NULL)
		return 0;
	p = fgets(text, sizeof text, f);
	fclose(f);
	if (p == NULL)
		return 0;
	for (; n < 2; n++, p = end) {
		p += strspn(p, " \n");
		if (str_starts(p, "max")) {
			v[n] = -1;
			end = p + 3;
			continue;
		}
		v[n] = strtoll(p, &end, 10);
		if (end == p)
			break;
	}
	return n;
}

/* Quota of one cgroup in CPUs, rounded up; INT_MAX: it has none. */
static int
cpus_quota_of(const char *dir)
{
	int64_t v[2], period[2], n;

	if (cpus_read(dir, "cpu.max", v) != 2) {
		if (cpus_read(dir, "cpu.cfs_quota_us", v) != 1 ||
		    cpus_read(dir, "cpu.cfs_period_us", period) != 1)
			return INT_MAX;
		v[1] = period[0];
	}
	if (v[0] <= 0 || v[1] <= 0)
		return INT_MAX;
	n = (v[0] - 1) / v[1] + 1;
	return n < INT_MAX ? (int)n : INT_MAX;
}

/* Our cgroup as seen from the mount; "" where it is outside of it. */
static const char *
cpus_below(const struct cpus_cgroup *g)
{
	size_t n = strlen(g->top);

	if (strstr(g->self, "/..") != NULL)
		return "";
	if (strcmp(g->top, "/") == 0)
		return strcmp(g->self, "/") == 0 ? "" : g->self;
	if (strncmp(g->self, g->top, n) == 0 &&
	    (g->self[n] == '/' || g->self[n] == '\0'))
		return g->self + n;
	return "";
}

/* The smallest of the cgroup's and those above it, up to the mount. */
static int
cpus_quota_min(const char *root, const struct cpus_cgroup *g)
{
	int min = INT_MAX, n;
	size_t stop;
	char *dir;

	if (g->mount == NULL || g->self == NULL)
		return min;
	dir = xasprintf("%s%s%s", root, g->mount, cpus_below(g));
	stop = strlen(root) + strlen(g->mount);
	for (;;) {
		n = cpus_quota_of(dir);
		min = n < min ? n : min;
		if (strlen(dir) <= stop)
			break;
		*strrchr(dir, '/') = '\0';
	}
	free(dir);
	return min;
}

int
cpus_quota(const char *root)
{
	struct cpus_cgroup v1 = { 0 }, v2 = { 0 };
	int a, b;

	cpus_each_line(
	    root, "/proc/self/mountinfo", cpus_parse_mount, &v1, &v2);
	cpus_each_line(root, "/proc/self/cgroup", cpus_parse_cgroup, &v1, &v2);
	a = cpus_quota_min(root, &v1);
	b = cpus_quota_min(root, &v2);
	cpus_cgroup_fini(&v1);
	cpus_cgroup_fini(&v2);
	a = a < b ? a : b;
	return a != INT_MAX ? a : 0;
}

int
cpus_usable(const char *root)
{
	int quota = cpus_quota(root);
	cpu_set_t set;
	long n;

	/* EINVAL: the machine has more CPUs than a cpu_set_t. */
	if (sched_getaffinity(0, sizeof set, &set) == 0)
		n = CPU_COUNT(&set);
	else
		n = sysconf(_SC_NPROCESSORS_ONLN);
	if (quota != 0 && quota < n)
		n = quota;
	return n > 0 ? (int)n : 1;
}

int
cpus_nth(int i)
{
	cpu_set_t set;
	int n;

	if (i < 0 || sched_getaffinity(0, sizeof set, &set) == -1)
		return -1;
	n = CPU_COUNT(&set);
	if (n == 0)
		return -1;
	i %= n;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set) && i-- == 0)
			return cpu;
	}
	return -1;
}

/* A CPU's number; advances *pp over its digits. */
static int
cpus_number(const char **pp)
{
	const char *p = *pp;
	int n = 0;

	if (*p < '0' || *p > '9')
		return -1;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (*p - '0');
		if (n >= CPU_SETSIZE)
			return -1;
	}
	*pp = p;
	return n;
}

int
cpus_parse(const char *list, cpu_set_t *out)
{
	const char *p = list;
	int from, to;

	CPU_ZERO(out);
	for (;; p++) {
		from = to = cpus_number(&p);
		if (from != -1 && *p == '-') {
			p++;
			to = cpus_number(&p);
		}
		if (from == -1 || to < from)
			return -1;
		for (int cpu = from; cpu <= to; cpu++)
			CPU_SET(cpu, out);
		if (*p == '\0')
			return 0;
		if (*p != ',')
			return -1;
	}
}
