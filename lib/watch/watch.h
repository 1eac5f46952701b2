/*
 * watch - tells when files change that globs name, through inotify.
 *
 * Directories that something could match in are watched, and those that lead
 * there; new ones are followed, with what is in them by then.  Symlinks are
 * followed where a pattern names them, and nowhere else.  A directory that
 * patterns begin at need not be there: what is above it is watched until it
 * comes.  When the kernel has lost count (its queue overflowed), all is looked
 * at again, and that is a change.
 *
 * A change is: a file made, written and closed, renamed, removed.  It is
 * reported when it is over (settle.h), from the loop, and nothing wakes
 * before or after that.
 *
 * The inotify descriptor can be kept by somebody else over the death of this
 * process: what happens meanwhile waits in it.  A new watch on it reads
 * nothing before it knows all directories again.  *note is 1 whenever a
 * change has been read that the owner has not said watch_done for.
 */
#ifndef WATCH_WATCH_H
#define WATCH_WATCH_H

#include "loop/loop.h"
#include "watch/changes.h"
#include "watch/globs.h"

#define WATCH_DIRS_MAX 100000 /* directories of one watch */

struct watch;

/* ch is borrowed until return; the watch may be freed in it. */
typedef void watch_cb(void *arg, const struct changes *ch);
/* It cannot watch all of it, and why; NULL: it can again. */
typedef void watch_trouble_cb(void *arg, const char *why);

struct watch_spec {
	const char *dir;           /* where patterns begin, absolute */
	const struct globs *globs; /* borrowed for good */
	int64_t quiet_ms, max_ms;
	int fd;        /* of watch_open; borrowed for good */
	uint8_t *note; /* NULL: none */
	bool changed;  /* there was a change: report it */
	watch_cb *cb;
	watch_trouble_cb *trouble;
	void *arg;
};

/* An inotify descriptor; -1 and err, with what there is to be done. */
int watch_open(struct err *err);
/* Directories are looked at from the loop, piece by piece. */
struct watch *watch_new(struct loop *lp, const struct watch_spec *spec);
void watch_free(struct watch *w);
/* The last change reported is in good hands. */
void watch_done(struct watch *w);
/* All directories are known. */
bool watch_is_complete(const struct watch *w);
size_t watch_ndirs(const struct watch *w);

#endif
