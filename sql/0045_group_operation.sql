-- The leader asks at each tick whether units that go were asked to, by an operation of the app or of its group.
CREATE INDEX operation_group ON operation (tenant_id, app) WHERE kind = 'group';
