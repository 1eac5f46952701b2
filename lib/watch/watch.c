/*
 * watch - see watch.h.
 *
 * Either directories are read or events are, never both: an event of a
 * directory that has no node is one of a directory that nobody wants to hear
 * of any more.
 */
#include "watch/watch.h"

#include <sys/inotify.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "watch/watch_priv.h"

#define READS    8 /* of the descriptor, a turn */
#define RETRY_MS 30000

int
watch_open(struct err *err)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd == -1 && errno == EMFILE)
		err_set(err,
		    "watch files: this user has no inotify instances left; "
		    "raise them: sysctl fs.inotify.max_user_instances");
	else if (fd == -1)
		err_sys(err, "watch files: inotify_init1");
	return fd;
}

/* --- trouble
 * ------------------------------------------------------------------ */

static void
watch_tell_trouble(struct watch *w, char *why)
{
	if (str_equal(w->trouble, why)) {
		free(why);
		return;
	}
	free(w->trouble);
	w->trouble = why;
	if (w->spec.trouble != NULL)
		w->spec.trouble(w->spec.arg, why);
}

static long
watch_limit(void)
{
	char text[32];
	ssize_t n = -1;
	int fd =
	    open("/proc/sys/fs/inotify/max_user_watches", O_RDONLY | O_CLOEXEC);

	if (fd != -1)
		n = read(fd, text, sizeof text - 1);
	fd_closep(&fd);
	text[n < 0 ? 0 : n] = '\0';
	return strtol(text, NULL, 10);
}

void
watch_complain(struct watch *w, const char *path, int errnum)
{
	char *why;

	/* It was there a moment ago; or nothing can be done about it. */
	if (errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP ||
	    errnum == ENAMETOOLONG)
		return;
	if (errnum == ENOSPC)
		why = xasprintf("watch %s: this user has no inotify watches "
				"left (%zu are used here); raise their "
				"number, sysctl fs.inotify.max_user_watches "
				"(now %ld), or exclude directories",
		    path, w->nnodes, watch_limit());
	else if (errnum == E2BIG)
		why = xasprintf("watch %s: more than %d directories: narrow "
				"the patterns, or exclude some",
		    path, WATCH_DIRS_MAX);
	else
		why = xasprintf("watch %s: %s", path, strerror(errnum));
	w->incomplete = true;
	/* What may not be read will not come to be readable by waiting. */
	if (errnum != EACCES && errnum != EPERM &&
	    !loop_timer_active(&w->retry))
		loop_timer_start(&w->retry, RETRY_MS);
	/* The first one says it. */
	if (w->trouble == NULL)
		watch_tell_trouble(w, why);
	else
		free(why);
}

static void
watch_on_retry(struct loop_timer *t, void *arg)
{
	struct watch *w = arg;

	(void)t;
	w->rebuilt = true;
	roots_open(w, false);
	watch_wake(w);
}

/* --- what has changed
 * --------------------------------------------------------- */

static void
watch_note(const struct watch *w, bool reading)
{
	if (w->spec.note != NULL)
		*(volatile uint8_t *)w->spec.note =
		    reading || w->held || w->settle.pending;
}

static void
watch_arm(struct watch *w)
{
	mono_ms due;

	if (!w->settle.pending)
		return;
	due = settle_due(&w->settle, w->spec.quiet_ms, w->spec.max_ms);
	loop_timer_start(&w->due, due - loop_now(w->lp));
}

/* As people know it: relative to the directory, or absolute. */
static void
watch_add_path(struct watch *w, const struct node *nd, const char *name)
{
	struct buf path, rel;

	buf_init(&path);
	buf_init(&rel);
	buf_adds(&path, globs_root(w->spec.globs, nd->root));
	node_path(nd, name, &rel);
	if (path.len > 0 && rel.len > 0 && !str_ends(buf_str(&path), "/"))
		buf_addc(&path, '/');
	buf_adds(&path, buf_str(&rel));
	changes_add(&w->changes, path.len > 0 ? buf_str(&path) : ".");
	buf_fini(&rel);
	buf_fini(&path);
}

