/*
 * ini - files of [section] and key = value, read by inih.
 *
 * inih cannot read every file that people write: lines end after 199 bytes,
 * names after 49, every indented line is a continuation, quotes mean nothing
 * to it.  So a dialect's line logic comes first.  It finds the sections, keys
 * and values in a text and emits them one by one; the bridge in ini.c gives
 * them names that inih can hold (s1, k7), cuts the values into short escaped
 * chunks, has inih parse that, and puts the true names back.  inih therefore
 * splits what is split already, and none of its compile-time limits matters.
 *
 * Another dialect is another ini_lines function and nothing else: whatever
 * it emits comes out of here in the same form.
 */
#ifndef CONFIG_INI_H
#define CONFIG_INI_H

#include <stddef.h>

#include "base/str.h"
#include "config/config.h"

/* No config is that long; a device named by mistake is longer. */
#define INI_FILE_MAX (16 * 1024 * 1024)

struct ini_entry {
	const char *file; /* of ini.files */
	int line;
	char *section; /* trimmed, as written */
	char *key;     /* lower case; NULL: here the section begins */
	char *value;
};

struct ini {
	struct ini_entry *v;
	size_t n;
	struct strv files;
};

struct ini_sink; /* what a dialect writes to, see ini.c */

/* Finds the logical lines of a text without NUL, in valid UTF-8 or not. */
typedef void ini_lines(struct ini_sink *sink, const char *text, size_t len);

/* The [reeve] dialect, see ini_reeve.c. */
ini_lines ini_lines_reeve;

void ini_sink_section(struct ini_sink *sink, const char *name, int line);
void ini_sink_key(struct ini_sink *sink, const char *key, const char *value,
    size_t len, int line);
void ini_sink_error(struct ini_sink *sink, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

void ini_init(struct ini *ini);
void ini_fini(struct ini *ini);
/* Adds what a text holds; name is what errors and entries call it. */
void ini_add_text(struct ini *ini, ini_lines *lines, const char *name,
    const char *text, size_t len, struct config_errors *errs);
/* -1 with err: the file cannot be read; what is in it goes to errs. */
int ini_add_file(struct ini *ini, ini_lines *lines, const char *path,
    struct config_errors *errs, struct err *err);

#endif
