# shellcheck shell=bash
# nap's own processes: a folder each in $S/service, supervised by runsv (runit). Sourced by ./up.

# in the order in which they are started; stopped backwards
services_list() {
	local i list=(postgres)
	[ -n "$engine" ] || list+=(agent)
	list+=(api login wait stream git push front ssh apps)
	for ((i = 1; i <= workers; i++)); do list+=("jobs-$i"); done
	printf '%s\n' "${list[@]}" quick lead logs supervisor
}

service_up() { # NAME: has it a runsv?
	case $(sv status "$S/service/$1" 2>&1) in *fail:* | *warning:*) return 1 ;; esac
}

services_down() { # LIST: those of it without a runsv
	# shellcheck disable=SC2046
	sv status $(sed "s|^|$S/service/|" <<<"$1") 2>&1 | sed -nE "s#^(fail|warning): $S/service/([^:]*):.*#\\2#p" | uniq || true
}

# What runsv would make itself, with the rights that the one who may control it needs.
service_control() { # NAME GROUP
	mkdir -p "$S/service/$1/supervise"
	chmod 0711 "$S/service/$1/supervise"
	local f
	for f in control ok; do
		[ -p "$S/service/$1/supervise/$f" ] || mkfifo -m 0600 "$S/service/$1/supervise/$f"
		[ "$root" = 0 ] || chgrp "$2" "$S/service/$1/supervise/$f"
		chmod 0660 "$S/service/$1/supervise/$f"
	done
}

# Copies the folder of a service; says by its status whether a run script is new.
service_put() { # NAME
	local from=$top/scripts/service/${1%-[0-9]*} to=$S/service/$1 f new=1
	[ -d "$to/log/main" ] || mkdir -p "$to/log/main"
	printf 's1000000\nn5\n' >"$to/log/main/config"
	put "$top/scripts/service/log.run" "$to/log/run" 755 || true
	for f in "$from/run" "$from"/control/*; do
		[ -f "$f" ] || continue
		if put "$f" "$to/${f#"$from/"}" 755; then new=0; fi
	done
	return $new
}

services_numbers() {
	cat <<-END
		ROOT=$root UID_DB=$uid_db UID_WEB=$uid_web UID_NAP=$uid_nap UID_GIT=$uid_git GID_SQL=$gid_sql
		PORT=$port SSH_PORT=$ssh_port API_POOL=$api_pool LOGIN_POOL=$login_pool WAIT_POOL=$wait_pool
		BLOCK_PORT=$block_port BLOCK_UID=$block_uid ISOLATION=$isolation
		PG=$pg
	END
}

services_write() {
	services_numbers >"$S/service/.new"
	put "$S/service/.new" "$S/service/numbers" || true
	rm -f "$S/service/.new"
	put "$top/scripts/service/env.sh" "$S/service/env.sh" || true
}

service_ensure() { # NAME
	service_up "$1" && return
	services_write
	service_put "$1" || true
	service_start "$1"
}

service_start() { # NAME
	env -i PATH="$PATH" LANG=C.UTF-8 setsid runsv "$S/service/$1" </dev/null >/dev/null 2>&1 7>&- 8>&- 3>&- 4>&- &
}

# The configuration of both nginx. Templates know @WORDS@.
services_nginx() {
	local names f changed=1 sum
	names=$({
		printf '%s\n' localhost 127.0.0.1 "$listen"
		sed -E 's|^[a-z]+://||; s|[:/].*||' <<<"$url"
		if [ "$listen" = 0.0.0.0 ]; then own_addresses; fi
	} | grep -vx 0.0.0.0 | sort -u | tr '\n' ' ')
	sum=$(cat "$top"/nginx/*.conf "$top"/nginx/*.js - <<<"$S $listen $port $names $domain $wait_pool $source_upload_max" | sha256sum)
	[ "$sum" != "$(cat "$S/nginx/.sum" 2>/dev/null)" ] || return 1
	for f in "$top"/nginx/*.conf "$top"/nginx/*.js; do
		sed -e "s|@S@|$S|g; s|@LISTEN@|$listen|g; s|@PORT@|$port|g; s|@NAMES@|${names% }|g" \
			-e "s|@APPS@|${domain:+*.$domain}|g; s|@WAIT_MAX@|$((wait_pool > 4 ? wait_pool - 2 : wait_pool))|g" \
			-e "s|@UPLOAD_MAX@|$source_upload_max|g" \
			"$f" >"$S/nginx/.new"
		sed -i 's|server_name ;|server_name "";|' "$S/nginx/.new"
		if put "$S/nginx/.new" "$S/nginx/${f##*/}"; then changed=0; fi
		rm -f "$S/nginx/.new"
	done
	if [ ! -e "$S/nginx/routes.conf" ]; then
		put "$top/nginx/routes.first" "$S/nginx/routes.conf"
		[ "$root" = 0 ] || chown "$uid_nap:$gid_nap" "$S/nginx/routes.conf"
	fi
	echo "$sum" >"$S/nginx/.sum"
	return $changed
}