void
watch_mark(struct watch *w, const struct node *nd, const char *name, bool whole)
{
	struct buf path;

	buf_init(&path);
	node_path(nd, name, &path);
	if (globs_match(w->spec.globs, nd->root, buf_str(&path))) {
		settle_mark(&w->settle, loop_now(w->lp), whole);
		watch_add_path(w, nd, name);
	}
	buf_fini(&path);
}

void
watch_mark_unknown(struct watch *w)
{
	settle_mark(&w->settle, loop_now(w->lp), true);
	w->changes.unknown = true;
}

static bool
watch_has_read(const struct watch *w)
{
	return w->dir == NULL && TAILQ_EMPTY(&w->scans);
}

static void
watch_on_due(struct loop_timer *t, void *arg)
{
	struct watch *w = arg;
	struct changes ch = w->changes;

	(void)t;
	/* What changes from now on is another change: all must be watched. */
	if (!watch_has_read(w))
		return;
	roots_check(w);
	w->settle = (struct settle){ 0 };
	changes_init(&w->changes);
	w->held = true;
	w->calling = true;
	w->spec.cb(w->spec.arg, &ch);
	w->calling = false;
	changes_fini(&ch);
	if (w->freed)
		free(w);
	else
		watch_note(w, false);
}

void
watch_done(struct watch *w)
{
	w->held = false;
	watch_note(w, false);
}

/* --- events
 * --------------------------------------------------------------------- */

/* A regular file that has just been made is being written, as a rule. */
static bool
watch_is_whole(const struct watch *w, const struct node *nd, const char *name)
{
	struct buf full;
	struct stat st;
	bool whole;

	buf_init(&full);
	node_full(w, nd, name, &full);
	whole = lstat(buf_str(&full), &st) == -1 || !S_ISREG(st.st_mode) ||
		st.st_nlink > 1;
	buf_fini(&full);
	return whole;
}

static bool
watch_enters(const struct watch *w, const struct node *nd, const char *name)
{
	struct buf rel;
	bool yes;

	buf_init(&rel);
	node_path(nd, name, &rel);
	yes = globs_enter(w->spec.globs, nd->root, buf_str(&rel));
	buf_fini(&rel);
	return yes;
}

/* dir: it says that it was one; a symlink to one does not. */
static void
watch_dir_went(struct watch *w, struct node *nd, const char *name, bool dir)
{
	struct node *child = node_child(w, nd, name);

	if (child != NULL)
		node_drop(w, child, -1);
	else if (!dir || !watch_enters(w, nd, name))
		return;
	/* Its files went with it, perhaps unseen. */
	settle_mark(&w->settle, loop_now(w->lp), true);
	watch_add_path(w, nd, name);
}

static void
watch_entry(struct watch *w, struct node *nd, uint32_t mask, const char *name)
{
	bool dir = (mask & IN_ISDIR) != 0;

	if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		watch_dir_went(w, nd, name, dir);
	if ((mask & (IN_CREATE | IN_MOVED_TO)) != 0 &&
	    (dir || scan_is_dir_link(w, nd, name)) && watch_enters(w, nd, name))
		node_add(w, nd->root, nd, name, true);
	if (dir)
		return;
	watch_mark(w, nd, name,
	    (mask & IN_CREATE) == 0 || watch_is_whole(w, nd, name));
}

static void
watch_node_event(
    struct watch *w, struct node *nd, const struct inotify_event *ev)
{
	unsigned root = nd->root;
	bool is_root = nd->parent == NULL;

	if ((ev->mask & (IN_IGNORED | IN_UNMOUNT)) != 0 ||
	    ((ev->mask & IN_MOVE_SELF) != 0 && is_root)) {
		settle_mark(&w->settle, loop_now(w->lp), true);
		watch_add_path(w, nd, NULL);
		node_drop(w, nd, -1);
		if (is_root)
			root_open(w, root, true);
		return;
	}
	if (ev->len > 0)
		watch_entry(w, nd, ev->mask, ev->name);
}

