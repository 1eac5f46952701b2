/*
 * value_allow - allow=: who may do what with the control socket.
 *
 *	ENTRY; ENTRY ...		or one a line
 *	VERB, ... [NAME, ...]: WHO, ...
 *
 * VERB   a method, or read, operate, task, job, admin
 * NAME   a program, a slot or a glob of either; none: all
 * WHO    user NAME, uid N, group NAME, gid N, everyone
 *
 * Commas divide verbs; commas or blanks names and people.  Users and groups
 * become numbers here, because a lookup may block; which groups a client has
 * the kernel tells.
 */
#include <ctype.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/near.h"
#include "base/xalloc.h"
#include "config/value.h"
#include "config/verb.h"

/* As many users and groups are looked through for one that is near. */
#define NEAR_MAX 4096

/* --- verbs -----------------------------------------------------------------
 */

enum set {
	READ,
	OPERATE,
	ADMIN,
	SET__N
};

static const char *const set_names[SET__N] = { "read", "operate", "admin" };

/* The methods of the queue lie across the others: some look, some change. */
#define TASK_SET    "task"
#define TASK_PREFIX "task_"
#define JOB_SET     "job"
#define JOB_PREFIX  "job_"

static const struct {
	const char *name;
	enum set set;
	const char *params;
} verbs[VERB__N] = {
#define CMD(name, set, params, help) [VERB_##name] = { #name, set, params },
#include "ctl/cmd.def" /* lint: include: the names alone, nothing of ctl */
#undef CMD
};

const char *
verb_name(enum verb verb)
{
	return verbs[verb].name;
}

const char *
verb_set_name(enum verb verb)
{
	return set_names[verbs[verb].set];
}

static bool
verb_is_in(int v, const char *word)
{
	const char *name = verbs[v].name;

	if (strcmp(word, TASK_SET) == 0)
		return strncmp(name, TASK_PREFIX, strlen(TASK_PREFIX)) == 0;
	if (strcmp(word, JOB_SET) == 0)
		return strncmp(name, JOB_PREFIX, strlen(JOB_PREFIX)) == 0;
	return strcmp(word, name) == 0 ||
	       strcmp(word, set_names[verbs[v].set]) == 0 ||
	       strcmp(word, set_names[ADMIN]) == 0;
}

const char *
verb_params(enum verb verb)
{
	return verbs[verb].params;
}

/* admin is everything; operate does not hold read: say both. */
uint64_t
verb_parse(const char *word)
{
	uint64_t bits = 0;

	for (int v = 0; v < VERB__N; v++)
		if (verb_is_in(v, word))
			bits |= VERB_BIT(v);
	return bits;
}

bool
verb_has_names(enum verb verb)
{
	const char *params = verbs[verb].params;

	return strstr(params, "name") != NULL ||
	       strstr(params, "program") != NULL;
}

const char *
verb_nearest(const char *word)
{
	struct near nr;

	near_init(&nr, word);
	for (int v = 0; v < VERB__N; v++)
		near_try(&nr, verbs[v].name);
	for (int s = 0; s < SET__N; s++)
		near_try(&nr, set_names[s]);
	near_try(&nr, TASK_SET);
	near_try(&nr, JOB_SET);
	return nr.best;
}

/* --- words -----------------------------------------------------------------
 */

static bool
allow_divides(char c)
{
	return c == ',' || isspace((unsigned char)c);
}

/* The next of words that commas and blanks divide, or NULL. */
static char *
allow_word(const char **text)
{
	const char *s = *text, *end;

	while (allow_divides(*s))
		s++;
	for (end = s; *end != '\0' && !allow_divides(*end); end++)
		;
	*text = end;
	return end > s ? xstrndup(s, (size_t)(end - s)) : NULL;
}

static int
allow_unknown(
    struct err *err, const char *what, const char *word, const char *near)
{
	if (near != NULL)
		return err_set(err, "no such %s '%s', did you mean '%s'?", what,
		    word, near);
	return err_set(err, "no such %s '%s'", what, word);
}

