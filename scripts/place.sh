# shellcheck shell=bash
# Where this copy keeps everything ($S), whose numbers it uses, and that only one ./up works on it. Sourced by ./up.
#
#   $S      $NAP_STATE, or where it is a link to
#   $root   1: made by root, each kind of process has a user of its own; 0: all is one ordinary user's
#   $block_port $block_uid          first of the 1,000 ports and 65,536 users that are this copy's (file $S/block)
#   $uid_db $uid_web $uid_nap $uid_git $gid_sql   the users (groups have the same numbers); gid_sql may reach PostgreSQL

readonly PATH_MAX_BYTES=75	# the path of a socket has at most 107
readonly FIRST_PORT=20000 BLOCKS=10 BLOCK_PORTS=1000 FIRST_UID=1900000000 BLOCK_UIDS=65536

place_find() {
	local state=${NAP_STATE:-$top/var} open
	root=0
	[ "$(id -u)" != 0 ] || root=1
	case $state in /*) ;; *) state=$PWD/$state ;; esac
	S=$(realpath -m -- "$state")
	case $S in
	*[!A-Za-z0-9/._+@%=,:-]*)
		say "the path \"$S\" has characters that nap's configuration files cannot hold" \
			"(letters, digits and / . _ + @ % = , : - can be); name another by NAP_STATE"
		return 1
		;;
	esac
	open=$S
	while [ ! -e "$open" ]; do open=$(dirname "$open"); done
	if [ $root = 1 ] && [ ! -e "$S/block" ] && ! place_is_open "$open"; then
		# other users cannot come through a closed folder such as /root: a link stands there instead
		S=/var/lib/nap/$(printf '%s' "$S" | sha256sum | cut -c1-12)
		place_link=$(realpath -ms -- "$state")
	fi
	if [ ${#S} -gt $PATH_MAX_BYTES ]; then
		say "the path \"$S\" has ${#S} bytes, and sockets below it allow $PATH_MAX_BYTES; name a shorter one by NAP_STATE"
		return 1
	fi
	if [ -e "$S" ] && [ "$(stat -c %u "$S")" != "$(id -u)" ]; then
		say "\"$S\" belongs to user $(stat -c %U "$S"); start nap as that user, or name another folder by NAP_STATE"
		return 1
	fi
	[ ! -e "$S/block" ] || place_load
}

# can any user come through FOLDER and all above it?
place_is_open() {
	setpriv --reuid=65533 --regid=65533 --clear-groups test -x "$1/."
}

place_lock() {
	local dir=$S
	mkdir -p "$S" || return 1
	exec 8>"$dir/lock" || return 1
	flock -w 120 8 || { say "another ./up works on \"$S\" (its lock is held)"; return 1; }
}

place_unlock() {
	exec 8>&-
}

place_load() {
	read -r block_port block_uid <"$S/block"
	if [ $root = 1 ]; then
		uid_db=$((block_uid + 1)) uid_web=$((block_uid + 2)) uid_nap=$((block_uid + 3))
		uid_git=$((block_uid + 4)) gid_sql=$((block_uid + 5))
		gid_db=$uid_db gid_web=$uid_web gid_nap=$uid_nap gid_git=$uid_git
	else
		uid_db=$(id -u) gid_db=$(id -g)
		uid_web=$uid_db uid_nap=$uid_db uid_git=$uid_db
		gid_web=$gid_db gid_nap=$gid_db gid_git=$gid_db gid_sql=$gid_db
	fi
}

port_is_free() { # ADDRESS PORT
	perl -MSocket -e 'my $s;
		exit !(socket($s, PF_INET, SOCK_STREAM, 0) && setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) &&
		bind($s, pack_sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) && listen($s, 1))' "$1" "$2"
}

# A block is this copy's when its first port could be bound and no other copy has noted it. The note is a link, made
# in one step, to the state that has the block; one whose state has gone is replaced.
place_take_block() {
	local n notes port state
	if [ "$root" = 1 ]; then notes=/var/lib/nap; else notes=${XDG_STATE_HOME:-${HOME:-/tmp}/.local/state}/nap; fi
	mkdir -p "$notes" 2>/dev/null || notes=$S
	for ((n = 0; n < BLOCKS; n++)); do
		port=$((FIRST_PORT + n * BLOCK_PORTS))
		port_is_free 127.0.0.1 $port || continue
		state=$(readlink "$notes/block-$port" || true)
		if [ -n "$state" ] && [ "$state" != "$S" ] && [ -e "$state/block" ] &&
			[ "$(cut -d' ' -f1 "$state/block")" = $port ]; then
			continue
		fi
		[ -z "$state" ] || rm -f "$notes/block-$port"
		ln -s "$S" "$notes/block-$port" 2>/dev/null || continue
		echo "$port $((root == 1 ? FIRST_UID + n * BLOCK_UIDS : 0))" >"$S/block.new"
		mv "$S/block.new" "$S/block"
		return
	done
	give_up "all $BLOCKS blocks of ports from $FIRST_PORT on are taken by other copies of nap" \
		"stop one of them, and remove its NAP_STATE"
}

# folder MODE UID GID PATH
folder() {
	local owner=()
	[ "$root" = 0 ] || owner=(-o "$2" -g "$3")
	install -d -m "$1" "${owner[@]}" "$S/$4"
}

# Each child of $S belongs to one user. Sockets are open to all, their folders are not.
place_make() {
	if [ -n "${place_link:-}" ]; then
		[ -e "$place_link" ] || ln -s "$S" "$place_link"
		[ "$(realpath "$place_link")" = "$S" ] ||
			give_up "\"$place_link\" cannot be reached by other users, and should be a link to \"$S\", but is something else"
	fi
	chmod 0711 "$S"
	[ -e "$S/block" ] || place_take_block
	place_load
	if [ "$root" = 1 ] && ! setpriv --reuid=$((block_uid + BLOCK_UIDS - 1)) --regid=$((block_uid + 1)) --clear-groups true; then
		give_up "user numbers from $block_uid on cannot be used here (a user namespace with few of them?)" \
			"start nap as an ordinary user, or give the container a full range of user numbers"
	fi
	if [ "$root" = 1 ]; then
		cat >"$S/passwd" <<-END
			root:x:0:0::/:/bin/sh
			nap-db:x:$uid_db:$gid_db::/nonexistent:/bin/sh
			nap-web:x:$uid_web:$gid_web::/nonexistent:/bin/sh
			nap:x:$uid_nap:$gid_nap::/nonexistent:/bin/sh
			nap-git:x:$uid_git:$gid_git::/nonexistent:/bin/sh
		END
		cat >"$S/group" <<-END
			root:x:0:
			nap-db:x:$gid_db:
			nap-web:x:$gid_web:
			nap:x:$gid_nap:
			nap-git:x:$gid_git:nap
			nap-sql:x:$gid_sql:nap-web,nap
		END
	else
		echo "nap:x:$uid_nap:$gid_nap::/nonexistent:/bin/sh" >"$S/passwd"
		echo "nap:x:$gid_nap:" >"$S/group"
	fi
	local me my sum
	note "$S"
	sum=$(cat "$top/scripts/place.sh" - <<<"$root $block_uid" | sha256sum)
	[ "$sum" != "$(cat "$S/placed" 2>/dev/null)" ] || return 0
	me=$(id -u) my=$(id -g)
	folder 0755 "$me" "$my" bin
	folder 0755 "$me" "$my" sql
	folder 0755 "$me" "$my" web
	folder 0711 "$me" "$my" run
	folder 0700 "$uid_db" "$gid_db" db
	folder 0750 "$uid_db" "$gid_sql" run/db
	folder 0710 "$uid_web" "$gid_nap" run/web
	folder 0770 "$uid_web" "$gid_git" run/git
	folder 0700 "$uid_web" "$gid_web" run/node
	folder 0710 "$me" "$gid_nap" run/agent
	folder 0710 "$me" "$gid_web" run/files
	folder 0711 "$uid_nap" "$gid_nap" nginx
	folder 0700 "$uid_web" "$gid_web" nginx/tmp
	folder 02770 "$uid_nap" "$gid_git" git
	folder 0700 "$uid_nap" "$gid_nap" tree
	folder 0700 "$uid_nap" "$gid_nap" work
	folder 02770 "$uid_web" "$gid_nap" upload
	folder 02750 "$uid_nap" "$gid_web" logs
	folder 0700 "$uid_nap" "$gid_nap" secret
	folder 02750 "$uid_nap" "$gid_git" ssh
	folder 02750 "$uid_nap" "$gid_git" ssh/keys
	folder 0700 "$uid_git" "$gid_git" ssh/host
	mkdir -p "$S/agent/lib/nap/bin"
	folder 0755 "$me" "$my" service
	# written in place by the leader; and sshd's users, of which there are none yet
	[ -e "$S/generation" ] || : >"$S/generation"
	[ "$root" = 0 ] || chown "$uid_nap:$gid_nap" "$S/generation"
	[ -e "$S/ssh/passwd" ] || install -m 640 /dev/null "$S/ssh/passwd"
	[ "$root" = 0 ] || chown "$uid_nap:$gid_git" "$S/ssh/passwd"
	echo "$sum" >"$S/placed"
}
