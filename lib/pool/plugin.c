/* plugin - load a job plugin. */
#include "pool/plugin.h"

#include <sys/stat.h>

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "config/plugin_file.h"
#include "pool/run.h"

#define PLUGIN_MAGIC 0x6a706c67u
/* Versions of one file that can be loaded at once; plugin_dlopen. */
#define PLUGIN_VERSIONS 16

struct job_plugin {
	unsigned magic;
	char *path;
	void *handle;
	struct stat st; /* of the file, when it was loaded */
	/* A copy: one that was built for fewer members is made longer. */
	struct reeve_job_plugin entry;
};

/* --- loading
 * ------------------------------------------------------------------------ */

/*
 * dlopen gives back what it has already when it knows the name, though there
 * is another file there by now.  A name with one more slash is another name.
 * What it still gives back then is this very file: not loaded twice.
 */
static void *
plugin_dlopen(const char *path, const char *real, struct err *err)
{
	char name[PATH_MAX + PLUGIN_VERSIONS];
	size_t dir = (size_t)(strrchr(real, '/') - real), i;
	void *have, *handle;

	for (i = 0; i < PLUGIN_VERSIONS; i++) {
		memcpy(name, real, dir);
		memset(name + dir, '/', i + 1);
		memcpy(name + dir + i + 1, real + dir + 1,
		    strlen(real + dir + 1) + 1);
		have = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
		if (have == NULL)
			break;
		dlclose(have);
	}
	if (i == PLUGIN_VERSIONS) {
		err_set(err,
		    "plugin %s: it is loaded already, and was not replaced by "
		    "a new file (install or mv)",
		    path);
		return NULL;
	}
	handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL)
		err_set(err, "plugin %s: %s", path, dlerror());
	return handle;
}

static int
plugin_entry(struct job_plugin *pl, struct err *err)
{
	const struct reeve_job_plugin *p =
	    dlsym(pl->handle, "reeve_job_plugin");
	const char *why;

	if (p == NULL)
		return err_set(err,
		    "plugin %s: it has no reeve_job_plugin: not a job plugin",
		    pl->path);
	/* The first two members are the same in all versions. */
	if (p->abi != REEVE_JOB_ABI)
		return err_set(err,
		    "plugin %s: built for version %u of reeve/job.h, this is "
		    "%u: build it again",
		    pl->path, p->abi, REEVE_JOB_ABI);
	memcpy(&pl->entry, p,
	    p->size < sizeof pl->entry ? p->size : sizeof pl->entry);
	why = job_plugin_fault(&pl->entry);
	if (why != NULL)
		return err_set(err, "plugin %s: %s", pl->path, why);
	return 0;
}

static int
plugin_load(struct job_plugin *pl, struct err *err)
{
	const char *why = "it does not say why";

	if (pl->entry.load != NULL && pl->entry.load(&why) != 0)
		return err_set(err, "plugin %s: it refuses: %.300s", pl->path,
		    why != NULL ? why : "it does not say why");
	return 0;
}

static void
plugin_free(struct job_plugin *pl)
{
	if (pl->handle != NULL)
		dlclose(pl->handle);
	free(pl->path);
	free(pl);
}

struct job_plugin *
job_plugin_open(const char *path, struct err *err)
{
	char real[PATH_MAX];
	struct job_plugin *pl;
	struct stat st;

	if (plugin_check(path, real, &st, err) == -1)
		return NULL;
	pl = xcalloc(1, sizeof *pl);
	pl->magic = PLUGIN_MAGIC;
	pl->path = xstrdup(path);
	pl->st = st;
	pl->handle = plugin_dlopen(path, real, err);
	if (pl->handle == NULL || plugin_entry(pl, err) == -1 ||
	    plugin_load(pl, err) == -1) {
		plugin_free(pl);
		return NULL;
	}
	return pl;
}

void
job_plugin_close(struct job_plugin *pl)
{
	if (pl == NULL)
		return;
	BUG_ON(pl->magic != PLUGIN_MAGIC);
	if (pl->entry.unload != NULL)
		pl->entry.unload();
	pl->magic = 0;
	plugin_free(pl);
}

const struct reeve_job_plugin *
job_plugin_entry(const struct job_plugin *pl)
{
	BUG_ON(pl->magic != PLUGIN_MAGIC);
	return &pl->entry;
}

bool
job_plugin_changed(const struct job_plugin *pl)
{
	struct stat st;

	if (stat(pl->path, &st) == -1)
		return false;
	return st.st_dev != pl->st.st_dev || st.st_ino != pl->st.st_ino ||
	       st.st_size != pl->st.st_size ||
	       st.st_mtim.tv_sec != pl->st.st_mtim.tv_sec ||
	       st.st_mtim.tv_nsec != pl->st.st_mtim.tv_nsec;
}
