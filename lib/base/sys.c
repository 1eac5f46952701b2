/* sys - the system calls that tests replace. */
#include "base/sys.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
sys_socket(int family, int type, int protocol)
{
	return socket(family, type, protocol);
}

int
sys_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	return bind(fd, sa, len);
}

int
sys_listen(int fd, int backlog)
{
	return listen(fd, backlog);
}

int
sys_setsockopt(int fd, int level, int name, const void *v, socklen_t len)
{
	return setsockopt(fd, level, name, v, len);
}

int
sys_pipe2(int fds[2], int flags)
{
	return pipe2(fds, flags);
}

int
sys_memfd_create(const char *name, unsigned flags)
{
	return memfd_create(name, flags);
}

int
sys_close(int fd)
{
	return close(fd);
}

ssize_t
sys_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return sendmsg(fd, m, flags);
}

ssize_t
sys_recvmsg(int fd, struct msghdr *m, int flags)
{
	return recvmsg(fd, m, flags);
}

int
sys_waitid(
    idtype_t type, id_t id, siginfo_t *si, int options, struct rusage *ru)
{
	return (int)syscall(SYS_waitid, type, id, si, options, ru);
}

int
sys_pidfd_send_signal(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

/* pidfd_send_signal(2); not in the headers of every system that builds this. */
#define SIGNAL_PROCESS_GROUP 4u

int
sys_pidfd_signal_group(int pidfd, int sig)
{
	return (int)syscall(
	    SYS_pidfd_send_signal, pidfd, sig, NULL, SIGNAL_PROCESS_GROUP);
}

/* struct pidfd_info of linux/pidfd.h, the part that all have. */
struct pidfd_info_0 {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};

#define PIDFD_GET_INFO_0 _IOWR(0xff, 11, struct pidfd_info_0)
#define PIDFD_HAS_EXIT   8u

/* Field 52 of a zombie's stat, proc_pid_stat(5): to who may trace it. */
static int
zombie_status(uint32_t pid, int *status)
{
	char path[64], text[1024], *last;
	int fd;
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%u/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	last = strrchr(text, ' ');
	if (last == NULL || strstr(text, ") Z ") == NULL)
		return -1;
	*status = atoi(last + 1);
	return 0;
}

int
sys_pidfd_exit_status(int pidfd, int *status)
{
	struct pidfd_info_0 info = { .mask = PIDFD_HAS_EXIT };
	int found = -1;

	if (ioctl(pidfd, PIDFD_GET_INFO_0, &info) == -1)
		return -1;
	if ((info.mask & PIDFD_HAS_EXIT) == 0) {
		found = zombie_status(info.pid, status);
		/* The number was still its own, unless it is reaped by now. */
		if (ioctl(pidfd, PIDFD_GET_INFO_0, &info) == -1)
			return -1;
	}
	if ((info.mask & PIDFD_HAS_EXIT) != 0) {
		*status = info.exit_code;
		return 0;
	}
	errno = EAGAIN;
	return found;
}

int
sys_kill(pid_t pid, int sig)
{
	return kill(pid, sig);
}
