/*
 * rotate - one log file that is appended to and rotated by rename.
 *
 * Runs in the pump's thread.  Opened by the first write (O_APPEND, 0640, its
 * folder is there or it fails).  When the next bytes would make it longer than
 * maxbytes it becomes FILE.1, what was FILE.1 becomes FILE.2, and so on up to
 * backups; the cut is at the end of a line where there is one.  backups == 0:
 * it is emptied.
 *
 * At most once a second while it is written to, it is looked whether the
 * path still names this file; when somebody moved or removed it, it is opened
 * again by its name.  Only a plain file is rotated: not a device, a FIFO, nor
 * anything behind a symbolic link (/dev/stdout may well end at a file).
 *
 * Never waits for a reader: what a FIFO or a terminal does not take at once is
 * not written.  After an error it is tried again at most once a second.
 */
#ifndef LOGS_ROTATE_H
#define LOGS_ROTATE_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define ROTATE_RETRY_MS 1000

struct rotate_file {
	const char *path; /* borrowed */
	int64_t maxbytes; /* 0: never rotated; may be changed */
	int64_t backups;  /* may be changed */
	uint64_t rotations;
	int errnum; /* 0: it works */

	int fd;
	int64_t size;
	dev_t dev;
	ino_t ino;
	mono_ms checked_at; /* when the path was looked at */
	mono_ms retry_at;   /* not before, while errnum != 0 */
	bool rotatable;
	bool inherited; /* our own descriptor 1 or 2, shared with others */
	bool careful;   /* and it may block */
};

void rotate_init(
    struct rotate_file *f, const char *path, int64_t maxbytes, int64_t backups);
void rotate_fini(struct rotate_file *f);
/* Returns how many of the n bytes were written; errnum tells the rest. */
size_t rotate_write(
    struct rotate_file *f, const char *data, size_t n, mono_ms now);
/* Opens it again by its name, with the next write. */
void rotate_reopen(struct rotate_file *f);

#endif
