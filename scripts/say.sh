# shellcheck shell=bash
# What ./up tells: one line a step, with its time. Sourced by ./up.

say() {
	printf 'nap: %s\n' "$*"
}

# note TEXT: one word or two that the step's line ends with
note() {
	[ ! -e /dev/fd/3 ] || printf '%s' "$*" >&3
}

# give_up WHAT-FAILED [WHAT-TO-DO ...]: ends a step
give_up() {
	printf '%s\n' "$@" >&4
	exit 1
}

seconds_since() { # EPOCHREALTIME
	local us=$((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}))
	printf '%d.%d s' $((us / 1000000)) $((us / 100000 % 10))
}

# step TITLE FUNCTION: runs it in a shell of its own that ends at the first command that fails. What it prints goes
# to up.log, whose end is shown when it fails.
step() {
	local title=$1 from=$EPOCHREALTIME rc temp
	shift
	temp=$(mktemp -d) || return 1
	printf 'nap: %-14s' "$title"
	(
		set -eo pipefail
		"$@"
	) >"$temp/out" 2>&1 3>"$temp/note" 4>"$temp/why"
	rc=$?
	printf '%-34s %8s\n' "$([ $rc = 0 ] && cat "$temp/note" || echo FAILED)" "$(seconds_since "$from")"
	[ ! -d "${S:-}" ] || [ ! -w "$S" ] || {
		printf '== %(%F %T)T %s\n' -1 "$title"
		cat "$temp/out"
	} >>"$S/up.log"
	if [ $rc != 0 ]; then
		tail -n 15 "$temp/out" | sed 's/^/     | /'
		if [ -s "$temp/why" ]; then
			sed 's/^/nap: /' "$temp/why"
		else
			say "step \"$title\" failed${S:+; all it printed is in $S/up.log}"
		fi
	fi
	rm -rf "$temp"
	return $rc
}
