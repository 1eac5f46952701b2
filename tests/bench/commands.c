/*
 * commands - how many commands a second: by posix_spawn, and through reeved.
 *
 *	commands floor N INFLIGHT COMMAND
 *	commands reeve SOCKET N INFLIGHT COMMAND
 *
 * Runs COMMAND N times, INFLIGHT at once, and prints commands a second.  The
 * floor is posix_spawn and waitpid in a loop; through reeved it is one
 * connection, over which each command's descriptors are passed.
 */
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

/* --- the floor --------------------------------------------------------------
 */

static void
floor_start(char *command)
{
	char *argv[] = { command, NULL };
	pid_t pid;

	if (posix_spawn(&pid, command, NULL, NULL, argv, environ) != 0)
		die(command);
}

static void
floor_run(int n, int inflight, char *command)
{
	int started = 0, done = 0, status;

	while (done < n) {
		for (; started < n && started - done < inflight; started++)
			floor_start(command);
		if (waitpid(-1, &status, 0) == -1 || status != 0)
			die("waitpid");
		done++;
	}
}

/* --- reeved -----------------------------------------------------------------
 */

static int
ours_strings(const char *command)
{
	int fd = memfd_create("commands", MFD_CLOEXEC);
	FILE *f = fd != -1 ? fdopen(dup(fd), "w") : NULL;

	if (f == NULL)
		die("memfd");
	fprintf(f, "/%c%s%c", 0, command, 0);
	for (char **e = environ; *e != NULL; e++)
		fprintf(f, "%s%c", *e, 0);
	if (fclose(f) != 0)
		die("memfd");
	return fd;
}

static int
ours_connect(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) == -1)
		die(path);
	return fd;
}

static void
ours_start(int fd, int serial, const int *fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	char text[200];
	struct iovec iov = { text, 0 };
	struct msghdr mh = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control };

	iov.iov_len = (size_t)snprintf(text, sizeof text,
	    "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"run\",\"params\":"
	    "{\"key\":\"b%dx%d\",\"argc\":1}}\n",
	    serial, (int)getpid(), serial);
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(4 * sizeof(int));
	memcpy(CMSG_DATA(&control.align), fds, 4 * sizeof(int));
	if (sendmsg(fd, &mh, 0) != (ssize_t)iov.iov_len)
		die("sendmsg");
}

static int
ours_is_result(const char *line)
{
	if (strstr(line, "\"event\":") != NULL)
		return 0;
	if (strstr(line, "\"exit_code\":0") == NULL) {
		fprintf(stderr, "commands: %s\n", line);
		exit(1);
	}
	return 1;
}

/*
 * Results among the lines that have come; stops when one is no success.  Waits
 * as clients with an event loop do: who sleeps in read(2) on a Unix socket is
 * woken when what he sent has been read, too.
 */
static int
ours_results(int fd)
{
	static char text[8192];
	static size_t len;
	struct pollfd pfd = { fd, POLLIN, 0 };
	char *line = text, *end;
	ssize_t n;
	int results = 0;

	if (poll(&pfd, 1, -1) == -1)
		die("poll");
	n = read(fd, text + len, sizeof text - len);
	if (n <= 0)
		die("the connection");
	len += (size_t)n;
	while ((end = memchr(line, '\n', len)) != NULL) {
		*end = '\0';
		results += ours_is_result(line);
		len -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(text, line, len);
	return results;
}

static void
ours_run(const char *path, int n, int inflight, const char *command)
{
	int fd = ours_connect(path), started = 0, done = 0;
	int fds[4] = { ours_strings(command), 0, 1, 2 };

	while (done < n) {
		for (; started < n && started - done < inflight; started++)
			ours_start(fd, started, fds);
		done += ours_results(fd);
	}
}

int
main(int argc, char **argv)
{
	int at = argc > 1 && strcmp(argv[1], "reeve") == 0 ? 3 : 2, n, k;
	double begin;

	if (argc != at + 3) {
		fprintf(stderr, "usage: commands floor N INFLIGHT COMMAND\n"
				"       commands reeve SOCKET N INFLIGHT "
				"COMMAND\n");
		return 2;
	}
	n = atoi(argv[at]);
	k = atoi(argv[at + 1]);
	begin = now();
	if (at == 2)
		floor_run(n, k, argv[at + 2]);
	else
		ours_run(argv[2], n, k, argv[at + 2]);
	printf("%.1f\n", n / (now() - begin));
	return 0;
}
