-- The operator's answer to a leader that stopped, and what came of "adopt".

-- Units of this installation that nobody declares and that stay: the operator took them as they are. `prune` forgets it.
CREATE TABLE adopted_unit (
	name text PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, DELETE ON adopted_unit TO nap_worker;
GRANT SELECT ON adopted_unit TO nap_api;

-- 'adopt' or 'prune', for the leader's next tick. Without anything that waits for it nothing happens: an answer given
-- ahead would be one to a question that nobody has read.
CREATE FUNCTION nap_engine_answer(answer text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = public, pg_temp AS $$
BEGIN
	IF session_user = 'nap_api' AND NOT nap_is_admin() THEN
		RAISE EXCEPTION 'only the operator answers' USING ERRCODE = '42501';
	END IF;
	UPDATE installation SET held_answer = answer
		WHERE held OR (answer = 'prune' AND EXISTS (SELECT 1 FROM adopted_unit));
	IF FOUND THEN
		PERFORM nap_event(t.id, '', 'engine.' || answer, '{}') FROM tenant t WHERE t.role = 'admin';
		PERFORM pg_notify('nap_work', '');
	END IF;
END $$;
REVOKE ALL ON FUNCTION nap_engine_answer(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION nap_engine_answer(text) TO nap_api, nap_worker;
