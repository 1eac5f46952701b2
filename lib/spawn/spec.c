/* spec - everything about one start, complete and checked before any fork. */
#include "spawn/spec.h"

#include <stdlib.h>
#include <string.h>

void
spec_init(struct spec *sp)
{
	memset(sp, 0, sizeof *sp);
	sp->label = sp->path = sp->directory = sp->root = "";
	sp->umask = sp->nice = sp->oom_score_adj = sp->ioprio = SPEC_KEEP;
}

static void
spec_write_strings(struct mw *w, char *const *v)
{
	uint32_t n = 0;

	while (v != NULL && v[n] != NULL)
		n++;
	mw_u32(w, n);
	for (uint32_t i = 0; i < n; i++)
		mw_str(w, v[i]);
}

void
spec_write(struct mw *w, const struct spec *sp)
{
	mw_u32(w, sp->flags);
	mw_str(w, sp->label);
	mw_str(w, sp->path);
	mw_str(w, sp->directory);
	mw_u8(w, sp->set_ids);
	mw_u32(w, sp->uid);
	mw_u32(w, sp->gid);
	mw_u32(w, (uint32_t)sp->ngroups);
	for (size_t i = 0; i < sp->ngroups; i++)
		mw_u32(w, sp->groups[i]);
	mw_u32(w, (uint32_t)sp->umask);
	mw_u32(w, (uint32_t)sp->nice);
	mw_u32(w, (uint32_t)sp->oom_score_adj);
	mw_u32(w, (uint32_t)sp->nrlimits);
	for (size_t i = 0; i < sp->nrlimits; i++) {
		mw_u32(w, (uint32_t)sp->rlimits[i].resource);
		mw_u64(w, sp->rlimits[i].limit.rlim_cur);
		mw_u64(w, sp->rlimits[i].limit.rlim_max);
	}
	mw_bytes(w, sp->affinity, sp->affinity_len);
	mw_u32(w, (uint32_t)sp->ioprio);
	mw_u64(w, sp->caps);
	mw_str(w, sp->root);
	spec_write_strings(w, sp->read_only);
	mw_u32(w, (uint32_t)sp->nfds);
	for (size_t i = 0; i < sp->nfds; i++) {
		mw_u32(w, (uint32_t)sp->fds[i].target);
		mw_u8(w, (uint8_t)sp->fds[i].from);
		mw_u32(w, (uint32_t)sp->fds[i].value);
	}
	spec_write_strings(w, sp->argv);
	spec_write_strings(w, sp->envp);
}

/* An array whose length is the next number; NULL with *n == 0 when empty. */
static void *
spec_array(struct mr *r, size_t max, size_t size, size_t *n)
{
	void *p;

	*n = mr_u32(r);
	if (*n > max)
		r->failed = true;
	if (r->failed || *n == 0) {
		*n = 0;
		return NULL;
	}
	p = calloc(*n, size);
	if (p == NULL)
		r->failed = true;
	return p;
}

static void
spec_read_ids(struct mr *r, struct spec *sp)
{
	sp->set_ids = mr_u8(r) != 0;
	sp->uid = mr_u32(r);
	sp->gid = mr_u32(r);
	sp->groups =
	    spec_array(r, SPEC_GROUPS_MAX, sizeof *sp->groups, &sp->ngroups);
	for (size_t i = 0; !r->failed && i < sp->ngroups; i++)
		sp->groups[i] = mr_u32(r);
}

static void
spec_read_limits(struct mr *r, struct spec *sp)
{
	sp->umask = (int32_t)mr_u32(r);
	sp->nice = (int32_t)mr_u32(r);
	sp->oom_score_adj = (int32_t)mr_u32(r);
	sp->rlimits =
	    spec_array(r, RLIM_NLIMITS, sizeof *sp->rlimits, &sp->nrlimits);
	for (size_t i = 0; !r->failed && i < sp->nrlimits; i++) {
		sp->rlimits[i].resource = (int)mr_u32(r);
		sp->rlimits[i].limit.rlim_cur = mr_u64(r);
		sp->rlimits[i].limit.rlim_max = mr_u64(r);
	}
	sp->affinity = mr_bytes(r, &sp->affinity_len);
	if (sp->affinity_len == 0)
		sp->affinity = NULL;
}