# The configuration of sshd; says by its status whether it is new.
services_ssh() {
	local changed
	sed -e "s|@S@|$S|g; s|@LISTEN@|$listen|g; s|@SSH_PORT@|$ssh_port|g; s|@KEYS@|${S//%/%%}/ssh/keys|g" \
		"$top/scripts/sshd.conf" >"$S/service/.new"
	put "$S/service/.new" "$S/service/ssh/sshd.conf"
	changed=$?
	rm -f "$S/service/.new"
	return $changed
}

# One child of a pool after the other: what it does it ends first, and the next one is there before the third goes.
pool_renew() { # NAME SECONDS
	local child
	for child in $(ps -o pid= --ppid "$(cat "$S/service/$1/supervise/pid")"); do
		kill -TERM "$child"
		sleep "$2"
	done
}

services_renew() {
	local name
	if service_up api; then
		pool_renew api 0.3
		pool_renew login 0.1
		pool_renew wait 0.05
	fi
	for name in $(services_list); do
		case $name in stream | jobs-* | quick | lead | logs | agent) ! service_up "$name" || sv term "$S/service/$name" ;; esac
	done
}

services_start() {
	local name new='' list sum
	pg=$(database_bin)
	list=$(services_list)
	cat >"$S/agent/lib/nap/node.conf" <<-END
		socket = $S/run/node/node.sock
		trees = $S/tree
		run = $S/agent/run/nap
	END
	if services_nginx && service_up front; then
		for name in front apps; do sv hup "$S/service/$name"; done
	fi
	services_write
	if services_ssh && service_up ssh; then sv term "$S/service/ssh"; fi
	sum=$( (cd "$top/scripts/service" && find . -type f | sort | xargs sha256sum && echo "$list") | sha256sum)
	if [ "$sum" != "$(cat "$S/service/.sum" 2>/dev/null)" ]; then
		for name in $list; do
			if service_put "$name"; then new+=" $name"; fi
		done
		echo "$sum" >"$S/service/.sum"
	fi
	service_control apps "$gid_nap"
	# services that a setting took away
	for name in "$S"/service/*/run; do
		name=${name%/run} name=${name##*/}
		case $'\n'$list$'\n' in *$'\n'"$name"$'\n'*) continue ;; esac
		sv force-shutdown "$S/service/$name" || true
		rm -rf "$S/service/${name:?}"
	done
	if service_up supervisor; then
		for name in $new; do ! service_up "$name" || sv term "$S/service/$name" || true; done
		if [ -s "$S/upgraded" ]; then services_renew; note "renewed"; fi
	fi
	rm -f "$S/upgraded"
	for name in $(services_down "$list"); do service_start "$name"; done
}

web_get() { # PATH: of the manager, as it answers on its own address
	local address=$listen
	[ "$address" != 0.0.0.0 ] || address=127.0.0.1
	curl -sS -m 5 -o /dev/null -w '%{http_code}' -H "Host: localhost" "http://$address:$port$1" 2>&1
}

services_wait() {
	local i answer=
	for ((i = 0; i < 300; i++)); do
		answer=$(web_get /api/v1/ready || true)
		if [ "$answer" = 200 ]; then
			note "$url"
			return
		fi
		sleep 0.2
	done
	tail -n 5 "$S"/service/{front,api,lead,agent}/log/main/current || true
	give_up "nap does not answer on port $port: $answer" "what each part says is in $S/service/*/log/main/current"
}

services_alive() {
	service_up supervisor
}

