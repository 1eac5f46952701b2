/*
 * run_io - the bytes a job reads and writes.
 *
 * A regular file, memfd or block device is read and written by position
 * (pread, pwrite): its description may be shared with other jobs and with
 * the client.  Anything else is a stream; it is waited for in short turns,
 * so that a job that hangs on a pipe notices that it is cancelled.
 */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "pool/run_priv.h"

#define IO_TURN_MS      50   /* a stream is asked for its cancel flag */
#define IO_STREAM_PIECE 4096 /* PIPE_BUF: a pipe that polls takes so much */
#define IO_PASS_MAX     (8 << 20) /* in one call, between two looks at the flag */
#define IO_BUFFER       (64 << 10)

/* --- what the descriptors are
 * ---------------------------------------------------- */

/* Size of what has positions; -1: a stream, -2: none of these. */
static int64_t
io_size(int fd, bool *socket)
{
	struct stat st;
	uint64_t size;

	if (fstat(fd, &st) == -1)
		return -2;
	if (S_ISREG(st.st_mode))
		return st.st_size;
	if (S_ISBLK(st.st_mode))
		return ioctl(fd, BLKGETSIZE64, &size) == -1 ? -2
							    : (int64_t)size;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return -2;
	}
	if (socket != NULL)
		*socket = S_ISSOCK(st.st_mode);
	return -1;
}

static int
io_input_range(struct job_run *run, int64_t size)
{
	const struct job_bytes *in = &run->spec->in;

	if (size == -1 && in->off != 0)
		return job_run_break(run,
		    "read %s: it is a pipe, a range of it cannot be read",
		    run->job.input_name);
	if (size == -1) {
		run->in_stream = true;
		run->in_size = -1;
		return 0;
	}
	if (in->len == -1 && in->off <= size) {
		run->in_size = size - in->off;
		return 0;
	}
	if (in->off > size || in->len > size - in->off)
		return job_run_break(run,
		    "read %s: the range %lld+%lld goes beyond its end (%lld "
		    "bytes)",
		    run->job.input_name, (long long)in->off, (long long)in->len,
		    (long long)size);
	run->in_size = in->len;
	return 0;
}

int
job_io_input_ready(struct job_run *run)
{
	int64_t size;

	if (run->in_ready)
		return run->broken ? -1 : 0;
	run->in_ready = true;
	if (run->spec->in.fd == -1)
		return job_run_break(run, "no input was given");
	size = io_size(run->spec->in.fd, NULL);
	if (size == -2)
		return job_run_break(
		    run, "read %s: %s", run->job.input_name, strerror(errno));
	return io_input_range(run, size);
}

int
job_io_output_ready(struct job_run *run)
{
	int64_t size;

	if (run->out_ready)
		return run->broken ? -1 : 0;
	run->out_ready = true;
	if (run->spec->out.fd == -1)
		return job_run_break(run, "no output was given");
	size = io_size(run->spec->out.fd, &run->out_socket);
	if (size == -2)
		return job_run_break(
		    run, "write %s: %s", run->job.output_name, strerror(errno));
	run->out_stream = size == -1;
	if (run->out_stream && run->spec->out.off != 0)
		return job_run_break(run,
		    "write %s: it is a pipe, a range of it cannot be written",
		    run->job.output_name);
	return 0;
}

int64_t
job_io_room(const struct job_run *run)
{
	if (run->spec->out.len == -1)
		return INT64_MAX;
	return run->spec->out.len - (int64_t)run->bytes_out;
}

/* Until a stream can be read or written; -1: cancelled meanwhile. */
static int
io_wait(struct job_run *run, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	for (;;) {
		if (job_run_cancelled(run))
			return job_run_break(run, "cancelled");
		n = poll(&p, 1, IO_TURN_MS);
		if (n > 0)
			return 0;
		if (n == -1 && errno != EINTR)
			return job_run_break(run, "poll: %s", strerror(errno));
	}
}

/* --- reading
 * ------------------------------------------------------------------------ */

static void
io_taken(struct job_run *run, int64_t n)
{
	int percent;

	run->bytes_in += (uint64_t)n;
	if (run->own_progress || run->in_size <= 0 ||
	    run->spec->progress == NULL)
		return;
	percent = (int)(run->bytes_in * 100 / (uint64_t)run->in_size);
	if (percent == run->shown || percent > 100)
		return;
	run->shown = percent;
	job_progress_set(run->spec->progress, percent, NULL);
}

