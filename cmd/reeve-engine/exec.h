/*
 * exec - the options of reeved --exec.
 */
#ifndef REEVE_ENGINE_EXEC_H
#define REEVE_ENGINE_EXEC_H

/*
 * argv[0] is "--exec", the rest is what reeved got.  Writes the config into fd
 * and returns the exit code; nothing is written when there is nothing to run.
 */
int exec_main(int argc, char **argv, int fd);

#endif
