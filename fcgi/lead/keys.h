/*
 * What nap's sshd reads, below $NAP_STATE/ssh, and the tenants' deploy keys.
 *
 *	passwd        sshd's users: each tenant that has a key and is not shut out, all with the number of the user that
 *	              sshd runs as, which is the owner of ssh/host (libnss_wrapper; passwd(5))
 *	keys/TENANT   its keys (authorized_keys(5)), each with its id: environment="NAP_KEY=7"
 *
 * Each file is replaced by rename, where it differs; what belongs to no tenant is removed. All of it is looked at when a
 * reign begins, and after each change of keys or tenants (ssh_key_version). Where there is no folder ssh/host no sshd is
 * served, and no file is written.
 */
#ifndef NAP_LEAD_KEYS_H
#define NAP_LEAD_KEYS_H

#include "lead/leader.h"

/* Call it each tick. Files that cannot be written are logged and tried again. Errors: the database's. */
NODISCARD bool keys_apply(struct leader *l, struct err *e);

#endif
