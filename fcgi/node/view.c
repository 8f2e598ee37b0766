#include "base/file.h"
#include "node/files.h"
#include "node/node.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>

/* a build's result; what is larger is no source tree any more */
#define MAX_RESULT_ENTRIES 500000
#define MAX_RESULT_BYTES   (INT64_C(8) << 30)

bool node_folder(struct node *n, const char *path, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(e, "could not create folder \"%s\"", path);
	/* what is in it is of a start before, when the unit had another user */
	if (n->has_uid && lstat(path, &st) == 0 && st.st_uid != n->uid &&
		!files_give(path, n->uid, e))
		return false;
	if (n->has_uid ? (lchown(path, n->uid, n->uid) < 0 || chmod(path, 0700) < 0)
		       : (geteuid() == 0 && chmod(path, 0777) < 0))
		return err_errno(e, "could not set the owner of folder \"%s\"", path);
	return true;
}

/* u::rwx g::rwx o::rwx as the default of what is made inside: it takes the place of the program's umask (acl(5)) */
static void set_default_rights(const char *path)
{
	static const unsigned char acl[] = { 2, 0, 0, 0, /* version */
		0x01, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,	 /* user */
		0x04, 0, 7, 0, 0xff, 0xff, 0xff, 0xff,	 /* group */
		0x20, 0, 7, 0, 0xff, 0xff, 0xff, 0xff }; /* other */

	(void)setxattr(path, "system.posix_acl_default", acl, sizeof acl, 0);
}

bool node_shared(struct node *n, const char *path, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_errno(e, "could not create folder \"%s\"", path);
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return err_errno(e, "could not look at folder \"%s\"", path);
	if (n->has_uid && st.st_uid != n->uid && !files_give(path, n->uid, e))
		return false;
	/* where other units' users walk through the folders above, only the last owner may */
	if (chmod(path, n->exposed || geteuid() != 0 ? 0700 : 0777) < 0)
		return err_errno(e, "could not open folder \"%s\"", path);
	if (!n->exposed && geteuid() == 0)
		set_default_rights(path);
	return true;
}

static const char *part(struct node *n, const char *name)
{
	return arena_printf(n->a, "%s/%s", n->dir, name);
}

/* no comma, colon or backslash: they mean something in the options of an overlay */
static bool plain_path(const char *path)
{
	return !strpbrk(path, ",:\\");
}

static bool mount_overlay(struct node *n, const char *lower)
{
	const char *upper = part(n, "upper"), *work = part(n, "work"), *view = part(n, "view");
	const char *options =
		arena_printf(n->a, "lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work);

	return n->mounts && geteuid() == 0 && plain_path(lower) && plain_path(n->dir) &&
	       mount("overlay", view, "overlay", MS_NOSUID | MS_NODEV, options) == 0;
}

static bool is_overlay(struct node *n)
{
	return access(part(n, "upper"), F_OK) == 0;
}

bool node_view_make(struct node *n, const char *tree, struct err *e)
{
	const char *view = part(n, "view");
	const char *from = tree ? arena_printf(n->a, "%s/%s", n->trees, tree) : NULL;
	struct copy_rules rules = { .has_owner = n->has_uid, .owner = n->uid };
	struct err ignored;

	node_view_drop(n);
	if (!from)
		return node_folder(n, view, e);
	if (access(from, F_OK) < 0)
		return err_set(e, ERR_NOT_FOUND, "no_tree",
			"the source \"%.16s\" is not on this machine", tree);
	if (node_folder(n, part(n, "upper"), e) && mkdir(part(n, "work"), 0700) == 0 &&
		mkdir(view, 0700) == 0 && mount_overlay(n, from))
		return true;
	if (!files_remove(part(n, "upper"), e) || !files_remove(part(n, "work"), e) ||
		!files_remove(view, e))
		return false;
	if (!files_copy(from, view, &rules, e)) {
		(void)!files_remove(view, &ignored);
		return false;
	}
	return node_folder(n, view, e);
}

bool node_view_again(struct node *n, const char *tree, struct err *e)
{
	const char *from = tree ? arena_printf(n->a, "%s/%s", n->trees, tree) : NULL;

	if (!is_overlay(n) || !from)
		return true;
	(void)umount2(part(n, "view"), MNT_DETACH);
	return mount_overlay(n, from) ||
	       err_errno(e, "could not look into the build's folder again");
}

void node_view_drop(struct node *n)
{
	static const char *const parts[] = { "view", "upper", "work" };
	struct err e;

	while (umount2(part(n, "view"), MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
		;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!files_remove(part(n, parts[i]), &e))
			(void)die(&e);
}

static bool sync_all(const char *path, struct err *e)
{
	auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return (fd >= 0 && syncfs(fd) == 0) ||
	       err_errno(e, "could not write \"%s\" to the disk", path);
}

bool node_publish(struct node *n, const char *result, struct err *e)
{
	const char *to = arena_printf(n->a, "%s/%s", n->trees, result);
	const char *made = arena_printf(n->a, "%s/.result-%d", n->trees, (int)getpid());
	struct copy_rules rules = {
		.open = true, .max_entries = MAX_RESULT_ENTRIES, .max_bytes = MAX_RESULT_BYTES
	};
	struct err ignored;
	struct stat st;
	bool ok;

	if (access(to, F_OK) == 0)
		return true;
	/* trees are nap-worker's, whoever copies them */
	if (stat(n->trees, &st) < 0)
		return err_errno(e, "could not look at \"%s\"", n->trees);
	rules.has_owner = geteuid() == 0;
	rules.owner = st.st_uid;
	ok = files_copy(part(n, "view"), made, &rules, e) && sync_all(made, e);
	if (ok && rename(made, to) < 0 && errno != EEXIST && errno != ENOTEMPTY)
		ok = err_errno(e, "could not put the result \"%.16s\" in place", result);
	(void)!files_remove(made, &ignored);
	return ok;
}
