/*
 * value_owner - users and groups, as numbers.
 *
 * The only place that asks passwd(5) and group(5): it may take long (LDAP),
 * so it is done when a file is loaded, and what a start needs is kept.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "config/value.h"

/* Large enough for a group of some thousand members. */
#define STORE_SIZE (256 * 1024)
#define GROUPS_MAX 65536

static int
owner_user(
    struct config_owner *out, const char *user, bool *has_gid, struct err *err)
{
	struct passwd pw, *found = NULL;
	char *store = xmalloc(STORE_SIZE);
	int64_t uid;
	bool number = str_to_i64(user, 0, UINT32_MAX - 1, &uid);
	int rc;

	if (number)
		rc = getpwuid_r((uid_t)uid, &pw, store, STORE_SIZE, &found);
	else
		rc = getpwnam_r(user, &pw, store, STORE_SIZE, &found);
	if (found != NULL) {
		out->uid = pw.pw_uid;
		out->gid = pw.pw_gid;
		out->login = xstrdup(pw.pw_name);
		out->home = xstrdup(pw.pw_dir);
		out->shell = xstrdup(pw.pw_shell);
	} else if (number) {
		out->uid = (uid_t)uid;
	}
	*has_gid = found != NULL;
	free(store);
	if (found != NULL || number)
		return 0;
	/* Not there is reported in several ways, see getpwnam(3). */
	if (rc != 0 && rc != ENOENT && rc != ESRCH && rc != EBADF &&
	    rc != EPERM) {
		errno = rc;
		return err_sys(err, "look up user '%s'", user);
	}
	return err_set(err, "no such user '%s'", user);
}

static int
owner_group(gid_t *out, const char *group, struct err *err)
{
	struct group gr, *found = NULL;
	char *store = xmalloc(STORE_SIZE);
	int64_t gid;
	int rc = 0;

	if (str_to_i64(group, 0, UINT32_MAX - 1, &gid)) {
		*out = (gid_t)gid;
		free(store);
		return 0;
	}
	rc = getgrnam_r(group, &gr, store, STORE_SIZE, &found);
	if (found != NULL)
		*out = gr.gr_gid;
	free(store);
	if (found != NULL)
		return 0;
	if (rc != 0 && rc != ENOENT && rc != ESRCH && rc != EBADF &&
	    rc != EPERM) {
		errno = rc;
		return err_sys(err, "look up group '%s'", group);
	}
	return err_set(err, "no such group '%s'", group);
}

static gid_t *
owner_groups_of(const char *login, gid_t gid, size_t *n)
{
	gid_t *v = NULL;
	int room = 64, got;

	do {
		v = xreallocarray(v, (size_t)room, sizeof *v);
		got = room;
		if (getgrouplist(login, gid, v, &got) != -1) {
			*n = (size_t)got;
			return v;
		}
		room = got > room ? got : room * 2;
	} while (room <= GROUPS_MAX);
	*n = 0;
	return v;
}

/* All groups of out->login; just gid where passwd does not know the user. */
void
value_owner_groups(struct config_owner *out)
{
	if (out->login != NULL) {
		out->groups =
		    owner_groups_of(out->login, out->gid, &out->ngroups);
		return;
	}
	out->groups = xmalloc(sizeof *out->groups);
	out->groups[0] = out->gid;
	out->ngroups = 1;
}

int
value_owner_lookup(struct config_owner *out, const char *text, struct err *err)
{
	const char *colon = strchr(text, ':');
	char *user = xstrndup(
	    text, colon == NULL ? strlen(text) : (size_t)(colon - text));
	bool has_gid;
	int rc;

	*out = (struct config_owner){ .set = true };
	rc = owner_user(out, user, &has_gid, err);
	if (rc == 0 && colon != NULL)
		rc = owner_group(&out->gid, colon + 1, err);
	else if (rc == 0 && !has_gid)
		rc = err_set(err,
		    "no user has the number %s, so its group "
		    "must be given: %s:GROUP",
		    user, user);
	if (rc == 0)
		out->name = xstrdup(text);
	else
		value_owner_fini(out);
	free(user);
	return rc;
}

