/*
 * pooled - the program that runs CPU jobs: its settings.
 *
 * They come from [pool] and [job:x], as a file beside its socket that is
 * replaced as a whole.  What is in it is that of the newest instance that was
 * started or changed; an instance reads it when it begins and at SIGHUP.
 */
#ifndef ENGINE_POOLED_H
#define ENGINE_POOLED_H

#include "engine/engine_priv.h"

/* One is about to start: the file is its config's. */
int pooled_start(const struct inst *in, struct err *err);
/* It has another config, in live keys alone; old: the one before. */
void pooled_changed(struct inst *in, const struct config_program *old);
/* It is up: what has changed since it began is told now. */
void pooled_up(struct inst *in);
/* It was adopted: the engine before this one may not have come to tell it. */
void pooled_adopted(struct inst *in);
/* It has died, and how is noted for the next one: jobs died with it. */
void pooled_died(const struct inst *in, const struct keeper_exit *ex);
/* The program goes, and its files. */
void pooled_gone(const struct program *pg);

#endif
