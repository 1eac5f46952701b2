/*
 * heir - the keeper was killed: its engine goes on in its place.
 */
#ifndef ENGINE_HEIR_H
#define ENGINE_HEIR_H

/*
 * arg: the engine.  Executes the keeper's program in this process, with tables
 * of what the keeper had: mostly it does not return.
 */
void heir_orphaned(void *arg, const char *why);

#endif