static void
watch_event(struct watch *w, const struct inotify_event *ev)
{
	struct node *nd;
	bool known = false;

	if ((ev->mask & IN_Q_OVERFLOW) != 0) {
		watch_mark_unknown(w);
		roots_open(w, false);
		return;
	}
	for (unsigned i = 0; i < w->nroots; i++) {
		if (w->roots[i].above == ev->wd) {
			known = true;
			if ((ev->mask & IN_IGNORED) != 0)
				w->roots[i].above = -1;
			root_open(w, i, true);
		}
		nd = node_by_wd(w, i, ev->wd);
		if (nd != NULL) {
			known = true;
			watch_node_event(w, nd, ev);
		}
	}
	if (!known && (ev->mask & IN_IGNORED) == 0)
		inotify_rm_watch(w->spec.fd, ev->wd);
}

static void
watch_on_io(struct loop_io *io, int events, void *arg)
{
	union {
		struct inotify_event ev;
		char bytes[16384];
	} buf;
	const struct inotify_event *ev;
	struct watch *w = arg;
	ssize_t n;

	(void)io;
	(void)events;
	watch_note(w, true);
	for (int i = 0; i < READS && TAILQ_EMPTY(&w->scans); i++) {
		n = read(w->spec.fd, &buf, sizeof buf);
		if (n <= 0)
			break;
		for (char *p = buf.bytes; p < buf.bytes + n;
		     p += sizeof *ev + ev->len) {
			ev = (const struct inotify_event *)(void *)p;
			watch_event(w, ev);
		}
	}
	watch_arm(w);
	watch_note(w, false);
}

/* --- directories
 * ---------------------------------------------------------------- */

static void
watch_all_read(struct watch *w)
{
	if (!w->incomplete && w->trouble != NULL)
		watch_tell_trouble(w, NULL);
	/* What was not watched may have changed. */
	if (w->rebuilt && !w->incomplete)
		watch_mark_unknown(w);
	if (!w->incomplete)
		loop_timer_stop(&w->retry);
	w->rebuilt = false;
	loop_io_start(&w->io);
}

static void
watch_on_more(struct loop_timer *t, void *arg)
{
	struct watch *w = arg;

	(void)t;
	if (scan_some(w))
		loop_timer_start(&w->more, 0);
	else
		watch_all_read(w);
	watch_arm(w);
	watch_note(w, false);
}

void
watch_wake(struct watch *w)
{
	loop_io_stop(&w->io);
	loop_timer_start(&w->more, 0);
}

struct watch *
watch_new(struct loop *lp, const struct watch_spec *spec)
{
	struct watch *w = xcalloc(1, sizeof *w);

	w->lp = lp;
	w->spec = *spec;
	w->spec.dir = NULL; /* borrowed until return alone */
	TAILQ_INIT(&w->scans);
	changes_init(&w->changes);
	loop_timer_init(&w->due, lp, watch_on_due, w);
	loop_timer_init(&w->more, lp, watch_on_more, w);
	loop_timer_init(&w->retry, lp, watch_on_retry, w);
	loop_io_init(&w->io, lp, spec->fd, LOOP_READ, watch_on_io, w);
	roots_init(w, spec->dir);
	roots_open(w, false);
	if (spec->changed)
		watch_mark_unknown(w);
	watch_note(w, false);
	watch_wake(w);
	return w;
}

void
watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	loop_io_stop(&w->io);
	loop_timer_stop(&w->due);
	loop_timer_stop(&w->more);
	loop_timer_stop(&w->retry);
	nodes_forget(w);
	roots_fini(w);
	changes_fini(&w->changes);
	free(w->by_wd);
	free(w->by_name);
	free(w->trouble);
	w->freed = true;
	if (!w->calling)
		free(w);
}

bool
watch_is_complete(const struct watch *w)
{
	return watch_has_read(w) && !w->incomplete;
}

size_t
watch_ndirs(const struct watch *w)
{
	return w->nnodes;
}
