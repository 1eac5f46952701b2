/*
 * run_map - input and output of a job in memory.
 *
 * A mapping of a file is only as long as the file is: where another process
 * cuts it meanwhile, or the disk is full when a page is first written, the
 * kernel sends SIGBUS.  run_fault.c then puts zeros there and notes it; what
 * it meant is found out here, when the job has returned.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pool/run_priv.h"

/* An input from a pipe is kept in memory; who has more uses read(). */
#define MAP_STREAM_MAX   ((size_t)1 << 30)
#define MAP_STREAM_FIRST ((size_t)256 << 10)

/*
 * The job's bytes begin anywhere, a mapping at a page.  Behind it is a page
 * that nobody may touch: who goes past the end is the one that faults, and
 * does not write into what another job has mapped there.
 */
static int
map_range(struct job_map *m, int fd, int64_t off, size_t len, int prot)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t skip = (size_t)off % page;
	int shared = (prot & PROT_WRITE) != 0 ? MAP_SHARED : MAP_PRIVATE, e;
	void *p;

	p = mmap(NULL, len + skip + page, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -1;
	if (mmap(p, len + skip, prot, shared | MAP_FIXED, fd,
		off - (int64_t)skip) == MAP_FAILED) {
		e = errno;
		munmap(p, len + skip + page);
		errno = e;
		return -1;
	}
	m->len = len + skip;
	m->fence = page;
	m->skip = skip;
	m->prot = prot;
	/* Last: the handler of faults looks at it. */
	atomic_signal_fence(memory_order_seq_cst);
	m->addr = p;
	return 0;
}

static void
map_drop(struct job_map *m)
{
	if (m->addr != NULL)
		munmap(m->addr, m->len + m->fence);
	m->addr = NULL;
	m->fence = 0;
}

/* --- input
 * ------------------------------------------------------------------------ */

/* Reads a pipe to its end; the memory is the run's in_map from the start. */
static int
map_stream(struct job_run *run, size_t *len)
{
	struct job_map *m = &run->in_map;
	size_t max = run->spec->memory_max, size = MAP_STREAM_FIRST;
	ptrdiff_t got;
	void *p;

	if (run->bytes_in > 0)
		return job_run_break(run,
		    "map %s: it is a pipe, and was read before",
		    run->job.input_name);
	if (max == 0 || max > MAP_STREAM_MAX)
		max = MAP_STREAM_MAX;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (*len = 0; p != MAP_FAILED; *len += (size_t)got) {
		m->addr = p;
		m->len = size;
		if (*len > max)
			return job_run_break(run,
			    "map %s: more than %zu bytes from a pipe",
			    run->job.input_name, max);
		got = job_io_read(&run->job, m->addr + *len, m->len - *len);
		if (got <= 0)
			return (int)got;
		if (*len + (size_t)got == size)
			p = mremap(m->addr, size, size * 2, MREMAP_MAYMOVE);
		size = *len + (size_t)got == size ? size * 2 : size;
	}
	return job_run_break(
	    run, "map %s: %s", run->job.input_name, strerror(errno));
}

static int
map_file(struct job_run *run)
{
	if (map_range(&run->in_map, run->spec->in.fd, run->spec->in.off,
		(size_t)run->in_size, PROT_READ) == -1)
		return job_run_break(
		    run, "map %s: %s", run->job.input_name, strerror(errno));
	return 0;
}

const void *
job_map_input(struct reeve_job *job, size_t *len)
{
	struct job_run *run = job_run_cast(job);

	*len = 0;
	if (job_io_input_ready(run) == -1 || run->broken)
		return NULL;
	if (run->in_map.addr != NULL) {
		*len = run->in_stream ? (size_t)run->bytes_in
				      : run->in_map.len - run->in_map.skip;
		return run->in_map.addr + run->in_map.skip;
	}
	run->in_map.skip = 0;
	if (run->in_stream)
		return map_stream(run, len) == -1 ? NULL : run->in_map.addr;
	if (run->in_size == 0)
		return "";
	if (map_file(run) == -1)
		return NULL;
	*len = (size_t)run->in_size;
	return run->in_map.addr + run->in_map.skip;
}

/* --- output
 * ------------------------------------------------------------------------- */

/*
 * The space is taken before it is written to, so that a full disk is an
 * error and not a fault.  Never shortens: others may write behind.
 */
static int
map_make_room(int fd, int64_t off, size_t n)
{
	struct stat st;

	if (fallocate(fd, 0, off, (off_t)n) == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return -1;
	if (fstat(fd, &st) == -1)
		return -1;
	if (st.st_size >= off + (int64_t)n)
		return 0;
	return pwrite(fd, "", 1, off + (int64_t)n - 1) == 1 ? 0 : -1;
}

static bool
map_output_may(struct job_run *run, size_t n)
{
	if (job_io_output_ready(run) == -1 || run->broken)
		return false;
	if (run->out_map.addr != NULL || run->bytes_out > 0)
		job_run_break(run, "map_output() after output");
	else if (run->out_stream)
		job_run_break(
		    run, "map %s: it is a pipe", run->job.output_name);
	else if (n > (uint64_t)job_io_room(run) || n > PTRDIFF_MAX)
		job_run_break(run,
		    "write %s: more than the %lld bytes it may hold",
		    run->job.output_name, (long long)run->spec->out.len);
	else
		return true;
	return false;
}

void *
job_map_output(struct reeve_job *job, size_t n)
{
	static char nothing[1];
	struct job_run *run = job_run_cast(job);
	const struct job_bytes *out = &run->spec->out;

	if (!map_output_may(run, n))
		return NULL;
	if (n == 0)
		return nothing;
	if (map_make_room(out->fd, out->off, n) == -1 ||
	    map_range(&run->out_map, out->fd, out->off, n,
		PROT_READ | PROT_WRITE) == -1) {
		job_run_break(
		    run, "write %s: %s", job->output_name, strerror(errno));
		return NULL;
	}
	return run->out_map.addr + run->out_map.skip;
}

/* --- the end
 * ---------------------------------------------------------------------------
 */

static bool
map_was_cut(int fd, int64_t end)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size < end;
}

static void
map_explain(struct job_run *run)
{
	const struct job_spec *sp = run->spec;
	int64_t end;

	/* Where it failed since it saw zeros, that is the reason. */
	run->err.text[0] = '\0';
	if ((run->fault_prot & PROT_WRITE) == 0) {
		end = sp->in.off + run->in_size;
		job_run_break(run, "read %s: %s", run->job.input_name,
		    map_was_cut(sp->in.fd, end)
			? "the input became shorter while it was read"
			: strerror(EIO));
		return;
	}
	end = sp->out.off + (int64_t)(run->out_map.len - run->out_map.skip);
	job_run_break(run, "write %s: %s", run->job.output_name,
	    map_was_cut(sp->out.fd, end)
		? "the output was made shorter while it was written"
		: strerror(ENOSPC));
}

bool
job_map_lost(struct job_run *run, const void *p)
{
	const struct job_map *m = &run->in_map;
	const char *c = p;

	if (m->addr == NULL || run->in_stream || c < m->addr ||
	    c >= m->addr + m->len)
		return false;
	run->fault_prot = m->prot;
	run->broken = true;
	return true;
}

void
job_map_end(struct job_run *run)
{
	if (run->fault_prot != 0)
		map_explain(run);
	map_drop(&run->in_map);
	map_drop(&run->out_map);
}
