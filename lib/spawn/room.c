/*
 * room - what a process that starts many keeps for its starts.
 *
 * A keeper of 500 programs has thousands of descriptors.  A child that got a
 * copy of its table would spend most of its start closing them.  So the child
 * shares the table for a moment, and what is its own is put into reserved
 * low numbers: close_range(2) then gives it a copy of these and of no more.
 *
 * Until it has that copy nothing else may happen in the table: the parent
 * waits, for a scheduling of the child and one system call.  A child that can't
 * run (its cgroup is frozen, it was stopped) is killed, and no other start of
 * this process shares anything again.
 */
#include <sys/syscall.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "spawn/spawn_priv.h"

#define ROOM_WAIT_MS 20 /* at a time */
#define ROOM_WAITS   50

void
spawn_room_init(struct spawn_room *room)
{
	memset(room, 0, sizeof *room);
	room->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (room->null_fd == -1)
		return; /* every start gets a copy of all */
	while (room->n < SPAWN_ROOM_FDS) {
		int fd = fcntl(room->null_fd, F_DUPFD_CLOEXEC, 3);

		if (fd == -1)
			return;
		room->fd[room->n++] = fd;
		if (fd >= room->top)
			room->top = fd + 1;
	}
}

void
spawn_room_fini(struct spawn_room *room)
{
	for (int i = 0; i < room->n; i++)
		fd_closep(&room->fd[i]);
	room->n = 0;
	fd_closep(&room->null_fd);
	spawn_room_trim(room);
}

/* newest: the lowest number that was free tells how large the table is; that
 * which came with the message is as good. */
bool
room_pays(const struct spawn_room *room, size_t nfds, int newest)
{
	return room->n > 0 && !room->is_off && nfds < (size_t)room->n &&
	       newest >= room->top + SPAWN_ROOM_PAYS;
}

/* -1: the table is as before, but for reserved numbers. */
static int
room_put(struct spawn_room *room, int i, int fd)
{
	return dup3(fd, room->fd[i], O_CLOEXEC) == -1 ? -1 : room->fd[i];
}

bool
room_enter(struct spawn_room *room, struct childside *cs, int *from)
{
	size_t n = cs->spec->nfds;
	bool has_report = cs->report_fd != -1;
	int report = has_report ? room_put(room, (int)n, cs->report_fd) : -1;

	if (has_report && report == -1)
		return false;
	for (size_t i = 0; i < n; i++) {
		int fd = room_put(room, (int)i, from[i]);

		if (fd == -1) {
			room_leave(room, n);
			return false;
		}
		from[i] = fd;
	}
	cs->report_fd = report;
	cs->keep_below = (unsigned)room->top;
	return true;
}

void
room_leave(struct spawn_room *room, size_t nfds)
{
	for (size_t i = 0; i <= nfds; i++)
		if (dup3(room->null_fd, room->fd[i], O_CLOEXEC) == -1)
			log_warn("clear descriptor %d", room->fd[i]);
}

static bool
room_child_is_dead(pid_t pid)
{
	siginfo_t si = { .si_pid = 0 };

	return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) ==
		   -1 ||
	       si.si_pid != 0;
}

void
room_wait(struct spawn_room *room, struct childside *cs, pid_t pid)
{
	static const struct timespec limit = { 0, ROOM_WAIT_MS * 1000000 };

	for (int i = 0; i < ROOM_WAITS; i++) {
		if (cs->has_own != 0)
			return;
		syscall(SYS_futex, &cs->has_own, FUTEX_WAIT_PRIVATE, 0, &limit,
		    NULL, 0);
		if (cs->has_own != 0 || room_child_is_dead(pid))
			return;
	}
	log_warnx("process %d does not run, it is killed before its start (a "
		  "frozen cgroup?)",
	    (int)pid);
	/* Dead or not yet: it never touches the table again. */
	kill(pid, SIGKILL);
	room->is_off = true;
}
