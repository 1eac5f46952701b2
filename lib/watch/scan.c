/*
 * scan - reads directories that have come to be watched.
 *
 * One after the other, and only so much a turn that a large tree holds up
 * nobody.  The watch is there before the reading: what comes after it is
 * told, what came before it is found.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "watch/watch_priv.h"

#define BUDGET   2000 /* entries a turn */
#define DIR_COST 50   /* of a directory: so many entries */

void
scan_queue(struct watch *w, struct node *nd, bool news)
{
	nd->news = nd->news || news;
	if (w->reading == nd)
		scan_cancel(w, nd);
	if (!nd->queued)
		TAILQ_INSERT_TAIL(&w->scans, nd, scan);
	nd->queued = true;
	watch_wake(w);
}

void
scan_cancel(struct watch *w, struct node *nd)
{
	if (w->reading == nd) {
		w->reading = NULL;
		closedir(w->dir);
		w->dir = NULL;
	}
	if (nd->queued)
		TAILQ_REMOVE(&w->scans, nd, scan);
	nd->queued = false;
}

static bool
scan_stat(const struct watch *w, const struct node *nd, const char *name,
    struct stat *st, int flags)
{
	struct buf full;
	int rc;

	buf_init(&full);
	node_full(w, nd, name, &full);
	rc = fstatat(AT_FDCWD, buf_str(&full), st, flags);
	buf_fini(&full);
	return rc == 0;
}

bool
scan_is_dir_link(const struct watch *w, const struct node *nd, const char *name)
{
	struct buf rel;
	struct stat st;
	bool named;

	buf_init(&rel);
	node_path(nd, name, &rel);
	named = globs_named(w->spec.globs, nd->root, buf_str(&rel));
	buf_fini(&rel);
	return named && scan_stat(w, nd, name, &st, AT_SYMLINK_NOFOLLOW) &&
	       S_ISLNK(st.st_mode) && scan_stat(w, nd, name, &st, 0) &&
	       S_ISDIR(st.st_mode);
}

static bool
scan_is_dir(
    const struct watch *w, const struct node *nd, const struct dirent *de)
{
	struct stat st;

	if (de->d_type == DT_DIR)
		return true;
	if (de->d_type == DT_LNK)
		return scan_is_dir_link(w, nd, de->d_name);
	if (de->d_type != DT_UNKNOWN)
		return false;
	if (!scan_stat(w, nd, de->d_name, &st, AT_SYMLINK_NOFOLLOW))
		return false;
	return S_ISDIR(st.st_mode) || scan_is_dir_link(w, nd, de->d_name);
}

static void
scan_entry(struct watch *w, struct node *nd, const struct dirent *de)
{
	struct buf rel;

	if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
		return;
	if (!scan_is_dir(w, nd, de)) {
		if (nd->news)
			watch_mark(w, nd, de->d_name, true);
		return;
	}
	buf_init(&rel);
	node_path(nd, de->d_name, &rel);
	if (globs_enter(w->spec.globs, nd->root, buf_str(&rel)))
		node_add(w, nd->root, nd, de->d_name, nd->news);
	buf_fini(&rel);
}

static void
scan_begin(struct watch *w)
{
	struct node *nd = TAILQ_FIRST(&w->scans);
	struct buf full;
	int fd, flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK;

	TAILQ_REMOVE(&w->scans, nd, scan);
	nd->queued = false;
	buf_init(&full);
	node_full(w, nd, NULL, &full);
	fd = open(buf_str(&full), flags);
	w->dir = fd == -1 ? NULL : fdopendir(fd);
	if (w->dir == NULL) {
		watch_complain(w, buf_str(&full), errno);
		if (fd != -1)
			close(fd);
	} else {
		w->reading = nd;
	}
	buf_fini(&full);
}

bool
scan_some(struct watch *w)
{
	const struct dirent *de;

	for (int left = BUDGET; left > 0; left--) {
		if (w->dir == NULL) {
			if (TAILQ_EMPTY(&w->scans))
				return false;
			scan_begin(w);
			left -= DIR_COST;
			continue;
		}
		de = readdir(w->dir);
		if (de != NULL) {
			scan_entry(w, w->reading, de);
			continue;
		}
		w->reading->news = false;
		scan_cancel(w, w->reading);
	}
	return true;
}
