/*
 * guest - clients that are neither root nor the pool's own user.
 *
 * They are workers of programs with allow_jobs; their socket is open to
 * everybody, so who they are is looked at before they are read.
 */
#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "reeve-pool.h"

#define MUTE_MAX   64 /* of them that have not said hello */
#define MUTE_MS    5000
#define GUESTS_MAX 512

static bool
guest_may(const struct daemon *d, uid_t uid)
{
	for (size_t i = 0; i < d->set.nuids; i++)
		if (d->set.uids[i] == uid)
			return true;
	return false;
}

/* What fits is sent at once: nobody waits for a stranger. */
static void
guest_refuse(struct daemon *d, int fd, uid_t uid, bool full)
{
	struct {
		struct pool_msg m;
		char text[128];
	} bye = { { sizeof bye, PM_BYE, 0, full ? 0 : EACCES }, "" };

	if (full)
		(void)snprintf(bye.text, sizeof bye.text,
		    "%d clients of programs are connected", GUESTS_MAX);
	else
		(void)snprintf(bye.text, sizeof bye.text,
		    "uid %u may not submit jobs: no program of it has "
		    "allow_jobs",
		    (unsigned)uid);
	if (daemon_log_room(d))
		log_info("a client is refused: %s", bye.text);
	(void)pool_send(fd, (const char *)&bye, sizeof bye, NULL, 0);
	close(fd);
}

int
guest_look(struct daemon *d, int fd, bool *guest, uid_t *uid)
{
	struct ucred uc = { .uid = (uid_t)-1 };
	socklen_t len = sizeof uc;

	*guest = false;
	if (!d->set.guarded)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) == -1)
		uc.uid = (uid_t)-1;
	*uid = uc.uid;
	*guest = uc.uid != 0 && uc.uid != geteuid();
	if (!*guest || (guest_may(d, uc.uid) && d->nguests < GUESTS_MAX))
		return 0;
	guest_refuse(d, fd, uc.uid, guest_may(d, uc.uid));
	return -1;
}

const char *
guest_forbids(const struct peer *p, const struct pool_msg *m)
{
	const char *what = (const char *)(m + 1);

	if (!p->guest)
		return NULL;
	if (m->type == PM_WAIT)
		return "jobs are kept for reeved alone";
	if (m->type == PM_QUERY && strcmp(what, "stats") != 0 &&
	    strcmp(what, "kinds") != 0)
		return "a worker may query stats and kinds";
	return NULL;
}

/* --- those that say nothing ---------------------------------------------- */

static bool
guest_is_mute(const struct peer *p)
{
	return p->guest && !p->hello && !p->closing;
}

void
guests_mute(struct daemon *d)
{
	struct peer *oldest = NULL;
	size_t n = 0;

	for (struct peer *p = d->peers; p != NULL; p = p->next)
		if (guest_is_mute(p)) {
			oldest = p;
			n++;
		}
	if (n > MUTE_MAX)
		peer_bye(oldest, "too many have not said hello");
	if (n > 0 && !loop_timer_active(&d->mute))
		loop_timer_start(&d->mute, MUTE_MS);
}

/* Twice seen: it has had its time, and at most twice of it. */
void
guests_on_timer(struct loop_timer *t, void *arg)
{
	struct daemon *d = arg;
	bool more = false;

	for (struct peer *p = d->peers; p != NULL; p = p->next) {
		if (!guest_is_mute(p))
			continue;
		if (p->late)
			peer_bye(p, "it has not said hello");
		else
			more = p->late = true;
	}
	if (more)
		loop_timer_start(t, MUTE_MS);
}

void
guests_check(struct daemon *d)
{
	for (struct peer *p = d->peers; p != NULL; p = p->next)
		if (p->guest && !p->closing &&
		    (!d->set.guarded || !guest_may(d, p->uid)))
			peer_end(p, EACCES, "allow_jobs was taken away");
}
