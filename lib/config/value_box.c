/* value_box - the types of what shuts a program in. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/near.h"
#include "base/xalloc.h"
#include "config/value.h"

#define N(table) (sizeof(table) / sizeof *(table))

/* --- capabilities ----------------------------------------------------------
 */

/* capabilities(7), by number, without CAP_. */
static const char *const caps[] = {
	[CAP_CHOWN] = "CHOWN",
	[CAP_DAC_OVERRIDE] = "DAC_OVERRIDE",
	[CAP_DAC_READ_SEARCH] = "DAC_READ_SEARCH",
	[CAP_FOWNER] = "FOWNER",
	[CAP_FSETID] = "FSETID",
	[CAP_KILL] = "KILL",
	[CAP_SETGID] = "SETGID",
	[CAP_SETUID] = "SETUID",
	[CAP_SETPCAP] = "SETPCAP",
	[CAP_LINUX_IMMUTABLE] = "LINUX_IMMUTABLE",
	[CAP_NET_BIND_SERVICE] = "NET_BIND_SERVICE",
	[CAP_NET_BROADCAST] = "NET_BROADCAST",
	[CAP_NET_ADMIN] = "NET_ADMIN",
	[CAP_NET_RAW] = "NET_RAW",
	[CAP_IPC_LOCK] = "IPC_LOCK",
	[CAP_IPC_OWNER] = "IPC_OWNER",
	[CAP_SYS_MODULE] = "SYS_MODULE",
	[CAP_SYS_RAWIO] = "SYS_RAWIO",
	[CAP_SYS_CHROOT] = "SYS_CHROOT",
	[CAP_SYS_PTRACE] = "SYS_PTRACE",
	[CAP_SYS_PACCT] = "SYS_PACCT",
	[CAP_SYS_ADMIN] = "SYS_ADMIN",
	[CAP_SYS_BOOT] = "SYS_BOOT",
	[CAP_SYS_NICE] = "SYS_NICE",
	[CAP_SYS_RESOURCE] = "SYS_RESOURCE",
	[CAP_SYS_TIME] = "SYS_TIME",
	[CAP_SYS_TTY_CONFIG] = "SYS_TTY_CONFIG",
	[CAP_MKNOD] = "MKNOD",
	[CAP_LEASE] = "LEASE",
	[CAP_AUDIT_WRITE] = "AUDIT_WRITE",
	[CAP_AUDIT_CONTROL] = "AUDIT_CONTROL",
	[CAP_SETFCAP] = "SETFCAP",
	[CAP_MAC_OVERRIDE] = "MAC_OVERRIDE",
	[CAP_MAC_ADMIN] = "MAC_ADMIN",
	[CAP_SYSLOG] = "SYSLOG",
	[CAP_WAKE_ALARM] = "WAKE_ALARM",
	[CAP_BLOCK_SUSPEND] = "BLOCK_SUSPEND",
	[CAP_AUDIT_READ] = "AUDIT_READ",
	/* Younger than some systems' headers. */
	[38] = "PERFMON",
	[39] = "BPF",
	[40] = "CHECKPOINT_RESTORE",
};

const char *
config_cap_name(int cap)
{
	return cap >= 0 && cap < (int)N(caps) ? caps[cap] : NULL;
}

uint64_t
config_caps_own(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };

	if (syscall(SYS_capget, &head, data) == -1)
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

uint64_t
config_caps_bounding(void)
{
	uint64_t set = 0;

	for (int cap = 0; cap < 64; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			set |= UINT64_C(1) << cap;
	return set;
}

static int
caps_one(uint64_t *keep, const char *item, struct err *err)
{
	const char *name = strncasecmp(item, "CAP_", 4) == 0 ? item + 4 : item;
	struct near nr;
	char *upper;

	for (size_t i = 0; i < N(caps); i++)
		if (strcasecmp(caps[i], name) == 0) {
			*keep |= UINT64_C(1) << i;
			return 0;
		}
	upper = xstrdup(name);
	for (char *s = upper; *s != '\0'; s++)
		if (*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 'a' + 'A');
	near_init(&nr, upper);
	for (size_t i = 0; i < N(caps); i++)
		near_try(&nr, caps[i]);
	if (nr.best != NULL)
		err_set(err, "'%s' is no capability, did you mean CAP_%s?",
		    item, nr.best);
	else
		err_set(err,
		    "'%s' is no capability: all, none or names of "
		    "capabilities(7) such as CAP_NET_BIND_SERVICE",
		    item);
	free(upper);
	return -1;
}

int
value_caps_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct config_caps *out = field;
	struct config_caps cc = { .set = true };
	const char *rest = text;
	char *item;
	int rc = 0;

	(void)vc;
	cc.all = strcasecmp(text, "all") == 0;
	if (!cc.all && strcasecmp(text, "none") != 0)
		while (rc == 0 && (item = value_item(&rest)) != NULL) {
			rc = caps_one(&cc.keep, item, err);
			free(item);
		}
	if (rc == 0 && *text == '\0')
		rc = err_set(err,
		    "it is empty: all, none or names of capabilities(7) such "
		    "as CAP_NET_BIND_SERVICE");
	if (rc == 0)
		*out = cc;
	return rc;
}

