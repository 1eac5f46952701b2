/*
 * nodes - see watch_priv.h.
 *
 * inotify gives an inode one watch however often it is asked for, and says
 * its number.  When that is another node's, the directory was renamed and its
 * events have not been read yet (or it is mounted twice): the new name wins.
 * Only roots may overlap, and have a node each of the same directory.
 */
#include <sys/inotify.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "watch/watch_priv.h"

/* What leads there: entries that come and go. */
#define MASK_WAY                                                               \
	(IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_ONLYDIR |    \
	    IN_EXCL_UNLINK | IN_MASK_ADD)

void
node_path(const struct node *nd, const char *name, struct buf *out)
{
	if (nd->parent != NULL) {
		node_path(nd->parent, NULL, out);
		if (out->len > 0)
			buf_addc(out, '/');
		buf_adds(out, nd->name);
	}
	if (name == NULL || *name == '\0')
		return;
	if (out->len > 0)
		buf_addc(out, '/');
	buf_adds(out, name);
}

void
node_full(const struct watch *w, const struct node *nd, const char *name,
    struct buf *out)
{
	struct buf rel;

	buf_init(&rel);
	node_path(nd, name, &rel);
	buf_adds(out, w->roots[nd->root].path);
	if (rel.len > 0 && !str_ends(buf_str(out), "/"))
		buf_addc(out, '/');
	buf_adds(out, buf_str(&rel));
	buf_fini(&rel);
}

/* --- the two tables
 * ----------------------------------------------------------- */

static struct node_list *
nodes_wd_list(const struct watch *w, int wd)
{
	return &w->by_wd[(size_t)wd & (w->nbuckets - 1)];
}

static struct node_list *
nodes_name_list(
    const struct watch *w, const struct node *parent, const char *name)
{
	uint64_t h = str_hash(name) ^ (uint64_t)(uintptr_t)parent / 16;

	return &w->by_name[h & (w->nbuckets - 1)];
}

static void
nodes_enter(struct watch *w, struct node *nd)
{
	LIST_INSERT_HEAD(nodes_wd_list(w, nd->wd), nd, by_wd);
	LIST_INSERT_HEAD(nodes_name_list(w, nd->parent, nd->name), nd, by_name);
}

static void
nodes_grow(struct watch *w)
{
	struct node_list *old = w->by_wd;
	size_t n = w->nbuckets;
	struct node *nd;

	if (w->nnodes < w->nbuckets)
		return;
	free(w->by_name);
	w->nbuckets = n == 0 ? 16 : 2 * n;
	w->by_wd = xcalloc(w->nbuckets, sizeof *w->by_wd);
	w->by_name = xcalloc(w->nbuckets, sizeof *w->by_name);
	for (size_t i = 0; i < n; i++)
		while ((nd = LIST_FIRST(&old[i])) != NULL) {
			LIST_REMOVE(nd, by_wd);
			nodes_enter(w, nd);
		}
	free(old);
}

struct node *
node_by_wd(const struct watch *w, unsigned root, int wd)
{
	struct node *nd;

	if (w->nbuckets == 0 || wd < 0)
		return NULL;
	LIST_FOREACH(nd, nodes_wd_list(w, wd), by_wd)
		if (nd->wd == wd && nd->root == root)
			return nd;
	return NULL;
}

bool
nodes_use(const struct watch *w, int wd)
{
	for (unsigned i = 0; i < w->nroots; i++)
		if (w->roots[i].above == wd || node_by_wd(w, i, wd) != NULL)
			return true;
	return false;
}

struct node *
node_child(const struct watch *w, const struct node *parent, const char *name)
{
	struct node *nd;

	if (w->nbuckets == 0)
		return NULL;
	LIST_FOREACH(nd, nodes_name_list(w, parent, name), by_name)
		if (nd->parent == parent && strcmp(nd->name, name) == 0)
			return nd;
	return NULL;
}

/* --- coming and going
 * ---------------------------------------------------------- */

