/*
 * check - what is wrong with keys that are each right.
 */
#ifndef CONFIG_CHECK_H
#define CONFIG_CHECK_H

#include "config/config_priv.h"

/* "[program:NAME] KEY: ...", with the line that says it. */
void check_key_error(const struct config_program *p, const char *key,
    struct config_errors *errs, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

void check_config(const struct config *cf, struct config_errors *errs);
/* Of it, what programs say about each other; check_deps.c. */
void check_deps(const struct config *cf, struct config_errors *errs);
/* check_stdio.c: what is inherited from reeved. */
void check_stdio(const struct config_program *p, struct config_errors *errs);
/* check_ports.c: wait_port_free=; the slots can be built. */
void check_ports(const struct config *cf, const struct config_program *p,
    int nslots, struct config_errors *errs);
/* check_box.c: what shuts a program in; a slot that is built, of its. */
void check_box(const struct config_program *p, struct config_errors *errs);
void check_box_slot(const struct config_program *p, const struct config_slot *s,
    struct config_errors *errs);

/* check_task.c: [task:x], and hooks that name one. */
void check_tasks(const struct config *cf, struct config_errors *errs);
/* ", did you mean 'x'?" or "". */
void check_near(const struct config *cf, const char *name, bool program,
    char *out, size_t size);
/* NAME, "GROUP:*" or "all" is a program, or several. */
bool check_is_program(const struct config *cf, const char *name);
/*
 * check_jobs.c: [pool], [job:x]; plugins: their files as well, which those of
 * a config in force need not be there any more.
 */
void check_jobs(
    const struct config *cf, bool plugins, struct config_errors *errs);
/* watch.c: on_change=, watch=. */
void check_watches(const struct config *cf, struct config_errors *errs);

#endif
