/*
 * cmd_upgrade - reeved is replaced by the one that is installed by now.
 */
#include <stdlib.h>

#include "base/xalloc.h"
#include "ctl/ctl_priv.h"
#include "engine/upgrade.h"

static void
upgrade_on_close(struct ctl_req *r)
{
	upgrade_detach(r->priv);
}

static void
upgrade_on_end(void *arg, bool ok, const char *text)
{
	struct ctl_req *r = arg;
	struct jw *w;

	r->close = NULL;
	r->priv = NULL;
	if (!ok) {
		ctl_fail(r, CTL_E_FAILED, "%s", text);
		return;
	}
	w = ctl_result_begin(r);
	jw_obj(w, NULL);
	jw_str(w, "text", text);
	jw_end_obj(w);
	ctl_result_end(r);
}

void
cmd_upgrade(struct ctl_req *r, struct args *a)
{
	struct upgrade *up = NULL;
	struct err err;

	if (args_end(a, r) == -1)
		return;
	if (upgrade_begin(r->s->srv->en, &r->s->who, upgrade_on_end, r, &up,
		&err) == -1) {
		ctl_fail(r, CTL_E_FAILED, "%s", err.text);
		return;
	}
	r->priv = up;
	r->close = upgrade_on_close;
}
