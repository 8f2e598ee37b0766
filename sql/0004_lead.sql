-- What the leader keeps beside an instance.
ALTER TABLE instance ADD leave_at timestamptz;     -- out of the routes, to go when it has drained

-- The operator's answer to a leader that stopped (installation.held): 'adopt' takes what the engine shows as it is,
-- 'prune' lets the leader remove what nobody has declared. Both let one tick pass, however large.
ALTER TABLE installation ADD held_answer text CONSTRAINT installation_held_answer
	CHECK (held_answer IN ('adopt', 'prune'));

-- As in 0001; its parameter's name was the table's, and the UPDATE did not know which was meant.
DROP FUNCTION nap_port_take(integer, integer, integer, bigint);
CREATE FUNCTION nap_port_take(lo integer, hi integer, rest_s integer, owner_id bigint) RETURNS integer
	LANGUAGE plpgsql AS $$
DECLARE
	start integer;
	p integer;
	i integer;
BEGIN
	SELECT greatest(least(last_port, hi), lo - 1) INTO start FROM installation FOR UPDATE;
	FOR i IN 1 .. hi - lo + 1 LOOP
		p := lo + (start - lo + i) % (hi - lo + 1);
		INSERT INTO port_lease AS l (port, instance_id) VALUES (p, owner_id)
			ON CONFLICT ON CONSTRAINT port_lease_pkey DO UPDATE
			SET instance_id = excluded.instance_id, taken_at = now(), freed_at = NULL
			WHERE l.instance_id IS NULL AND coalesce(l.freed_at, l.taken_at) < now() - make_interval(secs => rest_s);
		IF FOUND THEN
			UPDATE installation SET last_port = p;
			UPDATE instance SET port = p WHERE id = owner_id;
			RETURN p;
		END IF;
	END LOOP;
	RAISE EXCEPTION 'no port is free in % to %', lo, hi USING ERRCODE = '53400';
END $$;
