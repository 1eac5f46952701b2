/*
 * value_sockets - socket=: what a program listens on.
 *
 *	[NAME=]ADDRESS[?OPTION=VALUE&...]
 *
 * ADDRESS is tcp://[HOST]:PORT, tcp6://[ADDR]:PORT, unix:PATH or a bare PORT.
 * Names are not looked up: an address that moves with DNS is no place to
 * bind to.
 */
#include <sys/un.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "config/value.h"

#define BACKLOG_DEFAULT 4096
#define BACKLOG_MAX     1000000
#define MODE_DEFAULT    0660

static int
socket_port(uint16_t *port, const char *text, struct err *err)
{
	int64_t v;

	if (!str_to_i64(text, 1, 65535, &v))
		return err_set(err, "'%s' is not a port from 1 to 65535", text);
	*port = (uint16_t)v;
	return 0;
}

/* Sets host to the canonical form of an address. */
static int
socket_host(struct config_socket *so, const char *host, struct err *err)
{
	int af = so->family == FAMILY_TCP6 ? AF_INET6 : AF_INET;
	char canon[INET6_ADDRSTRLEN];
	struct in6_addr addr, any = { 0 };

	if (*host == '\0' || strcmp(host, "*") == 0)
		return 0;
	if (strcasecmp(host, "localhost") == 0)
		host = af == AF_INET ? "127.0.0.1" : "::1";
	if (inet_pton(af, host, &addr) != 1)
		return err_set(err,
		    "'%s' is not an %s address: use an "
		    "address, names are not looked up",
		    host, af == AF_INET ? "IPv4" : "IPv6");
	if (memcmp(&addr, &any, af == AF_INET ? 4 : 16) == 0)
		return 0;
	inet_ntop(af, &addr, canon, sizeof canon);
	so->host = xstrdup(canon);
	return 0;
}

/* "HOST:PORT" behind tcp://. */
static int
socket_tcp(struct config_socket *so, const char *text, struct err *err)
{
	const char *colon = strrchr(text, ':');
	char *host;
	int rc;

	so->family = FAMILY_TCP;
	if (colon == NULL)
		return err_set(
		    err, "'tcp://%s' has no port: tcp://%s:PORT", text, text);
	if (*text == '[')
		return err_set(err,
		    "'tcp://%s': an IPv6 address needs "
		    "tcp6://",
		    text);
	host = xstrndup(text, (size_t)(colon - text));
	rc = socket_host(so, host, err);
	free(host);
	if (rc == 0)
		rc = socket_port(&so->port, colon + 1, err);
	if (rc == 0)
		so->text = xasprintf(
		    "tcp://%s:%u", so->host != NULL ? so->host : "*", so->port);
	return rc;
}

/* "[ADDR]:PORT" or ":PORT" behind tcp6://. */
static int
socket_tcp6(struct config_socket *so, const char *text, struct err *err)
{
	const char *close = strchr(text, ']'), *port;
	char *host;
	int rc;

	so->family = FAMILY_TCP6;
	port = *text == '[' && close != NULL ? close + 1 : text;
	if (strncmp(text, "*:", 2) == 0 ||
	    strncasecmp(text, "localhost:", 10) == 0)
		port = strchr(text, ':');
	if (*port != ':')
		return err_set(
		    err, "'tcp6://%s' is not tcp6://[ADDR]:PORT", text);
	host = *text == '[' ? xstrndup(text + 1, (size_t)(port - text) - 2)
			    : xstrndup(text, (size_t)(port - text));
	rc = socket_host(so, host, err);
	free(host);
	if (rc == 0)
		rc = socket_port(&so->port, port + 1, err);
	if (rc == 0)
		so->text = xasprintf("tcp6://[%s]:%u",
		    so->host != NULL ? so->host : "::", so->port);
	return rc;
}