/* --- who -------------------------------------------------------------------
 */

static int
allow_no_user(struct err *err, const char *name)
{
	const struct passwd *pw;
	struct near nr;
	char *best = NULL;
	int rc;

	near_init(&nr, name);
	setpwent();
	for (int i = 0; i < NEAR_MAX && (pw = getpwent()) != NULL; i++) {
		nr.best = NULL;
		near_try(&nr, pw->pw_name);
		if (nr.best != NULL) {
			free(best);
			best = xstrdup(nr.best);
		}
	}
	endpwent();
	rc = allow_unknown(err, "user", name, best);
	free(best);
	return rc;
}

static int
allow_no_group(struct err *err, const char *name)
{
	const struct group *gr;
	struct near nr;
	char *best = NULL;
	int rc;

	near_init(&nr, name);
	setgrent();
	for (int i = 0; i < NEAR_MAX && (gr = getgrent()) != NULL; i++) {
		nr.best = NULL;
		near_try(&nr, gr->gr_name);
		if (nr.best != NULL) {
			free(best);
			best = xstrdup(nr.best);
		}
	}
	endgrent();
	rc = allow_unknown(err, "group", name, best);
	free(best);
	return rc;
}

static int
allow_number(uint32_t *id, const char *kind, const char *text, struct err *err)
{
	int64_t n;

	if (!str_to_i64(text, 0, UINT32_MAX - 1, &n))
		return err_set(err, "%s '%s' is not a number", kind, text);
	*id = (uint32_t)n;
	return 0;
}

/* kind is what stands before name: user, uid, group or gid. */
static int
allow_identity(
    struct config_who *who, const char *kind, const char *name, struct err *err)
{
	who->kind = strcmp(kind, "group") == 0 || strcmp(kind, "gid") == 0
			? WHO_GROUP
			: WHO_USER;
	if (strcmp(kind, "uid") == 0 || strcmp(kind, "gid") == 0)
		return allow_number(&who->id, kind, name, err);
	if (strcmp(kind, "user") == 0) {
		const struct passwd *pw = getpwnam(name);

		if (pw == NULL)
			return allow_no_user(err, name);
		who->id = pw->pw_uid;
	} else {
		const struct group *gr = getgrnam(name);

		if (gr == NULL)
			return allow_no_group(err, name);
		who->id = gr->gr_gid;
	}
	return 0;
}

static int
allow_one_who(struct config_who *who, const char *kind, const char **text,
    struct err *err)
{
	char *name;
	int rc;

	if (strcmp(kind, "everyone") == 0) {
		who->kind = WHO_EVERYONE;
		return 0;
	}
	if (strcmp(kind, "user") != 0 && strcmp(kind, "uid") != 0 &&
	    strcmp(kind, "group") != 0 && strcmp(kind, "gid") != 0)
		return err_set(err,
		    "'%s' is nobody: after the colon stand user NAME, uid N, "
		    "group NAME, gid N or everyone",
		    kind);
	name = allow_word(text);
	if (name == NULL)
		return err_set(err, "'%s' at the end names nobody", kind);
	rc = allow_identity(who, kind, name, err);
	free(name);
	return rc;
}

static int
allow_people(struct config_allow *al, const char *text, struct err *err)
{
	char *kind;
	int rc = 0;

	while (rc == 0 && (kind = allow_word(&text)) != NULL) {
		al->who = xreallocarray(al->who, al->nwho + 1, sizeof *al->who);
		al->who[al->nwho] = (struct config_who){ 0 };
		rc = allow_one_who(&al->who[al->nwho], kind, &text, err);
		al->nwho++;
		free(kind);
	}
	if (rc == 0 && al->nwho == 0)
		rc = err_set(err,
		    "nobody stands after the colon: user NAME, uid N, group "
		    "NAME, gid N or everyone");
	return rc;
}

/* --- what ------------------------------------------------------------------
 */

