/* sys_fake - sys.h as a script. */
#include "sys_fake.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define CHILDREN_MAX 4096
#define SENT_MAX     4096
#define FAILS_MAX    16

struct fail {
	unsigned at; /* number of the call, counted since reset; 0: unused */
	int errnum;
};

struct script {
	unsigned calls;
	int always;
	struct fail fails[FAILS_MAX];
};

struct child {
	pid_t pid;
	int pidfd;
	bool dead;
	bool reaped;
	int code;   /* CLD_EXITED, CLD_KILLED, CLD_DUMPED */
	int status; /* exit code or signal */
	long rss_kb;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct script scripts[FAKE__N];
static unsigned any_calls, any_at;
static int any_errnum;
static bool any_hit;
static bool children_on;
static struct child children[CHILDREN_MAX];
static size_t nchildren;
static struct fake_sent sent[SENT_MAX];
static size_t nsent;

void
fake_reset(void)
{
	pthread_mutex_lock(&lock);
	memset(scripts, 0, sizeof scripts);
	any_calls = any_at = 0;
	any_errnum = 0;
	any_hit = false;
	children_on = false;
	nchildren = 0;
	nsent = 0;
	pthread_mutex_unlock(&lock);
}

void
fake_fail(enum fake_call call, unsigned nth, int errnum)
{
	struct script *s = &scripts[call];

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < FAILS_MAX; i++) {
		struct fail *f = &s->fails[i];

		if (f->at > s->calls)
			continue;
		f->at = s->calls + nth;
		f->errnum = errnum;
		break;
	}
	pthread_mutex_unlock(&lock);
}

void
fake_fail_always(enum fake_call call, int errnum)
{
	pthread_mutex_lock(&lock);
	scripts[call].always = errnum;
	pthread_mutex_unlock(&lock);
}

void
fake_fail_any(unsigned nth, int errnum)
{
	pthread_mutex_lock(&lock);
	any_at = any_calls + nth;
	any_errnum = errnum;
	any_hit = false;
	pthread_mutex_unlock(&lock);
}

bool
fake_fail_hit(void)
{
	bool hit;

	pthread_mutex_lock(&lock);
	hit = any_hit;
	pthread_mutex_unlock(&lock);
	return hit;
}

unsigned
fake_calls(enum fake_call call)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = scripts[call].calls;
	pthread_mutex_unlock(&lock);
	return n;
}

/* Counts a call; true and errno when the script makes it fail. */
static bool
fails(enum fake_call call)
{
	struct script *s = &scripts[call];
	int errnum;

	pthread_mutex_lock(&lock);
	s->calls++;
	errnum = s->always;
	for (size_t i = 0; i < FAILS_MAX; i++) {
		if (s->fails[i].at == s->calls)
			errnum = s->fails[i].errnum;
	}
	if (call != FAKE_CLOSE && ++any_calls == any_at) {
		any_hit = true;
		errnum = any_errnum;
	}
	pthread_mutex_unlock(&lock);
	if (errnum == 0)
		return false;
	errno = errnum;
	return true;
}

/* --- the face --------------------------------------------------------------
 */

int
sys_socket(int family, int type, int protocol)
{
	return fails(FAKE_SOCKET) ? -1 : socket(family, type, protocol);
}

int
sys_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	return fails(FAKE_BIND) ? -1 : bind(fd, sa, len);
}

int
sys_listen(int fd, int backlog)
{
	return fails(FAKE_LISTEN) ? -1 : listen(fd, backlog);
}

int
sys_setsockopt(int fd, int level, int name, const void *v, socklen_t len)
{
	return fails(FAKE_SETSOCKOPT) ? -1
				      : setsockopt(fd, level, name, v, len);
}

int
sys_pipe2(int fds[2], int flags)
{
	return fails(FAKE_PIPE2) ? -1 : pipe2(fds, flags);
}

int
sys_memfd_create(const char *name, unsigned flags)
{
	return fails(FAKE_MEMFD_CREATE) ? -1 : memfd_create(name, flags);
}

