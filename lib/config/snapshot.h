/*
 * snapshot - the entries of a config that was loaded, as bytes.
 */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include "base/buf.h"
#include "config/ini.h"

/* One entry; key NULL: here the section begins. */
void snapshot_add(struct buf *b, const char *file, int line,
    const char *section, const char *key, const char *value);
void snapshot_write(struct buf *b, const struct ini *ini);
/* -1: not a snapshot, or an empty one. */
int snapshot_read(struct ini *ini, const char *data, size_t len);

#endif
