/*
 * A folder by hard links: `cp -al`, on several cores. What is linked has its times, modes and owners by itself; folders
 * are new ones of mode 0777. One file costs about 7 us, most of it in the kernel.
 */
#ifndef NAP_JOB_LINK_H
#define NAP_JOB_LINK_H

#include "base/err.h"

/* Makes to, which must not be there, of all that is below from: files, symbolic links and folders. An error leaves a
 * part of it behind: the caller removes it. */
NODISCARD bool link_folder(const char *from, const char *to, struct err *e);

#endif
