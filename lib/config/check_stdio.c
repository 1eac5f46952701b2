/* check_stdio - what is wrong with stdin= and output=. */
#include "config/check.h"

/* They would be accepted and do nothing. */
static const enum schema_id stdio_idle[] = {
	SCHEMA_PROGRAM_stdout_logfile,
	SCHEMA_PROGRAM_stdout_logfile_maxbytes,
	SCHEMA_PROGRAM_stdout_logfile_backups,
	SCHEMA_PROGRAM_stderr_logfile,
	SCHEMA_PROGRAM_stderr_logfile_maxbytes,
	SCHEMA_PROGRAM_stderr_logfile_backups,
};

static void
stdio_output(const struct config_program *p, struct config_errors *errs)
{
	if (p->ready == READY_LOG)
		check_key_error(p, "ready", errs,
		    "log: needs the output, but with output = inherit it does "
		    "not come through reeved");
	for (size_t i = 0; i < sizeof stdio_idle / sizeof *stdio_idle; i++)
		if (origins_line(&p->origins, stdio_idle[i]) != 0)
			check_key_error(p, schema_keys[stdio_idle[i]].name,
			    errs,
			    "there is no log with output = inherit: remove "
			    "one of them");
}

void
check_stdio(const struct config_program *p, struct config_errors *errs)
{
	if (p->stdin_from == STDIN_INHERIT &&
	    (p->workers != 1 || p->rare->workers_per_cpu != 0))
		check_key_error(p, "stdin", errs,
		    "inherit: several workers would each get a part of it; "
		    "workers = 1, or stdin = null");
	if (p->output == OUTPUT_INHERIT)
		stdio_output(p, errs);
}
