/* acl - who may do what: allow= applied to the identity of a client. */
#include "ctl/acl.h"

#include <fnmatch.h>

static bool
acl_in_group(const struct acl_peer *peer, gid_t gid)
{
	if (peer->gid == gid)
		return true;
	for (size_t i = 0; i < peer->ngroups; i++)
		if (peer->groups[i] == gid)
			return true;
	return false;
}

static bool
acl_is(const struct acl_peer *peer, const struct config_who *who)
{
	switch (who->kind) {
	case WHO_USER:
		return peer->uid == who->id;
	case WHO_GROUP:
		return acl_in_group(peer, who->id);
	case WHO_EVERYONE:
		return true;
	}
	return false;
}

/*
 * What grants a verb.  Whoever may give a run may signal it, and whoever may
 * add a task, or run one of the config, may do with it what its owner does;
 * those verbs see nobody else's.
 * Whoever may anything may say hello.  reevectl asks for pids before shutdown,
 * to wait for that process, and before tail, for the names of the slots.
 */
static uint64_t
acl_verbs(enum verb verb)
{
	if (verb == VERB_hello)
		return ~(uint64_t)0;
	if (verb == VERB_pid)
		return VERB_BIT(verb) | VERB_BIT(VERB_shutdown) |
		       VERB_BIT(VERB_tail);
	if (verb == VERB_run_signal)
		return VERB_BIT(VERB_run_signal) | VERB_BIT(VERB_run);
	if (verb == VERB_task_rm)
		return VERB_BIT(verb) | VERB_BIT(VERB_task_add);
	if (verb == VERB_task_list || verb == VERB_task_log ||
	    verb == VERB_task_wait || verb == VERB_task_cancel ||
	    verb == VERB_task_watch || verb == VERB_task_why)
		return VERB_BIT(verb) | VERB_BIT(VERB_task_add) |
		       VERB_BIT(VERB_task_run);
	/* Ends of others have nothing to tell but numbers. */
	if (verb == VERB_job_wait || verb == VERB_job_cancel)
		return VERB_BIT(verb) | VERB_BIT(VERB_job_submit);
	return VERB_BIT(verb);
}

static bool
acl_entry_is(
    const struct config_allow *al, const struct acl_peer *peer, enum verb verb)
{
	if ((al->verbs & acl_verbs(verb)) == 0)
		return false;
	for (size_t i = 0; i < al->nwho; i++)
		if (acl_is(peer, &al->who[i]))
			return true;
	return false;
}

bool
acl_may_everything(const struct config_allows *als, const struct acl_peer *peer)
{
	return !als->set || peer->uid == 0 || peer->uid == peer->self;
}

bool
acl_may_some(const struct config_allows *als, const struct acl_peer *peer,
    enum verb verb)
{
	if (acl_may_everything(als, peer))
		return true;
	for (size_t i = 0; i < als->n; i++)
		if (acl_entry_is(&als->v[i], peer, verb))
			return true;
	return false;
}

static bool
acl_is_for_all(const struct config_allow *al)
{
	return al->names.n == 0 || strv_has(&al->names, "*");
}

bool
acl_may_all(const struct config_allows *als, const struct acl_peer *peer,
    enum verb verb)
{
	if (acl_may_everything(als, peer))
		return true;
	for (size_t i = 0; i < als->n; i++)
		if (acl_is_for_all(&als->v[i]) &&
		    acl_entry_is(&als->v[i], peer, verb))
			return true;
	return false;
}

static bool
acl_fits(const struct config_allow *al, const char *program, const char *slot)
{
	for (size_t i = 0; i < al->names.n; i++) {
		if (fnmatch(al->names.v[i], program, 0) == 0)
			return true;
		if (slot != NULL && fnmatch(al->names.v[i], slot, 0) == 0)
			return true;
	}
	return al->names.n == 0;
}

bool
acl_may(const struct config_allows *als, const struct acl_peer *peer,
    enum verb verb, const char *program, const char *slot)
{
	if (acl_may_everything(als, peer))
		return true;
	for (size_t i = 0; i < als->n; i++)
		if (acl_entry_is(&als->v[i], peer, verb) &&
		    acl_fits(&als->v[i], program, slot))
			return true;
	return false;
}
