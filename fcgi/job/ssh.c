#include "job/ssh.h"

#include "base/buf.h"
#include "base/file.h"
#include "store/deploy_key.h"

#include <sys/mman.h>

#define MAX_HOSTS_BYTES (512 * 1024)

/* a file without a name that only this user's processes can open; -1 and e */
static int in_memory(const char *name, const char *text, struct err *e)
{
	auto_fd int fd = memfd_create(name, MFD_CLOEXEC);
	size_t n = strlen(text);

	/* ssh refuses a key that others could read */
	if (fd < 0 || fchmod(fd, 0600) < 0 || write(fd, text, n) != (ssize_t)n) {
		(void)err_errno(e, "could not keep %s in memory", name);
		return -1;
	}
	return steal_fd(&fd);
}

static bool open_key(struct job *job, struct ssh_way *w, struct err *e)
{
	auto_seal struct seal seal = { .n = 0 };
	char *private;

	if (!seal_load(job->cfg, &seal, e) ||
		!deploy_key_open(job->db, &seal, &job->a, job->tenant_id, job->tenant, &private,
			&w->public, e))
		return false;
	w->key = in_memory("key", private, e);
	ssh_key_wipe(private);
	return w->key >= 0;
}

static bool open_hosts(struct job *job, struct ssh_way *w, struct err *e)
{
	const char *text;

	if (!known_host_text(job->db, &job->a, job->tenant_id, &text, e))
		return false;
	w->hosts = in_memory("known_hosts", text, e);
	return w->hosts >= 0;
}

static void put_option(struct buf *b, const char *key, const char *value)
{
	buf_puts(b, " -o ");
	buf_puts(b, key);
	buf_putc(b, '=');
	buf_shell(b, value);
}

/*
 * git starts the program that GIT_SSH names with its own arguments; which address it goes to is decided here. The users
 * of root's nap have names only in a file of its own, and ssh wants to know its user's.
 */
static bool write_program(struct job *job, const struct gate *g, struct ssh_way *w, struct err *e)
{
	static const char *const fixed[] = { "ProxyCommand=none", "BatchMode=yes",
		"IdentitiesOnly=yes", "IdentityAgent=none", "ConnectTimeout=20",
		"ServerAliveInterval=15", "ServerAliveCountMax=4", "ForwardAgent=no",
		"CheckHostIP=no", "UpdateHostKeys=no", "HashKnownHosts=no",
		"GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=accept-new" };
	const char *users = arena_printf(&job->a, "%s/passwd", job->cfg->state);
	auto_buf struct buf b = { 0 };

	buf_init(&b, 64 * 1024);
	buf_puts(&b, "#!/bin/sh\n");
	if (access(users, F_OK) == 0) {
		buf_puts(&b, "export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=");
		buf_shell(&b, users);
		buf_puts(&b, " NSS_WRAPPER_GROUP=");
		buf_shell(&b, arena_printf(&job->a, "%s/group", job->cfg->state));
		buf_putc(&b, '\n');
	}
	buf_puts(&b, "exec ssh -F /dev/null");
	put_option(&b, "HostName", g->address);
	/* as known_hosts has it: two hosts behind one name have a key each */
	put_option(&b, "HostKeyAlias",
		streq(g->port, "22") ? g->host
				     : arena_printf(&job->a, "[%s]:%s", g->host, g->port));
	put_option(&b, "UserKnownHostsFile",
		arena_printf(&job->a, "/proc/%d/fd/%d", (int)getpid(), w->hosts));
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		buf_printf(&b, " -o %s", fixed[i]);
	buf_printf(&b, " -i /proc/%d/fd/%d \"$@\"\n", (int)getpid(), w->key);
	w->program = arena_printf(&job->a, "%s/work/ssh-%jd-%jd", job->cfg->state,
		(intmax_t)job->id, (intmax_t)job->attempt);
	return file_replace(w->program, b.data, b.len, 0700, e);
}

bool ssh_way_open(struct job *job, const struct gate *g, struct ssh_way *ret, struct err *e)
{
	return open_key(job, ret, e) && open_hosts(job, ret, e) && write_program(job, g, ret, e);
}

bool ssh_way_learn(struct job *job, const struct ssh_way *w, struct err *e)
{
	char *text;

	return file_read(arena_printf(&job->a, "/proc/self/fd/%d", w->hosts), MAX_HOSTS_BYTES,
		       &job->a, &text, NULL, e) &&
	       known_host_keep(job->db, job->tenant_id, text, e);
}

void ssh_way_close(struct ssh_way *w)
{
	if (w->key >= 0)
		(void)close(w->key);
	if (w->hosts >= 0)
		(void)close(w->hosts);
	if (w->program)
		(void)unlink(w->program);
	*w = (struct ssh_way)SSH_WAY_NONE;
}
