/*
 * probe - what tcp:, unix: and http: in ready= and health= mean.
 *
 *	tcp:[HOST:]PORT			tcp:8080, tcp:[::1]:8080
 *	unix:PATH
 *	http://HOST[:PORT]/PATH [STATUS]	http:8080/health 200-299
 *	http+unix:PATH:/PATH [STATUS]
 *
 * HOST is an address or localhost: a name would have to be looked up, and
 * that may block whoever does it.  Without a host it is localhost, which is
 * tried in both families, as programs listen on either.
 */
#include <sys/un.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/config_priv.h"

#define HTTP_PORT 80

/* --- addresses ------------------------------------------------------ */

static void
probe_add_in(struct config_probe *pr, struct in_addr addr, uint16_t port)
{
	struct sockaddr_in *sin = (void *)&pr->addr[pr->naddrs];

	sin->sin_family = AF_INET;
	sin->sin_addr = addr;
	sin->sin_port = htons(port);
	pr->addr_len[pr->naddrs++] = sizeof *sin;
}

static void
probe_add_in6(struct config_probe *pr, struct in6_addr addr, uint16_t port)
{
	struct sockaddr_in6 *sin6 = (void *)&pr->addr[pr->naddrs];

	sin6->sin6_family = AF_INET6;
	sin6->sin6_addr = addr;
	sin6->sin6_port = htons(port);
	pr->addr_len[pr->naddrs++] = sizeof *sin6;
}

static int
probe_host(
    struct config_probe *pr, const char *host, uint16_t port, struct err *err)
{
	struct in6_addr in6;
	struct in_addr in;

	if (*host == '\0' || strcasecmp(host, "localhost") == 0) {
		in.s_addr = htonl(INADDR_LOOPBACK);
		probe_add_in(pr, in, port);
		probe_add_in6(pr, in6addr_loopback, port);
		host = "127.0.0.1"; /* what is told is what is tried first */
	} else if (inet_pton(AF_INET, host, &in) == 1) {
		probe_add_in(pr, in, port);
	} else if (inet_pton(AF_INET6, host, &in6) == 1) {
		probe_add_in6(pr, in6, port);
	} else {
		return err_set(err,
		    "'%s' is not an address: use an address or localhost, "
		    "names are not looked up",
		    host);
	}
	pr->text = xasprintf(strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u",
	    host, (unsigned)port);
	return 0;
}

/* "HOST:PORT", "[ADDR]:PORT", "PORT"; dflt: the port when there is none, 0: it
 * is an error. */
static int
probe_inet(
    struct config_probe *pr, const char *text, uint16_t dflt, struct err *err)
{
	bool v6 = *text == '[';
	const char *end = v6 ? strchr(text, ']') : strrchr(text, ':');
	const char *port = NULL;
	int64_t n = dflt;
	char *host;
	int rc;

	if (v6 && (end == NULL || (end[1] != '\0' && end[1] != ':')))
		return err_set(err, "'%s' is not [ADDR]:PORT", text);
	if (text[strspn(text, "0123456789")] == '\0')
		port = text, end = text;
	else if (end == NULL)
		end = strchr(text, '\0');
	else if (!v6)
		port = end + 1;
	else if (end[1] == ':')
		port = end + 2;
	if (port == NULL && dflt == 0)
		return err_set(err, "'%s' has no port", text);
	if (port != NULL && !str_to_i64(port, 1, 65535, &n))
		return err_set(err, "'%s' is not a port from 1 to 65535", port);
	host = xstrndup(text + v6, (size_t)(end - text) - v6);
	rc = probe_host(pr, host, (uint16_t)n, err);
	free(host);
	return rc;
}

static int
probe_unix(struct config_probe *pr, const char *text, const char *here,
    struct err *err)
{
	struct sockaddr_un *sun = (void *)&pr->addr[0];
	char *path;
	size_t n;

	if (strncmp(text, "//", 2) == 0)
		text += 2;
	if (*text == '\0')
		return err_set(err, "'unix:' has no path");
	path = path_absolute(here, text);
	n = strlen(path);
	if (n >= sizeof sun->sun_path) {
		err_set(err,
		    "path of %zu bytes, but a socket's path ends at %zu: %s", n,
		    sizeof sun->sun_path - 1, path);
		free(path);
		return -1;
	}
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, n + 1);
	pr->addr_len[pr->naddrs++] = sizeof *sun;
	pr->text = path;
	return 0;
}

/* --- http ----------------------------------------------------------- */