int
sys_close(int fd)
{
	if (!fails(FAKE_CLOSE))
		return close(fd);
	/* As on Linux: whatever close says, the descriptor is gone. */
	int errnum = errno;

	close(fd);
	errno = errnum;
	return -1;
}

ssize_t
sys_sendmsg(int fd, const struct msghdr *m, int flags)
{
	return fails(FAKE_SENDMSG) ? -1 : sendmsg(fd, m, flags);
}

ssize_t
sys_recvmsg(int fd, struct msghdr *m, int flags)
{
	return fails(FAKE_RECVMSG) ? -1 : recvmsg(fd, m, flags);
}

static struct child *
child_by_pid(pid_t pid)
{
	/* The newest first: a pid may come again once it was reaped. */
	for (size_t i = nchildren; i-- > 0;) {
		if (children[i].pid == pid)
			return &children[i];
	}
	return NULL;
}

static struct child *
child_by_pidfd(int pidfd)
{
	for (size_t i = nchildren; i-- > 0;) {
		if (children[i].pidfd == pidfd)
			return &children[i];
	}
	return NULL;
}

static bool
child_asked_for(const struct child *c, idtype_t type, id_t id)
{
	if (c->reaped)
		return false;
	switch ((int)type) {
	case P_ALL:
		return true;
	case P_PID:
		return c->pid == (pid_t)id;
	case P_PIDFD:
		return c->pidfd == (int)id;
	default:
		return false;
	}
}

static int
fake_waitid(
    idtype_t type, id_t id, siginfo_t *si, int options, struct rusage *ru)
{
	bool any = false;

	if (si != NULL)
		si->si_pid = 0;
	for (size_t i = 0; i < nchildren; i++) {
		struct child *c = &children[i];

		if (!child_asked_for(c, type, id))
			continue;
		any = true;
		if (!c->dead)
			continue;
		if (si != NULL) {
			memset(si, 0, sizeof *si);
			si->si_signo = SIGCHLD;
			si->si_pid = c->pid;
			si->si_code = c->code;
			si->si_status = c->status;
		}
		if (ru != NULL) {
			memset(ru, 0, sizeof *ru);
			ru->ru_maxrss = c->rss_kb;
		}
		if ((options & WNOWAIT) == 0)
			c->reaped = true;
		return 0;
	}
	if (!any) {
		errno = ECHILD;
		return -1;
	}
	if ((options & WNOHANG) != 0)
		return 0;
	/* Waiting would be for ever: the test itself is what would exit it. */
	errno = EDEADLK;
	return -1;
}

int
sys_waitid(
    idtype_t type, id_t id, siginfo_t *si, int options, struct rusage *ru)
{
	int rc;

	if (fails(FAKE_WAITID))
		return -1;
	pthread_mutex_lock(&lock);
	if (children_on) {
		rc = fake_waitid(type, id, si, options, ru);
		pthread_mutex_unlock(&lock);
		return rc;
	}
	pthread_mutex_unlock(&lock);
	return (int)syscall(SYS_waitid, type, id, si, options, ru);
}

/* With the lock held. */
static int
fake_send(const struct child *c, pid_t pid, int sig, bool by_pidfd)
{
	/* A group is there as long as one of its members may be. */
	if (pid > 0 && (c == NULL || c->reaped)) {
		errno = ESRCH;
		return -1;
	}
	if (pid < 0)
		c = child_by_pid(-pid);
	if (nsent < SENT_MAX)
		sent[nsent++] = (struct fake_sent){ pid, sig, by_pidfd,
			c != NULL && c->reaped };
	return 0;
}

int
sys_pidfd_send_signal(int pidfd, int sig)
{
	const struct child *c;
	int rc;

	if (fails(FAKE_PIDFD_SEND_SIGNAL))
		return -1;
	pthread_mutex_lock(&lock);
	if (children_on) {
		c = child_by_pidfd(pidfd);
		errno = EBADF;
		rc = c == NULL ? -1 : fake_send(c, c->pid, sig, true);
		pthread_mutex_unlock(&lock);
		return rc;
	}
	pthread_mutex_unlock(&lock);
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

/* No fake child is anybody else's: these are the kernel's. */
int
sys_pidfd_signal_group(int pidfd, int sig)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 4u);
}

