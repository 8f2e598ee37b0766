/*
 * How git goes to a git host by SSH (RULES 23): with the tenant's own key, to the address that the gate has checked, and
 * believing a host's key at first sight only (store/deploy_key.h).
 *
 * Neither the private key nor the known hosts are files: both lie in memory of this process (memfd_create(2)), which ssh
 * opens by /proc, and are gone with it.
 */
#ifndef NAP_JOB_SSH_H
#define NAP_JOB_SSH_H

#include "job/gate.h"
#include "job/job.h"

struct ssh_way {
	int key, hosts;	     /* descriptors */
	const char *program; /* for GIT_SSH: a file of this attempt's in work/ */
	const char *public;  /* the line that is added at the git host */
};

#define SSH_WAY_NONE \
	{ \
		-1, -1, NULL, NULL \
	}

/* on failure too ret is whole: ssh_way_close it */
NODISCARD bool ssh_way_open(
	struct job *job, const struct gate *g, struct ssh_way *ret, struct err *e);

/* Keeps the keys of hosts that were seen for the first time. */
NODISCARD bool ssh_way_learn(struct job *job, const struct ssh_way *w, struct err *e);

void ssh_way_close(struct ssh_way *w);

#endif