void
value_caps_print(struct buf *out, const void *object, const void *field)
{
	const struct config_caps *cc = field;
	const char *comma = "";

	(void)object;
	if (!cc->set)
		return;
	if (cc->all || cc->keep == 0) {
		buf_adds(out, cc->all ? "all" : "none");
		return;
	}
	for (size_t i = 0; i < N(caps); i++)
		if ((cc->keep >> i & 1) != 0) {
			buf_addf(out, "%sCAP_%s", comma, caps[i]);
			comma = ",";
		}
}

/* --- I/O priority ----------------------------------------------------------
 */

/* The kernel's numbers of them; names as ionice(1) has them. */
static const char *const io_classes[] = { "none", "realtime", "best-effort",
	"idle" };

#define IO_LEVEL_DEFAULT 4 /* ionice's */
#define IO_LEVEL_MAX     7

static int
ioprio_class(const char *text)
{
	int64_t v;

	if (str_to_i64(text, 0, (int)N(io_classes) - 1, &v))
		return (int)v;
	for (size_t i = 0; i < N(io_classes); i++)
		if (strcasecmp(io_classes[i], text) == 0)
			return (int)i;
	return -1;
}

int
value_ioprio_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	const char *colon = strchr(text, ':');
	char *word = xstrndup(
	    text, colon == NULL ? strlen(text) : (size_t)(colon - text));
	int class = ioprio_class(word);
	bool levels = class == 1 || class == 2;
	int64_t level = levels ? IO_LEVEL_DEFAULT : 0;

	(void)vc;
	free(word);
	if (class == -1 || (colon != NULL && levels &&
			       !str_to_i64(colon + 1, 0, IO_LEVEL_MAX, &level)))
		return err_set(err,
		    "'%s' is not realtime:LEVEL, best-effort:LEVEL, idle or "
		    "none, with a level from 0 (first) to 7",
		    text);
	if (colon != NULL && !levels)
		return err_set(
		    err, "'%s': %s has no level", text, io_classes[class]);
	*(int64_t *)field = CONFIG_IOPRIO(class, level);
	return 0;
}

void
value_ioprio_print(struct buf *out, const void *object, const void *field)
{
	int64_t v = *(const int64_t *)field;
	int class = CONFIG_IOPRIO_CLASS(v);

	(void)object;
	if (v == -1)
		return;
	buf_adds(out, io_classes[class]);
	if (class == 1 || class == 2)
		buf_addf(out, ":%d", (int)(v & IO_LEVEL_MAX));
}

/* --- CPUs ------------------------------------------------------------------
 */

int
value_cpus_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct strv list;
	const char *rest = text;
	char *item;
	int rc = 0;

	(void)vc;
	strv_init(&list);
	while (rc == 0 && (item = value_item(&rest)) != NULL) {
		rc = value_cpus_add(&list, item);
		free(item);
	}
	if (rc == -1 || list.n == 0) {
		strv_fini(&list);
		return err_set(
		    err, "'%s' is not a list of CPUs such as 0-3,5", text);
	}
	*(struct strv *)field = list;
	return 0;
}

void
value_cpus_print(struct buf *out, const void *object, const void *field)
{
	value_list_print(out, object, field);
}

/* --- absolute paths --------------------------------------------------------
 */

/* Without what would let two texts name one folder. */
static char *
paths_clean(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return xstrndup(path, n);
}

static int
paths_one(struct strv *list, const char *item, struct err *err)
{
	char *path;

	if (*item != '/')
		return err_set(err, "'%s' is not an absolute path", item);
	if (strstr(item, "/../") != NULL || str_ends(item, "/.."))
		return err_set(err, "'%s' has .. in it", item);
	if (list->n == CONFIG_PATHS_MAX)
		return err_set(err, "more than %d paths", CONFIG_PATHS_MAX);
	path = paths_clean(item);
	if (strv_has(list, path)) {
		free(path);
		return err_set(err, "'%s' stands there twice", item);
	}
	strv_take(list, path);
	return 0;
}

int
value_paths_parse(
    const struct value_ctx *vc, void *field, const char *text, struct err *err)
{
	struct strv *list = field;
	const char *rest = text;
	char *item;
	int rc = 0;

	(void)vc;
	strv_init(list);
	while (rc == 0 && (item = value_item(&rest)) != NULL) {
		if (*item != '\0')
			rc = paths_one(list, item, err);
		free(item);
	}
	if (rc == -1)
		strv_fini(list);
	return rc;
}

void
value_paths_print(struct buf *out, const void *object, const void *field)
{
	value_list_print(out, object, field);
}
