# shellcheck shell=bash
# Builds the programs out of tree and copies them. Sourced by ./up.
#
# The sources are copied to $NAP_BUILD/src (default $S/build), so that nothing is ever written beside them and several
# copies of nap can share one build. A file that is the same is left alone: make builds what changed.

readonly BUILD_SOURCES=(Makefile.am autogen.sh configure.ac fcgi nginx scripts sql tests web up check README.md LICENSE
	docs examples)

build_files() {
	(cd "$top" && find "${BUILD_SOURCES[@]}" -name __pycache__ -prune -o -type f -print 2>/dev/null | LC_ALL=C sort)
}

build_fingerprint() {
	(cd "$top" && build_files | tr '\n' '\0' | xargs -0 sha256sum && echo "${NAP_CONFIGURE:-}") | sha256sum | cut -d' ' -f1
}

build_copy_sources() {
	local f
	mkdir -p "$build/src"
	while IFS= read -r f; do
		cmp -s "$top/$f" "$build/src/$f" && continue
		mkdir -p "$build/src/$(dirname "$f")"
		cp -p "$top/$f" "$build/src/$f"
		touch "$build/src/$f"
	done < <(build_files)
	build_files >"$build/files.new"
	[ ! -e "$build/files" ] || comm -23 "$build/files" "$build/files.new" | (cd "$build/src" && xargs -r -d '\n' rm -f)
	mv "$build/files.new" "$build/files"
}

build_programs() {
	local now setup
	build=${NAP_BUILD:-$S/build}
	mkdir -p "$build"
	exec 7>"$build/lock"
	flock 7
	now=$(build_fingerprint)
	if [ "$(cat "$build/built" 2>/dev/null)" = "$now" ]; then
		note "unchanged"
		return
	fi
	rm -f "$build/built"
	build_copy_sources
	# configured anew where anything of it changed: a Makefile that remakes itself under -j does not always manage
	setup=$(cd "$build/src" && { cat configure.ac Makefile.am $(find . -name local.mk | LC_ALL=C sort); echo "${NAP_CONFIGURE:-}"; } | sha256sum)
	if [ ! -e "$build/Makefile" ] || [ "$(cat "$build/configured" 2>/dev/null)" != "$setup" ]; then
		rm -f "$build/configured"
		"$build/src/autogen.sh"
		# shellcheck disable=SC2086
		(cd "$build" && src/configure -q ${NAP_CONFIGURE:-})
		echo "$setup" >"$build/configured"
	fi
	make -s -j"$(nproc)" -C "$build" all 7>&- ||
		give_up "the build failed; the compiler's first error is in $S/up.log" "mend it, or go back to a commit that builds"
	echo "$now" >"$build/built"
	note "built"
}

# put FILE DESTINATION [MODE]: replaced at once, and only where it differs; says so by its status
put() {
	if [ -e "$2" ]; then
		! cmp -s "$1" "$2" || return 1
	elif [ ! -d "${2%/*}" ]; then
		mkdir -p "${2%/*}"
	fi
	install -m "${3:-644}" "$1" "$2.new"
	mv "$2.new" "$2"
}

# What runs are copies, so that a build or a change of the sources never touches a running nap. $S/upgraded lists
# what is newer than the processes that run it.
build_copy() {
	local f n=0
	build=${NAP_BUILD:-$S/build}
	if [ -e "$S/copied" ] && cmp -s "$build/built" "$S/copied"; then
		note "unchanged"
		return
	fi
	for f in "$build"/nap "$build"/nap-*; do
		if [ -x "$f" ] && [ ! -d "$f" ]; then
			if put "$f" "$S/bin/${f##*/}" 755; then n=$((n + 1)); echo "${f##*/}" >>"$S/upgraded"; fi
		fi
	done
	for f in nap-node nap-run; do
		# the machine's helper, where the units' texts look for it
		if [ -e "$S/bin/$f" ]; then put "$S/bin/$f" "$S/agent/lib/nap/bin/$f" 755 || true; fi
	done
	while IFS= read -r f; do
		if put "$top/$f" "$S/$f"; then n=$((n + 1)); fi
	done < <(build_files | grep -E '^(sql|web)/.*\.(sql|html|css|js|svg|json)$')
	(cd "$S" && find sql web -type f) | while IFS= read -r f; do [ -e "$top/$f" ] || rm -f "$S/$f"; done
	cp "$build/built" "$S/copied"
	note "$([ $n = 0 ] && echo unchanged || echo "$n files new")"
}

# The command line of this copy: $S/nap, which knows where it is, and ./nap, a link to that of the copy that was started
# last. What stands there and is no such link is left alone.
build_command_line() {
	local at=$listen link=$top/nap quoted
	quoted=$(printf %q "$S")
	[ "$at" != 0.0.0.0 ] || at=127.0.0.1
	echo "http://$at:$port" >"$S/.new"
	put "$S/.new" "$S/address" || true
	cat >"$S/.new" <<-END
		#!/bin/sh
		# nap's command line, for the copy in this folder; made by ./up
		NAP_STATE=$quoted exec $quoted/bin/nap "\$@"
	END
	put "$S/.new" "$S/nap" 755 || true
	rm -f "$S/.new"
	if [ -L "$link" ] || [ ! -e "$link" ]; then
		[ "$(readlink "$link")" = "$S/nap" ] || ln -sfn "$S/nap" "$link" 2>/dev/null || note "not at $link"
	fi
}
