/*
 * memory - how much memory a tree has.
 *
 * Where its cgroup has the memory controller: what is charged to it, without
 * the cache of files, which goes when somebody else needs the room.  Else by
 * /proc: first RSS, which is cheap and never too little (pages that several
 * processes share count for each); only when that is over the limit PSS, for
 * which the kernel walks all page tables (pages are shared out).  Where PSS
 * may not be read RSS decides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/xalloc.h"
#include "tree/tree_priv.h"

#define MEMORY_PIDS 64 /* asked for at first */

static bool
memory_read(char *out, size_t size, const char *folder, const char *name)
{
	char path[PATH_MAX];

	return tree_cgroup_path(path, folder, name) &&
	       tree_read_some(out, size, path);
}

/* The number behind a word at the start of a line; 0: it is not there. */
static int64_t
memory_line(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *s = text; s != NULL; s = strchr(s, '\n')) {
		s += *s == '\n';
		if (strncmp(s, word, n) == 0)
			return strtoll(s + n, NULL, 10);
	}
	return 0;
}

/* -1: no memory controller. */
static int64_t
memory_of_cgroup(const char *folder)
{
	char current[64], stat[8192];
	int64_t n;

	if (!memory_read(current, sizeof current, folder, "memory.current"))
		return -1;
	n = strtoll(current, NULL, 10);
	/* What tmpfs and shared memory hold is in "file", and stays. */
	if (memory_read(stat, sizeof stat, folder, "memory.stat"))
		n -= memory_line(stat, "file ") - memory_line(stat, "shmem ");
	return n > 0 ? n : 0;
}

static int64_t
memory_rss(pid_t pid)
{
	char folder[32], text[128];
	const char *s;

	snprintf(folder, sizeof folder, "/proc/%d", (int)pid);
	if (!memory_read(text, sizeof text, folder, "statm"))
		return 0;
	s = strchr(text, ' ');
	return s != NULL ? strtoll(s, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}

static int64_t
memory_pss(pid_t pid)
{
	char folder[32], text[2048];

	snprintf(folder, sizeof folder, "/proc/%d", (int)pid);
	if (!memory_read(text, sizeof text, folder, "smaps_rollup"))
		return memory_rss(pid);
	return memory_line(text, "Pss:") * 1024;
}

static int64_t
memory_sum(const pid_t *pids, int n, int64_t (*of)(pid_t))
{
	int64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += of(pids[i]);
	return sum;
}

int64_t
tree_memory(const struct tree *t, pid_t keeper, int64_t limit)
{
	int64_t sum = t->cgroup != NULL ? memory_of_cgroup(t->cgroup) : -1;
	int n, max = MEMORY_PIDS;
	pid_t *pids;

	if (sum != -1)
		return sum;
	pids = xreallocarray(NULL, (size_t)max, sizeof *pids);
	n = tree_survivors(t, keeper, pids, max);
	if (n > max) {
		max = n;
		pids = xreallocarray(pids, (size_t)max, sizeof *pids);
		n = tree_survivors(t, keeper, pids, max);
	}
	n = n < max ? n : max;
	sum = memory_sum(pids, n, memory_rss);
	if (sum > limit)
		sum = memory_sum(pids, n, memory_pss);
	free(pids);
	return sum;
}
