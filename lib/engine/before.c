/*
 * before - the config that a program had before a reload's roll.
 *
 * It must outlive the engine as long as it may be needed: while the roll goes
 * on ("before:web" in the keeper's store), after one that was aborted, when it
 * is what the program runs ("reverted:web"), and when the program was removed,
 * until it has stopped as it says ("removed:web").  Each is a snapshot of the
 * whole config of that time: they are few, and gone with the next good roll.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/xalloc.h"
#include "engine/engine_priv.h"

static unsigned
before_slot(const struct program *pg, const char *what, char name[FDNAME_MAX])
{
	snprintf(name, FDNAME_MAX, "%s:%s", what, pg->conf->name);
	return keeperlink_find(pg->en->kl, name);
}

/* Gives what is kept under one name another one, in that order. */
static bool
before_rename(struct program *pg, const char *from, const char *to)
{
	char old[FDNAME_MAX], new[FDNAME_MAX];
	unsigned slot = before_slot(pg, from, old);
	int fd;

	if (slot == 0)
		return false;
	before_slot(pg, to, new);
	fd = fcntl(keeperlink_fd(pg->en->kl, slot), F_DUPFD_CLOEXEC, 3);
	if (fd == -1)
		fatal("keep the config before");
	keeperlink_replace(pg->en->kl, new, fd);
	keeperlink_drop(pg->en->kl, &slot);
	return true;
}

/* The config in force, under another name. */
static void
before_put(struct program *pg, const char *name)
{
	struct keeperlink *kl = pg->en->kl;
	int fd = fcntl(keeperlink_fd(kl, keeperlink_find(kl, "config")),
	    F_DUPFD_CLOEXEC, 3);

	if (fd == -1)
		fatal("keep the config before");
	keeperlink_replace(kl, name, fd);
}

void
before_keep(struct program *pg)
{
	char name[FDNAME_MAX];

	/* What it runs is older than the config in force. */
	if (before_slot(pg, "before", name) != 0 ||
	    before_rename(pg, "reverted", "before"))
		return;
	before_put(pg, name);
}

void
before_keep_removed(struct program *pg)
{
	char name[FDNAME_MAX];

	/* After an aborted roll it is the older one that it runs. */
	if (before_rename(pg, "reverted", "removed"))
		return;
	before_slot(pg, "removed", name);
	before_put(pg, name);
}

void
before_reverted(struct program *pg)
{
	before_rename(pg, "before", "reverted");
}

void
before_drop(struct program *pg)
{
	static const char *const kinds[] = { "before", "reverted", "removed" };
	char name[FDNAME_MAX];
	unsigned slot;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		slot = before_slot(pg, kinds[i], name);
		keeperlink_drop(pg->en->kl, &slot);
	}
}

struct config_program *
before_read(struct engine *en, const char *name, unsigned slot)
{
	int fd = keeperlink_fd(en->kl, slot);
	struct config_program *conf = NULL;
	struct config_errors errs;
	struct config *cf = NULL;
	struct stat st;
	char *data;

	if (fstat(fd, &st) == -1)
		return NULL;
	config_errors_init(&errs);
	data = xmalloc((size_t)st.st_size);
	if (pread(fd, data, (size_t)st.st_size, 0) == st.st_size)
		cf = config_load_snapshot(
		    en->config_file, data, (size_t)st.st_size, &errs);
	if (cf != NULL)
		conf = config_program_find(cf, name);
	if (conf != NULL)
		config_program_ref(conf);
	config_free(cf);
	config_errors_fini(&errs);
	free(data);
	return conf;
}

void
before_recover(struct program *pg)
{
	char name[FDNAME_MAX];
	unsigned before = before_slot(pg, "before", name);
	unsigned reverted = before_slot(pg, "reverted", name);
	struct config_program *conf;

	if (before == 0 && reverted == 0)
		return;
	conf = before_read(
	    pg->en, pg->conf->name, before != 0 ? before : reverted);
	if (conf == NULL) {
		log_errorx("%s: the config before can't be read, it goes on "
			   "with the one in force",
		    pg->conf->name);
		before_drop(pg);
	} else if (before != 0) {
		pg->before = conf;
	} else {
		config_program_unref(pg->conf);
		pg->conf = conf;
		pg->reverted = true;
		program_note(pg, "on the config before");
	}
}
