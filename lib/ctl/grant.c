/*
 * grant - allow= applied to requests, before and while they are served.
 *
 * A request that names something may be refused for any of it.  One that
 * could name everything (no names, a glob, a group) is, when it only reads,
 * served for what the client may see.  A name that it may not see is "not
 * allowed" whether it is there or not.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "ctl/ctl_priv.h"

static struct acl_peer
grant_peer(const struct ctl_session *s)
{
	return (struct acl_peer){
		.uid = s->who.uid,
		.gid = s->who.gid,
		.groups = s->groups,
		.ngroups = s->ngroups,
		.self = geteuid(),
	};
}

static const struct config_allows *
grant_allows(const struct ctl_session *s)
{
	return &engine_config(s->srv->en)->allow;
}

/* What a worker needs, for jobs whose number it has.  job_list would tell it
 * of those of others. */
static bool
grant_worker_verb(enum verb verb)
{
	static const char *const verbs[] = { "job_submit", "job_wait",
		"job_cancel", "job_kinds", "job_stats" };

	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(verb_name(verb), verbs[i]) == 0)
			return true;
	return false;
}

/* A process of a program with allow_jobs, for the verbs of jobs. */
static bool
grant_worker(const struct ctl_req *r, enum verb verb)
{
	const struct config_program *p;

	if (*r->s->worker == '\0' || !grant_worker_verb(verb))
		return false;
	p = config_program_find(engine_config(r->s->srv->en), r->s->worker);
	return p != NULL && p->allow_jobs;
}

bool
ctl_may(const struct ctl_req *r, const char *program, const char *slot)
{
	struct acl_peer peer = grant_peer(r->s);

	return acl_may(grant_allows(r->s), &peer, r->cmd->verb, program, slot);
}

bool
ctl_may_some(const struct ctl_req *r)
{
	struct acl_peer peer = grant_peer(r->s);

	return acl_may_some(grant_allows(r->s), &peer, r->cmd->verb) ||
	       grant_worker(r, r->cmd->verb);
}

bool
ctl_may_verb(const struct ctl_req *r, enum verb verb)
{
	struct acl_peer peer = grant_peer(r->s);

	return acl_may_all(grant_allows(r->s), &peer, verb) ||
	       grant_worker(r, verb);
}

bool
ctl_is_guest(const struct ctl_req *r)
{
	struct acl_peer peer = grant_peer(r->s);

	return !acl_may_all(grant_allows(r->s), &peer, r->cmd->verb);
}

bool
ctl_may_all(const struct ctl_req *r)
{
	return ctl_may_verb(r, r->cmd->verb);
}

/* The name is a slot's or a program's; the program is found for a slot's. */
bool
ctl_may_name(const struct ctl_req *r, const char *name)
{
	const struct config *cf = engine_config(r->s->srv->en);
	const char *dot = strrchr(name, '.');
	char *program;
	bool may;

	if (ctl_may_all(r))
		return true;
	if (*name == '\0')
		return false;
	if (dot == NULL || dot[1] == '\0' || config_program_find(cf, name) ||
	    dot[1 + strspn(dot + 1, "0123456789")] != '\0')
		return ctl_may(r, name, NULL);
	program = xstrndup(name, (size_t)(dot - name));
	may = ctl_may(r, program, name);
	free(program);
	return may;
}

static void
grant_deny(struct ctl_req *r, const char *name, const char *how)
{
	const char *verb = r->cmd->name, *blank = *name != '\0' ? " " : "";
	unsigned uid = (unsigned)r->s->who.uid;

	if (ctl_log_room(r->s->srv))
		log_info("client pid %d uid %u: %s%s%s is %s allowed",
		    (int)r->s->who.pid, uid, verb, blank, name, how);
	if (*r->s->worker != '\0' && grant_worker_verb(r->cmd->verb)) {
		ctl_fail(r, CTL_E_DENIED,
		    "uid %u is %s allowed to %s: [program:%s] needs "
		    "'allow_jobs = on'",
		    uid, how, verb, r->s->worker);
		return;
	}
	ctl_fail(r, CTL_E_DENIED,
	    "uid %u is %s allowed to %s%s%.64s: [reeve] needs 'allow = "
	    "%s%s%.64s: uid %u'",
	    uid, how, verb, blank, name, verb, blank, name, uid);
}

