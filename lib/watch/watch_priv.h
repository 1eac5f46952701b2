/*
 * watch_priv - a watch, its directories, and who does what.
 *
 *	watch.c  events, and when they are reported
 *	roots.c  where patterns begin, while that is there and while it is not
 *	scan.c   reads directories, some entries a turn
 *	nodes.c  the directories, by name and by inotify's number
 */
#ifndef WATCH_WATCH_PRIV_H
#define WATCH_WATCH_PRIV_H

#include <sys/queue.h>
#include <sys/types.h>

#include <dirent.h>

#include "base/buf.h"
#include "watch/settle.h"
#include "watch/watch.h"

struct node {
	LIST_ENTRY(node) by_wd, by_name, sibling;
	TAILQ_ENTRY(node) scan;
	LIST_HEAD(, node) children;
	struct node *parent; /* NULL: a root's */
	unsigned root;
	int wd;
	bool queued; /* to be read */
	bool news;   /* what is found is a change */
	char name[]; /* "": a root's */
};

LIST_HEAD(node_list, node);

struct root {
	char *path;
	struct node *node; /* NULL: it is not there */
	dev_t dev;
	ino_t ino;
	int above; /* watch of what is above, while it is not there; or -1 */
};

struct watch {
	struct loop *lp;
	struct watch_spec spec;
	struct root *roots;
	unsigned nroots;
	struct node_list *by_wd, *by_name; /* nbuckets each */
	size_t nbuckets, nnodes;
	TAILQ_HEAD(, node) scans;
	struct node *reading; /* whose entries dir gives */
	DIR *dir;
	struct loop_io io;
	struct loop_timer due, more, retry;
	struct settle settle;
	struct changes changes;
	bool held;       /* reported, and not done */
	bool calling;    /* its owner */
	bool freed;      /* in that call */
	bool rebuilt;    /* a retry: all is new when it succeeds */
	char *trouble;   /* told; NULL: none */
	bool incomplete; /* since the directories were last begun with */
};

/* --- nodes.c ----------------------------------------------------------------
 */

/* Path below its root, with name after it, if not NULL. */
void node_path(const struct node *nd, const char *name, struct buf *out);
/* The same in the file system. */
void node_full(const struct watch *w, const struct node *nd, const char *name,
    struct buf *out);
struct node *node_by_wd(const struct watch *w, unsigned root, int wd);
/* Somebody has this watch. */
bool nodes_use(const struct watch *w, int wd);
struct node *node_child(
    const struct watch *w, const struct node *parent, const char *name);
/*
 * Watches a directory and has it read; news: what is in it has changed.  The
 * one that is there, if it is the same.  NULL: it cannot be watched.
 */
struct node *node_add(struct watch *w, unsigned root, struct node *parent,
    const char *name, bool news);
/* It and all below it; keep_wd: but not this watch, it is another's. */
void node_drop(struct watch *w, struct node *nd, int keep_wd);
/* All of them, without a word to the kernel. */
void nodes_forget(struct watch *w);

/* --- scan.c -----------------------------------------------------------------
 */

void scan_queue(struct watch *w, struct node *nd, bool news);
void scan_cancel(struct watch *w, struct node *nd);
/* Reads on; false: there is nothing left to be read. */
bool scan_some(struct watch *w);
/* A symlink, where a pattern names one, that leads to a directory. */
bool scan_is_dir_link(
    const struct watch *w, const struct node *nd, const char *name);

/* --- roots.c ----------------------------------------------------------------
 */

void roots_init(struct watch *w, const char *dir);
void roots_fini(struct watch *w);
/* Begins with all directories again. */
void roots_open(struct watch *w, bool news);
/* Its directory, or what is above it. */
void root_open(struct watch *w, unsigned i, bool news);
void root_lost(struct watch *w, unsigned i);
/* Those whose path leads to another directory by now. */
void roots_check(struct watch *w);

/* --- watch.c ----------------------------------------------------------------
 */

void watch_mark(
    struct watch *w, const struct node *nd, const char *name, bool whole);
void watch_mark_unknown(struct watch *w);
/* errnum of a directory that cannot be watched. */
void watch_complain(struct watch *w, const char *path, int errnum);
/* There is something to be read. */
void watch_wake(struct watch *w);

#endif