static void
node_free(struct watch *w, struct node *nd)
{
	scan_cancel(w, nd);
	LIST_REMOVE(nd, by_wd);
	LIST_REMOVE(nd, by_name);
	if (nd->parent != NULL)
		LIST_REMOVE(nd, sibling);
	else
		w->roots[nd->root].node = NULL;
	w->nnodes--;
	free(nd);
}

void
node_drop(struct watch *w, struct node *nd, int keep_wd)
{
	struct node *top = nd->parent, *up;
	int wd;

	/* No recursion: how deep a tree is, others decide. */
	while (nd != top) {
		if (!LIST_EMPTY(&nd->children)) {
			nd = LIST_FIRST(&nd->children);
			continue;
		}
		up = nd->parent;
		wd = nd->wd;
		node_free(w, nd);
		if (wd != keep_wd && !nodes_use(w, wd))
			inotify_rm_watch(w->spec.fd, wd);
		nd = up;
	}
}

void
nodes_forget(struct watch *w)
{
	struct node *nd;

	for (size_t i = 0; i < w->nbuckets; i++)
		while ((nd = LIST_FIRST(&w->by_wd[i])) != NULL) {
			/* Its parent may be gone: nothing is told to that. */
			scan_cancel(w, nd);
			LIST_REMOVE(nd, by_wd);
			free(nd);
		}
	for (size_t i = 0; i < w->nbuckets; i++)
		LIST_INIT(&w->by_name[i]);
	for (unsigned i = 0; i < w->nroots; i++)
		w->roots[i].node = NULL;
	w->nnodes = 0;
}

static bool
node_is_above(const struct node *nd, const struct node *below)
{
	for (; below != NULL; below = below->parent)
		if (below == nd)
			return true;
	return false;
}

static int
node_watch(
    struct watch *w, unsigned root, const struct node *parent, const char *name)
{
	const struct globs *gs = w->spec.globs;
	uint32_t mask = MASK_WAY;
	struct buf rel, full;
	int wd;

	buf_init(&rel);
	buf_init(&full);
	if (parent != NULL) {
		node_path(parent, name, &rel);
		node_full(w, parent, name, &full);
	} else {
		buf_adds(&full, w->roots[root].path);
		mask |= IN_MOVE_SELF;
	}
	if (!globs_on_the_way(gs, root, buf_str(&rel)))
		mask |= IN_CLOSE_WRITE;
	if (parent != NULL && !globs_named(gs, root, buf_str(&rel)))
		mask |= IN_DONT_FOLLOW;
	wd = w->nnodes < WATCH_DIRS_MAX
		 ? inotify_add_watch(w->spec.fd, buf_str(&full), mask)
		 : -1;
	if (w->nnodes >= WATCH_DIRS_MAX)
		errno = E2BIG;
	if (wd == -1)
		watch_complain(w, buf_str(&full), errno);
	buf_fini(&rel);
	buf_fini(&full);
	return wd;
}

struct node *
node_add(struct watch *w, unsigned root, struct node *parent, const char *name,
    bool news)
{
	int wd = node_watch(w, root, parent, name);
	struct node *nd = wd == -1 ? NULL : node_by_wd(w, root, wd);
	size_t n = strlen(name) + 1;

	if (wd == -1)
		return NULL;
	if (nd != NULL && nd->parent == parent && strcmp(nd->name, name) == 0) {
		if (news)
			scan_queue(w, nd, true);
		return nd;
	}
	/* Mounted below itself: its first name stays. */
	if (nd != NULL && node_is_above(nd, parent))
		return NULL;
	if (nd != NULL)
		node_drop(w, nd, wd);
	nd = node_child(w, parent, name);
	if (nd != NULL && parent != NULL)
		node_drop(w, nd, wd); /* another directory, by that name */
	nodes_grow(w);
	nd = xcalloc(1, sizeof *nd + n);
	nd->parent = parent;
	nd->root = root;
	nd->wd = wd;
	memcpy(nd->name, name, n);
	nodes_enter(w, nd);
	if (parent != NULL)
		LIST_INSERT_HEAD(&parent->children, nd, sibling);
	w->nnodes++;
	scan_queue(w, nd, news);
	return nd;
}