static char **
spec_read_strings(struct mr *r, size_t max)
{
	uint32_t n = mr_u32(r);
	char **v;

	if (n > max)
		r->failed = true;
	v = r->failed ? NULL : calloc(n + 1, sizeof *v);
	if (v == NULL) {
		r->failed = true;
		return NULL;
	}
	for (uint32_t i = 0; !r->failed && i < n; i++) {
		union {
			const char *in;
			char *out;
		} s = { .in = mr_str(r) }; /* our copy: ours to write */
		v[i] = s.out;
	}
	return v;
}

/* Where a start is shut in; paths are absolute, or they would mean nothing. */
static void
spec_read_box(struct mr *r, struct spec *sp)
{
	sp->ioprio = (int32_t)mr_u32(r);
	sp->caps = mr_u64(r);
	sp->root = mr_str(r);
	if (!r->failed && sp->root[0] != '\0' && sp->root[0] != '/')
		r->failed = true;
	sp->read_only = spec_read_strings(r, SPEC_PATHS_MAX);
	for (size_t i = 0; !r->failed && sp->read_only[i] != NULL; i++)
		if (sp->read_only[i][0] != '/')
			r->failed = true;
}

static void
spec_read_fds(struct mr *r, struct spec *sp, size_t nfds_given)
{
	sp->fds = spec_array(r, SPEC_FDS_MAX, sizeof *sp->fds, &sp->nfds);
	for (size_t i = 0; !r->failed && i < sp->nfds; i++) {
		uint32_t target = mr_u32(r);
		uint8_t from = mr_u8(r);
		uint32_t value = mr_u32(r);

		if (target > SPEC_TARGET_MAX || from > SPEC_FD_INHERIT ||
		    value > INT32_MAX ||
		    (from == SPEC_FD_MESSAGE && value >= nfds_given))
			r->failed = true;
		sp->fds[i].target = (int)target;
		sp->fds[i].from = (enum spec_fd_from)from;
		sp->fds[i].value = (int)value;
	}
}

struct spec *
spec_read(struct mr *r, size_t nfds_given, struct err *err)
{
	struct spec *sp = calloc(1, sizeof *sp);
	size_t len = (size_t)(r->end - r->p);
	struct mr own;

	if (sp == NULL || (sp->mem = malloc(len + 1)) == NULL) {
		free(sp);
		err_sys(err, "read a spec");
		return NULL;
	}
	memcpy(sp->mem, r->p, len);
	mr_init(&own, sp->mem, len);
	sp->flags = mr_u32(&own);
	sp->label = mr_str(&own);
	sp->path = mr_str(&own);
	sp->directory = mr_str(&own);
	spec_read_ids(&own, sp);
	spec_read_limits(&own, sp);
	spec_read_box(&own, sp);
	spec_read_fds(&own, sp, nfds_given);
	sp->argv = spec_read_strings(&own, SPEC_STRINGS_MAX);
	sp->envp = spec_read_strings(&own, SPEC_STRINGS_MAX);
	if (mr_end(&own) == -1 || sp->argv[0] == NULL ||
	    strlen(sp->label) > SPEC_LABEL_MAX ||
	    ((sp->flags & SPEC_CGROUP) != 0 && nfds_given == 0)) {
		err_set(err, "read a spec: malformed");
		spec_free(sp);
		return NULL;
	}
	r->p = r->end;
	return sp;
}

void
spec_free(struct spec *sp)
{
	if (sp == NULL)
		return;
	free(sp->groups);
	free(sp->rlimits);
	free(sp->read_only);
	free(sp->fds);
	free(sp->argv);
	free(sp->envp);
	free(sp->mem);
	free(sp);
}
