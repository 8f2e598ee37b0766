/*
 * A deny list of system calls for where no container runtime applies an allow list: new namespaces, mounts, kernel
 * modules and keys, tracing, other processes' memory. What is denied fails with EPERM; clone3 with ENOSYS, because a
 * filter cannot see its flags and the C library then falls back to clone. See seccomp(2), unit/seccomp.h.
 */
#ifndef NAP_NODE_FILTER_H
#define NAP_NODE_FILTER_H

#include "base/base.h"

/* For this process and all it starts; PR_SET_NO_NEW_PRIVS must be set. False: errno says why. */
NODISCARD bool filter_apply(void);

#endif
