/* whose - which program's a process is. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "engine/engine_priv.h"

#define PARENTS_MAX 64
#define CGROUPS     "/sys/fs/cgroup"

/* A small file of /proc as a string; false: the process has gone. */
static bool
whose_read(pid_t pid, const char *name, char *out, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return false;
	n = read(fd, out, size - 1);
	close(fd);
	out[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static pid_t
whose_parent(pid_t pid)
{
	char text[1024], *end;
	int parent;

	if (!whose_read(pid, "stat", text, sizeof text))
		return 0;
	/* A command's name may hold anything, but it ends there. */
	end = strrchr(text, ')');
	if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

/* In the cgroup of that instance, or below it? */
static bool
whose_cgroup(const struct inst *in, const char *path)
{
	const char *own = in->tree.cgroup;
	size_t n;

	if (own == NULL || *path == '\0' || !str_starts(own, CGROUPS))
		return false;
	own += strlen(CGROUPS);
	n = strlen(own);
	return n > 0 && strncmp(own, path, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/');
}

static bool
whose_inst(const struct inst *in, pid_t pid, const char *path)
{
	return in != NULL && !in->dead &&
	       ((in->pid != 0 && in->pid == pid) || whose_cgroup(in, path));
}

static const struct program *
whose_find(struct engine *en, pid_t pid, const char *path)
{
	for (size_t i = 0; i < en->nprograms; i++)
		for (int k = 0; k < en->programs[i]->nslots; k++) {
			struct slot *sl = en->programs[i]->slots[k];
			struct inst *in;

			if (whose_inst(sl->cur, pid, path) ||
			    whose_inst(sl->next, pid, path))
				return en->programs[i];
			TAILQ_FOREACH(in, &sl->draining, entry)
				if (whose_inst(in, pid, path))
					return en->programs[i];
		}
	return NULL;
}

/* The path of its cgroup (v2), or "". */
static void
whose_path(pid_t pid, char *out, size_t size)
{
	char text[4096], *line;

	*out = '\0';
	if (!whose_read(pid, "cgroup", text, sizeof text))
		return;
	line = str_starts(text, "0::") ? text : strstr(text, "\n0::");
	if (line == NULL)
		return;
	line = strchr(line, '/');
	if (line != NULL)
		snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
}

const char *
engine_whose(struct engine *en, pid_t pid)
{
	const struct program *pg = NULL;
	char path[1024];

	whose_path(pid, path, sizeof path);
	for (int n = 0; n < PARENTS_MAX && pid > 1 && pg == NULL; n++) {
		pg = whose_find(en, pid, path);
		*path = '\0';
		pid = pg == NULL ? whose_parent(pid) : pid;
	}
	return pg != NULL ? pg->conf->name : NULL;
}
