-- A source that is sent as an archive: one operation like a push.
ALTER TABLE operation DROP CONSTRAINT operation_kind;
ALTER TABLE operation ADD CONSTRAINT operation_kind CHECK (kind IN ('deploy', 'push', 'rollback', 'env', 'scale', 'start',
	'stop', 'restart', 'destroy', 'similar', 'group', 'upload'));

DROP TRIGGER operation_disk ON operation;
CREATE TRIGGER operation_disk BEFORE INSERT ON operation FOR EACH ROW WHEN (new.kind IN ('deploy', 'push', 'upload'))
	EXECUTE FUNCTION operation_disk();
