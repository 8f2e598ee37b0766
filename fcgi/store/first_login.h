/*
 * The first sign-in of a new copy of nap: the operator's account, and a token for programs.
 */
#ifndef NAP_STORE_FIRST_LOGIN_H
#define NAP_STORE_FIRST_LOGIN_H

#include "model/config.h"
#include "store/credential.h"
#include "store/db.h"

/*
 * Makes the tenant "admin" (role admin) unless there is an admin, and writes a new Bearer token of it with all scopes to
 * file (0600, without a newline at the end). password: that of the new account, to be shown once; "" if it was there
 * already. Account, token and file come about together or not at all.
 */
NODISCARD bool first_login(struct db *db, const struct config *cfg, const char *file,
	char ret_password[CREDENTIAL_SIZE], struct err *e);

#endif
