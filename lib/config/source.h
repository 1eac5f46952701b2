/*
 * source - a config file and all that it includes, as one list of entries.
 */
#ifndef CONFIG_SOURCE_H
#define CONFIG_SOURCE_H

#include <stdbool.h>

#include "config/config_priv.h"
#include "config/ini.h"

struct source {
	struct ini ini;
	struct config_errors *errs;
	struct strv real; /* files that were read, with links resolved */
	struct strv open; /* of those, the ones that are being read */
};

void source_init(struct source *src, struct config_errors *errs);
void source_fini(struct source *src);
/* Reads path and what it includes.  -1: path itself cannot be read. */
int source_read(struct source *src, const char *path, struct err *err);
/* The same from memory; [include] is an error there. */
void source_read_text(
    struct source *src, const char *name, const char *text, size_t len);

#endif
