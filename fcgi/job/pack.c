#include "job/pack.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "job/disk.h"
#include "job/git.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MAX_PACKS 20
#define MAX_LOOSE 2000
#define AGAIN_S	  (7 * 24 * 3600)
#define PAUSE_S	  3600
#define A_SWEEP	  4
#define PRUNE	  "--prune=2.days.ago"

static int open_lock(struct job *job, const char *repo)
{
	return open(arena_printf(&job->a, "%s/nap-pack", repo),
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
}

int pack_lock(struct job *job)
{
	auto_fd int fd = open_lock(job, git_dir(job));

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? steal_fd(&fd) : -1;
}

bool pack_lock_wait(struct job *job, const char *repo, int *ret, struct err *e)
{
	auto_fd int fd = open_lock(job, repo);
	bool waited = false;

	if (fd < 0)
		return err_errno(e, "could not open the lock of repository \"%s\"", repo);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_errno(e, "could not lock repository \"%s\"", repo);
		job_waiting(job, "the source is being packed");
		waited = true;
		if (!job_wait(job, 200))
			return job_stopped(job, e);
	}
	if (waited)
		job_waiting(job, NULL);
	*ret = steal_fd(&fd);
	return true;
}

static int64_t changed_at(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mtime : 0;
}

/* files of a folder that end so; "": all */
static int64_t count_files(const char *path, const char *end)
{
	auto_dir DIR *d = opendir(path);
	const struct dirent *entry;
	int64_t n = 0;

	while (d && (entry = readdir(d)))
		n += entry->d_name[0] != '.' && ends_with(entry->d_name, end);
	return n;
}

/* the loose objects by one of their 256 folders, as git itself estimates them */
static bool is_due(struct job *self)
{
	const char *objects = arena_printf(&self->a, "%s/objects", git_dir(self));
	const char *packs = arena_printf(&self->a, "%s/pack", objects);
	const char *some = arena_printf(&self->a, "%s/17", objects);
	int64_t last = changed_at(arena_printf(&self->a, "%s/nap-packed", git_dir(self)));
	int64_t came = MAX(changed_at(objects), changed_at(packs));

	/* there is no repository; or a fault that stays is not met in each sweep */
	if (came == 0 || clock_now() - last < PAUSE_S)
		return false;
	if (count_files(packs, ".pack") > MAX_PACKS || count_files(some, "") * 256 > MAX_LOOSE)
		return true;
	for (int i = 0; i < 256 && came <= last; i++)
		came = MAX(came, changed_at(arena_printf(&self->a, "%s/%02x", objects, i)));
	if (last == 0) /* a new one: its week begins when it was made */
		last = changed_at(arena_printf(&self->a, "%s/config", git_dir(self)));
	return came > last && clock_now() - last > AGAIN_S;
}

/* a push, or a fetch over SSH, holds one of its tenant's places as long as anything of it lives (push/push_repo.h) */
static bool push_lives(struct job *self)
{
	const char *slots = arena_printf(&self->a, "%s/git/slots", self->cfg->state);
	const char *mine = arena_printf(&self->a, "%s.", self->tenant);
	auto_dir DIR *d = opendir(slots);
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		auto_fd int fd = -1;

		if (!starts_with(entry->d_name, mine))
			continue;
		fd = openat(dirfd(d), entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0)
			return true;
	}
	return false;
}

static void pack(struct job *self)
{
	static const char *const args[] = { "-c", "pack.windowMemory=64m", "-c",
		"core.packedGitLimit=512m", "gc", "--quiet", PRUNE, NULL };
	const char *mark = arena_printf(&self->a, "%s/nap-packed", git_dir(self));
	auto_fd int lock = pack_lock(self);
	int64_t begun = clock_mono_ms();
	struct proc_result r;
	struct err e;

	if (lock < 0)
		return;
	if (!git_run(self, &(struct git_run){ .args = args }, &r, &e)) {
		if (!self->stopping)
			LOG(WARNING, "git.gc", KV("app", self->app_id), KV("error", e.msg));
		return;
	}
	if (r.status != 0)
		LOG(WARNING, "git.gc", KV("app", self->app_id), KV("error", r.err));
	if (!file_replace(mark, "", 0, 0660, &e) || !disk_measure(self, &e))
		LOG(WARNING, "git.gc", KV("app", self->app_id), KV("error", e.msg));
	if (r.status == 0)
		LOG(INFO, "git.packed", KV("app", self->app_id), KV("ms", clock_mono_ms() - begun));
}

SQL(PACK_APPS,
	"SELECT a.id, t.name FROM app a JOIN tenant t ON t.id = a.tenant_id WHERE NOT a.deleting ORDER BY a.id");
SQL(PACK_BUSY,
	"SELECT count(*) FROM app a WHERE a.id = $1 AND (a.deleting OR EXISTS (SELECT 1 FROM operation o "
	"WHERE o.app_id = a.id AND o.state IN ('receiving', 'queued', 'running')))");

bool pack_sweep(struct job *self, struct err *e)
{
	auto_result PGresult *r = NULL;
	int done = 0;

	if (!db_query(self->db, &r, e, PACK_APPS))
		return false;
	for (int i = 0; i < db_rows(r) && done < A_SWEEP && !*self->stop; i++) {
		int64_t busy;

		self->app_id = db_i64(r, i, "id");
		self->tenant = db_text(r, i, "name");
		if (!is_due(self))
			continue;
		if (!db_one_i64(self->db, &busy, e, PACK_BUSY, I64(self->app_id)))
			return false;
		if (busy || push_lives(self))
			continue;
		pack(self);
		done++;
	}
	return true;
}
