/*
 * sys - the system calls that tests replace.
 *
 * Thin: -1 and errno, exactly as the call they are named after.  Unit tests
 * link tests/fake/sys_fake.c before this file's object, so that processes,
 * descriptors and failures become scripts.  Only calls that some test needs
 * to script are here; everything else is called directly.
 */
#ifndef BASE_SYS_H
#define BASE_SYS_H

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <signal.h>

int sys_socket(int family, int type, int protocol);
int sys_bind(int fd, const struct sockaddr *sa, socklen_t len);
int sys_listen(int fd, int backlog);
int sys_setsockopt(int fd, int level, int name, const void *v, socklen_t len);
int sys_pipe2(int fds[2], int flags);
int sys_memfd_create(const char *name, unsigned flags);
int sys_close(int fd);
ssize_t sys_sendmsg(int fd, const struct msghdr *m, int flags);
ssize_t sys_recvmsg(int fd, struct msghdr *m, int flags);
/* The raw call, for its fifth argument; ru may be NULL. */
int sys_waitid(
    idtype_t type, id_t id, siginfo_t *si, int options, struct rusage *ru);
int sys_pidfd_send_signal(int pidfd, int sig);
/* To the group that it leads, or led (Linux 6.9). */
int sys_pidfd_signal_group(int pidfd, int sig);
/*
 * Of whoever's child, dead, as wait(2) would give it (Linux 6.15; 6.13 while it
 * is a zombie).  -1: EAGAIN, not yet; others: this can't be known.
 */
int sys_pidfd_exit_status(int pidfd, int *status);
int sys_kill(pid_t pid, int sig);

#endif
