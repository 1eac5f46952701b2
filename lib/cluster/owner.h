/*
 * owner - who has an address that we cannot have.
 *
 * For an error message and only then: reads through /proc, and finds nothing
 * where we may not look.
 */
#ifndef CLUSTER_OWNER_H
#define CLUSTER_OWNER_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * out becomes "nginx (pid 123)".  sa: what could not be bound; an abstract
 * Unix address is looked for as well.
 */
bool owner_find(
    const struct sockaddr *sa, socklen_t len, char *out, size_t size);

#endif
