/*
 * exec - the options of reeved --exec.
 *
 * Runs before there is a keeper, as a child of what will be it: with its
 * terminal, its signals and its folder, of which the program gets what it
 * would have got from a shell.
 */
#include "exec.h"

#include <sys/stat.h>

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "config/exec.h"

enum {
	EXEC_USAGE = 2,
	EXEC_FAILED = 1
};

static void
exec_usage(FILE *to)
{
	fputs(
	    "usage: reeved --exec [OPTION]... -- COMMAND [ARG]...\n"
	    "      --name NAME       of the program; default: by the command\n"
	    "      --workers N|auto  number of processes; auto: one for each "
	    "CPU\n"
	    "      --socket ADDRESS  tcp://[HOST]:PORT, tcp6://... or "
	    "unix:PATH; more than once\n"
	    "      --ready KIND      notify, tcp:PORT, http:URL, ..., as "
	    "ready=\n"
	    "      --env KEY=VALUE   a variable; more than once\n"
	    "      --user USER       run it as this user\n"
	    "      --stop-timeout S  time from the stop signal to KILL; 10\n"
	    "      --stop-signal SIG asks it to stop; TERM\n"
	    "      --set KEY=VALUE   any other key of [program:x]\n"
	    "      --control PATH    control socket for reevectl -s PATH; "
	    "default: none\n"
	    "  -v, --verbose         say more; -vv: all\n"
	    "  -h, --help\n"
	    "see reeved(8) and reeve.conf(5)\n",
	    to);
}

/* Options that are a key of the program. */
static const struct exec_option {
	const char *name, *key;
} exec_options[] = {
	{ "--workers", "workers" },
	{ "--socket", "socket" },
	{ "--ready", "ready" },
	{ "--user", "user" },
	{ "--stop-timeout", "stopwaitsecs" },
	{ "--stop-signal", "stopsignal" },
};

#define EXEC_OPTIONS (sizeof exec_options / sizeof *exec_options)

static const struct option exec_longs[] = {
	{ "workers", required_argument, NULL, 256 },
	{ "socket", required_argument, NULL, 257 },
	{ "ready", required_argument, NULL, 258 },
	{ "user", required_argument, NULL, 259 },
	{ "stop-timeout", required_argument, NULL, 260 },
	{ "stop-signal", required_argument, NULL, 261 },
	{ "name", required_argument, NULL, 'N' },
	{ "env", required_argument, NULL, 'E' },
	{ "set", required_argument, NULL, 'S' },
	{ "control", required_argument, NULL, 'C' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void __attribute__((noreturn)) exec_refuse(const char *text)
{
	fprintf(stderr, "reeved: %s\n", text);
	exec_usage(stderr);
	exit(EXEC_USAGE);
}

static void
exec_option(struct exec *x, int c)
{
	struct err err = { .text = "" };
	int rc = 0;

	if (c >= 256) {
		const struct exec_option *o = &exec_options[c - 256];

		exec_key(x, o->name, o->key, optarg);
	} else if (c == 'N') {
		x->name = optarg;
	} else if (c == 'C') {
		x->control = optarg;
	} else if (c == 'E') {
		rc = exec_env(x, optarg, &err);
	} else if (c == 'S') {
		rc = exec_set(x, optarg, &err);
	} else if (c == 'v' && x->level > LOG_DEBUG) {
		x->level--;
	}
	if (rc == -1)
		exec_refuse(err.text);
}

/* false: there is nothing to be run. */
static bool
exec_parse(struct exec *x, int argc, char **argv)
{
	static char self[] = "reeved";
	int c;

	argv[0] = self; /* getopt names it in its messages */
	/* The command's own options are its own. */
	while ((c = getopt_long(argc, argv, "+vh", exec_longs, NULL)) != -1) {
		if (c == '?') {
			exec_usage(stderr);
			exit(EXEC_USAGE);
		}
		if (c == 'h') {
			exec_usage(stdout);
			return false;
		}
		exec_option(x, c);
	}
	if (optind >= argc || *argv[optind] == '\0')
		exec_refuse("--exec: no command is given");
	x->command = argv + optind;
	return true;
}

/* --- what a shell would have passed on -------------------------------------
 */

static int
exec_oom_score_adj(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "re");
	int adj = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%d", &adj) != 1)
		adj = 0;
	fclose(f);
	return adj;
}

/*
 * The program has a session of its own, and there the terminal does not keep
 * it from reading what somebody types for the foreground.
 */
static bool
exec_stdin_is_ours(void)
{
	return !isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/*
 * A terminal that goes away takes with it what runs in it, but under nohup;
 * elsewhere HUP is a message for the program.
 */
static const char *
exec_on_hup(void)
{
	struct sigaction sa;
	int fd;

	if (sigaction(SIGHUP, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
		return "ignore";
	fd = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1)
		return "pass";
	close(fd);
	return "stop";
}

static void
exec_surroundings(struct exec *x, const char *cwd)
{
	x->directory = cwd != NULL ? cwd : "/";
	x->umask = umask(022);
	umask(x->umask);
	x->oom_score_adj = exec_oom_score_adj();
	x->stdin_is_ours = exec_stdin_is_ours();
	x->on_hup = exec_on_hup();
}

/* --- the config ------------------------------------------------------------
 */

/* In "--ready: [program:web] ready: ..." the section says nothing. */
static void
exec_complain(const char *what, const char *line)
{
	const char *section = strstr(line, ": [program:"), *end = NULL;
	int n = 0;

	if (*line == '-' && section != NULL)
		end = strstr(section, "] ");
	if (end != NULL)
		n = (int)(section - line) + 2;
	fprintf(stderr, "reeved: %s%.*s%s\n", what, n, line,
	    end != NULL ? end + 2 : line);
}

/* What is wrong with it is said. */
static void
exec_load(const struct buf *snapshot, int *code)
{
	struct config_errors errs;
	struct err err = { .text = "" };
	struct config *cf;

	config_errors_init(&errs);
	cf = config_load_snapshot(
	    "--exec", snapshot->data, snapshot->len, &errs);
	for (size_t i = 0; i < errs.errors.n; i++)
		exec_complain("", errs.errors.v[i]);
	*code = cf != NULL ? exec_find_command(cf, &err) : EXEC_USAGE;
	if (cf != NULL && *code != 0)
		fprintf(stderr, "reeved: %s\n", err.text);
	for (size_t i = 0; i < errs.warnings.n && *code == 0; i++)
		exec_complain("warning: ", errs.warnings.v[i]);
	config_errors_fini(&errs);
	config_free(cf);
}

int
exec_main(int argc, char **argv, int fd)
{
	struct buf snapshot;
	struct exec x;
	char *cwd;
	int code;

	exec_init(&x);
	if (!exec_parse(&x, argc, argv))
		return fflush(stdout) == 0 ? 0 : EXEC_FAILED;
	cwd = getcwd(NULL, 0);
	exec_surroundings(&x, cwd);
	buf_init(&snapshot);
	exec_write(&snapshot, &x);
	exec_fini(&x);
	free(cwd);
	exec_load(&snapshot, &code);
	if (code == 0 && fd_write_all(fd, snapshot.data, snapshot.len) == -1) {
		perror("reeved: write the config");
		code = EXEC_FAILED;
	}
	buf_fini(&snapshot);
	return code;
}
