# shellcheck shell=bash
# The Debian packages that nap is built with and runs on. Sourced by ./up and ./check.

# what runs: supervision, sandbox, web, database, git; python3 for the examples
readonly PACKAGES_RUN=(runit crun bubblewrap catatonit nginx libnginx-mod-http-js fcgiwrap spawn-fcgi multiwatch postgresql-15
	libnss-wrapper git ca-certificates openssh-client openssh-server curl procps iproute2 nftables python3)
readonly PACKAGES_BUILD=(gcc make autoconf automake autoconf-archive pkg-config libc6-dev libfcgi-dev libpq-dev
	libcurl4-openssl-dev libjansson-dev libsodium-dev libmicrohttpd-dev libarchive-dev)

packages_missing() {
	comm -23 <(printf '%s\n' "$@" | sort) <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p' | sort)
}

# what systemd would start when the machine boots; nothing where there is no systemd
packages_enabled() {
	{ systemctl list-unit-files --no-legend --no-pager --state=enabled 2>/dev/null || true; } | awk '{ print $1 }' | LC_ALL=C sort
}

# What apt's run changes for its time, to be taken back whoever was killed: lines "made FILE" and "enabled UNIT". Its
# lock is held by apt itself too.
readonly packages_record=/var/lib/nap/installing

packages_lock() { # sets locked, a descriptor
	mkdir -p "${packages_record%/*}" && chmod 711 "${packages_record%/*}" &&
		exec {locked}>"$packages_record.lock" && flock -w 600 "$locked"
}

packages_mend() { # under the lock; what was enabled before stays so
	[ -e "$packages_record" ] || return 0
	sed -n 's/^made //p' "$packages_record" | xargs -r rm -f
	packages_enabled | LC_ALL=C comm -13 <(sed -n 's/^enabled //p' "$packages_record") - | xargs -r systemctl --quiet disable
	rm -f "$packages_record"
}

# packages_get PACKAGE ...: as root. Nothing that apt installs is started, now or at the next boot, and PostgreSQL makes
# no cluster: the two files that see to that are there only while apt runs, unless they were there before.
packages_get() (
	policy=/usr/sbin/policy-rc.d cluster=/etc/postgresql-common/createcluster.conf
	packages_lock && packages_mend || exit
	trap packages_mend EXIT
	trap 'exit 1' INT TERM HUP
	mkdir -p "${cluster%/*}"
	{
		for file in "$policy" "$cluster"; do [ -e "$file" ] || echo "made $file"; done
		packages_enabled | sed 's/^/enabled /'
	} >"$packages_record.new" && sync "$packages_record.new" && mv "$packages_record.new" "$packages_record" || exit
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
	fi
	[ -e "$cluster" ] || echo 'create_main_cluster = false' >"$cluster"
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
	apt-get -q -o DPkg::Lock::Timeout=300 update &&
		apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" 8>&-
)

packages_install() {
	local missing
	if [ "$root" = 1 ] && [ -e "$packages_record" ]; then
		(packages_lock && packages_mend) # an install that was killed
	fi
	mapfile -t missing < <(packages_missing "${PACKAGES_RUN[@]}" "${PACKAGES_BUILD[@]}")
	if [ ${#missing[@]} = 0 ]; then
		note "all there"
		return
	fi
	[ "$root" = 1 ] || give_up "these packages are missing: ${missing[*]}" \
		"as root: apt-get install --no-install-recommends ${missing[*]}"
	packages_get "${missing[@]}" || give_up "apt could not install ${missing[*]}" \
		"mend what it says above (network? /etc/apt/sources.list?) and start ./up again"
	note "${#missing[@]} installed"
}
