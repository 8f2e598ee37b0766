"""./up's installing: what it changes on the machine while apt runs is taken back, by the next start if it was killed."""
import os
import shutil
import signal
import subprocess

import pytest

from stack import TOP, wait_until

POLICY, CLUSTER, RECORD = "/usr/sbin/policy-rc.d", "/etc/postgresql-common/createcluster.conf", "/var/lib/nap/installing"
FAKES = {
    "apt-get": """case " $* " in *" install "*) ls -d %s %s >"$T/seen"; echo new.service >>"$T/enabled"
        [ ! -e "$T/hold" ] || { echo $PPID $$ >"$T/pid.new"; mv "$T/pid.new" "$T/pid"; exec sleep 1000; } ;; esac""" % (POLICY, CLUSTER),
    "systemctl": """case $1 in list-unit-files) sed 's/$/ enabled/' "$T/enabled" ;; *) shift 2; for u; do sed -i "/^$u$/d" "$T/enabled"; done ;; esac""",
}


@pytest.fixture
def machine(tmp_path):
    """A bash in a mount namespace where /usr/sbin, /etc and /var/lib are this test's to write, with an apt and a systemctl of ours."""
    for name, text in FAKES.items():
        (tmp_path / name).write_text("#!/bin/bash\n" + text + "\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "enabled").write_text("old.service\n")
    shell = tmp_path / "shell"
    mounts = "".join("mkdir -p $T/%d/upper $T/%d/work; mount -t overlay -o lowerdir=%s,upperdir=$T/%d/upper,workdir=$T/%d/work none %s || exit 77; " % (
        n, n, at, n, n, at) for n, at in enumerate(("/usr/sbin", "/etc", "/var/lib")))
    shell.write_text('mount -t tmpfs none "$T/m" || exit 77; T0=$T; T=$T/m; %s T=$T0; rm -f %s %s; set -euo pipefail; . scripts/packages.sh; root=1; note() { echo "$*"; }; '
                     'packages_missing() { :; }; eval "$1"' % (mounts, POLICY, CLUSTER))
    (tmp_path / "m").mkdir()

    def start(text):
        return subprocess.Popen(["unshare", "-m", "bash", str(shell), text], cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                env=dict(os.environ, T=str(tmp_path), PATH=str(tmp_path) + ":" + os.environ["PATH"]), start_new_session=True)
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a mount namespace needs root")
    probe = start("true")
    if probe.communicate()[0] and probe.returncode == 77 or probe.returncode == 77:
        pytest.skip("overlays cannot be mounted here")
    yield tmp_path, start


@pytest.mark.parametrize("systemd", [True, False])
def test_nothing_stays_after_an_install(machine, systemd):
    folder, start = machine
    if not systemd:
        (folder / "systemctl").write_text("#!/bin/sh\nexit 127\n")
    p = start("packages_get x; echo $?; ls %s %s %s || true; cat $T/enabled" % (POLICY, CLUSTER, RECORD))
    text = p.communicate(timeout=60)[0]
    assert (folder / "seen").read_text().split() == [CLUSTER, POLICY], text
    assert text.splitlines()[0] == "0" and text.count("No such file") == 3, text
    assert not systemd or text.splitlines()[-1] == "old.service", text


def test_an_install_that_was_killed_is_taken_back_by_the_next_start(machine):
    folder, start = machine
    (folder / "hold").touch()
    # all in one namespace, so that the second sees what the first left
    p = start("packages_get x & until [ -e $T/pid ]; do sleep 0.05; done; kill -9 $(cat $T/pid); wait || true; "
              "ls %s %s %s; packages_install; ls %s %s %s || true; cat $T/enabled" % ((POLICY, CLUSTER, RECORD) * 2))
    try:
        text = p.communicate(timeout=60)[0]
    finally:
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGKILL)
    wait_until(lambda: (folder / "pid").exists())
    first, second = text.split("all there")
    assert "No such file" not in first and first.count("/") >= 3, text
    assert second.count("No such file") == 3 and second.split()[-1] == "old.service", text
