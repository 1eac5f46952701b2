/* path - paths as a config file may write them. */
#include <sys/types.h>

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "config/config_priv.h"

char *
path_home(void)
{
	const char *home = getenv("HOME");
	struct passwd pw, *found = NULL;
	char store[4096];

	if (home != NULL && *home == '/')
		return xstrdup(home);
	if (getpwuid_r(geteuid(), &pw, store, sizeof store, &found) == 0 &&
	    found != NULL && *pw.pw_dir == '/')
		return xstrdup(pw.pw_dir);
	return xstrdup("/");
}

static char *
path_join(const char *folder, const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		for (path++; *path == '/'; path++)
			;
	if (strcmp(path, ".") == 0)
		return xstrdup(folder);
	return xasprintf(
	    "%s%s%s", folder, str_ends(folder, "/") ? "" : "/", path);
}

char *
path_absolute(const char *here, const char *path)
{
	char *home, *out;

	if (path[0] == '/')
		return xstrdup(path);
	if (path[0] != '~' || (path[1] != '/' && path[1] != '\0'))
		return path_join(here, path);
	home = path_home();
	out = path[1] == '\0' ? xstrdup(home) : path_join(home, path + 2);
	free(home);
	return out;
}

char *
path_from_cwd(const char *file)
{
	char *cwd = getcwd(NULL, 0);
	char *path = path_absolute(cwd != NULL ? cwd : "/", file);

	free(cwd);
	return path;
}

char *
path_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		return xstrdup(".");
	if (slash == path)
		return xstrdup("/");
	return xstrndup(path, (size_t)(slash - path));
}

const char *
config_default_file(void)
{
	if (access("reeve.conf", F_OK) == 0)
		return "reeve.conf";
	if (access(REEVE_SYSCONFDIR "/reeve/reeve.conf", F_OK) == 0)
		return REEVE_SYSCONFDIR "/reeve/reeve.conf";
	return NULL;
}
