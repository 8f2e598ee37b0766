# shellcheck shell=bash
# Settings: what stands in $S/nap.conf, over it NAP_KEY of the environment, which is kept there. Sourced by ./up.

setting() { # KEY [DEFAULT]
	local value
	value=$(sed -n "s/^ *$1 *= *//p" "$S/nap.conf" 2>/dev/null | tail -n 1)
	printf '%s' "${value:-${2:-}}"
}

setting_put() { # KEY VALUE
	local text
	text=$(grep -v "^ *$1 *=" "$S/nap.conf" 2>/dev/null || true)
	printf '%s\n' ${text:+"$text"} "$1 = $2" >"$S/nap.conf.new"
	mv "$S/nap.conf.new" "$S/nap.conf"
}

is_loopback() {
	case $1 in 127.* | localhost | ::1) ;; *) return 1 ;; esac
}

own_addresses() {
	ip -o -4 addr show scope global | awk '{ sub("/.*", "", $4); print $4 }'
}

settings_write() {
	local key value listen old said changed=0
	old=$(cat "$S/nap.conf" 2>/dev/null || true)
	if [ ! -e "$S/nap.conf" ]; then
		echo "# Settings of this copy of nap: key = value. ./up keeps what NAP_KEY of its environment says." >"$S/nap.conf"
	fi
	setting_put state "$S"
	setting_put block_port "$block_port"
	setting_put block_uid "$block_uid"
	for key in $("${NAP_BUILD:-$S/build}/nap-api" --settings | cut -d'`' -f2); do
		case $key in state | block_port | block_uid) continue ;; esac
		value=NAP_${key^^}
		[ -n "${!value+set}" ] || continue
		if [ "$(setting "$key" "unset")" != "${!value}" ]; then changed=$((changed + 1)); fi
		setting_put "$key" "${!value}"
	done
	listen=$(setting listen 127.0.0.1)
	case $listen in
	*[!0-9.]* | '') give_up "NAP_LISTEN is \"$listen\": an IPv4 address of this machine, or 0.0.0.0, is expected" ;;
	esac
	if ! is_loopback "$listen"; then
		grep -q '^domain *=' "$S/nap.conf" || setting_put domain ''
		if [ -z "$(setting url)" ]; then
			value=$listen
			[ "$listen" != 0.0.0.0 ] || value=$(own_addresses | head -n 1)
			setting_put url "http://${value:-127.0.0.1}:$(setting port 8080)"
		fi
	fi
	chmod 644 "$S/nap.conf"
	if ! said=$(env -i NAP_CONF="$S/nap.conf" "${NAP_BUILD:-$S/build}/nap-worker" --check 2>&1); then
		# what runs goes on with the settings that it has
		if [ -n "$old" ]; then printf '%s\n' "$old" >"$S/nap.conf"; else rm -f "$S/nap.conf"; fi
		give_up "${said#<3>}"
	fi
	note "$changed changed"
}

settings_load() {
	listen=$(setting listen 127.0.0.1)
	port=$(setting port 8080)
	url=$(setting url "http://$listen:$port")
	if grep -q '^domain *=' "$S/nap.conf"; then domain=$(setting domain); else domain=localhost; fi
	engine=$(setting engine) isolation=$(setting isolation auto)
	api_pool=$(setting api_pool 4) login_pool=$(setting login_pool 2) wait_pool=$(setting wait_pool 32)
	workers=$(setting workers 3)
}
