/* sys - the system calls that tests replace. */
#include "base/sys.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <fcntl.h>
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

int
sys_kill(pid_t pid, int sig)
{
	return kill(pid, sig);
}