/* "200" or "200-299". */
static int
probe_status(struct config_probe *pr, const char *text, struct err *err)
{
	int64_t min, max;
	char *from = xstrndup(text, strcspn(text, "-"));
	const char *to = strchr(text, '-');
	bool ok = str_to_i64(from, 100, 599, &min);

	if (to != NULL)
		ok = ok && str_to_i64(to + 1, 100, 599, &max) && max >= min;
	else
		max = min;
	free(from);
	if (!ok)
		return err_set(err,
		    "'%s' is no range of HTTP status codes: 200 or 200-299",
		    text);
	pr->status_min = (unsigned)min;
	pr->status_max = (unsigned)max;
	return 0;
}

/* It stands in the request as it is. */
static int
probe_path(struct config_probe *pr, const char *path, struct err *err)
{
	for (const char *p = path; *p != '\0'; p++)
		if (*p <= ' ' || *p == 0x7f)
			return err_set(err,
			    "path %s: blanks and what is not ASCII must be "
			    "written as %%%%XX",
			    path);
	pr->path = xstrdup(*path != '\0' ? path : "/");
	return 0;
}

/* "PATH:/PATH" */
static int
probe_http_unix(struct config_probe *pr, const char *text, const char *here,
    struct err *err)
{
	const char *colon = strstr(text, ":/");
	char *path = colon != NULL ? xstrndup(text, (size_t)(colon - text))
				   : xstrdup(text);
	int rc = probe_unix(pr, path, here, err);

	free(path);
	pr->host = xstrdup("localhost");
	return rc == -1 ? -1
			: probe_path(pr, colon != NULL ? colon + 1 : "", err);
}

static int
probe_http_inet(struct config_probe *pr, const char *text, struct err *err)
{
	char *authority = xstrndup(text, strcspn(text, "/?"));
	const char *path = text + strlen(authority);
	int rc;

	if (*authority == '\0')
		rc = err_set(
		    err, "it has no port: http://127.0.0.1:PORT%s", path);
	else if (*path == '?')
		rc = err_set(
		    err, "a path begins with /: %s/%s", authority, path);
	else
		rc = probe_inet(pr, authority, HTTP_PORT, err);
	free(authority);
	if (rc == -1)
		return -1;
	pr->host = xstrdup(pr->text);
	return probe_path(pr, path, err);
}

/* A word after the URL is the range of status codes. */
static int
probe_http(struct config_probe *pr, const char *text, const char *here,
    bool is_unix, struct err *err)
{
	size_t n = strcspn(text, " \t");
	const char *status = text + n + strspn(text + n, " \t");
	char *url = xstrndup(text, n);
	const char *rest = url;
	int rc = 0;

	pr->kind = PROBE_HTTP;
	pr->status_min = 200;
	pr->status_max = 399;
	if (strncmp(rest, "//", 2) == 0 && !is_unix)
		rest += 2;
	if (!is_unix && strncasecmp(rest, "unix:", 5) == 0) {
		is_unix = true;
		rest += 5;
	}
	if (*status != '\0')
		rc = probe_status(pr, status, err);
	if (rc == 0)
		rc = is_unix ? probe_http_unix(pr, rest, here, err)
			     : probe_http_inet(pr, rest, err);
	free(url);
	return rc;
}

/* --- the face ------------------------------------------------------- */

static int
probe_parse(struct config_probe *pr, const char *text, const char *here,
    struct err *err)
{
	/* "http:http://...": who takes http:URL by the letter. */
	if (strncasecmp(text, "http:http", 9) == 0)
		text += 5;
	if (strncasecmp(text, "tcp:", 4) == 0) {
		text += strncmp(text + 4, "//", 2) == 0 ? 6 : 4;
		return probe_inet(pr, text, 0, err);
	}
	if (strncasecmp(text, "unix:", 5) == 0)
		return probe_unix(pr, text + 5, here, err);
	if (strncasecmp(text, "http+unix:", 10) == 0)
		return probe_http(pr, text + 10, here, true, err);
	return probe_http(pr, text + strlen("http:"), here, false, err);
}

bool
config_probe_is(const char *text)
{
	static const char *const kinds[] = {
		"tcp:", "unix:", "http:", "http+unix:"
	};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		if (strncasecmp(text, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

int
config_probe_parse(struct config_probe *pr, const char *text, const char *here,
    struct err *err)
{
	*pr = (struct config_probe){ .kind = PROBE_CONNECT };
	if (!config_probe_is(text))
		return err_set(
		    err, "'%s' is not tcp:, unix:, http: or http+unix:", text);
	if (probe_parse(pr, text, here, err) == 0)
		return 0;
	config_probe_fini(pr);
	return -1;
}

void
config_probe_fini(struct config_probe *pr)
{
	free(pr->text);
	free(pr->host);
	free(pr->path);
	*pr = (struct config_probe){ .kind = PROBE_CONNECT };
}
