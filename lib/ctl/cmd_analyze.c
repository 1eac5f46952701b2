/* cmd_analyze - the times of a start-up. */
#include "ctl/ctl_priv.h"

static void
analyze_put(void *arg, const struct start_info *si)
{
	struct jw *w = arg;

	jw_obj(w, NULL);
	jw_str(w, "name", si->name);
	jw_str(w, "program", si->program);
	jw_int(w, "ordered_ms", si->ordered_ms);
	jw_int_or(w, "waited_ms", si->waited_ms, -1);
	jw_str(w, "waited_for", si->waited_for);
	jw_int_or(w, "start_ms", si->start_ms, -1);
	jw_int_or(w, "took_ms", si->took_ms, -1);
	jw_int_or(w, "end_ms", si->end_ms, -1);
	jw_bool(w, "done", si->done);
	jw_end_obj(w);
}

void
cmd_analyze(struct ctl_req *r, struct args *a)
{
	struct engine *en = r->s->srv->en;
	const char *name = args_str(a, "program", false);
	struct start_sum sum;
	struct err err;
	struct jw *w;

	if (args_end(a, r) == -1)
		return;
	w = ctl_result_begin(r);
	jw_obj(w, NULL);
	jw_arr(w, "chain");
	if (engine_analyze(en, name, &sum, analyze_put, w, &err) == -1) {
		ctl_fail(r, CTL_E_NAME, "%s", err.text);
		return;
	}
	jw_end_arr(w);
	jw_bool(w, "known", sum.known);
	jw_int_or(w, "total_ms", sum.total_ms, -1);
	jw_int(w, "up", sum.slots);
	jw_int(w, "pending", sum.pending);
	jw_int(w, "later", sum.later);
	jw_int(w, "lost", sum.lost);
	jw_arr(w, "slots");
	engine_starts(en, analyze_put, w);
	jw_end_arr(w);
	jw_end_obj(w);
	ctl_result_end(r);
}
