/*
 * envfile - files of KEY=value lines.
 *
 *	# comment
 *	KEY=value
 *	export KEY="va\"lue"    export, quotes and \" as shells have them
 *	KEY='value'
 *
 * One variable a line; nothing is expanded.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/slot.h"

static char *
envfile_trim(char *s)
{
	char *end = s + strlen(s);

	while (end > s && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

/* Takes the quotes off in place; -1: the first one is never closed. */
static int
envfile_unquote(char *s)
{
	char quote = *s, *to = s;

	if (quote != '"' && quote != '\'')
		return 0;
	for (s++; *s != '\0' && *s != quote; s++) {
		if (quote == '"' && *s == '\\' && s[1] != '\0' &&
		    strchr("\"\\$`", s[1]) != NULL)
			s++;
		*to++ = *s;
	}
	if (*s != quote || s[1] != '\0')
		return -1;
	*to = '\0';
	return 0;
}

static bool
envfile_key_ok(const char *key)
{
	if (*key == '\0' || isdigit((unsigned char)*key))
		return false;
	for (; *key != '\0'; key++)
		if (!isalnum((unsigned char)*key) &&
		    strchr("_.-", *key) == NULL)
			return false;
	return true;
}

static int
envfile_line(
    struct strv *env, char *s, const char *path, int line, struct err *err)
{
	char *eq, *key, *value;

	s = envfile_trim(s);
	if (*s == '\0' || *s == '#' || *s == ';')
		return 0;
	if (str_starts(s, "export ") || str_starts(s, "export\t"))
		s = envfile_trim(s + strlen("export "));
	eq = strchr(s, '=');
	if (eq == NULL)
		return err_set(
		    err, "%s:%d: '%.40s' is not KEY=value", path, line, s);
	*eq = '\0';
	key = envfile_trim(s);
	value = envfile_trim(eq + 1);
	if (!envfile_key_ok(key))
		return err_set(err,
		    "%s:%d: '%.40s' is not the name of a "
		    "variable",
		    path, line, key);
	if (envfile_unquote(value) == -1)
		return err_set(err,
		    "%s:%d: value of %s: the quotes do not "
		    "match",
		    path, line, key);
	strv_env_set(env, key, value);
	return 0;
}

int
config_read_env_file(struct strv *env, const char *path, struct err *err)
{
	FILE *fp = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	int rc = 0;

	if (fp == NULL)
		return err_sys(err, "read %s", path);
	for (int n = 1; rc == 0 && getline(&line, &cap, fp) != -1; n++)
		rc = envfile_line(env, line, path, n, err);
	if (rc == 0 && ferror(fp))
		rc = err_sys(err, "read %s", path);
	free(line);
	fclose(fp);
	return rc;
}
