-- What apps take on the disk. Each part is measured by the program that can read it: repository, prepared trees and logs
-- by nap-worker, $NAP_DATA and $NAP_OUT on the machine, as nap-agent tells. A tree that several apps of a tenant share
-- counts once, for the oldest of them.
CREATE TABLE app_disk (
	app_id bigint PRIMARY KEY CONSTRAINT app_disk_app_fkey REFERENCES app ON DELETE CASCADE,
	source bigint NOT NULL DEFAULT 0,
	logs bigint NOT NULL DEFAULT 0,
	data bigint NOT NULL DEFAULT 0,
	measured_at timestamptz                         -- of source
);
GRANT SELECT, INSERT, UPDATE, DELETE ON app_disk TO nap_worker;

-- a measurement is no change of the app: its ETag stays
DROP TRIGGER app_touch ON app;
CREATE TRIGGER app_touch BEFORE UPDATE ON app FOR EACH ROW WHEN (old.disk_bytes = new.disk_bytes)
	EXECUTE FUNCTION app_touch();

CREATE FUNCTION app_disk_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE app SET disk_bytes = new.source + new.logs + new.data
		WHERE id = new.app_id AND disk_bytes <> new.source + new.logs + new.data;
	RETURN NULL;
END $$;
CREATE TRIGGER app_disk_sum AFTER INSERT OR UPDATE ON app_disk FOR EACH ROW EXECUTE FUNCTION app_disk_sum();

CREATE FUNCTION app_disk_used() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	more bigint := CASE WHEN tg_op = 'DELETE' THEN 0 ELSE new.disk_bytes END
		- CASE WHEN tg_op = 'INSERT' THEN 0 ELSE old.disk_bytes END;
BEGIN
	IF more <> 0 THEN
		UPDATE tenant SET used_disk = used_disk + more
			WHERE id = CASE WHEN tg_op = 'DELETE' THEN old.tenant_id ELSE new.tenant_id END;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER app_disk_used AFTER INSERT OR DELETE OR UPDATE OF disk_bytes ON app
	FOR EACH ROW EXECUTE FUNCTION app_disk_used();

-- Where nothing is left no new source comes in; how much one needs is known, and compared, when it is there. DETAIL is as
-- app_quota's.
CREATE FUNCTION operation_disk() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	t tenant;
BEGIN
	SELECT * INTO t FROM tenant WHERE id = new.tenant_id;
	IF t.used_disk >= t.quota_disk THEN
		RAISE EXCEPTION 'disk quota' USING ERRCODE = '23514', CONSTRAINT = 'tenant_quota_disk',
			DETAIL = format('%s %s 0', t.used_disk, t.quota_disk);
	END IF;
	RETURN new;
END $$;
CREATE TRIGGER operation_disk BEFORE INSERT ON operation FOR EACH ROW WHEN (new.kind IN ('deploy', 'push'))
	EXECUTE FUNCTION operation_disk();
