/*
 * run - one job from its spec to its result.
 *
 * All functions here are of the thread that runs the job.  Why a job failed
 * is written down once, by whoever noticed first.
 */
#include "pool/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "pool/run_priv.h"

struct job_run *
job_run_cast(struct reeve_job *job)
{
	struct job_run *run = (struct job_run *)job;

	BUG_ON(run->magic != JOB_RUN_MAGIC);
	return run;
}

/* --- why it fails
 * ------------------------------------------------------------- */

__attribute__((format(printf, 2, 0))) static void
run_reason(struct job_run *run, const char *fmt, va_list ap)
{
	char text[sizeof run->err.text];

	if (run->err.text[0] != '\0')
		return;
	vsnprintf(text, sizeof text, fmt, ap);
	job_text_line(run->err.text, sizeof run->err.text, text);
}

int
job_run_fail(struct job_run *run, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	run_reason(run, fmt, ap);
	va_end(ap);
	return -1;
}

int
job_run_break(struct job_run *run, const char *fmt, ...)
{
	va_list ap;

	run->broken = true;
	va_start(ap, fmt);
	run_reason(run, fmt, ap);
	va_end(ap);
	return -1;
}

/* --- what the plugin calls
 * ------------------------------------------------------ */

static const char *
run_arg(struct reeve_job *job, const char *name)
{
	const struct job_spec *sp = job_run_cast(job)->spec;
	size_t i, n = strlen(name);

	for (i = 0; i < sp->nargs; i++)
		if (strncmp(sp->args[i], name, n) == 0 && sp->args[i][n] == '=')
			return sp->args[i] + n + 1;
	return NULL;
}

static int
run_known_args(struct reeve_job *job, const char *const *names)
{
	struct job_run *run = job_run_cast(job);
	const char *a;
	size_t i, k, n;

	for (i = 0; i < run->spec->nargs; i++) {
		a = run->spec->args[i];
		n = (size_t)(strchr(a, '=') - a);
		for (k = 0; names[k] != NULL; k++)
			if (strncmp(names[k], a, n) == 0 && names[k][n] == '\0')
				break;
		if (names[k] == NULL)
			return job_run_fail(run, "%s has no argument %.*s",
			    job->kind, (int)n, a);
	}
	return 0;
}

static void
run_progress(struct reeve_job *job, int percent, const char *text)
{
	struct job_run *run = job_run_cast(job);

	run->own_progress = true;
	if (run->spec->progress != NULL)
		job_progress_set(run->spec->progress, percent, text);
}

bool
job_run_cancelled(const struct job_run *run)
{
	return run->spec->cancel != NULL &&
	       atomic_load_explicit(run->spec->cancel, memory_order_relaxed) !=
		   0;
}

/* What nobody will keep need not be finished either. */
static int
run_cancelled(struct reeve_job *job)
{
	struct job_run *run = job_run_cast(job);

	return run->broken || run->fault_prot != 0 || job_run_cancelled(run);
}

static void
run_log(struct reeve_job *job, enum reeve_job_level level, const char *text)
{
	struct job_run *run = job_run_cast(job);
	char line[1024];

	job_text_line(line, sizeof line, text == NULL ? "" : text);
	if (run->spec->log != NULL)
		run->spec->log(run->spec->log_arg, job, level, line);
	else if (level == REEVE_JOB_WARN)
		log_warnx("job %llu %s: %s", (unsigned long long)job->id,
		    job->kind, line);
	else if (level == REEVE_JOB_INFO)
		log_info("job %llu %s: %s", (unsigned long long)job->id,
		    job->kind, line);
	else
		log_debug("job %llu %s: %s", (unsigned long long)job->id,
		    job->kind, line);
}

__attribute__((format(printf, 2, 0))) static int
run_vfail(struct reeve_job *job, const char *fmt, va_list ap)
{
	run_reason(job_run_cast(job), fmt, ap);
	return -1;
}

static int
run_answer(struct reeve_job *job, const char *text)
{
	struct job_run *run = job_run_cast(job);
	size_t n = text == NULL ? 0 : strlen(text);

	if (n > JOB_ANSWER_MAX)
		return job_run_fail(run,
		    "the answer has %zu bytes: more than %d", n,
		    JOB_ANSWER_MAX);
	if (n > 0 && !job_text_is_line(text))
		return job_run_fail(run, "the answer is not one line of UTF-8");
	memcpy(run->answer, n == 0 ? "" : text, n + 1);
	return 0;
}