static ptrdiff_t
io_end_of_input(struct job_run *run)
{
	if (run->in_size >= 0 && (int64_t)run->bytes_in < run->in_size)
		return job_run_break(run,
		    "read %s: the input became shorter while it was read",
		    run->job.input_name);
	run->in_all_read = true;
	return 0;
}

/* At most what the range still holds; files may grow, ranges do not. */
static size_t
io_input_left(const struct job_run *run, size_t n)
{
	int64_t left = run->spec->in.len;

	if (left == -1)
		return n;
	left -= (int64_t)run->bytes_in;
	return (uint64_t)left < n ? (size_t)left : n;
}

static ssize_t
io_read_once(struct job_run *run, void *buf, size_t n)
{
	int fd = run->spec->in.fd;

	if (!run->in_stream)
		return pread(
		    fd, buf, n, run->spec->in.off + (int64_t)run->bytes_in);
	if (io_wait(run, fd, POLLIN) == -1)
		return -2;
	return read(fd, buf, n);
}

ptrdiff_t
job_io_read(struct reeve_job *job, void *buf, size_t n)
{
	struct job_run *run = job_run_cast(job);
	ssize_t got;

	if (job_io_input_ready(run) == -1 || run->broken)
		return -1;
	n = io_input_left(run, n);
	if (n == 0 || run->in_all_read)
		return 0;
	do
		got = io_read_once(run, buf, n);
	while (got == -1 &&
	       (errno == EINTR || (errno == EAGAIN && run->in_stream)));
	if (got == -1)
		return job_run_break(
		    run, "read %s: %s", job->input_name, strerror(errno));
	if (got < 0)
		return -1;
	if (got == 0)
		return io_end_of_input(run);
	io_taken(run, got);
	return got;
}

/* --- writing
 * ------------------------------------------------------------------------ */

static int
io_write_failed(struct job_run *run, const void *buf)
{
	if (errno == EFAULT && job_map_lost(run, buf))
		return -1;
	return job_run_break(run, "write %s: %s", run->job.output_name,
	    errno == EPIPE ? "nobody reads it any more" : strerror(errno));
}

static ssize_t
io_write_once(struct job_run *run, const char *p, size_t n)
{
	int fd = run->spec->out.fd;

	if (!run->out_stream)
		return pwrite(
		    fd, p, n, run->spec->out.off + (int64_t)run->bytes_out);
	if (io_wait(run, fd, POLLOUT) == -1)
		return -2;
	if (run->out_socket)
		return send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(fd, p, n < IO_STREAM_PIECE ? n : IO_STREAM_PIECE);
}

int
job_io_write(struct reeve_job *job, const void *buf, size_t n)
{
	struct job_run *run = job_run_cast(job);
	const char *p = buf;
	ssize_t put;

	if (job_io_output_ready(run) == -1 || run->broken)
		return -1;
	if (run->out_map.addr != NULL)
		return job_run_break(run, "write() after map_output()");
	if (n > (uint64_t)job_io_room(run))
		return job_run_break(run,
		    "write %s: more than the %lld bytes it may hold",
		    job->output_name, (long long)run->spec->out.len);
	while (n > 0) {
		put = io_write_once(run, p, n);
		if (put == -2)
			return -1;
		if (put == -1 &&
		    (errno == EINTR || (errno == EAGAIN && run->out_stream)))
			continue;
		if (put == 0)
			errno = EIO;
		if (put <= 0)
			return io_write_failed(run, p);
		p += put;
		n -= (size_t)put;
		run->bytes_out += (uint64_t)put;
	}
	return 0;
}

/* --- from the one to the other
 * --------------------------------------------------------- */

