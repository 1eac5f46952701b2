/*
 * client - the other end of the control socket, for reevectl and tests.
 *
 * Blocking, one thread, with deadlines.  The engine may die and be restarted
 * at any moment, the listening socket stays in the keeper: a connection that
 * breaks is made again for up to CLIENT_AGAIN_MS, and what happens then to a
 * request depends on what it is (enum client_kind).
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define CLIENT_AGAIN_MS 5000

struct client;

/* What to do when the connection broke before the answer came. */
enum client_kind {
	CLIENT_QUERY,  /* ask again */
	CLIENT_TWICE,  /* an order that does no harm twice: give it again */
	CLIENT_RESUME, /* again, with the number of the event before the first
			* time as "since": the server looks what came of it */
	CLIENT_ONCE,   /* never again; tell that nobody knows */
	CLIENT_LAST,   /* the end of the daemon is the answer */
};

struct client_error {
	int exit; /* reevectl's exit code */
	char text[2048];
	json_t *data; /* "data" of the server's error, or NULL; the caller's */
};

/* Told when a connection was lost in the middle of a request. */
typedef void client_lost_cb(void *arg, const char *text);
/* A note of the request; its params are borrowed. */
typedef void client_note_cb(void *arg, json_t *params);

/* Borrows nothing.  timeout_ms: of each request as a whole, -1: none. */
struct client *client_new(const char *socket, int64_t timeout_ms);
void client_free(struct client *c);
void client_on_lost(struct client *c, client_lost_cb *cb, void *arg);

/* Connects, unless it is; client_call does so by itself. */
int client_connect(struct client *c, struct client_error *ce);
/*
 * Takes params (NULL: none), keeps it until return and reads it again each
 * time it asks: cb may change it, to go on where the connection broke.  cb
 * may be NULL.  Returns the result, or NULL and the error.
 */
json_t *client_call(struct client *c, enum client_kind kind, const char *method,
    json_t *params, client_note_cb *cb, void *arg, struct client_error *ce);
/* A query whose result is only passed on: its JSON text, compact, which is not
 * parsed if it can be helped; the caller frees.  Takes params. */
char *client_query_text(struct client *c, const char *method, json_t *params,
    struct client_error *ce);

/* --- several requests at once, by hand -------------------------------------
 */

int client_fd(const struct client *c); /* -1: not connected */
/* Sends a request.  Takes params.  Returns its id, or -1. */
int client_send(struct client *c, const char *method, json_t *params,
    struct client_error *ce);
/*
 * Borrowed: they go along with the next request that is sent, or with each try
 * of the next client_call.
 */
void client_pass(struct client *c, const int *fds, size_t nfds);
/*
 * The next message, which is the caller's; NULL in *msg: none within
 * wait_ms (-1: waits).  -1: the connection broke (exit 4) or talks rubbish.
 */
int client_recv(
    struct client *c, int64_t wait_ms, json_t **msg, struct client_error *ce);
void client_disconnect(struct client *c);

/* Connects to a Unix socket whatever the length of its path; -1 and errno. */
int client_dial(const char *path, int64_t deadline_ms);

#endif
