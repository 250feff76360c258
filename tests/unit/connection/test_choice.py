"""Which run is meant, and what is done about the files of runs that have ended."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dwork.connection.choice import choose, find, is_only, last_ended, of_file, successor
from dwork.connection.directory import beside, publish, withdraw
from dwork.connection.file import Connection, read, write
from dwork.core.errors import UsageError
from tests.needs import missing
from tests.unit.connection.me import ME

#: A pid that no process has.
NOBODY = 2**22 + 1
#: An address that refuses connections; no other does.
REFUSING = "tcp://10.0.0.9:1"


@pytest.fixture(autouse=True)
def refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dwork.connection.choice.refuses", lambda run: run.addresses == (REFUSING,))


def test_what_is_published_is_found_and_then_gone(place: Path) -> None:
    path = publish(ME)
    assert read(path) == find() == find("4711") == find("4711.cluster") == ME
    assert is_only(path)
    withdraw(path)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("what", ["file", "directory"])
def test_what_others_can_read_is_refused(place: Path, what: str) -> None:
    path = Path(publish(ME))
    (path if what == "file" else place).chmod(0o750 if what == "directory" else 0o640)
    with pytest.raises(UsageError, match=r"other users can access .* chmod go="):
        find()
    if what == "directory":
        with pytest.raises(UsageError, match="other users can access"):
            publish(ME)


def test_what_belongs_to_somebody_else_is_refused(place: Path) -> None:
    if os.geteuid():
        missing("root")
    path = publish(ME)
    os.chown(path, 65534, -1)
    with pytest.raises(UsageError, match="belongs to another user"):
        read(path)


def test_a_run_that_has_ended_is_cleaned_up_and_said_so(place: Path) -> None:
    publish(replace(ME, pid=NOBODY))
    with pytest.raises(UsageError, match=r"no run is known in .*\(removed the files of 1 run that had ended\)"):
        find()
    assert list(place.iterdir()) == []


def test_a_run_of_another_machine_is_not_called_ended(place: Path) -> None:
    publish(replace(ME, host="elsewhere", pid=NOBODY, pid_space="of elsewhere"))
    assert find().host == "elsewhere"


def test_the_run_that_goes_on_with_another_is_the_last_one_of_the_same_tasks_or_address(place: Path) -> None:
    before = replace(ME, host="n1", started=5.0)
    assert successor(before, 5.0) is None
    publish(replace(before, started=6.0))
    assert successor(before, 7.0) is None  # it was there all the time
    publish(replace(ME, host="n2", tasks="/other.txt", addresses=("tcp://10.0.0.2:1",), started=9.0))
    assert successor(before, 7.0) is None
    same_tasks = publish(replace(ME, host="n3", addresses=("tcp://10.0.0.3:1",), started=8.0))
    assert successor(before, 7.0) == same_tasks
    same_address = publish(replace(ME, host="n4", tasks="", started=9.0))
    assert successor(before, 7.0) == same_address


def test_several_runs_are_listed_and_one_is_to_be_chosen(place: Path) -> None:
    path = publish(ME)
    publish(replace(ME, host="node17", job="12", tasks="/other.txt"))
    assert not is_only(path)
    with pytest.raises(UsageError, match="there are several runs") as caught:
        find()
    for line in ("tasks.txt on ", ", job 4711", "other.txt on node17, job 12"):
        assert line in str(caught.value)
    assert path in str(caught.value) and "\n" not in str(caught.value)
    assert find("12").host == "node17"
    with pytest.raises(UsageError, match=r"no run of job 13 is known"):
        find("13")


def test_an_element_of_an_array_has_three_names(place: Path) -> None:
    publish(replace(ME, host="node1", job="4713", element="4711_0"))
    publish(replace(ME, host="node2", job="4712", element="4712_3", tasks="another"))
    publish(replace(ME, host="node3", job="4714[8].cluster", tasks="a third"))
    assert find("4711").host == find("4711_0").host == find("4713").host == "node1"
    assert find("4714").host == find("4714[]").host == find("4714[8].cluster").host == "node3"
    with pytest.raises(UsageError, match="no run of job 4711_1 is known"):
        find("4711_1")


def test_an_array_whose_elements_are_runs_of_their_own_is_listed(place: Path) -> None:
    for i in range(2):
        publish(replace(ME, host=f"node{i}", job=f"{4711 + i}", element=f"4712_{i}", tasks=f"tasks-{i}"))
    assert (find("4711").host, find("4712_0").host, find("4712").host) == ("node0", "node0", "node1")
    with pytest.raises(UsageError, match="there are several runs"):
        find()


def test_a_job_that_was_requeued_since_its_node_died_is_found_where_it_is_now(place: Path) -> None:
    """What the dead node has published is still there, and nobody elsewhere can tell."""
    for host, started in (("node1", 1e9), ("node2", 2e9), ("node3", 1.5e9)):
        publish(replace(ME, host=host, started=started))
    assert find("4711").host == find().host == "node2"
    publish(replace(ME, host="node4", tasks="another"))
    with pytest.raises(UsageError, match="there are several runs"):
        find("4711")


def test_there_is_an_order_in_what_tells_which_run_is_meant(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(ME)
    other = publish(replace(ME, host="node17", job="12", addresses=("tcp://10.0.0.2:7000",)))
    assert choose(file=other).host == "node17"
    assert choose(file=read(other)) == read(other)
    assert choose("10.0.0.2:7000").host == "node17"
    assert choose(job="12").host == "node17"
    monkeypatch.setenv("DWORK_SERVER", "10.0.0.1")
    assert choose() == ME
    monkeypatch.setenv("DWORK_CONNECTION", other)
    assert choose().host == "node17"
    assert choose("tcp://10.0.0.1:6125") == ME
    with pytest.raises(UsageError, match="-s and --job contradict"):
        choose("x", job="1")
    with pytest.raises(UsageError, match=r"no run is known at tcp://x:6125; .*--insecure"):
        choose("x")


def test_a_run_that_ends_while_files_are_read_is_passed_over(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = publish(ME)
    names = ["ended.json", os.path.basename(path)]
    monkeypatch.setattr("os.listdir", lambda place: names)
    assert choose() == choose("10.0.0.1") == ME
    assert is_only(path)


def test_beside_a_file_that_cannot_be_used_no_run_is_the_only_one(place: Path) -> None:
    path = publish(ME)
    (place / "foreign.json").write_text("{}")
    (place / "foreign.json").chmod(0o600)
    assert not is_only(path)


def test_a_hub_without_keys_must_be_asked_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose("old:1234", insecure=True) == Connection(("tcp://old:1234",))
    assert choose(insecure=True) == Connection(("tcp://localhost:6125",))
    monkeypatch.setenv("DWORK_INSECURE", "1")
    monkeypatch.setenv("DWORK_SERVER", "old")
    assert choose() == Connection(("tcp://old:6125",))


@pytest.mark.parametrize("space", ["", "another-boot/pid:[4026531836]", "of a container"])
def test_a_run_in_a_container_is_not_called_ended_while_it_listens(place: Path, space: str) -> None:
    path = publish(replace(ME, pid=NOBODY, pid_space=space))
    assert find().pid == NOBODY and os.path.exists(path)


def test_a_run_in_a_container_that_refuses_a_connection_has_ended(place: Path) -> None:
    path = publish(replace(ME, pid=NOBODY, pid_space="of a container", addresses=(REFUSING,)))
    with pytest.raises(UsageError, match="removed the files of 1 run that had ended"):
        find()
    assert not os.path.exists(path)


def test_of_several_runs_elsewhere_those_that_refuse_are_passed_over_and_kept(place: Path) -> None:
    publish(replace(ME, host="n1", job="1", pid_space="of n1", addresses=(REFUSING,)))
    publish(replace(ME, host="n2", job="2", pid_space="of n2"))
    assert find().host == "n2" and len(list(place.iterdir())) == 2
    assert find("1").host == "n1"


def test_without_a_home_a_run_is_found_beside_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tmp_path / "tasks.txt.db"
    run = replace(ME, tasks=str(tmp_path / "tasks.txt"), record=str(record))
    write(beside(str(record)), run)
    assert of_file(str(record)) == of_file(run.tasks) == run
    with pytest.raises(UsageError, match="no run is known"):
        find()
    monkeypatch.chdir(tmp_path)
    assert find() == run
    publish(replace(ME, job="other"))
    assert find().job == "other"


def test_what_others_leave_in_the_working_directory_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.connection").write_text(ME.to_json())
    (tmp_path / "x.connection").chmod(0o644)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no run is known"):
        find()


def test_the_last_run_that_has_ended_is_known_by_its_job_file_address_or_directory(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = []
    for job, where in ("1", "/elsewhere"), ("2", str(tmp_path)), ("3", str(tmp_path)):
        run = replace(ME, pid=int(job), job=job, started=float(job), record="x.db", directory=where)
        paths.append(publish(replace(run, addresses=(f"tcp://n{job}:1",))))
        assert last_ended(job=job) is None
        withdraw(paths[-1])
    assert [getattr(last_ended(job=job), "job", None) for job in ("1", "2", "4")] == ["1", "2", None]
    assert last_ended(file=paths[1]) == last_ended(job="2") == last_ended(server="n2:1")
    monkeypatch.chdir(tmp_path)
    assert last_ended() == last_ended(job="3")
    monkeypatch.chdir("/")
    assert last_ended() is None
