/*
 * What git config(1) says in each app's bare repository, whoever makes it: pushes by smart HTTP of shallow clones too, objects
 * checked, nap's own refs hidden, packed by nap alone (job/pack.h).
 */
#ifndef NAP_MODEL_REPOSITORY_H
#define NAP_MODEL_REPOSITORY_H

extern const char repository_config[];

#endif
