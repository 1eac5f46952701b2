/*
 * slot - config_slot in its steps, for check.c and diff.c as well.
 */
#ifndef CONFIG_SLOT_H
#define CONFIG_SLOT_H

#include <sys/stat.h>

#include "config/config_priv.h"
#include "config/expand.h"

struct slot_in {
	const struct config_program *program;
	int index;
	int nslots;
	const char *command;         /* in place of the program's; NULL: its */
	const char *shell;           /* a line for sh, in place of both */
	const int *fds;              /* NULL: not known yet */
	const struct strv *base_env; /* NULL: none */
	bool keep_slot;              /* see struct expand_scope */
	bool lenient; /* env_file may be missing, and what would be in it */
};

/* All but exec_path.  *key is the one to blame when it fails. */
int config_slot_build(struct config_slot *out, const struct slot_in *in,
    enum schema_id *key, struct err *err);
/* Path of env_file of a slot that is built; NULL: it has none. */
int config_slot_env_file(char **out, const struct slot_in *in,
    const struct config_slot *s, struct err *err);
/* Sets exec_path of a slot that is built. */
int config_slot_find_command(
    struct config_slot *s, const struct config_program *p, struct err *err);

/* stat(2) of an absolute path as a program sees it; chroot NULL: none. */
int config_root_stat(const char *chroot, const char *path, struct stat *st);

#endif