/* Whether something that bits hold can be used on programs. */
static bool
allow_has_names(uint64_t bits)
{
	for (int v = 0; v < VERB__N; v++)
		if ((bits & VERB_BIT(v)) != 0 && verb_has_names((enum verb)v))
			return true;
	return false;
}

/* lone: a verb that is not used on programs, or NULL. */
static int
allow_name(struct config_allow *al, const char *lone, const char *word,
    struct err *err)
{
	if (lone != NULL && strcmp(word, "*") != 0)
		return err_set(err,
		    "'%s' is not about programs: '%s' can't stand behind it, "
		    "give it an entry without names",
		    lone, word);
	strv_add(&al->names, word);
	return 0;
}

static int
allow_verb(
    struct config_allow *al, char **lone, const char *word, struct err *err)
{
	uint64_t bits = verb_parse(word);

	if (bits == 0)
		return allow_unknown(err, "verb", word, verb_nearest(word));
	al->verbs |= bits;
	if (*lone == NULL && !allow_has_names(bits))
		*lone = xstrdup(word);
	return 0;
}

/* Verbs first; the first word without a comma before it begins the names. */
static int
allow_what(struct config_allow *al, const char *text, struct err *err)
{
	char *word, *lone = NULL;
	bool is_verb = true;
	int rc = 0;

	while (rc == 0 && (word = allow_word(&text)) != NULL) {
		rc = is_verb ? allow_verb(al, &lone, word, err)
			     : allow_name(al, lone, word, err);
		is_verb = is_verb && text[strspn(text, " \t\r")] == ',';
		free(word);
	}
	free(lone);
	if (rc == 0 && al->verbs == 0)
		rc = err_set(err, "no verb stands before the colon");
	return rc;
}

/* "VERBS [NAMES]: WHO", written over, to an entry at the end of als. */
static int
allow_entry(struct config_allows *als, char *text, struct err *err)
{
	char *colon = strchr(text, ':');
	struct config_allow *al;

	if (colon == NULL)
		return err_set(err,
		    "'%s': a colon is missing: VERBS [NAMES]: WHO, as in "
		    "restart web: user deploy",
		    text);
	als->v = xreallocarray(als->v, als->n + 1, sizeof *als->v);
	al = &als->v[als->n++];
	*al = (struct config_allow){ 0 };
	*colon = '\0';
	if (allow_what(al, text, err) == -1)
		return -1;
	return allow_people(al, colon + 1, err);
}

static bool
allow_is_blank(const char *text)
{
	return text[strspn(text, " \t\r\n")] == '\0';
}

static int
allow_entries(struct config_allows *als, char *text, struct err *err)
{
	char *save = NULL, *entry = strtok_r(text, ";\n", &save);
	int rc = 0;

	for (; rc == 0 && entry != NULL; entry = strtok_r(NULL, ";\n", &save))
		if (!allow_is_blank(entry))
			rc = allow_entry(als, entry, err);
	return rc;
}

int
value_allow_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_allows *als = field;
	char *copy;
	int rc = 0;

	(void)vc;
	if (allow_is_blank(text))
		return err_set(err,
		    "nothing stands here: 'none' leaves all to root and to "
		    "reeved's own user; without the key the socket's mode "
		    "alone decides");
	als->set = true;
	als->text = xstrdup(text);
	copy = xstrdup(text);
	if (strcmp(text, "none") != 0)
		rc = allow_entries(als, copy, err);
	free(copy);
	if (rc == -1)
		value_allow_fini(als);
	return rc;
}

void
value_allow_print(struct buf *out, const void *object, const void *field)
{
	const struct config_allows *als = field;

	(void)object;
	if (als->set)
		buf_adds(out, als->text);
}

void
value_allow_fini(void *field)
{
	struct config_allows *als = field;

	for (size_t i = 0; i < als->n; i++) {
		strv_fini(&als->v[i].names);
		free(als->v[i].who);
	}
	free(als->v);
	free(als->text);
	*als = (struct config_allows){ 0 };
}
