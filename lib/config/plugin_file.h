/*
 * plugin_file - the file of a job plugin, looked at and not run: the config is
 * checked where no plugin's code may come in.  lib/pool loads it.
 */
#ifndef CONFIG_PLUGIN_FILE_H
#define CONFIG_PLUGIN_FILE_H

#include <sys/stat.h>

#include "base/err.h"

/*
 * Owner and mode of the file and of the folders above it.  real: PATH_MAX
 * bytes; links are followed once, and what they lead to is what is checked and
 * loaded.
 */
int plugin_check(
    const char *path, char *real, struct stat *st, struct err *err);
/* 0: fd is a shared library with a plugin in it for this version, or nothing
 * that can be read without running it says otherwise. */
int plugin_look(const char *path, int fd, struct err *err);
/* Both. */
int plugin_check_file(const char *path, struct err *err);

#endif
