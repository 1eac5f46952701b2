/*
 * reeved - the keeper's process: options, the daemon's fork, then the loop.
 *
 * Whatever needs the config is the engine's: --check is an exec of it, and
 * before a daemon leaves the terminal the engine is asked, in the foreground,
 * whether the config is good and wants a daemon at all.
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "ipc/tables.h"
#include "keeper/keeper.h"

enum {
	EXIT_USAGE = 2,
	EXIT_START = 1,
	EXEC_FD = 3, /* where the engine leaves the config of --exec */
	PREFLIGHT_FOREGROUND = 3
};

struct options {
	const char *config; /* NULL: the engine looks for one */
	const char *level;  /* NULL: the config's */
	bool nodaemon;
	bool check;
	bool exec; /* the rest is the engine's to read */
};

static bool early_exec; /* of a signal handler */

static void
usage(FILE *to)
{
	fputs(
	    "usage: reeved [-c FILE] [-n|--nodaemon] [--check] [-e LEVEL] "
	    "[--version]\n"
	    "       reeved --exec [OPTION]... -- COMMAND [ARG]...\n"
	    "  -c, --config FILE   default: ./reeve.conf, "
	    "then " REEVE_SYSCONFDIR "/reeve/reeve.conf\n"
	    "  -n, --nodaemon      stay in the foreground, log to stderr\n"
	    "      --check         check the config, say what is wrong, exit\n"
	    "  -e, --loglevel L    debug, info, warn or error\n"
	    "      --version       print the version\n"
	    "      --exec ...      run one program without a config; "
	    "see reeved --exec --help\n"
	    "see reeved(8) and reeve.conf(5)\n",
	    to);
}

static void
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "nodaemon", no_argument, NULL, 'n' },
		{ "check", no_argument, NULL, 'C' },
		{ "loglevel", required_argument, NULL, 'e' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:ne:h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->config = optarg;
			break;
		case 'n':
			o->nodaemon = true;
			break;
		case 'C':
			o->check = true;
			break;
		case 'e':
			o->level = optarg;
			break;
		case 'V':
			puts("reeved " REEVE_VERSION);
			exit(0);
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(
		    stderr, "reeved: unexpected argument '%s'\n", argv[optind]);
		usage(stderr);
		exit(EXIT_USAGE);
	}
	if (o->level != NULL && log_level_parse(o->level) == LOG__N) {
		fprintf(stderr,
		    "reeved: unknown level '%s': debug, info, "
		    "warn or error\n",
		    o->level);
		exit(EXIT_USAGE);
	}
}

/*
 * The config's name, as it will be good from any folder.  Without -c the one
 * that the engine would find here; NULL: it will say that there is none.
 */
static const char *
config_path(const char *given)
{
	static char path[2 * PATH_MAX];
	char cwd[PATH_MAX];
	const char *file = given != NULL ? given : "reeve.conf";

	if (given == NULL && access(file, F_OK) == -1)
		return NULL;
	if (*file == '/' || getcwd(cwd, sizeof cwd) == NULL)
		return file;
	snprintf(path, sizeof path, "%s/%s", cwd, file);
	return path;
}

/* Where this program is, or whoever is installed there by now. */
static const char *
self_path(void)
{
	static char path[PATH_MAX];
	static const char gone[] = " (deleted)";
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	size_t len;

	if (n <= 0)
		return "reeved";
	path[n] = '\0';
	len = (size_t)n;
	if (len > sizeof gone &&
	    strcmp(path + len - (sizeof gone - 1), gone) == 0)
		path[len - (sizeof gone - 1)] = '\0';
	return path;
}

/* Beside this program (a build folder), else where it was installed. */
static const char *
engine_path(void)
{
	static char path[PATH_MAX + 16];
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		if (slash != NULL) {
			snprintf(slash + 1,
			    (size_t)(path + sizeof path - slash - 1),
			    "reeve-engine");
			if (access(path, X_OK) == 0)
				return path;
		}
	}
	return REEVE_LIBEXECDIR "/reeve-engine";
}

