/*
 * childside_box - the steps between clone and exec that shut a child in.
 *
 * Runs in the child; what holds there stands in childside.c, and so does the
 * order of the steps.
 */
#include <sys/prctl.h>
#include <sys/vfs.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <sched.h>
#include <stddef.h>

#include "spawn/rawsys.h"
#include "spawn/spawn_priv.h"

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#define AT_TREE 0x8000 /* AT_RECURSIVE of mount_setattr(2) */

/* Flags of statfs(2) that have another value in mount(2). */
#define STATFS_RELATIME 4096
#define STATFS_SAME                                                            \
	(MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)

/* --- files ------------------------------------------------------------------
 */

static CHILD_CODE long
childside_mount(const char *from, const char *to, const char *type,
    unsigned long flags, const char *data)
{
	return rawsys5(SYS_mount, (long)from, (long)to, (long)type, (long)flags,
	    (long)data);
}

static CHILD_CODE void
childside_namespace(struct childside *cs)
{
	long rc = rawsys(SYS_unshare, CLONE_NEWNS, 0, 0, 0);

	/* What is mounted outside later comes in; nothing gets out. */
	if (rc == 0)
		rc = childside_mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL);
	if (rc < 0)
		childside_fail(cs, STAGE_NAMESPACE, rc);
}

/* With mounts to come, the root is made one, so that "/" can be read-only. */
static CHILD_CODE void
childside_chroot(struct childside *cs, bool mounts)
{
	const char *root = cs->spec->root;
	long rc = 0;

	if (mounts)
		rc = childside_mount(root, root, NULL, MS_BIND | MS_REC, NULL);
	if (rc == 0)
		rc = rawsys(SYS_chroot, (long)root, 0, 0, 0);
	if (rc == 0)
		rc = rawsys(SYS_chdir, (long)"/", 0, 0, 0);
	if (rc < 0)
		childside_fail(cs, STAGE_CHROOT, rc);
}

/*
 * The whole tree of mounts at a path, that must be a mount itself: EINVAL when
 * it is none.  Private from then on: what would be mounted below it later, from
 * outside, would be writable.
 */
static CHILD_CODE long
childside_seal(const char *path)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY,
		.propagation = MS_PRIVATE };

	return rawsys5(SYS_mount_setattr, AT_FDCWD, (long)path, AT_TREE,
	    (long)&attr, sizeof attr);
}

/* Before Linux 5.12: that one mount, with the flags that it has. */
static CHILD_CODE long
childside_remount(const char *path)
{
	unsigned long flags;
	struct statfs fs;
	long rc;

	rc = rawsys(SYS_statfs, (long)path, (long)&fs, 0, 0);
	if (rc < 0)
		return rc;
	flags = (unsigned long)fs.f_flags & STATFS_SAME;
	if (((unsigned long)fs.f_flags & STATFS_RELATIME) != 0)
		flags |= MS_RELATIME;
	rc = childside_mount(NULL, path, NULL, MS_REC | MS_PRIVATE, NULL);
	if (rc < 0)
		return rc;
	return childside_mount(
	    NULL, path, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL);
}

static CHILD_CODE long
childside_read_only(const char *path)
{
	long rc = childside_seal(path);

	if (rc == 0)
		return 0;
	/* A bind over the root would not be seen from it; it is a mount. */
	if (path[1] != '\0') {
		long bound =
		    childside_mount(path, path, NULL, MS_BIND | MS_REC, NULL);

		if (bound < 0)
			return bound;
	}
	return rc == -ENOSYS ? childside_remount(path) : childside_seal(path);
}

static CHILD_CODE void
childside_private_tmp(struct childside *cs)
{
	static const unsigned long flags = MS_NOSUID | MS_NODEV;
	long rc;

	rc = childside_mount("tmpfs", "/tmp", "tmpfs", flags, "mode=1777");
	if (rc == 0) {
		rc = childside_mount(
		    "tmpfs", "/var/tmp", "tmpfs", flags, "mode=1777");
		/* Small images have none, and then nothing is shared. */
		if (rc == -ENOENT)
			rc = 0;
	}
	if (rc < 0)
		childside_fail(cs, STAGE_PRIVATE_TMP, rc);
}

CHILD_CODE void
childside_root(struct childside *cs)
{
	const struct spec *sp = cs->spec;
	bool tmp = (sp->flags & SPEC_PRIVATE_TMP) != 0;
	char **paths = sp->read_only;
	bool mounts = tmp || (paths != NULL && paths[0] != NULL);
	long rc;

	if (mounts)
		childside_namespace(cs);
	if (sp->root[0] != '\0')
		childside_chroot(cs, mounts);
	for (size_t i = 0; paths != NULL && paths[i] != NULL; i++) {
		rc = childside_read_only(paths[i]);
		if (rc < 0)
			childside_fail(cs, STAGE_READ_ONLY, rc);
	}
	if (tmp)
		childside_private_tmp(cs);
}

/* --- capabilities -----------------------------------------------------------
 */

CHILD_CODE void
childside_bounding(struct childside *cs)
{
	const struct spec *sp = cs->spec;
	long rc;

	if ((sp->flags & SPEC_CAPS) == 0)
		return;
	for (int cap = 0; cap < 64; cap++) {
		if ((sp->caps >> cap & 1) != 0)
			continue;
		/* Dropping one that is not there would need a right, too. */
		rc = rawsys5(SYS_prctl, PR_CAPBSET_READ, cap, 0, 0, 0);
		if (rc < 0)
			break; /* the kernel knows no more of them */
		if (rc > 0 && (rc = rawsys5(SYS_prctl, PR_CAPBSET_DROP, cap, 0,
				   0, 0)) < 0)
			childside_fail(cs, STAGE_BOUNDING, rc);
	}
	rc = rawsys5(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (rc < 0)
		childside_fail(cs, STAGE_BOUNDING, rc);
}

/*
 * Inheritable as well: ambient ones must be, and root gets by exec what is
 * inheritable or in the bounding set.
 */
CHILD_CODE void
childside_caps(struct childside *cs)
{
	const struct spec *sp = cs->spec;
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2];
	long rc;

	if ((sp->flags & SPEC_CAPS) == 0)
		return;
	for (int i = 0; i < 2; i++) {
		uint32_t half = (uint32_t)(sp->caps >> (32 * i));

		data[i].effective = data[i].permitted = data[i].inheritable =
		    half;
	}
	rc = rawsys(SYS_capset, (long)&head, (long)data, 0, 0);
	if (rc < 0)
		childside_fail(cs, STAGE_CAPABILITIES, rc);
	for (int cap = 0; cap < 64; cap++) {
		if ((sp->caps >> cap & 1) == 0)
			continue;
		rc = rawsys5(
		    SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
		if (rc < 0)
			childside_fail(cs, STAGE_AMBIENT, rc);
	}
}

CHILD_CODE void
childside_no_new_privs(struct childside *cs)
{
	long rc;

	if ((cs->spec->flags & SPEC_NO_NEW_PRIVS) == 0)
		return;
	rc = rawsys5(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (rc < 0)
		childside_fail(cs, STAGE_NO_NEW_PRIVS, rc);
}
