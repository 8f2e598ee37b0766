-- What the leader keeps beside an instance.
ALTER TABLE instance ADD leave_at timestamptz;     -- out of the routes, to go when it has drained

-- The operator's answer to a leader that stopped (installation.held): 'adopt' takes what the engine shows as it is,
-- 'prune' lets the leader remove what nobody has declared. Both let one tick pass, however large.
ALTER TABLE installation ADD held_answer text CONSTRAINT installation_held_answer
	CHECK (held_answer IN ('adopt', 'prune'));
