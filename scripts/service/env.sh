# shellcheck shell=sh
# What the run scripts share. runsv starts each in $S/service/NAME, so $S is two folders up. Their numbers, written
# by ./up, are in $S/service/numbers.
#
# Each ends in `as USER COMMAND`: COMMAND dies with its runsv (--pdeathsig KILL), so that a runsv that was killed
# leaves nothing behind that would hold a socket or a port.

S=$(cd ../.. && pwd -P)
# shellcheck source=/dev/null
. "$S/service/numbers"
export S

# may_listen PORT: the right to a port below 1024, where the setting names one
may_listen() {
	if [ "$1" -lt 1024 ]; then echo --inh-caps=-all,+net_bind_service --ambient-caps=+net_bind_service; else echo --inh-caps=-all; fi
}

# as root|db|web|front|nap|git|ssh COMMAND [ARG ...]: becomes COMMAND, with an environment of its own
as() {
	who=$1
	shift
	if [ "$ROOT" = 1 ]; then
		case $who in
		db) ids="--reuid=$UID_DB --regid=$UID_DB --clear-groups" ;;
		web) ids="--reuid=$UID_WEB --regid=$UID_WEB --groups=$UID_WEB,$GID_SQL" ;;
		front) ids="--reuid=$UID_WEB --regid=$UID_WEB --clear-groups --no-new-privs $(may_listen "$PORT")" ;;
		ssh) ids="--reuid=$UID_GIT --regid=$UID_GIT --clear-groups --no-new-privs $(may_listen "$SSH_PORT")" ;;
		nap) ids="--reuid=$UID_NAP --regid=$UID_NAP --groups=$UID_NAP,$UID_GIT,$GID_SQL" ;;
		git) ids="--reuid=$UID_GIT --regid=$UID_GIT --clear-groups" ;;
		*) ids= ;;
		esac
		case $who in root | front | ssh) ;; *) ids="$ids --no-new-privs --inh-caps=-all" ;; esac
	else
		ids=
	fi
	# shellcheck disable=SC2086
	exec setpriv --pdeathsig KILL $ids env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		LANG=C.UTF-8 HOME=/nonexistent NAP_CONF="$S/nap.conf" "$@"
}

# pool USER SOCKET CHILDREN PROGRAM: so many processes on one listening socket. It is made anew at each start: what
# of a killed pool still answers a request keeps the old one.
pool() {
	rm -f "$S/run/$2"
	as "$1" NAP_STATE="$S" spawn-fcgi -n -s "$S/run/$2" -M 0666 -b 1024 -- \
		/usr/bin/multiwatch -f "$3" -r 100 -t 1000 -s TERM -- /usr/bin/setpriv --pdeathsig TERM "$4"
}

# What is left of a killed nginx: its workers would keep the ports. They are in the process group of their master.
sweep_nginx() { # FILE with the master's pid
	read -r old <"$1" || return 0
	for p in /proc/[0-9]*; do
		read -r stat 2>/dev/null <"$p/stat" || continue
		rest=${stat##*) }
		# shellcheck disable=SC2086
		set -- $rest
		case $stat in
		*" (nginx) "*) [ "$3" != "$old" ] || kill -KILL "${p#/proc/}" ;;
		esac
	done
} 2>/dev/null
