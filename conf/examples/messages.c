/*
 * messages - a child with a message channel, in C: answers whatever it is
 * sent.
 *
 * What is to be known about the channel: it is a stream socket, its number is
 * in NODE_CHANNEL_FD, and each message is a JSON text on a line of its own.
 * A real program would read the text with a JSON library; this one only puts
 * it into its answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
main(void)
{
	const char *number = getenv("NODE_CHANNEL_FD");
	char *line = NULL;
	size_t size = 0;
	FILE *in, *out;
	ssize_t n;
	int fd;

	if (number == NULL) {
		fputs("messages: no channel: ipc = on gives it one\n", stderr);
		return 1;
	}
	fd = atoi(number);
	fcntl(fd, F_SETFD, FD_CLOEXEC); /* not for what we start */
	/* A channel that was closed is an error of fputs, not our end. */
	signal(SIGPIPE, SIG_IGN);

	/* One stream each way: reads and writes do not mix in one. */
	in = fdopen(fd, "r");
	out = fdopen(dup(fd), "w");
	if (in == NULL || out == NULL) {
		fprintf(stderr, "messages: channel: %s\n", strerror(errno));
		return 1;
	}
	setvbuf(out, NULL, _IOLBF, 0); /* what ends with a newline is sent */

	fputs("\"ready\"\n", out);
	while ((n = getline(&line, &size, in)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		fprintf(out, "{\"from\":\"c\",\"got\":%s}\n", line);
	}
	/* The end of the channel; what is left to do may be done here. */
	free(line);
	fclose(in);
	fclose(out);
	return 0;
}
