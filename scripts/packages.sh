# shellcheck shell=bash
# The Debian packages that nap is built with and runs on. Sourced by ./up and ./check.

# what runs: supervision, sandbox, web, database, git; python3 for the examples
readonly PACKAGES_RUN=(runit crun bubblewrap catatonit nginx libnginx-mod-http-js fcgiwrap spawn-fcgi multiwatch postgresql-15
	libnss-wrapper git ca-certificates openssh-client curl procps iproute2 nftables python3)
readonly PACKAGES_BUILD=(gcc make autoconf automake autoconf-archive pkg-config libc6-dev libfcgi-dev libpq-dev
	libcurl4-openssl-dev libjansson-dev libsodium-dev libmicrohttpd-dev libarchive-dev)

packages_missing() {
	comm -23 <(printf '%s\n' "$@" | sort) <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p' | sort)
}

# what systemd would start when the machine boots; nothing where there is no systemd
packages_enabled() {
	systemctl list-unit-files --no-legend --no-pager --state=enabled 2>/dev/null | awk '{ print $1 }' | LC_ALL=C sort
}

# packages_get PACKAGE ...: as root. Nothing that apt installs is started, now or at the next boot, and PostgreSQL makes
# no cluster: the two files that see to that are there only while apt runs, unless they were there before. What was
# enabled before stays so.
packages_get() (
	made=() enabled=$(packages_enabled)
	trap 'rm -f "${made[@]}"
		packages_enabled | LC_ALL=C comm -13 <(printf "%s\n" "$enabled") - | xargs -r systemctl --quiet disable' EXIT
	trap 'exit 1' INT TERM HUP
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		made+=(/usr/sbin/policy-rc.d)
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
	fi
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		mkdir -p /etc/postgresql-common
		made+=(/etc/postgresql-common/createcluster.conf)
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	fi
	export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
	apt-get -q -o DPkg::Lock::Timeout=300 update &&
		apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" 8>&-
)

packages_install() {
	local missing
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
