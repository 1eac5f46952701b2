/* task - what task.c, task_add.c and task_list.c share. */
#ifndef REEVECTL_TASK_H
#define REEVECTL_TASK_H

#include "reevectl.h"

/* The words of cmd are those behind the name of the order. */
verb_fn task_add;
verb_fn task_list;
verb_fn task_run;
verb_fn task_show;

/* Of a command or a task that could not be started, from its stage, errno. */
int no_start_code(const json_t *t);
/* What a shell would say of a task that has ended. */
int task_exit_code(const json_t *t);
/* Of task_names. */
void task_names_table(const json_t *names);
/* Whether it leaves a line that has not ended. */
bool task_log_print(const json_t *piece);

/* One command, which is to be started at once; prints its id. */
int task_detach(struct command *cmd);

#endif
