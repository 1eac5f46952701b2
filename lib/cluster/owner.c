/*
 * owner - who has an address that we cannot have.
 *
 * /proc/net/{tcp,tcp6,unix} give the inode of a socket, /proc/PID/fd the
 * process that has it open.
 */
#include "cluster/owner.h"

#include <sys/un.h>

#include <netinet/in.h>

#include <dirent.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OWNER_LISTEN 0x0a

struct owner_addr {
	uint16_t port;
	uint32_t words[4]; /* IPv4: the first one; as /proc prints them */
	int nwords;
};

static bool
owner_is_any(const struct owner_addr *a)
{
	for (int i = 0; i < a->nwords; i++) {
		if (a->words[i] != 0)
			return false;
	}
	return true;
}

/* An IPv4 and an IPv6 socket get in each other's way by "any" only. */
static bool
owner_overlaps(const struct owner_addr *a, const struct owner_addr *b)
{
	if (a->port != b->port)
		return false;
	if (owner_is_any(a) || owner_is_any(b))
		return true;
	return a->nwords == b->nwords &&
	       memcmp(a->words, b->words, (size_t)a->nwords * 4) == 0;
}

static void
owner_of_sockaddr(const struct sockaddr *sa, struct owner_addr *out)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;

		out->nwords = 1;
		out->port = ntohs(in->sin_port);
		memcpy(out->words, &in->sin_addr, 4);
	} else {
		const struct sockaddr_in6 *in6 = (const void *)sa;

		out->nwords = 4;
		out->port = ntohs(in6->sin6_port);
		memcpy(out->words, &in6->sin6_addr, 16);
	}
}

/* "0100007F:1F90" or four times the digits. */
static bool
owner_parse_addr(const char *s, struct owner_addr *out)
{
	const char *colon = strchr(s, ':');
	char word[9];

	if (colon == NULL || (colon - s != 8 && colon - s != 32))
		return false;
	out->nwords = (int)((colon - s) / 8);
	for (int i = 0; i < out->nwords; i++) {
		memcpy(word, s + 8 * i, 8);
		word[8] = '\0';
		out->words[i] = (uint32_t)strtoul(word, NULL, 16);
	}
	out->port = (uint16_t)strtoul(colon + 1, NULL, 16);
	return true;
}

/* Inode of the socket that listens there, or 0. */
static uint64_t
owner_inode_inet(const char *table, const struct owner_addr *want)
{
	FILE *f = fopen(table, "re");
	char line[512], local[64];
	struct owner_addr a;
	uint64_t inode, found = 0;
	unsigned state;

	if (f == NULL)
		return 0;
	while (found == 0 && fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line,
			" %*d: %63s %*s %x %*s %*s %*s %*s %*s %" SCNu64, local,
			&state, &inode) == 3 &&
		    state == OWNER_LISTEN && owner_parse_addr(local, &a) &&
		    owner_overlaps(&a, want))
			found = inode;
	}
	fclose(f);
	return found;
}

/* The table shows an abstract name with "@" for its NUL. */
static uint64_t
owner_inode_unix(const struct sockaddr_un *sun, socklen_t len)
{
	size_t n = len - offsetof(struct sockaddr_un, sun_path);
	char want[sizeof sun->sun_path + 1], line[512], path[256];
	FILE *f = fopen("/proc/net/unix", "re");
	uint64_t inode, found = 0;

	if (f == NULL)
		return 0;
	memcpy(want, sun->sun_path, n);
	want[n] = '\0';
	if (n > 0 && want[0] == '\0')
		want[0] = '@';
	while (found == 0 && fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line,
			"%*s %*s %*s %*s %*s %*s %" SCNu64 " %255[^\n]", &inode,
			path) == 2 &&
		    strcmp(path, want) == 0)
			found = inode;
	}
	fclose(f);
	return found;
}

static uint64_t
owner_inode(const struct sockaddr *sa, socklen_t len)
{
	struct owner_addr want;
	uint64_t inode;

	if (sa->sa_family == AF_UNIX)
		return owner_inode_unix((const void *)sa, len);
	owner_of_sockaddr(sa, &want);
	inode = owner_inode_inet("/proc/net/tcp", &want);
	if (inode == 0)
		inode = owner_inode_inet("/proc/net/tcp6", &want);
	return inode;
}

static bool
owner_has(const char *pid, const char *link)
{
	char path[PATH_MAX], to[64];
	struct dirent *e;
	bool has = false;
	ssize_t n;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	d = opendir(path);
	if (d == NULL)
		return false;
	while (!has && (e = readdir(d)) != NULL) {
		n = readlinkat(dirfd(d), e->d_name, to, sizeof to - 1);
		to[n > 0 ? n : 0] = '\0';
		has = strcmp(to, link) == 0;
	}
	closedir(d);
	return has;
}

static void
owner_comm(const char *pid, char *out, size_t size)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f == NULL || fgets(out, (int)size, f) == NULL)
		snprintf(out, size, "?");
	out[strcspn(out, "\n")] = '\0';
	if (f != NULL)
		fclose(f);
}

bool
owner_find(const struct sockaddr *sa, socklen_t len, char *out, size_t size)
{
	uint64_t inode = owner_inode(sa, len);
	char link[64], comm[32];
	struct dirent *e;
	bool found = false;
	DIR *d;

	if (inode == 0)
		return false;
	snprintf(link, sizeof link, "socket:[%" PRIu64 "]", inode);
	d = opendir("/proc");
	if (d == NULL)
		return false;
	while (!found && (e = readdir(d)) != NULL) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
		    !owner_has(e->d_name, link))
			continue;
		owner_comm(e->d_name, comm, sizeof comm);
		snprintf(out, size, "%s (pid %s)", comm, e->d_name);
		found = true;
	}
	closedir(d);
	return found;
}
