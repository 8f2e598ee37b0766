/*
 * The system calls that a unit may make.
 *
 * In a container: an allow list of our own in OCI form; all that is not in it fails with ENOSYS, so that programs fall
 * back to what is there (clone3 among them, whose flags a filter cannot see). No new namespaces, no mounts, no keyrings,
 * no tracing of the kernel, no io_uring, no userfaultfd; sockets of unix, inet, inet6 and netlink only.
 * Where crun cannot be had nap-run applies a deny list of the worst itself: node/filter.h. See seccomp(2).
 */
#ifndef NAP_UNIT_SECCOMP_H
#define NAP_UNIT_SECCOMP_H

#include "base/buf.h"

/* appends the "seccomp" object of the OCI runtime specification */
void seccomp_json(struct buf *b);

#endif
