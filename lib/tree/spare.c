/*
 * spare - cgroups that are used again.
 *
 * To make and to remove one takes longer than to start a command, so what runs
 * many short ones, one after the other, keeps a few.  Their names say nothing
 * but a number, which is in the label of the keeper's child.
 *
 * One is given to the next only when nothing can be left in it: the command
 * ended by itself, nobody of it was killed, no process and no folder is there,
 * and no controller, whose settings it could have changed.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/xalloc.h"
#include "tree/tree_priv.h"

struct tree_spare {
	char *folder;
	uint64_t number;
	int dir, events;
};

static void
spare_free(struct tree_spare *s)
{
	fd_closep(&s->dir);
	fd_closep(&s->events);
	free(s->folder);
	free(s);
}

static struct tree_spare *
spare_make(const char *base, uint64_t number)
{
	struct tree_spare *s = xcalloc(1, sizeof *s);

	s->number = number;
	s->dir = s->events = -1;
	s->folder = xasprintf(
	    "%s/" TREE_SPARE "%llu.0", base, (unsigned long long)number);
	if (mkdir(s->folder, 0755) == 0)
		s->dir = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir != -1)
		s->events =
		    openat(s->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (s->events != -1)
		return s;
	if (s->dir != -1)
		rmdir(s->folder);
	spare_free(s);
	return NULL;
}

struct tree_spare *
tree_spare_take(struct tree_spares *all, const char *base, uint64_t number)
{
	if (all->n > 0)
		return all->v[--all->n];
	return base[0] != '\0' ? spare_make(base, number) : NULL;
}

uint64_t
tree_spare_number(const struct tree_spare *s)
{
	return s->number;
}

void
tree_spare_name(char *out, size_t size, uint64_t number)
{
	snprintf(out, size, TREE_SPARE "%llu", (unsigned long long)number);
}

int
tree_spare_enter(const struct tree_spare *s, struct tree *t, uint64_t id)
{
	memset(t, 0, sizeof *t);
	t->id = id;
	t->cgroup = xstrdup(s->folder);
	return s->dir;
}

bool
tree_spare_is_empty(const struct tree_spare *s)
{
	char text[256];
	ssize_t n = pread(s->events, text, sizeof text - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return strstr(text, "populated 0") != NULL;
}

void
tree_spare_give(struct tree_spares *all, struct tree_spare *s, bool is_clean)
{
	struct stat st;

	/* Alone then, it is empty now: only who is in it can add somebody.  2:
	 * "." and its name in the folder above; one more each below. */
	if (is_clean && all->n < TREE_SPARES && fstat(s->dir, &st) == 0 &&
	    st.st_nlink == 2) {
		all->v[all->n++] = s;
		return;
	}
	/* Somebody in it who can't be ended: the folder stays. */
	if (rmdir(s->folder) == -1 && errno != ENOENT &&
	    !tree_cgroup_is_populated(s->folder))
		tree_cgroup_remove(s->folder);
	spare_free(s);
}

void
tree_spares_tidy(const char *base, tree_in_use *in_use, void *arg)
{
	DIR *d = base[0] != '\0' ? opendir(base) : NULL;
	char path[PATH_MAX];
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL)
		if (str_starts(e->d_name, TREE_SPARE) &&
		    tree_cgroup_path(path, base, e->d_name) &&
		    !in_use(arg, path) && !tree_cgroup_is_populated(path))
			tree_cgroup_remove(path);
	if (d != NULL)
		closedir(d);
}