static int
socket_unix(struct config_socket *so, const char *here, const char *text,
    struct err *err)
{
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	so->family = FAMILY_UNIX;
	if (strncmp(text, "//", 2) == 0)
		text += 2;
	if (*text == '\0')
		return err_set(err, "'unix:' has no path");
	if (*text == '@')
		return err_set(err,
		    "'unix:%s': abstract sockets have no "
		    "owner and are not supported",
		    text);
	so->path = path_absolute(here, text);
	if (strlen(so->path) > max)
		return err_set(err,
		    "path of %zu bytes, but a socket's path "
		    "ends at %zu: %s",
		    strlen(so->path), max, so->path);
	so->text = xasprintf("unix:%s", so->path);
	return 0;
}

static int
socket_address(struct config_socket *so, const char *here, const char *text,
    struct err *err)
{
	if (strncasecmp(text, "tcp://", 6) == 0)
		return socket_tcp(so, text + 6, err);
	if (strncasecmp(text, "tcp6://", 7) == 0)
		return socket_tcp6(so, text + 7, err);
	if (strncasecmp(text, "unix:", 5) == 0)
		return socket_unix(so, here, text + 5, err);
	if (*text != '\0' && text[strspn(text, "0123456789")] == '\0') {
		so->family = FAMILY_TCP;
		if (socket_port(&so->port, text, err) == -1)
			return -1;
		so->text = xasprintf("tcp://*:%u", so->port);
		return 0;
	}
	return err_set(err,
	    "'%s' is not tcp://[HOST]:PORT, "
	    "tcp6://[ADDR]:PORT, unix:PATH or a port",
	    text);
}

/* --- what follows the ? ----------------------------------------------------
 */

static int
socket_mode(struct config_socket *so, const char *text, struct err *err)
{
	struct value_ctx vc = { 0 };

	return value_octal_parse(&vc, &so->mode, text, err);
}

static int
socket_backlog(struct config_socket *so, const char *text, struct err *err)
{
	int64_t v;

	if (!str_to_i64(text, 1, BACKLOG_MAX, &v))
		return err_set(err, "backlog '%s' is not within 1 and %d", text,
		    BACKLOG_MAX);
	so->backlog = (int)v;
	return 0;
}

static int
socket_option(struct config_socket *so, const char *option, struct err *err)
{
	bool is_mode = str_starts(option, "mode=");
	bool is_owner = str_starts(option, "owner=");
	const char *value = option + strcspn(option, "=");

	if ((is_mode || is_owner) && so->family != FAMILY_UNIX)
		return err_set(err, "'%s' is for unix: sockets", option);
	if (is_mode)
		return socket_mode(so, value + 1, err);
	if (is_owner && so->owner.set)
		return err_set(err, "owner stands there twice");
	if (is_owner)
		return value_owner_lookup(&so->owner, value + 1, err);
	if (str_starts(option, "backlog="))
		return socket_backlog(so, value + 1, err);
	return err_set(err,
	    "unknown option '%s'; known are mode=, owner= and "
	    "backlog=",
	    option);
}

static int
socket_options(struct config_socket *so, const char *text, struct err *err)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "&");
		char *option = xstrndup(text, n);
		int rc = socket_option(so, option, err);

		free(option);
		if (rc == -1)
			return -1;
		text += n + (text[n] == '&');
	}
	return 0;
}

/* --- the list --------------------------------------------------------------
 */

static bool
socket_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-';
}

/* Takes NAME= off the front; what is left of text comes back. */
static const char *
socket_name(struct config_socket *so, const char *text, const char *program)
{
	size_t n = 0;

	while (socket_name_char(text[n]))
		n++;
	if (n == 0 || text[n] != '=') {
		so->name = xstrdup(program);
		return text;
	}
	so->name = xstrndup(text, n);
	return text + n + 1;
}

static int
socket_one(struct config_socket *so, const struct value_ctx *vc,
    const char *item, struct err *err)
{
	const char *text, *options;
	char *address;
	int rc;

	*so = (struct config_socket){ .mode = MODE_DEFAULT,
		.backlog = BACKLOG_DEFAULT };
	text = socket_name(so, item, vc->program);
	options = strchr(text, '?');
	address = xstrndup(
	    text, options == NULL ? strlen(text) : (size_t)(options - text));
	rc = socket_address(so, vc->here, address, err);
	if (rc == 0 && options != NULL)
		rc = socket_options(so, options + 1, err);
	free(address);
	return rc;
}