/* argv for the engine; mode is NULL for the real thing. */
static char **
engine_argv(const struct options *o, const char *mode, bool nodaemon)
{
	static const char *argv[12];
	union {
		const char **in;
		char **out;
	} u = { .in = argv };
	int n = 0;

	argv[n++] = engine_path();
	if (mode != NULL)
		argv[n++] = mode;
	if (o->config != NULL) {
		argv[n++] = "-c";
		argv[n++] = o->config;
	}
	if (o->level != NULL) {
		argv[n++] = "-e";
		argv[n++] = o->level;
	}
	if (nodaemon)
		argv[n++] = "-n";
	argv[n] = NULL;
	return u.out;
}

static void __attribute__((noreturn)) run_engine(char **argv)
{
	execv(engine_path(), argv);
	fprintf(
	    stderr, "reeved: execute %s: %s\n", engine_path(), strerror(errno));
	_exit(EXIT_START);
}

/* Exits with its exit code when that is a failure. */
static int
await_engine(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) == -1 && errno == EINTR)
		;
	if (!WIFEXITED(status))
		exit(EXIT_START);
	if (WEXITSTATUS(status) != 0 &&
	    WEXITSTATUS(status) != PREFLIGHT_FOREGROUND)
		exit(WEXITSTATUS(status));
	return WEXITSTATUS(status);
}

/*
 * --exec: all behind it is the engine's business.  It looks at that here, in
 * the foreground, and leaves the config that comes of it in a file without a
 * name.
 */
static int
exec_config(char **argv)
{
	int fd = memfd_create("reeve-config", MFD_CLOEXEC);
	pid_t pid = fd != -1 ? fork() : -1;
	struct stat st;

	if (pid == -1) {
		fprintf(stderr, "reeved: start: %s\n", strerror(errno));
		exit(EXIT_START);
	}
	if (pid == 0) {
		if (fd == EXEC_FD)
			fcntl(fd, F_SETFD, 0);
		else
			dup2(fd, EXEC_FD);
		run_engine(argv);
	}
	await_engine(pid);
	if (fstat(fd, &st) == -1 || st.st_size == 0)
		exit(0); /* --help */
	return fd;
}

/* Asks the engine about the config: exits with what is wrong with it. */
static bool
preflight_wants_daemon(const struct options *o)
{
	pid_t pid = fork();

	if (pid == -1) {
		fprintf(stderr, "reeved: fork: %s\n", strerror(errno));
		exit(EXIT_START);
	}
	if (pid == 0)
		run_engine(engine_argv(o, "--preflight", false));
	return await_engine(pid) != PREFLIGHT_FOREGROUND;
}

/*
 * The parent stays until the daemon is up, or is not, and exits with that.
 * Returns the descriptor through which the child says so.
 */
static int
daemonise(void)
{
	uint8_t code = EXIT_START;
	int p[2];

	if (pipe2(p, O_CLOEXEC) == -1)
		fatal("pipe");
	switch (fork()) {
	case -1:
		fatal("fork");
	case 0:
		close(p[0]);
		setsid();
		/* A daemon keeps no file system busy. */
		if (chdir("/") == -1)
			fatal("chdir to /");
		return p[1];
	default:
		/* To us it says no more than that nobody waits. */
		signal(SIGTERM, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		close(p[1]);
		if (fd_read_all(p[0], &code, 1) == -1)
			code = EXIT_START;
		_exit(code);
	}
}

/*
 * Told to stop before there is anything to stop, a daemon ends as after any
 * other stop, and a command (--exec) with what a shell would have said of it.
 */
static void
stopped_early(int signo)
{
	_exit(early_exec ? 128 + signo : 0);
}

/* Until the keeper hears of signals; what is executed meanwhile has its own. */
static void
stop_early(bool exec)
{
	const int signos[] = { SIGTERM, SIGINT };
	struct sigaction sa;

	early_exec = exec;
	for (size_t i = 0; i < sizeof signos / sizeof signos[0]; i++) {
		/* A ^C that whoever started us is not to hear. */
		if (sigaction(signos[i], NULL, &sa) == -1 ||
		    sa.sa_handler == SIG_IGN)
			continue;
		memset(&sa, 0, sizeof sa);
		sa.sa_handler = stopped_early;
		sigaction(signos[i], &sa, NULL);
	}
}

/* Descriptors 0, 1, 2 exist, whoever started us. */
static void
open_std(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd != -1 && fd <= 2);
	fd_closep(&fd);
}