/* -1 with an errno that says "not between these two": by hand then. */
static ssize_t
io_kernel_copy(struct job_run *run, size_t n)
{
	const struct job_spec *sp = run->spec;
	loff_t in = sp->in.off + (int64_t)run->bytes_in;
	loff_t out = sp->out.off + (int64_t)run->bytes_out;

	if (!run->in_stream && !run->out_stream)
		return copy_file_range(sp->in.fd, &in, sp->out.fd, &out, n, 0);
	if ((run->in_stream && io_wait(run, sp->in.fd, POLLIN) == -1) ||
	    (run->out_stream && io_wait(run, sp->out.fd, POLLOUT) == -1))
		return -2;
	return splice(sp->in.fd, run->in_stream ? NULL : &in, sp->out.fd,
	    run->out_stream ? NULL : &out, n,
	    SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}

static ptrdiff_t
io_pass_by_hand(struct job_run *run, size_t n)
{
	char buf[IO_BUFFER];
	ptrdiff_t got;

	got = job_io_read(&run->job, buf, n < sizeof buf ? n : sizeof buf);
	if (got > 0 && job_io_write(&run->job, buf, (size_t)got) == -1)
		return -1;
	return got;
}

ptrdiff_t
job_io_pass(struct reeve_job *job, size_t n)
{
	struct job_run *run = job_run_cast(job);
	int64_t room, hole;
	ssize_t put;

	if (job_io_input_ready(run) == -1 || job_io_output_ready(run) == -1 ||
	    run->broken)
		return -1;
	n = io_input_left(run, n < IO_PASS_MAX ? n : IO_PASS_MAX);
	if (n == 0 || run->in_all_read)
		return 0;
	if (!run->in_stream && !run->out_stream) {
		hole = job_holes_pass(run, &n);
		run->bytes_out += (uint64_t)hole;
		io_taken(run, hole);
		if (hole > 0)
			return hole;
	}
	room = job_io_room(run);
	/* No room: whether that matters shows when there is another byte. */
	if (run->no_kernel_copy || run->out_map.addr != NULL || room <= 0)
		return io_pass_by_hand(run, n);
	do
		put =
		    io_kernel_copy(run, (uint64_t)room < n ? (size_t)room : n);
	while (put == -1 && (errno == EINTR || errno == EAGAIN));
	if (put == -2)
		return -1;
	if (put == -1 && (errno == ENOSPC || errno == EFBIG || errno == EPIPE))
		return io_write_failed(run, NULL);
	/* 0 is the end, or a file system that tells so when it cannot. */
	if (put <= 0) {
		run->no_kernel_copy = put == -1 || !run->in_stream;
		return io_pass_by_hand(run, n);
	}
	run->bytes_out += (uint64_t)put;
	io_taken(run, put);
	return put;
}

/* --- descriptors
 * ----------------------------------------------------------------------- */

int
job_io_input_fd(struct reeve_job *job, int64_t *off, int64_t *len)
{
	struct job_run *run = job_run_cast(job);

	if (run->spec->in.fd == -1 || job_io_input_ready(run) == -1)
		return -1;
	run->in_fd_taken = true;
	if (off != NULL)
		*off = run->in_stream ? -1 : run->spec->in.off;
	if (len != NULL)
		*len = run->spec->in.len;
	return run->spec->in.fd;
}

int
job_io_output_fd(struct reeve_job *job, int64_t *off, int64_t *len)
{
	struct job_run *run = job_run_cast(job);

	if (run->spec->out.fd == -1 || job_io_output_ready(run) == -1)
		return -1;
	run->out_fd_taken = true;
	if (off != NULL)
		*off = run->out_stream ? -1 : run->spec->out.off;
	if (len != NULL)
		*len = run->spec->out.len;
	return run->spec->out.fd;
}

int64_t
job_io_input_size(struct reeve_job *job)
{
	struct job_run *run = job_run_cast(job);

	if (run->spec->in.fd == -1 || job_io_input_ready(run) == -1)
		return 0;
	return run->in_size;
}

void
job_io_end(struct job_run *run)
{
	int64_t size;

	job_holes_end(run);
	if (run->in_map.addr != NULL && !run->in_stream)
		run->bytes_in = (uint64_t)run->in_size;
	if (run->out_map.addr != NULL)
		run->bytes_out = run->out_map.len - run->out_map.skip;
	/* What went past read() and write() is known of whole files only. */
	if (run->in_fd_taken && run->bytes_in == 0 && run->in_size > 0)
		run->bytes_in = (uint64_t)run->in_size;
	if (!run->out_fd_taken || run->out_stream || run->spec->out.len >= 0)
		return;
	size = io_size(run->spec->out.fd, NULL) - run->spec->out.off;
	if (size > (int64_t)run->bytes_out)
		run->bytes_out = (uint64_t)size;
}