services_status() {
	local name line held bad=0
	if [ ! -e "$S/block" ] || [ ! -e "$S/service/numbers" ]; then
		say "nothing was started in \"$S\" yet"
		return 1
	fi
	settings_load
	for name in $(services_list); do
		line=$(sv status "$S/service/$name" 2>&1 | sed "s|$S/service/||g")
		case $line in run:*) ;; *) bad=1 ;; esac
		printf '%s\n' "$line"
	done
	say "state $S, address $url"
	if service_up postgres; then
		held=$(database_engine 2>&1) || printf '%s\n' "$held" "answer: ./up --engine adopt, or ./up --engine prune"
	fi
	return $bad
}

# Processes of this copy, whoever started them: those of its users, and those that are named by a path below $S. Where
# all is one user's, a session of an sshd that was killed is known by its connection alone.
services_left() {
	local from=-1
	[ "$root" = 0 ] || from=$block_uid
	ps -eo pid=,uid=,stat=,args= | awk -v self=$$ -v from="$from" -v n="$BLOCK_UIDS" -v state="$S/" '
		$1 == self || $3 ~ /^Z/ { next }
		from >= 0 && $2 >= from && $2 < from + n { print $1; next }
		{
			program = $4
			sub(/.*\//, "", program)
			if (index($4, state) == 1 || (index($0, state) && program ~ \
				/^(runsv|svlogd|nap-[a-z]+|nginx:?|postgres:?|crun|bwrap|multiwatch|fcgiwrap|catatonit|git|sshd:?)$/))
				print $1
		}'
	[ "$root" = 1 ] || { ss -Htnp "src $listen and sport = :$ssh_port" 2>/dev/null || true; } |
		sed -nE 's/.*"sshd",pid=([0-9]+).*/\1/p'
}

services_stop() {
	local name list left i
	if [ ! -e "$S/block" ] || [ ! -e "$S/service/numbers" ]; then
		say "nothing was started in \"$S\" yet"
		return 0
	fi
	settings_load
	step "stop" services_stop_all || return 1
	say "stopped; ./up starts it again, its apps too"
}

# The agent's units have ended: what was heard of them is no more so, and no address leads to them. The next start would
# route to them before they listen again. The worker's lead has ended too, and is the only other writer of both.
services_unroute() {
	database_units_ended
	sed -i '/^map \$nap_app \$nap_upstream {/,/^}/{/^\t[0-9]/d}' "$S/nginx/routes.conf"
}

services_stop_all() {
	local name left i list
	# first the one that would start the others again
	sv -w 5 force-shutdown "$S/service/supervisor" || true
	pkill -KILL -F "$S/service/supervisor/pid" 2>/dev/null || true
	sv -w 20 force-shutdown "$S"/service/{jobs-*,quick,lead,logs} || true
	if service_up agent; then "$S/bin/nap-agent" --stop-all --state "$S" || true; fi
	[ -n "$engine" ] || services_unroute || true
	sv -w 10 force-shutdown "$S"/service/{agent,front,ssh,apps,api,login,wait,stream,git,push} || true
	sv -w 30 force-shutdown "$S/service/postgres" || true
	for ((i = 0; i < 20; i++)); do
		left=$(services_left)
		[ -n "$left" ] || break
		# shellcheck disable=SC2086
		[ "$i" -lt 5 ] || kill -KILL $left 2>/dev/null || true
		sleep 0.2
	done
	if [ -n "$left" ]; then
		ps -o pid,user,args -p "${left//$'\n'/,}" || true
		give_up "some processes could not be ended"
	fi
	note "no process is left"
}

services_tell() { # EPOCHREALTIME of the start
	local address
	say "ready in $(seconds_since "$1"): $url"
	say "git push ssh://TENANT@$(sed -E 's|^[a-z]+://||; s|[:/].*||' <<<"$url"):$ssh_port/APP"
	if ! is_loopback "$listen"; then
		for address in $([ "$listen" = 0.0.0.0 ] && own_addresses || echo "$listen"); do
			say "from other computers: http://$address:$port"
		done
	fi
	if [ -e "$S/first-login.new" ]; then
		cat "$S/first-login.new"
		rm -f "$S/first-login.new"
		say "the operator's token is in $S/admin-token"
	fi
}