static int
run(const struct keeper_config *cfg)
{
	struct err err = { .text = "" };
	struct keeper *kp;
	struct loop *lp;
	int code;

	signal(SIGPIPE, SIG_IGN);
	lp = loop_new();
	if (lp == NULL)
		fatal("create the event loop");
	kp = keeper_new(lp, cfg, &err);
	tables_free(cfg->tables);
	if (kp == NULL) {
		fprintf(stderr, "reeved: %s\n", err.text);
		return EXIT_START;
	}
	loop_run(lp);
	code = keeper_exit_code(kp);
	keeper_free(kp);
	loop_free(lp);
	return code;
}

/* The keeper before us has executed this: all of it is there already. */
static int
take_over(struct keeper_config *cfg)
{
	static char *argv[64];
	const struct tables_head *head = tables_head(cfg->tables);

	log_init("keeper", LOG_INFO);
	open_std();
	argv[0] = strdup(engine_path());
	for (int i = 0; head->args[i] != NULL; i++)
		argv[i + 1] = head->args[i];
	cfg->engine_argv = argv;
	cfg->soft_nofile = head->soft_nofile;
	fd_raise_limit(NULL);
	return run(cfg);
}

/* Asked by an engine that would be replaced: reeved --upgrade-check. */
static int
upgrade_check(char **argv)
{
	char *args[] = { argv[0], argv[1], argv[3], argv[4], NULL };

	if (strtol(argv[2], NULL, 10) == TABLES_VERSION)
		run_engine(args);
	puts("reeved " REEVE_VERSION " keeps its tables in another way: stop "
	     "the one that runs, and start this one");
	return EXIT_START;
}

int
main(int argc, char **argv)
{
	struct options o = { .config = NULL };
	struct keeper_config cfg = { .ready_fd = -1, .config_fd = -1 };
	struct err err = { .text = "" };
	bool nodaemon;

	cfg.self = self_path();
	cfg.argv = argv;
	cfg.tables = tables_open(argv, &err);
	if (cfg.tables == NULL && err.text[0] != '\0') {
		fprintf(stderr, "reeved: %s\n", err.text);
		return EXIT_START;
	}
	if (cfg.tables != NULL)
		return take_over(&cfg);
	if (argc == 5 && strcmp(argv[1], "--upgrade-check") == 0)
		return upgrade_check(argv);
	if (argc > 1 && strcmp(argv[1], "--exec") == 0)
		o.exec = true;
	else
		parse_options(argc, argv, &o);
	if (o.check)
		run_engine(engine_argv(&o, "--check", false));
	stop_early(o.exec);
	open_std();
	log_init(
	    "keeper", o.level != NULL ? log_level_parse(o.level) : LOG_INFO);
	if (o.exec) {
		cfg.config_fd = exec_config(argv);
		log_set_level(LOG_WARN); /* the engine knows better */
		o.config = argv[1];
		nodaemon = true;
	} else {
		o.config = config_path(o.config);
		nodaemon = o.nodaemon || !preflight_wants_daemon(&o);
	}
	if (!nodaemon)
		cfg.ready_fd = daemonise();
	cfg.engine_argv = engine_argv(&o, NULL, nodaemon);
	fd_raise_limit(&cfg.soft_nofile);
	return run(&cfg);
}
