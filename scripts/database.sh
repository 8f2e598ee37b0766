# shellcheck shell=bash
# The private PostgreSQL: a Unix socket only, roles by the user of the process that connects. Sourced by ./up.

database_bin() {
	local dir
	for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
		if [ -x "$dir/postgres" ]; then
			# a cluster stays with the version that made it
			[ ! -e "$S/db/PG_VERSION" ] || [ "$dir" = "/usr/lib/postgresql/$(cat "$S/db/PG_VERSION")/bin" ] || continue
			echo "$dir"
			return
		fi
	done
	give_up "PostgreSQL's programs are not below /usr/lib/postgresql" "install postgresql-15"
}

# as_user USER COMMAND ...: with nothing of the caller's environment; names of users come from $S/passwd
as_user() {
	local uid=uid_$1 gid=gid_$1 ids=()
	shift
	[ "$root" = 0 ] || ids=("--reuid=${!uid}" "--regid=${!gid}" "--groups=${!gid},$gid_sql" --no-new-privs --inh-caps=-all)
	setpriv "${ids[@]}" env -i PATH="$PATH" LC_ALL=C.UTF-8 HOME=/nonexistent LD_PRELOAD=libnss_wrapper.so \
		NSS_WRAPPER_PASSWD="$S/passwd" NSS_WRAPPER_GROUP="$S/group" NAP_CONF="$S/nap.conf" "$@" 7>&- 8>&-
}

sql() {
	as_user db "$pg/psql" -X -q -h "$S/run/db" -U nap_db -v ON_ERROR_STOP=1 -At "$@"
}

database_configure() {
	local user db=nap-db web=nap-web worker=nap
	[ "$root" = 1 ] || { db=nap web=nap; }
	cat >"$S/db/nap.conf" <<-END
		listen_addresses = ''
		unix_socket_directories = '$S/run/db'
		max_connections = $((api_pool + login_pool + wait_pool + 2 * workers + 30))
		shared_buffers = 32MB
		logging_collector = off
		log_timezone = UTC
		timezone = UTC
		jit = off
	END
	# what "initdb" wrote stays as it is, ours is read last
	grep -q "^include_if_exists = 'nap.conf'" "$S/db/postgresql.conf" ||
		echo "include_if_exists = 'nap.conf'" >>"$S/db/postgresql.conf"
	echo "local all all peer map=nap" >"$S/db/pg_hba.conf"
	cat >"$S/db/pg_ident.conf" <<-END
		nap $db nap_db
		nap $web nap_api
		nap $worker nap_worker
		nap $worker nap_owner
	END
	[ "$root" = 0 ] || for user in nap.conf pg_hba.conf pg_ident.conf; do chown "$uid_db:$gid_db" "$S/db/$user"; done
}

database_start() {
	pg=$(database_bin)
	if [ ! -e "$S/db/PG_VERSION" ]; then
		as_user db "$pg/initdb" -D "$S/db" -U nap_db --auth-local=peer --auth-host=reject -E UTF8 --locale=C.UTF-8 >&2
		note "made"
	fi
	database_configure
	service_ensure postgres
	local i
	for ((i = 0; i < 600; i++)); do
		if as_user db "$pg/pg_isready" -q -h "$S/run/db" -U nap_db -d postgres; then break; fi
		sleep 0.1
	done
	sql -d postgres <<-'EOSQL'
		DO $$
		DECLARE r text;
		BEGIN
			FOREACH r IN ARRAY '{nap_owner,nap_api,nap_worker}'::text[] LOOP
				IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
					EXECUTE format('CREATE ROLE %I LOGIN', r);
				END IF;
			END LOOP;
		END $$;
		ALTER ROLE nap_worker BYPASSRLS;
	EOSQL
	if [ "$(sql -d postgres -c "SELECT count(*) FROM pg_database WHERE datname = 'nap'")" = 0 ]; then
		sql -d postgres -c "CREATE DATABASE nap OWNER nap_owner"
		sql -d postgres -c "REVOKE ALL ON DATABASE nap FROM PUBLIC"
		sql -d postgres -c "GRANT CONNECT, TEMPORARY ON DATABASE nap TO nap_api, nap_worker"
	fi
}

database_migrate() {
	as_user nap "$S/bin/nap-worker" --migrate
}

# The first login is shown once; its token stays in $S/admin-token, for its owner only.
database_first_login() {
	if [ -e "$S/admin-token" ]; then
		note "in $S/admin-token"
		return
	fi
	as_user nap "$S/bin/nap-worker" --first-login "$S/work/admin-token" >"$S/first-login.new"
	install -m 600 "$S/work/admin-token" "$S/admin-token"
	rm -f "$S/work/admin-token"
}

# No instance runs: none is ready until it is heard of again.
database_units_ended() {
	pg=$(database_bin)
	sql -d nap <<-'EOSQL'
		DELETE FROM announcement;
		UPDATE instance SET ready_at = NULL, state = 'restarting', since = now()
			WHERE want <> 'gone' AND state IN ('ready', 'unhealthy');
	EOSQL
}

database_engine() { # [ANSWER]
	if [ ! -e "$S/block" ] || [ ! -S "$S/run/db/.s.PGSQL.5432" ]; then
		say "nothing runs in \"$S\""
		return 1
	fi
	as_user nap "$S/bin/nap-worker" --engine "$@"
}
