/*
 * roots - see watch_priv.h.
 *
 * A root is watched itself.  Only while it is not there is what is above it,
 * the lowest directory that is: its neighbours are nobody's business.
 */
#include <sys/inotify.h>
#include <sys/stat.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "watch/watch_priv.h"

#define MASK_ABOVE                                                             \
	(IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF |             \
	    IN_ONLYDIR | IN_MASK_ADD)
#define TRIES 100 /* while somebody makes and removes directories */

void
roots_init(struct watch *w, const char *dir)
{
	const char *name;

	w->nroots = globs_nroots(w->spec.globs);
	w->roots = xcalloc(w->nroots, sizeof *w->roots);
	for (unsigned i = 0; i < w->nroots; i++) {
		name = globs_root(w->spec.globs, i);
		w->roots[i].path = *name == '/' ? xstrdup(name)
				   : *name == '\0'
				       ? xstrdup(dir)
				       : xasprintf("%s/%s", dir, name);
		w->roots[i].above = -1;
	}
}

void
roots_fini(struct watch *w)
{
	for (unsigned i = 0; i < w->nroots; i++)
		free(w->roots[i].path);
	free(w->roots);
}

static void
root_leave_above(struct watch *w, struct root *r)
{
	int wd = r->above;

	r->above = -1;
	if (wd != -1 && !nodes_use(w, wd))
		inotify_rm_watch(w->spec.fd, wd);
}

/*
 * The lowest directory above path (which is absolute) that is there.  -1: none
 * can be watched. *below: does that which is missing exist by now?
 */
static int
root_watch_above(struct watch *w, const char *path, bool *below)
{
	char *up = xstrdup(path), *missing = NULL, *slash;
	struct stat st;
	int wd = -1;

	while (wd == -1 && strcmp(up, "/") != 0) {
		free(missing);
		missing = xstrdup(up);
		slash = strrchr(up, '/');
		slash[slash == up ? 1 : 0] = '\0';
		wd = inotify_add_watch(w->spec.fd, up, MASK_ABOVE);
		if (wd == -1 && errno != ENOENT && errno != ENOTDIR) {
			watch_complain(w, up, errno);
			break;
		}
	}
	*below = wd != -1 && missing != NULL && stat(missing, &st) == 0 &&
		 S_ISDIR(st.st_mode);
	free(up);
	free(missing);
	return wd;
}

static bool
root_enter(struct watch *w, unsigned i, bool news)
{
	struct root *r = &w->roots[i];
	struct stat st;

	if (stat(r->path, &st) == -1 || !S_ISDIR(st.st_mode))
		return false;
	r->node = node_add(w, i, NULL, "", news);
	r->dev = st.st_dev;
	r->ino = st.st_ino;
	return r->node != NULL;
}

void
root_open(struct watch *w, unsigned i, bool news)
{
	struct root *r = &w->roots[i];
	bool below = true;
	int wd;

	if (r->node != NULL || !globs_enter(w->spec.globs, i, ""))
		return;
	for (int n = 0; below && n < TRIES; n++) {
		if (root_enter(w, i, news)) {
			root_leave_above(w, r);
			return;
		}
		/* It comes, if it does, after this: that is news. */
		news = true;
		wd = root_watch_above(w, r->path, &below);
		if (wd != r->above)
			root_leave_above(w, r);
		r->above = wd;
	}
}

void
root_lost(struct watch *w, unsigned i)
{
	if (w->roots[i].node != NULL)
		node_drop(w, w->roots[i].node, -1);
	root_open(w, i, true);
}

void
roots_open(struct watch *w, bool news)
{
	w->incomplete = false;
	nodes_forget(w);
	for (unsigned i = 0; i < w->nroots; i++)
		w->roots[i].above = -1;
	for (unsigned i = 0; i < w->nroots; i++)
		root_open(w, i, news);
}

void
roots_check(struct watch *w)
{
	struct root *r;
	struct stat st;

	for (unsigned i = 0; i < w->nroots; i++) {
		r = &w->roots[i];
		if (r->node != NULL &&
		    (stat(r->path, &st) == -1 || st.st_dev != r->dev ||
			st.st_ino != r->ino))
			root_lost(w, i);
	}
}
