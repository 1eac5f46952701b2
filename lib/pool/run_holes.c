/*
 * run_holes - what was never written of an input is not written of an output.
 *
 * Images of disks are mostly holes: copied byte by byte they would fill the
 * disk.  Where data is, lseek tells; that moves the position of the
 * description, which is the client's as well, so the input is opened once
 * more.  Whatever stands in the way of that: all of it is data.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "pool/run_priv.h"

#define HOLES_ASK  0  /* of holes_fd */
#define HOLES_NONE -1 /* or it does not matter */

/* Files, an input that takes less room than it is long, and an output that
 * has nothing yet where it is written. */
static bool
holes_possible(const struct job_run *run)
{
	const struct job_spec *sp = run->spec;
	struct stat in, out;

	return sp->out.len == -1 && fstat(sp->in.fd, &in) == 0 &&
	       fstat(sp->out.fd, &out) == 0 && S_ISREG(in.st_mode) &&
	       S_ISREG(out.st_mode) && in.st_blocks < in.st_size / 512 &&
	       out.st_size <= sp->out.off + (int64_t)run->bytes_out;
}

static int
holes_open(const struct job_run *run)
{
	char path[32];
	int fd;

	if (!holes_possible(run))
		return HOLES_NONE;
	snprintf(path, sizeof path, "/proc/self/fd/%d", run->spec->in.fd);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	return fd > 0 ? fd : HOLES_NONE;
}

void
job_holes_end(struct job_run *run)
{
	if (run->holes_fd > 0)
		close(run->holes_fd);
	run->holes_fd = HOLES_NONE;
}

int64_t
job_holes_pass(struct job_run *run, size_t *n)
{
	int64_t at = run->spec->in.off + (int64_t)run->bytes_in, data, end;
	struct stat st;

	if (run->holes_fd == HOLES_ASK)
		run->holes_fd = holes_open(run);
	if (run->holes_fd == HOLES_NONE)
		return 0;
	data = lseek(run->holes_fd, at, SEEK_DATA);
	/* The end of the file is that of its last hole. */
	if (data == -1 && errno == ENXIO && fstat(run->holes_fd, &st) == 0)
		data = st.st_size > at ? st.st_size : at;
	end = data == at ? lseek(run->holes_fd, at, SEEK_HOLE) : data;
	if (data < at || end <= at) {
		if (data != at)
			job_holes_end(run);
		return 0;
	}
	if (data == at) {
		if ((uint64_t)(end - at) < *n)
			*n = (size_t)(end - at);
		return 0;
	}
	if ((uint64_t)(data - at) > *n)
		data = at + (int64_t)*n;
	end = run->spec->out.off + (int64_t)run->bytes_out + data - at;
	if (ftruncate(run->spec->out.fd, end) == -1) {
		job_holes_end(run);
		return 0;
	}
	return data - at;
}