static const struct reeve_job_api run_api = {
	.size = sizeof run_api,
	.abi = REEVE_JOB_ABI,
	.arg = run_arg,
	.known_args = run_known_args,
	.read = job_io_read,
	.map = job_map_input,
	.write = job_io_write,
	.map_output = job_map_output,
	.pass = job_io_pass,
	.input_fd = job_io_input_fd,
	.output_fd = job_io_output_fd,
	.input_size = job_io_input_size,
	.progress = run_progress,
	.cancelled = run_cancelled,
	.alloc = job_mem_alloc,
	.release = job_mem_release,
	.log = run_log,
	.vfail = run_vfail,
	.answer = run_answer,
};

/* --- a run
 * ------------------------------------------------------------------------- */

static bool
run_name_ok(const char *s, size_t n)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	return n >= 1 && n <= 32 && strspn(s, ok) >= n;
}

static int
run_check_args(const struct job_spec *sp, struct err *err)
{
	const char *a, *eq;
	size_t i, k, n;

	if (sp->nargs > JOB_ARGS_MAX)
		return err_set(
		    err, "%zu arguments: at most %d", sp->nargs, JOB_ARGS_MAX);
	for (i = 0; i < sp->nargs; i++) {
		a = sp->args[i];
		eq = strchr(a, '=');
		n = eq == NULL ? 0 : (size_t)(eq - a);
		if (!run_name_ok(a, n))
			return err_set(err,
			    "argument %zu \"%.64s\": name=value, the name of "
			    "at most 32 of a-z 0-9 _ -",
			    i + 1, a);
		if (strlen(a) > JOB_ARG_LEN_MAX)
			return err_set(err, "argument %.*s: longer than %d",
			    (int)n, a, JOB_ARG_LEN_MAX);
		for (k = 0; k < i; k++)
			if (strncmp(sp->args[k], a, n + 1) == 0)
				return err_set(err,
				    "argument %.*s is given twice", (int)n, a);
	}
	return 0;
}

static void
run_reset(struct job_run *run)
{
	run->err.errnum = 0;
	run->err.text[0] = '\0';
	run->answer[0] = '\0';
	run->bytes_in = run->bytes_out = run->allocs = 0;
	run->in_size = 0;
	run->in_ready = run->in_stream = run->in_all_read = false;
	run->out_ready = run->out_stream = run->out_socket = false;
	run->in_fd_taken = run->out_fd_taken = run->broken = run->own_progress =
	    false;
	run->no_kernel_copy = false;
	run->holes_fd = 0;
	run->shown = 0;
	run->in_map.addr = run->out_map.addr = NULL;
	run->in_map.fence = run->out_map.fence = 0;
	run->fault_prot = 0;
	run->blocks = NULL;
	run->memory = 0;
}

int
job_run_init(struct job_run *run, const struct job_spec *sp, struct err *err)
{
	if (run_check_args(sp, err) == -1)
		return -1;
	if (sp->in.off < 0 || sp->in.len < -1 || sp->out.off < 0 ||
	    sp->out.len < -1)
		return err_set(err, "a range of bytes is below zero");
	run_reset(run);
	run->magic = JOB_RUN_MAGIC;
	run->spec = sp;
	run->job.size = sizeof run->job;
	run->job.attempt = sp->attempt;
	run->job.id = sp->id;
	run->job.kind = sp->kind;
	run->job.input_name = sp->in.name != NULL ? sp->in.name : "-";
	run->job.output_name = sp->out.name != NULL ? sp->out.name : "-";
	run->job.api = &run_api;
	run->job.user = NULL;
	if (sp->progress != NULL)
		job_progress_clear(sp->progress);
	return 0;
}

enum job_result
job_run_exec(struct job_run *run, const struct reeve_job_plugin *plugin)
{
	int rc;

	BUG_ON(run->magic != JOB_RUN_MAGIC);
	job_fault_current(run);
	rc = plugin->run(&run->job);
	job_io_end(run);
	job_map_end(run);
	job_fault_current(NULL);
	job_mem_end(run);
	run->magic = 0; /* once: what the plugin kept is worth nothing */
	if (rc == 0 && !run->broken) {
		run->err.text[0] = '\0';
		return JOB_OK;
	}
	run->answer[0] = '\0';
	if (job_run_cancelled(run) && run->fault_prot == 0) {
		err_set(&run->err, "cancelled");
		return JOB_CANCELLED;
	}
	job_run_fail(run, "%s failed and does not say why", plugin->name);
	return JOB_FAILED;
}

const char *
job_plugin_fault(const struct reeve_job_plugin *p)
{
	if (p->abi != REEVE_JOB_ABI)
		return "it was built for another version of reeve/job.h";
	if (p->size < sizeof *p)
		return "its reeve_job_plugin is too short";
	if (p->name == NULL || !run_name_ok(p->name, strlen(p->name)))
		return "its name is not 1 to 32 of a-z 0-9 _ -";
	if (p->summary == NULL || !job_text_is_line(p->summary))
		return "its summary is not one line";
	if (p->run == NULL)
		return "it has no run()";
	return NULL;
}
