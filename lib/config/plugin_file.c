/*
 * plugin_file - a plugin that is looked at, and not run.
 *
 * What is checked is the path, folder by folder: who may not write to any of
 * them cannot put another file there between the check and dlopen.
 */
#include <sys/stat.h>

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/plugin_file.h"

static int
plugin_check_owner(
    const char *path, const char *part, const struct stat *st, struct err *err)
{
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return err_set(err,
		    "plugin %s: %s belongs to user %u: root or user %u must "
		    "own it",
		    path, part, (unsigned)st->st_uid, (unsigned)geteuid());
	return 0;
}

/*
 * A folder above may be one like /tmp, where everyone makes files but none
 * can touch another's; the plugin's own folder may not: a library that it
 * wants from there must not come from anyone.
 */
static int
plugin_check_folder(
    const char *path, const char *folder, bool own, struct err *err)
{
	struct stat st;

	if (stat(folder, &st) == -1)
		return err_sys(err, "plugin %s: %s", path, folder);
	if (plugin_check_owner(path, folder, &st, err) == -1)
		return -1;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
	    (!own && (st.st_mode & S_ISVTX) != 0))
		return 0;
	return err_set(err, "plugin %s: others may write to %s: chmod go-w %s",
	    path, folder, folder);
}

static int
plugin_check_folders(const char *path, const char *real, struct err *err)
{
	char folder[PATH_MAX];
	bool own = true;
	char *slash;

	memcpy(folder, real, strlen(real) + 1);
	while ((slash = strrchr(folder, '/')) != NULL && folder[1] != '\0') {
		slash[slash == folder] = '\0';
		if (plugin_check_folder(path, folder, own, err) == -1)
			return -1;
		own = false;
	}
	return 0;
}

int
plugin_check(const char *path, char *real, struct stat *st, struct err *err)
{
	if (path[0] != '/')
		return err_set(err, "plugin %s: not an absolute path", path);
	if (realpath(path, real) == NULL || stat(real, st) == -1)
		return err_sys(err, "plugin %s", path);
	if (!S_ISREG(st->st_mode))
		return err_set(err, "plugin %s: not a file", path);
	if (plugin_check_owner(path, "it", st, err) == -1)
		return -1;
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return err_set(err,
		    "plugin %s: others may write to it: chmod go-w %s", path,
		    path);
	return plugin_check_folders(path, real, err);
}

int
plugin_check_file(const char *path, struct err *err)
{
	char real[PATH_MAX];
	struct stat st;
	int fd, r;

	if (plugin_check(path, real, &st, err) == -1)
		return -1;
	fd = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return err_sys(err, "plugin %s", path);
	r = plugin_look(path, fd, err);
	close(fd);
	return r;
}
