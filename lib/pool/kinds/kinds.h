/*
 * kinds - what the pool can do without a plugin.
 *
 * Written against reeve/job.h alone, as a plugin is.  They are in an archive
 * of their own: they need libcrypto, libzstd, zlib and liblzma, which the
 * other programs do not link.
 */
#ifndef POOL_KINDS_KINDS_H
#define POOL_KINDS_KINDS_H

#include "base/err.h"
#include "reeve/job.h"

/* Runs any program as the pool's user: to be allowed one by one. */
extern const struct reeve_job_plugin job_kind_command;
extern const struct reeve_job_plugin job_kind_compress;
extern const struct reeve_job_plugin job_kind_copy;
extern const struct reeve_job_plugin job_kind_decompress;
extern const struct reeve_job_plugin job_kind_decrypt;
extern const struct reeve_job_plugin job_kind_digest;
extern const struct reeve_job_plugin job_kind_encrypt;
extern const struct reeve_job_plugin job_kind_noop;

/* RLIMIT_NOFILE that programs of the kind command begin with; 0: the pool's.
 * Set before the first job. */
extern unsigned long job_command_files;

/* All of them, sorted by name, with NULL at the end. */
extern const struct reeve_job_plugin *const job_kinds[];

/* NULL: there is none of that name. */
const struct reeve_job_plugin *job_kinds_find(const char *name);
/* Calls load() of each, before the first job; and unload(), after the last. */
int job_kinds_load(struct err *err);
void job_kinds_unload(void);

#endif
