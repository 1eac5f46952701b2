/* task - what task.c, task_add.c and task_list.c share. */
#ifndef REEVECTL_TASK_H
#define REEVECTL_TASK_H

#include "reevectl.h"

/* The words of cmd are those behind the name of the order. */
verb_fn task_add;
verb_fn task_list;

/* One command, which is to be started at once; prints its id. */
int task_detach(struct command *cmd);

#endif
