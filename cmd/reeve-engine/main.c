/*
 * reeve-engine - the engine's process: options, then the loop.
 *
 * Started by reeved, which gives it the channel as descriptor 3.  By hand it
 * can check a config and print the schema:
 *
 *	reeve-engine --check [-c FILE]	every error and warning; exit 0 or 2
 *	reeve-engine --preflight	the same, quiet when good; exit 3: the
 *					config wants no daemon
 *	reeve-engine --schema-man	the keys, for reeve.conf(5)
 *	reeve-engine --schema		the same for programs, a key a line:
 *					section, key, type, default, and what a
 *					change needs (live, roll, restart)
 *	reeve-engine --exec ...		for reeved --exec: the config, into 3
 *	reeve-engine --verbs		each method: set of allow=, parameters
 */
#include <sys/prctl.h>

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "config/verb.h"
#include "ctl/server.h"
#include "engine/engine_main.h"
#include "engine/upgrade.h"
#include "exec.h"

enum {
	KEEPER_FD = 3,
	EXIT_CONFIG = 2,
	EXIT_FOREGROUND = 3
};

struct up {
	struct loop *lp;
	struct ctl_server *srv;
};

static void
on_up(void *arg, struct engine *en, int control_fd)
{
	struct up *up = arg;
	struct err err = { .text = "" };

	up->srv = ctl_server_new(up->lp, en, &err);
	if (up->srv == NULL ||
	    (control_fd != -1 &&
		ctl_server_listen(up->srv, control_fd, &err) == -1))
		fatalx("control server: %s", err.text);
}

static int
check(const char *file, bool quiet)
{
	struct config_errors errs;
	struct config *cf;
	size_t n;
	int code = 0;

	config_errors_init(&errs);
	cf = config_load(file, &errs);
	if (cf != NULL && !quiet)
		engine_check(cf, &errs.warnings);
	for (size_t i = 0; i < errs.errors.n; i++)
		fprintf(stderr, "%s\n", errs.errors.v[i]);
	for (size_t i = 0; i < errs.warnings.n && !quiet; i++)
		fprintf(stderr, "warning: %s\n", errs.warnings.v[i]);
	n = errs.errors.n;
	config_errors_fini(&errs);
	if (cf == NULL)
		return n != 0 ? EXIT_CONFIG : 1;
	if (!quiet)
		printf("%s: good, %zu program%s\n", cf->file, cf->nprograms,
		    cf->nprograms == 1 ? "" : "s");
	else if (cf->nodaemon)
		code = EXIT_FOREGROUND;
	config_free(cf);
	return code;
}

static void
print_verbs(void)
{
	for (int v = 0; v < VERB__N; v++)
		printf("%s %s %s\n", verb_name((enum verb)v),
		    verb_set_name((enum verb)v), verb_params((enum verb)v));
}

static void
print_list(int mode)
{
	if (mode == 'M')
		config_print_man(stdout);
	else if (mode == 'S')
		config_print_schema(stdout);
	else
		print_verbs();
}

static const char *
config_file_or_exit(const char *given)
{
	const char *file = given != NULL ? given : config_default_file();

	if (file != NULL)
		return file;
	fputs("reeved: no config: neither ./reeve.conf nor " REEVE_SYSCONFDIR
	      "/reeve/reeve.conf is there; name one with -c FILE\n",
	    stderr);
	exit(EXIT_CONFIG);
}

static int
run(struct engine_params *pm)
{
	struct up up = { NULL, NULL };
	struct engine *en;

	if (pm->level >= 0)
		log_set_level((enum log_level)pm->level);
	/* An engine after the first is executed by the number of an open file.
	 */
	prctl(PR_SET_NAME, "reeve-engine");
	signal(SIGPIPE, SIG_IGN);
	/* Its own death by a terminal's ^C is not the engine's business. */
	signal(SIGINT, SIG_IGN);
	/* What a config or an answer took for a moment is given back. */
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	fd_raise_limit(NULL);
	up.lp = loop_new();
	if (up.lp == NULL)
		fatal("create the event loop");
	pm->keeper_fd = KEEPER_FD;
	pm->on_up = on_up;
	pm->arg = &up;
	en = engine_new(up.lp, pm);
	loop_run(up.lp);
	ctl_server_free(up.srv);
	engine_free(en);
	loop_free(up.lp);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "check", no_argument, NULL, 'C' },
		{ "preflight", no_argument, NULL, 'P' },
		{ "schema-man", no_argument, NULL, 'M' },
		{ "schema", no_argument, NULL, 'S' },
		{ "verbs", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct engine_params pm = { .level = -1 };
	const char *file = NULL;
	int c, mode = 0;

	log_init("engine", LOG_INFO);
	if (argc == 4 && strcmp(argv[1], "--upgrade-check") == 0)
		return upgrade_check(argv[2], argv[3]);
	/* Its options are others, and the command's are not ours. */
	if (argc > 1 && strcmp(argv[1], "--exec") == 0)
		return exec_main(argc - 1, argv + 1, KEEPER_FD);
	while ((c = getopt_long(argc, argv, "c:ne:", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'n':
			pm.nodaemon = true;
			break;
		case 'e':
			pm.level = (int)log_level_parse(optarg);
			break;
		case 'C':
		case 'P':
		case 'M':
		case 'S':
		case 'V':
			mode = c;
			break;
		default:
			return EXIT_CONFIG;
		}
	}
	if (mode == 'M' || mode == 'S' || mode == 'V') {
		print_list(mode);
		return fflush(stdout) == 0 ? 0 : 1;
	}
	pm.argv = argv;
	pm.config_file = config_file_or_exit(file);
	if (mode != 0)
		return check(pm.config_file, mode == 'P');
	return run(&pm);
}
