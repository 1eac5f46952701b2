/*
 * cpus - how many CPUs there are to use, and which.
 *
 * The smaller of the affinity mask and the cgroup's CPU quota (v2 cpu.max of
 * this cgroup and its parents, v1 cpu.cfs_quota_us), rounded up, at least 1;
 * never just the machine's count.
 */
#ifndef CLUSTER_CPUS_H
#define CLUSTER_CPUS_H

#include <sched.h>

/* Number of usable CPUs.  root: "" or a folder that stands for / in tests. */
int cpus_usable(const char *root);
/* CPUs that the cgroup's quota comes to, rounded up; 0: it has none. */
int cpus_quota(const char *root);
/* The CPU of slot i: the (i modulo n)-th of the affinity mask; -1: unknown. */
int cpus_nth(int i);
/* "0,2-3" into a mask; -1 when it is not such a list. */
int cpus_parse(const char *list, cpu_set_t *out);

#endif
