/*
 * floor - the least that a supervisor can do: the benchmark's unit.
 *
 *	floor N COMMAND [ARG...]
 *
 * Starts N copies with posix_spawn, and waits in waitpid to start another
 * for each that ends.  It keeps nothing, logs nothing, can be asked nothing.
 * SIGTERM ends it and its children.
 */
#include <sys/wait.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static pid_t *children;
static volatile sig_atomic_t nchildren;

static void
on_term(int sig)
{
	(void)sig;
	for (int i = 0; i < nchildren; i++)
		kill(children[i], SIGKILL);
	_exit(0);
}

static pid_t
start(char **argv)
{
	pid_t pid = -1;
	int error = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);

	if (error != 0) {
		fprintf(stderr, "floor: %s: %s\n", argv[0], strerror(error));
		exit(1);
	}
	return pid;
}

int
main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0;
	pid_t pid;

	if (n <= 0) {
		fprintf(stderr, "usage: floor N COMMAND [ARG...]\n");
		return 2;
	}
	children = calloc((size_t)n, sizeof *children);
	if (children == NULL)
		return 1;
	signal(SIGTERM, on_term);
	for (int i = 0; i < n; i++) {
		children[i] = start(argv + 2);
		nchildren = i + 1;
	}
	for (;;) {
		pid = waitpid(-1, NULL, 0);
		if (pid == -1 && errno != EINTR)
			return 1;
		for (int i = 0; i < n; i++) {
			if (children[i] == pid) {
				children[i] = start(argv + 2);
				break;
			}
		}
	}
}