/* LISTEN_FDNAMES and %(fd:NAME)s need names that differ. */
static int
socket_unique(const struct config_sockets *ss, const struct config_socket *so,
    struct err *err)
{
	for (size_t i = 0; i < ss->n; i++) {
		if (strcmp(ss->v[i].text, so->text) == 0)
			return err_set(err, "%s stands there twice", so->text);
		if (strcmp(ss->v[i].name, so->name) == 0)
			return err_set(err,
			    "two sockets are named '%s': give "
			    "them names, as in http=tcp://:8080",
			    so->name);
	}
	return 0;
}

static void
socket_fini(struct config_socket *so)
{
	free(so->name);
	free(so->text);
	free(so->host);
	free(so->path);
	value_owner_fini(&so->owner);
}

int
value_sockets_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_sockets *ss = field;
	struct config_socket so;
	char *item;
	int rc = 0;

	*ss = (struct config_sockets){ 0 };
	while (rc == 0 && (item = value_item(&text)) != NULL) {
		if (*item != '\0') {
			rc = socket_one(&so, vc, item, err);
			if (rc == 0)
				rc = socket_unique(ss, &so, err);
			if (rc == -1) {
				socket_fini(&so);
			} else {
				ss->v = xreallocarray(
				    ss->v, ss->n + 1, sizeof *ss->v);
				ss->v[ss->n++] = so;
			}
		}
		free(item);
	}
	if (rc == -1)
		value_sockets_fini(ss);
	return rc;
}

static int
socket_port_only(struct config_socket *so, const char *item, struct err *err)
{
	*so = (struct config_socket){ 0 };
	if (strchr(item, '?') != NULL || strncasecmp(item, "unix:", 5) == 0)
		return err_set(err,
		    "'%s' is not a port, tcp://[HOST]:PORT or "
		    "tcp6://[ADDR]:PORT",
		    item);
	return socket_address(so, "/", item, err);
}

int
value_ports_parse(struct config_sockets *out, const char *text, struct err *err)
{
	struct config_socket so;
	char *item;
	int rc = 0;

	*out = (struct config_sockets){ 0 };
	while (rc == 0 && (item = value_item(&text)) != NULL) {
		if (*item != '\0') {
			rc = socket_port_only(&so, item, err);
			out->v =
			    xreallocarray(out->v, out->n + 1, sizeof *out->v);
			out->v[out->n++] = so;
		}
		free(item);
	}
	if (rc == 0 && out->n == 0)
		rc = err_set(err, "it names no port");
	if (rc == -1)
		value_sockets_fini(out);
	return rc;
}

static void
socket_print(struct buf *out, const struct config_socket *so, const char *prog)
{
	const char *mark = "?";

	if (strcmp(so->name, prog) != 0)
		buf_addf(out, "%s=", so->name);
	buf_adds(out, so->text);
	if (so->mode != MODE_DEFAULT) {
		buf_addf(out, "%smode=0%03o", mark, (unsigned)so->mode);
		mark = "&";
	}
	if (so->owner.set) {
		buf_addf(out, "%sowner=%s", mark, so->owner.name);
		mark = "&";
	}
	if (so->backlog != BACKLOG_DEFAULT)
		buf_addf(out, "%sbacklog=%d", mark, so->backlog);
}

void
value_sockets_print(struct buf *out, const void *object, const void *field)
{
	const struct config_sockets *ss = field;
	const struct config_program *p = object;

	for (size_t i = 0; i < ss->n; i++) {
		if (i > 0)
			buf_adds(out, ", ");
		socket_print(out, &ss->v[i], p->name);
	}
}

void
value_sockets_fini(void *field)
{
	struct config_sockets *ss = field;

	for (size_t i = 0; i < ss->n; i++)
		socket_fini(&ss->v[i]);
	free(ss->v);
	*ss = (struct config_sockets){ 0 };
}
