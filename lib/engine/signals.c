/*
 * signals - what a signal to reeved means.
 *
 * The keeper gives one again until it is told that it is done: what is begun
 * here is in the state table before that.  One that is passed on may reach an
 * instance twice when the engine dies in between.
 */
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "engine/engine_priv.h"

/*
 * Noted down with its serial: an engine that died before it could say so has
 * left it to be given again, and that is not the second one.
 */
static void
signals_stop(struct engine *en, int signo, uint32_t serial)
{
	if (serial == en->stop_serial)
		return;
	en->stop_serial = serial;
	en->stop_signo = signo;
	if (en->stopping) {
		en->kill_now = true;
		engine_save_self(en, en->stop_by_person ? &en->stop_who : NULL);
		task_kill_all(en);
	}
	order_stop_all(en, NULL);
}

static void
signals_reload(struct engine *en)
{
	struct config_errors errs;
	struct config_plan plan;

	config_errors_init(&errs);
	memset(&plan, 0, sizeof plan);
	if (reload_apply(en, NULL, &plan, &errs) == 0)
		config_plan_fini(&plan);
	config_errors_fini(&errs);
}

static void
signals_pass(struct engine *en, int signo)
{
	for (size_t i = 0; i < en->nprograms; i++) {
		struct program *pg = en->programs[i];

		for (int k = 0; k < pg->nslots; k++) {
			struct slot *sl = pg->slots[k];
			struct inst *in;

			if (sl->cur != NULL)
				inst_pass_signal(sl->cur, signo);
			if (sl->next != NULL)
				inst_pass_signal(sl->next, signo);
			TAILQ_FOREACH(in, &sl->draining, entry)
				inst_pass_signal(in, signo);
			engine_event(en, sl->name, "order",
			    "SIG%s by a signal to reeved", sigabbrev_np(signo));
		}
	}
}

static void
signals_own(struct engine *en, int signo)
{
	if (signo == SIGHUP)
		signals_reload(en);
	else
		pump_reopen(en->pump);
}

static void
signals_configured(
    struct engine *en, int signo, uint32_t serial, enum config_on_signal what)
{
	switch (what) {
	case ON_SIGNAL_OWN:
		signals_own(en, signo);
		break;
	case ON_SIGNAL_PASS:
		signals_pass(en, signo);
		break;
	case ON_SIGNAL_STOP:
		signals_stop(en, signo, serial);
		break;
	case ON_SIGNAL_IGNORE:
		break;
	}
}

void
signals_on_signal(void *arg, int signo, uint32_t serial)
{
	struct engine *en = arg;

	log_info("reeved got SIG%s", sigabbrev_np(signo));
	switch (signo) {
	case SIGTERM:
	case SIGINT:
	case SIGQUIT:
		signals_stop(en, signo, serial);
		break;
	case SIGHUP:
		signals_configured(en, signo, serial, en->cf->on_hup);
		break;
	case SIGUSR1:
		signals_configured(en, signo, serial, en->cf->on_usr1);
		break;
	case SIGUSR2:
		for (size_t i = 0; !en->stopping && i < en->nprograms; i++)
			rolling_start(en->programs[i], NULL);
		break;
	default:
		break;
	}
}
