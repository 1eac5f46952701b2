/*
 * upgrade - reeved is replaced by the one that is installed by now.
 */
#ifndef ENGINE_UPGRADE_H
#define ENGINE_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/engine.h"

struct upgrade;

/* Once; text: why not, or what is there now.  After ok this engine leaves. */
typedef void upgrade_cb(void *arg, bool ok, const char *text);

/* -1: it could not even begin.  cb comes from the loop. */
int upgrade_begin(struct engine *en, const struct engine_who *who,
    upgrade_cb *cb, void *arg, struct upgrade **upp, struct err *err);
/* The client is gone: no callback, the rest is done. */
void upgrade_detach(struct upgrade *up);
/* The keeper tells how it went; code 0: it is the new one. */
void upgrade_told(struct engine *en, int code, const char *text);

/* Of the records that an engine leaves: another one can't go on with them. */
uint32_t upgrade_layout(void);
/*
 * reeve-engine --upgrade-check: could this one go on?  Says so on stdout; file:
 * of the config whose snapshot is descriptor 3.  Returns the exit code.
 */
int upgrade_check(const char *layout, const char *file);

#endif