void
value_owner_fini(void *field)
{
	struct config_owner *ow = field;

	free(ow->name);
	free(ow->login);
	free(ow->home);
	free(ow->shell);
	free(ow->groups);
	*ow = (struct config_owner){ 0 };
}

int
value_owner_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	(void)vc;
	if (*text == '\0')
		return 0;
	return value_owner_lookup(field, text, err);
}

void
value_owner_print(struct buf *out, const void *object, const void *field)
{
	const struct config_owner *ow = field;

	(void)object;
	if (ow->set)
		buf_adds(out, ow->name);
}

int
value_user_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	if (value_owner_parse(vc, field, text, err) == -1)
		return -1;
	if (*text != '\0')
		value_owner_groups(field);
	return 0;
}

void
value_user_print(struct buf *out, const void *object, const void *field)
{
	value_owner_print(out, object, field);
}

/* --- groups alone ----------------------------------------------------------
 */

int
value_group_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_gid *out = field;
	gid_t gid;

	(void)vc;
	if (*text == '\0')
		return 0;
	if (owner_group(&gid, text, err) == -1)
		return -1;
	*out = (struct config_gid){ true, gid, xstrdup(text) };
	return 0;
}

void
value_group_print(struct buf *out, const void *object, const void *field)
{
	const struct config_gid *g = field;

	(void)object;
	if (g->set)
		buf_adds(out, g->name);
}

void
value_group_fini(void *field)
{
	struct config_gid *g = field;

	free(g->name);
	*g = (struct config_gid){ 0 };
}

static bool
groups_have(const gid_t *v, size_t n, gid_t gid)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == gid)
			return true;
	return false;
}

static void
groups_add(gid_t **v, size_t *n, gid_t gid)
{
	if (groups_have(*v, *n, gid))
		return;
	*v = xreallocarray(*v, *n + 1, sizeof **v);
	(*v)[(*n)++] = gid;
}

int
value_groups_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_groups *out = field;
	const char *rest = text;
	char *item;
	gid_t gid;
	int rc = 0;

	(void)vc;
	while (rc == 0 && (item = value_item(&rest)) != NULL) {
		bool none = strcasecmp(item, "none") == 0;

		if (none && !out->set)
			out->only = true;
		else if (none)
			rc = err_set(err, "none can only be the first");
		else if (*item != '\0' &&
			 (rc = owner_group(&gid, item, err)) == 0) {
			groups_add(&out->v, &out->n, gid);
			strv_add(&out->names, item);
		}
		out->set = out->set || *item != '\0';
		free(item);
	}
	if (rc == -1)
		value_groups_fini(out);
	return rc;
}

void
value_groups_print(struct buf *out, const void *object, const void *field)
{
	const struct config_groups *g = field;

	if (g->only)
		buf_addf(out, "none%s", g->names.n > 0 ? "," : "");
	value_list_print(out, object, &g->names);
}

void
value_groups_fini(void *field)
{
	struct config_groups *g = field;

	strv_fini(&g->names);
	free(g->v);
	*g = (struct config_groups){ 0 };
}

void
value_identity(struct config_program *p)
{
	const struct config_groups *more = &p->rare->supplementary;
	struct config_identity id = { .uid = geteuid(), .gid = getegid() };
	const struct config_owner *user = &p->rare->user;

	id.set = (user->set && user->uid != id.uid) || more->set ||
		 (user->set && strchr(user->name, ':') != NULL &&
		     user->gid != id.gid) ||
		 (p->rare->run_group.set && p->rare->run_group.gid != id.gid);
	if (!id.set)
		return;
	if (user->set) {
		id.uid = user->uid;
		id.gid = user->gid;
	}
	if (p->rare->run_group.set)
		id.gid = p->rare->run_group.gid;
	if (!more->only && user->login != NULL && id.gid != user->gid)
		id.groups = owner_groups_of(user->login, id.gid, &id.ngroups);
	else if (!more->only)
		for (size_t i = 0; i < user->ngroups; i++)
			groups_add(&id.groups, &id.ngroups, user->groups[i]);
	groups_add(&id.groups, &id.ngroups, id.gid);
	for (size_t i = 0; i < more->n; i++)
		groups_add(&id.groups, &id.ngroups, more->v[i]);
	config_rare_own(p)->identity = id;
}
