"""Every SQL text of the programs on the migrated schema: tests/unit/test_sql.c with a database."""
import os
import subprocess

import pytest

from lead_stack import Database, have_lead, program


@pytest.mark.skipif(not have_lead(), reason="nap-worker or PostgreSQL is missing")
def test_each_sql_text_is_understood_by_the_database():
    database = Database()
    try:
        database.fresh()
        r = subprocess.run([program("test_sql")], env=dict(os.environ, NAP_TEST_DB=database.socket, CMOCKA_MESSAGE_OUTPUT="TAP"),
                           capture_output=True, text=True)
    finally:
        database.close()
    assert r.returncode == 0, r.stdout + r.stderr
    assert r.stdout.count("\nok ") == 4 and "SKIP" not in r.stdout, r.stdout
