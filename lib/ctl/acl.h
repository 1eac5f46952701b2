/*
 * acl - who may do what: allow= applied to the identity of a client.
 *
 * Pure: no kernel, no clock, no state.
 */
#ifndef CTL_ACL_H
#define CTL_ACL_H

#include <sys/types.h>

#include <stdbool.h>

#include "config/config.h"
#include "config/verb.h"

/* A client as the kernel knows it since it connected; all borrowed. */
struct acl_peer {
	uid_t uid;
	gid_t gid;
	const gid_t *groups; /* the supplementary ones */
	size_t ngroups;
	uid_t self; /* the daemon's own uid */
};

/* Root, the daemon's own user, and all while there is no allow=. */
bool acl_may_everything(
    const struct config_allows *als, const struct acl_peer *peer);
/* Whether there is anything that the verb may be used on. */
bool acl_may_some(const struct config_allows *als, const struct acl_peer *peer,
    enum verb verb);
/* Whether it may be used on everything, also on what is yet to come. */
bool acl_may_all(const struct config_allows *als, const struct acl_peer *peer,
    enum verb verb);
/* Whether it may be used on a slot; slot NULL: on the program as a whole. */
bool acl_may(const struct config_allows *als, const struct acl_peer *peer,
    enum verb verb, const char *program, const char *slot);

#endif