int
sys_pidfd_exit_status(int pidfd, int *status)
{
	(void)pidfd;
	(void)status;
	errno = ENOTTY;
	return -1;
}

int
sys_kill(pid_t pid, int sig)
{
	int rc;

	if (fails(FAKE_KILL))
		return -1;
	pthread_mutex_lock(&lock);
	if (children_on) {
		rc = fake_send(child_by_pid(pid), pid, sig, false);
		pthread_mutex_unlock(&lock);
		return rc;
	}
	pthread_mutex_unlock(&lock);
	return kill(pid, sig);
}

/* --- children --------------------------------------------------------------
 */

void
fake_children(bool on)
{
	pthread_mutex_lock(&lock);
	children_on = on;
	pthread_mutex_unlock(&lock);
}

void
fake_child_new(pid_t pid, int pidfd)
{
	pthread_mutex_lock(&lock);
	if (nchildren < CHILDREN_MAX)
		children[nchildren++] =
		    (struct child){ .pid = pid, .pidfd = pidfd };
	pthread_mutex_unlock(&lock);
}

static void
child_end(pid_t pid, int code, int status)
{
	struct child *c;

	pthread_mutex_lock(&lock);
	c = child_by_pid(pid);
	if (c != NULL && !c->dead) {
		c->dead = true;
		c->code = code;
		c->status = status;
	}
	pthread_mutex_unlock(&lock);
}

void
fake_child_exit(pid_t pid, int code)
{
	child_end(pid, CLD_EXITED, code);
}

void
fake_child_killed(pid_t pid, int sig, bool core)
{
	child_end(pid, core ? CLD_DUMPED : CLD_KILLED, sig);
}

bool
fake_child_alive(pid_t pid)
{
	const struct child *c;
	bool alive;

	pthread_mutex_lock(&lock);
	c = child_by_pid(pid);
	alive = c != NULL && !c->dead;
	pthread_mutex_unlock(&lock);
	return alive;
}

bool
fake_child_reaped(pid_t pid)
{
	const struct child *c;
	bool reaped;

	pthread_mutex_lock(&lock);
	c = child_by_pid(pid);
	reaped = c != NULL && c->reaped;
	pthread_mutex_unlock(&lock);
	return reaped;
}

void
fake_child_rss(pid_t pid, long kb)
{
	struct child *c;

	pthread_mutex_lock(&lock);
	c = child_by_pid(pid);
	if (c != NULL)
		c->rss_kb = kb;
	pthread_mutex_unlock(&lock);
}

size_t
fake_sent_count(void)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = nsent;
	pthread_mutex_unlock(&lock);
	return n;
}

struct fake_sent
fake_sent_get(size_t i)
{
	struct fake_sent s = { 0 };

	pthread_mutex_lock(&lock);
	if (i < nsent)
		s = sent[i];
	pthread_mutex_unlock(&lock);
	return s;
}

unsigned
fake_sent_to(pid_t pid, int sig)
{
	unsigned n = 0;

	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < nsent; i++) {
		if (sent[i].pid == pid && sent[i].sig == sig)
			n++;
	}
	pthread_mutex_unlock(&lock);
	return n;
}

void
fake_sent_clear(void)
{
	pthread_mutex_lock(&lock);
	nsent = 0;
	pthread_mutex_unlock(&lock);
}

/* --- leaks -----------------------------------------------------------------
 */

int
fake_fd_count(void)
{
	DIR *d = opendir("/proc/self/fd");
	const struct dirent *e;
	int n = 0;

	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] != '.')
			n++;
	}
	closedir(d);
	return n - 1; /* the folder's own */
}

/* There in ASan, TSan builds only. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

size_t
fake_heap_bytes(void)
{
	if (__sanitizer_get_current_allocated_bytes != NULL)
		return __sanitizer_get_current_allocated_bytes();
	struct mallinfo2 mi = mallinfo2();

	return mi.uordblks + mi.hblkhd;
}
