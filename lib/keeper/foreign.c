/*
 * foreign - children of a keeper that was killed, in the one after it.
 *
 * The kernel gave them another parent, and that one reaps them.  What is left
 * is the pidfd: readable when the process is dead, and from Linux 6.15 on it
 * tells how it ended once it is reaped (PIDFD_GET_INFO); before that a zombie's
 * stat does, to who may see it.  It is asked again for a while.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/sys.h"
#include "keeper/keeper_priv.h"

#define FOREIGN_AGAIN_MS 5
#define FOREIGN_TRIES    100

struct foreign {
	struct child *c;
	struct loop_io io;
	struct loop_timer again;
	int tries;
};

static void
foreign_over(struct child *c, int status, bool known)
{
	struct keeper *kp = c->kp;
	struct child_end end = { .at = loop_now(kp->lp),
		.code = CHILD_CODE_UNKNOWN,
		.max_rss_kb = -1 };

	if (known) {
		end.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
		end.signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		end.core = WIFSIGNALED(status) && WCOREDUMP(status);
	} else {
		log_warnx("%s (pid %d) ended, and nobody can tell how: it "
			  "counts as exit code %d",
		    c->label, (int)c->pid, CHILD_CODE_UNKNOWN);
	}
	/* By the pidfd: the number may be another's. */
	if (c->kill_group)
		sys_pidfd_signal_group(c->pidfd, SIGKILL);
	foreign_free(c);
	child_ended(&kp->children, c, &end);
	handoff_flush(kp);
}

static void
foreign_look(struct foreign *f)
{
	int status;

	if (sys_pidfd_exit_status(f->c->pidfd, &status) == 0)
		foreign_over(f->c, status, true);
	else if (errno != EAGAIN || ++f->tries > FOREIGN_TRIES)
		foreign_over(f->c, 0, false);
	else
		loop_timer_start(&f->again, FOREIGN_AGAIN_MS);
}

static void
foreign_on_again(struct loop_timer *t, void *arg)
{
	(void)t;
	foreign_look(arg);
}

static void
foreign_on_dead(struct loop_io *io, int events, void *arg)
{
	(void)events;
	loop_io_stop(io);
	foreign_look(arg);
}

int
foreign_watch(struct keeper *kp, struct child *c)
{
	struct foreign *f = calloc(1, sizeof *f);

	if (f == NULL)
		return -1;
	f->c = c;
	c->foreign = f;
	loop_timer_init(&f->again, kp->lp, foreign_on_again, f);
	loop_io_init(&f->io, kp->lp, c->pidfd, LOOP_READ, foreign_on_dead, f);
	loop_io_start(&f->io);
	return 0;
}

void
foreign_free(struct child *c)
{
	if (c->foreign == NULL)
		return;
	loop_io_stop(&c->foreign->io);
	loop_timer_stop(&c->foreign->again);
	free(c->foreign);
	c->foreign = NULL;
}