void
ctl_deny(struct ctl_req *r, const char *name)
{
	grant_deny(r, name != NULL ? name : "", "not");
}

/* --- the names of a request ------------------------------------------------
 */

struct grant_look {
	const struct ctl_req *r;
	unsigned may, not ;
	char first[CTL_NAME_SHOWN]; /* that it may not */
};

static void
grant_slot(void *arg, const struct slot_info *si)
{
	struct grant_look *gl = arg;

	if (ctl_may(gl->r, si->program, si->name)) {
		gl->may++;
		return;
	}
	if (gl->not ++ == 0)
		snprintf(gl->first, sizeof gl->first, "%s", si->name);
}

static bool
grant_is_many(const char *name)
{
	return strcmp(name, "all") == 0 || strpbrk(name, "*?[:") != NULL;
}

/* NULL: granted; else the name to refuse, in gl or the request's. */
static const char *
grant_name(struct grant_look *gl, const char *name)
{
	char *one = (char *)(uintptr_t)name;
	bool many = grant_is_many(name), reads = gl->r->cmd->reads;
	struct err err;

	gl->may = gl->not = 0;
	if (engine_each(gl->r->s->srv->en, &one, 1, grant_slot, gl, &err) == -1)
		return ctl_may_name(gl->r, name) && !many ? NULL : name;
	if (gl->may + gl->not == 0)
		return !many && ctl_may_name(gl->r, name) ? NULL : name;
	if (gl->not == 0 || (reads && many && gl->may > 0))
		return NULL;
	/* What a glob covers is not told to who may see nothing of it. */
	return many && reads ? name : many ? gl->first : name;
}

static const char *
grant_params(struct grant_look *gl, json_t *v)
{
	const char *bad = NULL;
	size_t i;
	json_t *item;

	if (json_is_string(v))
		return grant_name(gl, json_string_value(v));
	json_array_foreach(v, i, item)
	{
		if (json_is_string(item))
			bad = grant_name(gl, json_string_value(item));
		if (bad != NULL)
			return bad;
	}
	return NULL;
}

/* Requests without a name that are answered with what may be seen. */
static bool
grant_is_filtered(const struct ctl_req *r)
{
	enum verb v = r->cmd->verb;

	return v == VERB_hello || v == VERB_status || v == VERB_pid ||
	       v == VERB_config || v == VERB_events || v == VERB_messages;
}

/* The first name that a request has, or NULL. */
static const char *
grant_first(const json_t *params)
{
	const json_t *v = json_object_get(params, "names");

	if (v == NULL)
		v = json_object_get(params, "name");
	if (v == NULL)
		v = json_object_get(params, "program");
	if (json_is_array(v))
		v = json_array_get(v, 0);
	return json_string_value(v);
}

int
ctl_grant(struct ctl_req *r, json_t *params)
{
	static const char *const members[] = { "names", "name", "program" };
	struct grant_look gl = { .r = r };
	const char *bad;
	bool named = false;

	if (ctl_may_all(r))
		return 0;
	if (!ctl_may_some(r)) {
		ctl_deny(r, grant_first(params));
		return -1;
	}
	for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
		json_t *v = json_object_get(params, members[i]);

		if (json_is_string(v) || json_array_size(v) > 0)
			named = true;
		bad = grant_params(&gl, v);
		if (bad != NULL) {
			ctl_deny(r, bad);
			return -1;
		}
	}
	if (named || grant_is_filtered(r))
		return 0;
	ctl_deny(r, NULL);
	return -1;
}

/* --- what goes on ----------------------------------------------------------
 */

const char *
ctl_lost_verb(const struct ctl_req *r)
{
	return ctl_may_all(r) ? NULL : "";
}

void
ctl_regrant(struct ctl_session *s)
{
	char name[CTL_NAME_SHOWN];
	struct ctl_req *r, *next;
	const char *lost;

	for (r = TAILQ_FIRST(&s->reqs); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		lost = r->lost != NULL ? r->lost(r) : NULL;
		if (lost == NULL)
			continue;
		snprintf(name, sizeof name, "%s", lost);
		if (r->close != NULL)
			r->close(r);
		grant_deny(r, name, "no longer");
	}
}
