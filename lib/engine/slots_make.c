/*
 * slots_make - what make, ninja and cargo want to be told of the jobserver.
 *
 * "--jobserver-auth=fifo:PATH" is known to make from 4.4 on, to ninja and to
 * cargo; "--jobserver-auth=R,W" to every make since 4.2 and to cargo.  Of two
 * the last one counts, so one has to be chosen.
 */
#include <sys/mman.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/xalloc.h"
#include "engine/slots.h"
#include "engine/slots_priv.h"

#define MAKE_BYTES_MAX (16 << 20)

/* --- which make -------------------------------------------------------------
 */

/* --jobserver-style came with the fifo: the program has its name in it. */
static bool
make_has_style(int fd, size_t size)
{
	static const char style[] = "jobserver-style";
	void *p;
	bool has;

	if (size == 0 || size > MAKE_BYTES_MAX)
		return true;
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return true;
	has = memmem(p, size, style, sizeof style - 1) != NULL;
	munmap(p, size);
	return has;
}

static int
make_open(char *const *env)
{
	const char *path = "/usr/local/bin:/usr/bin:/bin", *end;
	char *file;
	int fd = -1;

	for (; *env != NULL; env++)
		if (str_starts(*env, "PATH="))
			path = *env + strlen("PATH=");
	while (fd == -1 && *path != '\0') {
		end = strchrnul(path, ':');
		file = xasprintf("%.*s/make", (int)(end - path), path);
		if (*path == '/' && access(file, X_OK) == 0)
			fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		free(file);
		path = *end == ':' ? end + 1 : end;
	}
	return fd;
}

bool
slots_make_knows_fifo(struct slots_make *m, char *const *env)
{
	int fd = make_open(env);
	struct stat st;

	if (fd == -1)
		return true;
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode)) {
		fd_closep(&fd);
		return true;
	}
	if (m->dev != st.st_dev || m->ino != st.st_ino ||
	    m->mtime.tv_sec != st.st_mtim.tv_sec ||
	    m->mtime.tv_nsec != st.st_mtim.tv_nsec) {
		m->dev = st.st_dev;
		m->ino = st.st_ino;
		m->mtime = st.st_mtim;
		m->knows = make_has_style(fd, (size_t)st.st_size);
	}
	fd_closep(&fd);
	return m->knows;
}

/* --- words ------------------------------------------------------------------
 */

/* -j, -jN, --jobs, --jobs=N, --jobserver-... */
static bool
word_is_ours(const char *w, size_t n)
{
	static const char server[] = "--jobserver-";

	if (n >= sizeof server - 1 &&
	    strncmp(w, server, sizeof server - 1) == 0)
		return true;
	if (n >= 6 && strncmp(w, "--jobs", 6) == 0)
		return n == 6 || w[6] == '=';
	return n >= 2 && strncmp(w, "-j", 2) == 0 &&
	       strspn(w + 2, "0123456789") >= n - 2;
}

char *
slots_makeflags(const char *was, int total, const char *auth)
{
	const char *end;
	struct buf b;

	buf_init(&b);
	for (; was != NULL && *was != '\0'; was = end) {
		was += strspn(was, " \t");
		end = was + strcspn(was, " \t");
		/* Variables of the command line come last, and stay there. */
		if (end - was == 2 && strncmp(was, "--", 2) == 0)
			break;
		if (end != was && !word_is_ours(was, (size_t)(end - was)))
			buf_addf(&b, "%s%.*s", b.len > 0 ? " " : "",
			    (int)(end - was), was);
	}
	buf_addf(&b, " -j%d --jobserver-auth=%s", total, auth);
	if (was != NULL && *was != '\0')
		buf_addf(&b, " %s", was);
	return buf_steal(&b);
}

static bool
is_number(const char *s)
{
	return *s != '\0' && s[strspn(s, "0123456789")] == '\0';
}

void
slots_drop_bare_j(char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash != NULL ? slash + 1 : argv[0];
	char **to = argv + 1, **from = argv + 1;

	if (strcmp(name, "make") != 0 && strcmp(name, "gmake") != 0)
		return;
	for (; *from != NULL && strcmp(*from, "--") != 0; from++) {
		bool bare =
		    strcmp(*from, "-j") == 0 || strcmp(*from, "--jobs") == 0;

		/* "-j 8" is a number. */
		if (!bare || (from[1] != NULL && is_number(from[1])))
			*to++ = *from;
	}
	while (*from != NULL)
		*to++ = *from++;
	*to = NULL;
}
