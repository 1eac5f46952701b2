/*
 * notify - what our own supervisor is told, sd_notify(3).
 *
 * systemd listens to the main pid, and that is the keeper; the words are the
 * engine's.  The watchdog is the keeper's own: systemd watches the keeper,
 * the keeper watches the engine, so that a stuck engine costs the engine and
 * not the whole service.
 */
#include <sys/socket.h>
#include <sys/un.h>

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "keeper/keeper_priv.h"

static void
keeper_watchdog(struct loop_timer *t, void *arg)
{
	struct keeper *kp = arg;

	if (kp->ch != NULL && kp->synced) {
		if (!kp->ponged)
			keeper_engine_kill(kp, "it does not answer");
		else if (chan_send(kp->ch, MSG_K_PING, NULL, NULL, 0) ==
			 CHAN_SENT)
			kp->ponged = false;
	}
	keeper_notify(kp, "WATCHDOG=1");
	loop_timer_start(t, kp->watchdog_ms);
}

static void
keeper_watchdog_start(struct keeper *kp)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	int64_t us, who;

	if (usec == NULL || !str_to_i64(usec, 1000, INT64_MAX, &us))
		return;
	if (pid != NULL && str_to_i64(pid, 1, INT32_MAX, &who) &&
	    who != getpid())
		return;
	/* Half of it, as sd_watchdog_enabled(3) recommends. */
	kp->watchdog_ms = us / 2000;
	kp->ponged = true;
	loop_timer_init(&kp->watchdog, kp->lp, keeper_watchdog, kp);
	loop_timer_start(&kp->watchdog, kp->watchdog_ms);
}

void
keeper_notify_open(struct keeper *kp)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len;
	int fd;

	kp->notify_fd = -1;
	if (path == NULL || (path[0] != '/' && path[0] != '@'))
		return;
	len = strlen(path);
	if (len >= sizeof sun.sun_path)
		return;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 || connect(fd, (struct sockaddr *)&sun,
			    (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
					len)) == -1) {
		log_warn("connect to NOTIFY_SOCKET %s", path);
		fd_closep(&fd);
		return;
	}
	kp->notify_fd = fd;
	keeper_watchdog_start(kp);
}

void
keeper_notify(struct keeper *kp, const char *text)
{
	if (kp->notify_fd == -1)
		return;
	if (send(kp->notify_fd, text, strlen(text), MSG_NOSIGNAL) == -1)
		log_warn("send to NOTIFY_SOCKET");
}
