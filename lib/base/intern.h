/*
 * intern - strings that many share.
 *
 * For the few texts that hundreds of objects have in common (the name of a
 * config file, its folder): they are kept once, and for as long as the process
 * lives.  Never for anything of which there may be ever more.  One thread.
 */
#ifndef BASE_INTERN_H
#define BASE_INTERN_H

/* The same pointer for equal strings.  NULL for NULL. */
const char *intern(const char *s);

#endif
