/* nap-git: what fcgiwrap runs for /git/TENANT/APP.git/: opens the app's repository and becomes git http-backend. */
#include "push/push_cgi.h"

int main(void)
{
	return push_cgi_main();
}
