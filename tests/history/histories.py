"""Histories of definitions that are made in memory: tasks and code as they are given."""

from datetime import timedelta

from ork.objects import snapshot
from ork.objects.kinds import SECOND, Blob, Deploy, Source, Task
from ork.objects.snapshot import CodeFile
from ork.objects.value import replace
from tests.stores import ADA, NOON, stamp


class History:
    """Deploys of etl, one an hour, made of tasks and files as they are given."""

    def __init__(self, store):
        self.store = store
        self.oids = []

    def deploy(self, tasks, files=None, *, text="name: etl\n", settings=None, params=None):
        """Deploy these; the message is the number of the deploy, from 0 on."""
        code = {
            path: CodeFile(data=data.encode(), executable=False)
            for path, data in (files or {}).items()
        }
        built = snapshot.build(tasks, code, params or {})
        number = len(self.oids)
        with self.store.transaction(stamp(number)) as tx:
            tx.add_all(built.objects)
            source = tx.add(Blob(text.encode()))
            head = self.store.ref("workflows/etl")
            oid = tx.add(
                Deploy(
                    workflow="etl",
                    snapshot=built.oid,
                    parents=(head,) if head else (),
                    time=NOON + timedelta(hours=number),
                    author=ADA,
                    message=str(number),
                    settings=settings or {},
                    source=Source(path="etl.yaml", blob=source),
                )
            )
            tx.move("workflows/etl", old=head, new=oid)
        self.oids.append(oid)


def task(command, *needs, timeout=300, **fields):
    fields["timeout"] = timeout * SECOND
    return Task(executor="process", command=command, depends_on=needs, **fields)


def reading(name):
    return {"rows": {"ref": f"tasks.{name}.output.rows"}}


def another_line(store, after, remote, *hours):
    """Let a remote have some deploys of etl after that one, made at these times: a1, a2."""
    before = store.get(Deploy, after)
    with store.transaction() as tx:
        for number, hour in enumerate(hours, 1):
            time, message = NOON + timedelta(hours=hour), f"{remote}{number}"
            after = tx.add(replace(before, parents=(after,), time=time, message=message))
        tx.move(f"remotes/{remote}/etl", old=None, new=after)
