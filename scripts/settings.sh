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
	ip -o -4 addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }'
}

# what the setting is going to be: as the environment has it, or else as it was kept
setting_next() { # KEY DEFAULT
	local name=NAP_${1^^}
	if [ -n "${!name+set}" ]; then printf '%s' "${!name:-$2}"; else setting "$1" "$2"; fi
}

# address_try ADDRESS PORT: empty when it can be listened on, or else how errno names what is in the way. Port 0: any.
address_try() {
	perl -MSocket -MErrno -e 'my $s;
		sub fault { print((grep { $!{$_} } qw(EADDRNOTAVAIL EADDRINUSE EACCES))[0] || $!); exit }
		socket($s, PF_INET, SOCK_STREAM, 0) && setsockopt($s, SOL_SOCKET, SO_REUSEADDR, 1) &&
			bind($s, pack_sockaddr_in($ARGV[1], inet_aton($ARGV[0]))) && listen($s, 1) or fault' "$1" "$2"
}

# port_wrong ADDRESS PORT KEY: appends to wrong what is in the way of listening there
port_wrong() {
	local name=NAP_${3^^} fault
	fault=$(address_try "$1" "$2")
	case $fault in
	'') ;;
	EADDRINUSE) wrong+=("$name is $2, on which another program listens: a free port is expected") ;;
	EACCES)
		wrong+=("$name is $2, which only root may listen on: one from $(
			cat /proc/sys/net/ipv4/ip_unprivileged_port_start 2>/dev/null || echo 1024) on is expected")
		;;
	*) wrong+=("NAP_LISTEN $1, $name $2: $fault") ;;
	esac
}

# Before anything is made, installed or changed: can nap listen where it is told to? All that is wrong is told.
settings_check() {
	local key listen i octets address=1 wrong=() services=(front ssh) keys=(port ssh_port) defaults=(8080 2222) ports=()
	listen=$(setting_next listen 127.0.0.1)
	IFS=. read -ra octets <<<"$listen"
	if [[ $listen =~ ^([0-9]{1,3}\.){3}[0-9]{1,3}$ ]]; then
		for i in "${octets[@]}"; do ((10#$i <= 255)) || address=0; done
	else
		address=0
	fi
	if [ $address = 0 ]; then
		wrong+=("NAP_LISTEN is \"$listen\": an IPv4 address of this machine, or 0.0.0.0, is expected")
	elif [ "$(address_try "$listen" 0)" = EADDRNOTAVAIL ]; then
		address=0
		wrong+=("NAP_LISTEN is \"$listen\", which is no address of this machine: one of these is expected:"
			"127.0.0.1 $(own_addresses | tr '\n' ' ')0.0.0.0")
	fi
	for i in 0 1; do
		key=${keys[i]}
		ports[i]=$(setting_next "$key" "${defaults[i]}")
		if [[ ! ${ports[i]} =~ ^[1-9][0-9]{0,4}$ ]] || ((ports[i] > 65535)); then
			wrong+=("NAP_${key^^} is \"${ports[i]}\": a port, 1 to 65535, is expected")
		elif [ $i = 1 ] && [ "${ports[0]}" = "${ports[1]}" ]; then
			wrong+=("NAP_PORT and NAP_SSH_PORT are both ${ports[0]}: two ports are expected")
		# where this nap listens already it need not ask
		elif [ $address = 1 ] &&
			! { [ "${ports[i]}" = "$(setting "$key" "${defaults[i]}")" ] && service_up "${services[i]}"; }; then
			port_wrong "$listen" "${ports[i]}" "$key"
		fi
	done
	[ ${#wrong[@]} = 0 ] || give_up "${wrong[@]}" "nothing was changed"
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
	port=$(setting port 8080) ssh_port=$(setting ssh_port 2222)
	url=$(setting url "http://$listen:$port")
	if grep -q '^domain *=' "$S/nap.conf"; then domain=$(setting domain); else domain=localhost; fi
	engine=$(setting engine) isolation=$(setting isolation auto)
	api_pool=$(setting api_pool 4) login_pool=$(setting login_pool 2) wait_pool=$(setting wait_pool 32)
	workers=$(setting workers 3) source_upload_max=$(setting source_upload_max 200m)
}
