"""The meter reads what a process and its children used."""

import os
import subprocess
import sys

from bench.cpu import read, tree, used

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {BURN + "print('burnt', flush=True); input()"!r}])
input()
child.communicate()
"""


def test_a_tree_counts_the_childs_time_and_tells_whose_it_is():
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout and parent.stdin
        before = tree(parent.pid)
        assert parent.stdout.readline() == "burnt\n"
        after = tree(parent.pid)
        spent = used(before, after, lambda reading: reading.pid != parent.pid)
        parent.communicate("\n\n")
    assert len(after) == 2
    assert 0.25 <= spent.plane_s <= 1.0
    assert spent.beside_s < 0.2
    assert 3 < spent.plane_rss_mb < 100


def test_a_process_that_is_gone_reads_as_nothing():
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert read(gone.pid) is None
    assert tree(gone.pid) == []


def test_this_process_has_a_parent_and_a_command():
    reading = read(os.getpid())
    assert reading is not None
    assert reading.parent == os.getppid()
    assert "python" in reading.command
