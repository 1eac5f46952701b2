/*
 * plugin - a job plugin as a file: checked, loaded, called, unloaded.
 *
 * Runs in the pool, on one thread at a time.  A file may be put in place of
 * another (mv, install) and opened while jobs still run in the one before:
 * both are loaded then, and the old one is closed when its last job is done.
 */
#ifndef POOL_PLUGIN_H
#define POOL_PLUGIN_H

#include <stdbool.h>

#include "base/err.h"
#include "reeve/job.h"

struct job_plugin; /* opaque, see plugin.c */

/*
 * Loads the file at path, which is absolute, and calls its load().  Code of
 * the file runs only after it and its folders have been found to be of root
 * or of this user, and not to be writable by others.  NULL: err says why.
 */
struct job_plugin *job_plugin_open(const char *path, struct err *err);
/* Calls its unload(); no job may be running in it.  NULL is fine. */
void job_plugin_close(struct job_plugin *pl);

/* What job_run_exec wants; valid until job_plugin_close. */
const struct reeve_job_plugin *job_plugin_entry(const struct job_plugin *pl);
/* Is there another file at its path by now?  Not when there is none. */
bool job_plugin_changed(const struct job_plugin *pl);

#endif
