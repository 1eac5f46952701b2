/*
 * run_priv - what the files of a run share.
 */
#ifndef POOL_RUN_PRIV_H
#define POOL_RUN_PRIV_H

#include "pool/run.h"

#define JOB_RUN_MAGIC 0x6a6f6272u

struct job_run *job_run_cast(struct reeve_job *job);
bool job_run_cancelled(const struct job_run *run);
/* -1.  The first reason stands. */
int job_run_fail(struct job_run *run, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, and the job fails whatever it returns: data is missing. */
int job_run_break(struct job_run *run, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* run_io.c */
ptrdiff_t job_io_read(struct reeve_job *job, void *buf, size_t n);
int job_io_write(struct reeve_job *job, const void *buf, size_t n);
ptrdiff_t job_io_pass(struct reeve_job *job, size_t n);
int job_io_input_fd(struct reeve_job *job, int64_t *off, int64_t *len);
int job_io_output_fd(struct reeve_job *job, int64_t *off, int64_t *len);
int64_t job_io_input_size(struct reeve_job *job);
/* Counts what went out past write(), by map_output or the descriptor. */
void job_io_end(struct job_run *run);
/* What both sides need before their first byte; -1: there is none. */
int job_io_input_ready(struct job_run *run);
int job_io_output_ready(struct job_run *run);
/* Bytes that the output may hold; INT64_MAX: no limit. */
int64_t job_io_room(const struct job_run *run);

/* run_holes.c */
/* Of two files: bytes of a hole that was passed just now, *n at most.  0: data
 * comes, then *n is at most all of it. */
int64_t job_holes_pass(struct job_run *run, size_t *n);
void job_holes_end(struct job_run *run);

/* run_map.c */
const void *job_map_input(struct reeve_job *job, size_t *len);
void *job_map_output(struct reeve_job *job, size_t n);
/* Undoes both; says what a fault in one of them meant. */
void job_map_end(struct job_run *run);
/* A system call found nothing there (EFAULT); not a fault of ours: false. */
bool job_map_lost(struct job_run *run, const void *p);

/* run_mem.c */
void *job_mem_alloc(struct reeve_job *job, size_t n);
void job_mem_release(struct reeve_job *job, void *p);
void job_mem_end(struct job_run *run);

/* run_fault.c: whose job this thread runs; NULL: none. */
void job_fault_current(struct job_run *run);

/* run_text.c */
/* Copies one line of UTF-8: what is not becomes '?'; cut between letters. */
size_t job_text_line(char *out, size_t size, const char *s);
/* Is it one line of UTF-8? */
bool job_text_is_line(const char *s);

#endif
