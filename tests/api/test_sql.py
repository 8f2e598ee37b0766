"""Every SQL text of the programs on the migrated schema: tests/unit/test_sql.c with a database."""
import os
import subprocess

import pytest

from database import Template
from lead_stack import have_lead
from push_server import program


@pytest.mark.skipif(not have_lead(), reason="nap-worker or PostgreSQL is missing")
def test_each_sql_text_is_understood_by_the_database():
    database = Template()
    try:
        database.fresh()
        r = subprocess.run([program("test_sql")], env=dict(os.environ, NAP_TEST_DB=database.socket, CMOCKA_MESSAGE_OUTPUT="TAP"),
                           capture_output=True, text=True)
    finally:
        database.close()
    assert r.returncode == 0, r.stdout + r.stderr
    assert r.stdout.count("\nok ") == 4 and "SKIP" not in r.stdout, r.stdout
