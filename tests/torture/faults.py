"""The faults that tests/torture/test_faults.py plants into a copy of ork, and which tests see each.

Each is a slip that somebody could make: a check that is left out, an order turned round. A fault is
a text of a file, and what stands there instead. The tests are the quickest that see it; each must
fail. tests/test_planted_faults.py keeps the table up to date.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
POWER = (
    "torture/test_power.py::"
    "test_a_loss_of_power_leaves_a_whole_store_with_all_that_was_acknowledged[lmdb:-0]"
)
LOCAL = "executors/test_executors.py::TestLocalWithProcesses"


@dataclass(frozen=True)
class Fault:
    """One fault, by its name."""

    name: str
    file: str
    text: str  # stands in the file exactly once
    instead: str
    tests: tuple[str, ...]  # below tests/, as pytest names them

    def __str__(self) -> str:
        return self.name.replace(" ", "-")

    def planted(self, source: str) -> str:
        """Return the source of the file with the fault in it."""
        assert source.count(self.text) == 1, f"{self.file} has {self.text!r} not exactly once"
        return source.replace(self.text, self.instead)


FAULTS = (
    # What is kept, and whether it is believed.
    Fault(
        "an object is read without its hash",
        "ork/store/store.py",
        "if hash_bytes(data) != oid:",
        "if False:",
        ("store/test_store.py::test_one_flipped_bit_is_noticed_by_every_way_to_read",),
    ),
    Fault(
        "bytes that are not canonical are an object",
        "ork/objects/kinds.py",
        "same = _ENCODE(value) == payload",
        "same = True",
        ("objects/test_kinds.py::test_bytes_that_are_not_canonical_are_corrupt",),
    ),
    Fault(
        "an object of another kind is taken for the one asked for",
        "ork/store/store.py",
        "if not isinstance(value, kind):",
        "if False:",
        (
            "store/test_reading_together.py::"
            "test_one_that_is_missing_damaged_or_of_another_kind_is_damage",
        ),
    ),
    Fault(
        "a commit does not wait for the disk",
        "ork/backends/lmdb.py",
        "max_spare_txns=0,",
        "max_spare_txns=0, **{'sync': False},",
        (
            "backends/test_lmdb.py::test_a_commit_waits_for_the_disk",
            POWER,
        ),
    ),
    Fault(
        "a commit does not wait for its last page",
        "ork/backends/lmdb.py",
        "max_spare_txns=0,",
        "max_spare_txns=0, metasync=False,",
        (
            "backends/test_lmdb.py::test_a_commit_waits_for_the_disk",
            POWER,
        ),
    ),
    Fault(
        "the names in a folder do not wait for the disk",
        "ork/files.py",
        "    with open_folder(path) as at:\n        os.fsync(at)\n",
        "    pass\n",
        (POWER,),
    ),
    Fault(
        "a ref is set without a comparison",
        "ork/backends/lmdb.py",
        "if txn.get(key) != (None if old is None else sealed(key[1:], old)):",
        "if False:",
        ("backends/test_backends.py::test_a_stale_move_writes_nothing",),
    ),
    Fault(
        "a write does not look whether what it needs is there",
        "ork/backends/lmdb.py",
        "return all(cursor.set_key(_object_key(oid)) for oid in needs)",
        "return True",
        ("backends/test_backends.py::test_a_write_without_what_it_needs_writes_nothing",),
    ),
    Fault(
        "a write of SQLite does not wait for the disk",
        "ork/backends/sqlite.py",
        '"synchronous = FULL"',
        '"synchronous = OFF"',
        ("backends/test_sqlite.py::test_a_commit_waits_for_the_disk",),
    ),
    Fault(
        "SQLite moves a ref without comparing",
        "ork/backends/sqlite.py",
        "if not self._unmoved(connection, steps) or not self._present(connection, needs):",
        "if not self._present(connection, needs):",
        ("backends/test_backends.py::test_a_stale_move_writes_nothing",),
    ),
    Fault(
        "a file of SQLite is put in the place of one that is open",
        "ork/backends/gate.py",
        "if not lock(descriptor):",
        "if False:",
        ("backends/test_sqlite.py::test_a_second_swap_finds_what_the_first_one_made",),
    ),
    Fault(
        "a list of refs in a bucket takes the place of whatever is there",
        "ork/servers/cloud.py",
        "mode: Any = dict(version)",
        'mode: Any = "overwrite"',
        ("servers/test_cloud.py::test_writers_that_race_lose_nothing",),
    ),
    Fault(
        "a list of refs in a bucket is put again when its answer was lost",
        "ork/servers/cloud.py",
        "if token in before.writers:",
        "if False:",
        ("servers/test_cloud.py::test_a_list_that_was_put_is_known_though_its_answer_was_lost",),
    ),
    Fault(
        "what a killed writer has put into plain files is not taken back",
        "ork/backends/plain/files.py",
        "disk.unlink(self._path, disk.begun(self._path, listing))",
        "pass",
        (
            "backends/test_files.py::"
            "test_a_writer_killed_before_its_commit_is_undone_by_the_next_to_open",
        ),
    ),
    Fault(
        "what was to be removed from plain files is left by a killed writer",
        "ork/backends/plain/files.py",
        "disk.delete(self._path, listing.removed)",
        "pass",
        (
            "backends/test_files.py::"
            "test_a_writer_killed_while_it_removes_is_ended_by_the_next_to_open",
        ),
    ),
    Fault(
        "plain files are put right while somebody writes them",
        "ork/backends/plain/files.py",
        "closing(Gate(path, wait_s=0.0)) as gate, gate:",
        "closing(Gate(path, wait_s=0.0)):",
        ("backends/test_files.py::test_nobody_puts_right_what_a_living_writer_has_begun",),
    ),
    Fault(
        "objects are deleted that somebody reads as of a moment before",
        "ork/backends/plain/folder.py",
        "        if lock(descriptor):\n            unlink(folder, oids)",
        "        if True:\n            unlink(folder, oids)",
        (
            "backends/test_files.py::"
            "test_removed_objects_go_for_good_when_the_last_reader_of_before_ends",
        ),
    ),
    Fault(
        "a list of refs is believed whatever its first line says",
        "ork/backends/plain/listing.py",
        'whole = first == TITLE + hash_bytes(rest).encode() + b"\\n"',
        "whole = True",
        ("backends/test_files.py::test_what_is_damaged_is_not_believed",),
    ),
    Fault(
        "a list of refs that is as large as before is not read anew",
        "ork/backends/plain/folder.py",
        "if known is not None and first == known.first:",
        "if known is not None and len(known.lines) > 0:",
        ("backends/test_files.py::test_the_refs_are_read_anew_only_when_they_have_changed",),
    ),
    Fault(
        "plain files are replaced while a process has them open",
        "ork/backends/gate.py",
        "if not lock(descriptor):",
        "if False:",
        ("backends/test_files.py::test_what_a_swap_replaces_is_kept",),
    ),
    Fault(
        "writers do not wait for each other at the gate",
        "ork/files.py",
        "(fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        ("backends/test_on_disk.py::test_a_wait_that_is_too_long_names_the_holder",),
    ),
    Fault(
        "a forked child uses what its parent opened",
        "ork/backends/lmdb_file.py",
        "        for refuse in environment.handles:\n            refuse()\n",
        "",
        ("backends/test_on_disk.py::test_a_forked_child_is_refused_and_its_parent_goes_on",),
    ),
    Fault(
        "a forked child keeps the gate",
        "ork/backends/lmdb_file.py",
        "            environment.gate.forget()\n",
        "            pass\n",
        ("backends/test_on_disk.py::test_a_forked_child_keeps_nobody_out",),
    ),
    Fault(
        "a file that is too short is mapped",
        "ork/backends/lmdb_file.py",
        "return length >= (",
        "return True or (",
        ("backends/test_lmdb.py::test_a_cut_off_file_is_an_error_and_not_a_signal",),
    ),
    Fault(
        "the seal of a ref is not compared",
        "ork/backends/base.py",
        "value[_TARGET_BYTES:] != seal(_REF + name + target)",
        "False",
        ("upkeep/test_fsck.py::test_a_flipped_bit_in_the_name_of_a_ref_is_found",),
    ),
    Fault(
        "the anchor is not told",
        "ork/store/store.py",
        "self.store.tell_anchor(next(pins, None))",
        "pass",
        ("cli/test_anchored.py::test_an_older_data_file_is_noticed_by_every_command",),
    ),
    Fault(
        "the anchor is not compared",
        "ork/store/location.py",
        "if behind > 0:",
        "if False:",
        ("cli/test_anchored.py::test_an_older_data_file_is_noticed_by_every_command",),
    ),
    Fault(
        "a record of the anchor is believed without its seal",
        "ork/backends/anchor.py",
        "if proof != seal(_CONTEXT + data) or sequence % SLOTS != slot:",
        "if sequence % SLOTS != slot:",
        ("backends/test_anchor.py::test_a_record_with_any_bit_flipped_counts_as_absent",),
    ),
    Fault(
        "a ref is moved to what is damaged",
        "ork/store/store.py",
        "if not (brought(oid) or self.store.keeps(oid))]",
        "if not (brought(oid) or self.store.has(oid))]",
        ("store/test_writes.py::test_a_ref_is_not_moved_to_what_is_damaged",),
    ),
    Fault(
        "a head moves from wherever it is now",
        "ork/heads/deploy.py",
        "old=parent, new=oid)",
        'old=store.ref(f"workflows/{definition.name}"), new=oid)',
        ("heads/test_races.py::test_deployers_of_one_workflow_lose_nothing",),
    ),
    Fault(
        "the files of a store can be read by everybody",
        "ork/backends/lmdb_file.py",
        "os.fchmod(file.fileno(), 0o600)",
        "os.fchmod(file.fileno(), 0o644)",
        ("backends/test_on_disk.py::test_only_the_owner_has_access_whatever_the_umask",),
    ),
    Fault(
        "the file with the locks has holes, by which a full disk kills a process",
        "ork/backends/lmdb_file.py",
        "file.write(bytes(size))",
        'file.write(b"")',
        ("upkeep/test_full_disk.py::test_a_store_that_has_no_room_for_its_locks_is_not_made",),
    ),
    Fault(
        "a repair ends in an error where the chain of operations breaks off",
        "ork/upkeep/rebuild.py",
        "except Corrupt as error:  # the chain of operations breaks off",
        "except OSError as error:",
        ("torture/test_damage.py::test_every_object_outside_of_a_damaged_page_is_got_back",),
    ),
    Fault(
        "a number that was lost is given again",
        "ork/store/resolve.py",
        'for space in ("numbers", "spent"))',
        'for space in ("numbers",))',
        ("upkeep/test_repair.py::test_a_number_of_a_run_that_is_lost_is_not_given_again",),
    ),
    Fault(
        "runs that make up for slots go on at once",
        "ork/daemon/loop.py",
        "behind = behind or whose.workflow in going or",
        "behind = behind or",
        ("daemon/test_up.py::test_runs_for_slots_of_the_past_come_one_after_the_other",),
    ),
    Fault(
        "a run for a slot may take for ever",
        "ork/daemon/fires.py",
        "Options(timeout_s=schedule.timeout_s, values=values)",
        "Options(values=values)",
        ("daemon/test_up.py::test_each_run_of_a_schedule_has_its_time_limit",),
    ),
    Fault(
        "two that have counted the same runs both begin",
        "ork/runner/owner.py",
        "tx.move(room.ref, old=begun, new=",
        "tx.move(room.ref, old=tx.store.ref(room.ref), new=",
        (
            "daemon/test_room.py::"
            "test_of_two_that_begin_at_the_same_moment_one_is_refused[retry-run]",
            "daemon/test_room.py::"
            "test_of_two_that_begin_at_the_same_moment_one_is_refused[retry-retry]",
        ),
    ),
    Fault(
        "runs are counted before a deploy alone",
        "ork/runner/owner.py",
        "        make_sure_of_room(tx.store, room, but=run.id)\n",
        "",
        ("daemon/test_room.py::test_of_two_that_begin_at_the_same_moment_one_is_refused[run-run]",),
    ),
    Fault(
        "a run from the queue does not wait for room",
        "ork/daemon/loop.py",
        "if work is not None and self._must_wait(whose, work, now):",
        "if False:",
        ("daemon/test_up.py::test_runs_that_wait_come_as_there_is_room_for_them",),
    ),
    Fault(
        "a slot is fired though the run before has failed",
        "ork/schedule/policy.py",
        "    if going is not None and going.holds:\n        return Decision(wake=wake)\n",
        "",
        (
            "schedule/test_policy.py::test_of_what_is_due",
            "daemon/test_holds.py::test_no_slot_is_fired_after_a_failure",
        ),
    ),
    Fault(
        "a pause that ends lets go on what a failure holds back",
        "ork/daemon/pauses.py",
        "return _resume(store, dict(sorted(some.items())), stamp, now)",
        "passed = {decided_ref(name, line.schedule): Passed(run=run.id, attempt=run.attempt,"
        " author=stamp.author, time=now)"
        " for name, its in some.items() for line, run in lines.holding(store, its)}\n"
        "    return _resume(store, dict(sorted(some.items())), stamp, now, passed)",
        ("daemon/test_holds.py::test_the_end_of_all_pauses_leaves_it_held_back",),
    ),
    Fault(
        "a run that makes up for a slot begins though the one before has failed",
        "ork/daemon/loop.py",
        " or _line_of(whose) in held",
        "",
        ("daemon/test_up.py::test_after_a_failure_nothing_more_is_fired_until_it_is_mended",),
    ),
    Fault(
        "any later run that succeeded mends a schedule",
        "ork/daemon/lines.py",
        'if alike and other.state == "success" and verdict(store, other) == "good":',
        'if other.state == "success":',
        ("daemon/test_holds.py::test_a_run_by_hand_mends_it_that_is_whole_and_for_the_same",),
    ),
    Fault(
        "what is paused is late",
        "ork/daemon/fires.py",
        "if its.halted or first is None or now - first < grace:",
        "if first is None or now - first < grace:",
        ("cli/test_schedule.py::test_what_is_late_has_no_run",),
    ),
    Fault(
        "a run whose schedule went just after it failed has no hook",
        "ork/daemon/loop.py",
        "return [run for one, run in pairs if run and _retry_at(one, run, now) is not None]",
        "return [run for one, run in pairs if run and run == one.failed]",
        (
            "daemon/test_up.py::"
            "test_a_run_has_its_hook_whose_schedule_went_when_nobody_had_seen_that_it_failed",
        ),
    ),
    Fault(
        "a retry may take for ever",
        "ork/daemon/fires.py",
        "return replace(options, timeout_s=schedule.timeout_s) if schedule else options",
        "return options",
        (
            "daemon/test_fires.py::"
            "test_a_run_that_a_person_asks_for_has_the_time_limit_of_its_schedule[retry]",
        ),
    ),
    Fault(
        "a run whose retry was overtaken has no hook",
        "ork/daemon/loop.py",
        "if failed is not None and run is not None and run.id != failed.id:",
        "if False:",
        ("daemon/test_up.py::test_a_run_that_will_not_be_retried_any_more_has_its_hook[person]",),
    ),
    Fault(
        "a program in a checkout finds the code that the project has now",
        "ork/runner/workplace.py",
        'found["PYTHONPATH"] = _joined(found["PYTHONPATH"], *ours)',
        "pass",
        (
            "runner/test_installed.py::"
            "test_what_is_installed_from_the_project_is_captured_and_executed_as_it_was[src]",
        ),
    ),
    Fault(
        "a program in a checkout goes by a PYTHONPATH that leads to the project",
        "ork/runner/workplace.py",
        "folders[number] = os.path.join(place.folder, start)",
        "folders[number] = os.path.join(folder)",
        ("runner/test_installed.py::test_the_environment_of_ork_leads_to_the_checkout_as_well",),
    ),
    Fault(
        "what takes the output of a skipped task is started",
        "ork/runner/loop.py",
        "self.skipped.add(name)",
        "pass",
        (
            "runner/test_conditions.py::"
            "test_a_task_whose_condition_does_not_hold_is_skipped_with_what_takes_its_output",
        ),
    ),
    Fault(
        "a task that was skipped makes its run a part",
        "ork/store/verdict.py",
        'one.state == "skipped" and not one.is_unmet',
        'one.state == "skipped"',
        (
            "runner/test_conditions.py::"
            "test_a_run_with_skipped_tasks_is_whole_and_a_part_of_it_is_not",
        ),
    ),
    Fault(
        "a retry keeps what was told of a failure",
        "ork/runner/choices.py",
        "changed |= {name for name in done if not undone.isdisjoint(needs.get(name, ()))}",
        "pass",
        ("runner/test_retry.py::test_what_ran_all_the_same_runs_again_with_what_it_needs",),
    ),
    Fault(
        "folders of logs can be read by everybody",
        "ork/store/store.py",
        "make=0o700 if make else None",
        "make=0o755 if make else None",
        ("runner/test_place.py::test_whatever_a_run_makes_in_the_store_is_for_its_owner_alone",),
    ),
    Fault(
        "inputs in a file can be read by everybody",
        "ork/executors/process.py",
        "os.O_WRONLY, 0o600)",
        "os.O_WRONLY, 0o644)",
        ("executors/test_executors.py::test_large_inputs_come_in_a_private_file_that_is_removed",),
    ),
    Fault(
        "a store of somebody else is opened",
        "ork/store/trust.py",
        "if complaint and not _is_safe(resolved, environ):",
        "if False:",
        ("store/test_location.py::test_a_store_that_everybody_can_write_is_refused",),
    ),
    Fault(
        "a link below .ork is followed",
        "ork/files.py",
        "below = _open(part, _FOLDER | os.O_NOFOLLOW, at)",
        "below = _open(part, _FOLDER, at)",
        ("test_files.py::test_a_link_on_the_way_to_a_folder_is_not_followed",),
    ),
    Fault(
        "the id of a run may be a path",
        "ork/store/store.py",
        "if (wrong := next((name for name in names if not is_name(name)), None)) is not None:",
        "if (wrong := None) is not None:",
        ("store/test_store.py::test_a_folder_inside_is_known_by_a_name",),
    ),
    # Taking away.
    Fault(
        "gc does not look again before it deletes",
        "ork/upkeep/gc.py",
        "if self._store.backend.sequence() != self._sequence:",
        "if False:",
        ("upkeep/test_gc.py::test_what_is_needed_again_before_the_sweep_stays",),
    ),
    Fault(
        "gc does not look again while writers wait",
        "ork/upkeep/gc.py",
        "        self._catch_up()\n        return [",
        "        return [",
        ("upkeep/test_gc.py::test_what_is_needed_again_at_the_last_moment_stays",),
    ),
    Fault(
        "gc overlooks a kind of refs",
        "ork/upkeep/gc.py",
        "if self._known.get(ref) != oid]",
        'if self._known.get(ref) != oid and not ref.startswith("unattached/")]',
        ("upkeep/test_gc.py::test_what_any_ref_leads_to_stays",),
    ),
    Fault(
        "gc takes what can still be undone",
        "ork/upkeep/gc.py",
        "lambda operation: operation.time >= undo_since",
        "lambda operation: False",
        ("upkeep/test_gc.py::test_what_can_be_undone_is_kept_and_later_the_undo_is_refused",),
    ),
    Fault(
        "gc removes everything when refs were lost",
        "ork/upkeep/prune.py",
        "if garbage and 2 * garbage.unexplained > garbage.objects and not force:",
        "if False:",
        ("upkeep/test_gc.py::test_more_than_half_is_refused_unless_forced",),
    ),
    Fault(
        "gc removes a run that somebody goes on with",
        "ork/upkeep/keep.py",
        "if entry.run.id in leases and store.ref(",
        "if store.ref(",
        ("upkeep/test_keep.py::test_a_run_that_somebody_goes_on_with_at_this_moment_stays",),
    ),
    Fault(
        "a new data file beside an anchor that may be of the old one",
        "ork/backends/anchor.py",
        "        if flush:\n            os.fsync(file)\n",
        "",
        (
            "upkeep/test_gc.py"
            "::test_the_anchor_is_on_the_disk_before_another_data_file_is_in_its_place",
        ),
    ),
    Fault(
        "an undo leads to what gc has removed",
        "ork/heads/undo.py",
        "if old is not None and not store.has(old)]",
        "if False]",
        ("upkeep/test_gc.py::test_what_can_be_undone_is_kept_and_later_the_undo_is_refused",),
    ),
    Fault(
        "an undo takes back what came later",
        "ork/heads/undo.py",
        "    _check_unmoved(store, oid, operation, redo=redo)\n    _check_runs",
        "    _check_runs",
        ("heads/test_undo.py::test_an_undo_is_refused_when_a_ref_moved_since",),
    ),
    Fault(
        "an undo of a rename leads to no run of the new name",
        "ork/heads/undo.py",
        "    _check_runs_follow(store, oid, operation)\n    moves =",
        "    moves =",
        ("heads/test_rename.py::test_an_undo_loses_no_run_of_the_new_name",),
    ),
    Fault(
        "the end of a run that a backup has not is taken for another one",
        "ork/sync/receive.py",
        " or store.get(Run, old, keep=False).reason in (COPIED, END_LOST)",
        "",
        (
            "sync/test_backup.py::"
            "test_a_run_that_went_on_ends_in_the_copy_and_its_true_end_takes_that_place[b]",
        ),
    ),
    Fault(
        "forget leaves the data file as it is",
        "ork/upkeep/forget.py",
        "            sequence = _copy(store, search.replaced, marks, stamp, made / DATA, data)\n"
        "            store.close()\n"
        '            keep = made / "before"\n'
        "            swap(folder, made / DATA, keep=keep, sequence=sequence, environ=environ)\n",
        "            added = (*search.replaced.values(), *marks.values())\n"
        "            objects = Packed()\n"
        "            for one in added:\n"
        "                objects.add(one)\n"
        '            new = {f"forgotten/{oid}": oid_of(one) for oid, one in marks.items()}\n'
        "            refs = {ref: (None, oid) for ref, oid in new.items()}\n"
        "            store.backend.write(objects, refs, search.replaced)\n"
        "            store.close()\n",
        ("upkeep/test_forget.py::test_the_bytes_are_nowhere_afterwards",),
    ),
    Fault(
        "forget is at work while a run goes on",
        "ork/upkeep/forget.py",
        "if yes and (active := all_going_on(store)):",
        "if (active := None) is not None:",
        ("upkeep/test_forget.py::test_it_is_refused_while_a_run_goes_on",),
    ),
    Fault(
        "forget does not look into logs",
        "ork/upkeep/forget.py",
        'if top == "logs":',
        'if top == "logs" and not text:',
        ("upkeep/test_forget.py::test_the_bytes_are_nowhere_afterwards",),
    ),
    Fault(
        "what was forgotten is not looked up",
        "ork/store/store.py",
        "        elif oid in self.forgotten:\n            return self._in_place_of(oid)\n",
        "",
        ("store/test_forgotten.py::test_it_is_read_as_what_took_its_place",),
    ),
    Fault(
        "what was forgotten comes back",
        "ork/store/store.py",
        "        self._forget()\n        refusals = 0",
        "        refusals = 0",
        ("store/test_forgotten.py::test_it_is_never_written_again",),
    ),
    # Looking, and mending.
    Fault(
        "fsck believes an object without its hash",
        "ork/upkeep/objects.py",
        "if hash_bytes(data) != oid:",
        "if False:",
        ("upkeep/test_fsck.py::test_damage_to_an_object_says_what_suffers",),
    ),
    Fault(
        "fsck does not see that an object is missing",
        "ork/upkeep/objects.py",
        "            if one.oid in self.bad:\n                continue\n",
        "            if one.oid in self.bad or not self._store.has(one.oid):\n"
        "                continue\n",
        ("upkeep/test_fsck.py::test_damage_to_an_object_says_what_suffers",),
    ),
    Fault(
        "fsck does not compare heads with operations",
        "ork/upkeep/refs.py",
        "        self._check_heads()\n",
        "",
        ("upkeep/test_fsck.py::test_a_head_or_tag_that_no_operation_moved_is_found",),
    ),
    Fault(
        "fsck does not see a node in the place of a leaf",
        "ork/upkeep/objects.py",
        "if not tree.needs_node(sum(known)):",
        "if False:",
        ("upkeep/test_fsck.py::test_a_node_for_what_fits_into_a_leaf_is_found",),
    ),
    Fault(
        "a repair brings back runs that were removed",
        "ork/upkeep/rebuild.py",
        "            if key not in named:\n                continue",
        "            if False:\n                continue",
        ("upkeep/test_repair.py::test_a_run_that_was_removed_stays_so",),
    ),
    Fault(
        "a repair believes what nothing leads to",
        "ork/upkeep/rebuild.py",
        "if live or not self._whole:",
        "if True:",
        ("upkeep/test_repair.py::test_a_run_that_was_removed_stays_so",),
    ),
    Fault(
        "two repairs are made at once",
        "ork/upkeep/repair.py",
        "if not lock(at):",
        "if False:",
        ("upkeep/test_repair.py::test_two_repairs_are_not_made_at_once",),
    ),
    Fault(
        "a repair takes objects that are damaged",
        "ork/upkeep/repair.py",
        "elif is_proven(oid, stored):",
        "elif stored:",
        (
            "upkeep/test_repair.py::"
            "test_texts_and_code_are_taken_from_the_disk_where_they_are_the_same",
        ),
    ),
    Fault(
        "a data file is replaced that somebody has open",
        "ork/backends/lmdb_file.py",
        "            _lock_as_lmdb(locks)\n",
        "",
        ("upkeep/test_repair.py::test_nothing_is_repaired_while_somebody_has_the_store_open",),
    ),
    Fault(
        "what is written while a store is repaired is lost",
        "ork/backends/lmdb_file.py",
        "if sequence is not None and sequence != newest_transaction",
        "if False and sequence != newest_transaction",
        ("upkeep/test_repair.py::test_what_is_written_while_the_new_file_is_made_is_not_lost",),
    ),
    Fault(
        "a repair puts nothing into quarantine",
        "ork/backends/lmdb_file.py",
        'os.link(folder / "data.mdb", keep)',
        "pass",
        ("upkeep/test_repair.py::test_the_old_data_file_is_kept_as_it_was",),
    ),
    # Between stores.
    Fault(
        "a push believes what gc may have taken",
        "ork/store/store.py",
        "        return self._written\n",
        "        return set()\n",
        ("sync/test_transfer_faults.py::test_what_gc_takes_meanwhile_is_sent_again",),
    ),
    Fault(
        "a push begins from the start again",
        "ork/sync/carrier.py",
        "            if not _is_there(oid, stored, there.get(oid))\n",
        "",
        (
            "sync/test_transfer_faults.py::"
            "test_what_is_killed_is_whole_and_is_done_by_doing_it_again[sync.objects:1-push]",
        ),
    ),
    Fault(
        "what arrives is not checked",
        "ork/sync/carrier.py",
        "        oid, what = found.object, found.message\n",
        "        return\n",
        (
            "sync/test_transfer_faults.py::"
            "test_a_store_made_to_do_harm_lets_nothing_in[snapshot count-pull]",
        ),
    ),
    Fault(
        "blobs that go ahead are not hashed",
        "ork/sync/carrier.py",
        "            if not is_proven(oid, stored):",
        "            if False:",
        (
            "sync/test_transfer_faults.py::"
            "test_a_store_made_to_do_harm_lets_nothing_in[texts for tasks-pull]",
        ),
    ),
    Fault(
        "what a receiver had to forget is sent to it",
        "ork/sync/carrier.py",
        "if oid not in found and oid not in forgotten]",
        "if oid not in found]",
        (
            "sync/test_transfer.py::"
            "test_what_was_forgotten_does_not_come_back_by_another_workflow[push]",
        ),
    ),
    Fault(
        "a push moves a head that somebody has moved",
        "ork/sync/carrier.py",
        "            tx.moves |= moves\n",
        "            tx.moves |= {r: (self.target.store.ref(r), m[1]) for r, m in moves.items()}\n",
        ("sync/test_transfer_faults.py::test_of_two_pushes_one_is_told_to_look_again",),
    ),
    Fault(
        "a push loses what the receiver deployed",
        "ork/sync/heads.py",
        "            if old is not None and not forward and not self._force:",
        "            if False:",
        ("sync/test_transfer.py::test_different_ways_are_refused_and_named[push]",),
    ),
    Fault(
        "a push moves some tags of a workflow whose head stays",
        "ork/sync/heads.py",
        "deploys={}, meets=set())\n                break",
        "deploys={}, meets=set())\n                continue",
        ("sync/test_transfer.py::test_what_went_different_ways_does_not_stop_the_others[push]",),
    ),
    Fault(
        "a push moves a tag that is elsewhere",
        "ork/sync/heads.py",
        "        for ref in [] if self._force else tags:",
        "        for ref in list[str]():",
        ("sync/test_transfer.py::test_a_tag_that_is_elsewhere_stays_and_the_head_moves[push]",),
    ),
    Fault(
        "a push lets a store keep the name that a workflow had",
        "ork/sync/heads.py",
        "            found.moves.update(its)",
        "            pass",
        ("sync/test_renamed.py::test_a_store_that_has_the_old_name_follows_the_rename[push]",),
    ),
    Fault(
        "a rename takes a name away by which the other store has gone on",
        "ork/sync/heads.py",
        "        if apart and not self._force:",
        "        if False:",
        (
            "sync/test_renamed.py::"
            "test_what_was_deployed_under_the_old_name_meanwhile_goes_a_different_way[push]",
        ),
    ),
    Fault(
        "a fetch moves runs",
        "ork/sync/transfer.py",
        "        if self._choice.runs != 0 and not fetched:",
        "        if self._choice.runs != 0:",
        ("cli/test_fetch.py::test_what_a_remote_has_is_seen_and_nothing_of_ours_moves",),
    ),
    Fault(
        "a pull takes a tag along that was moved here as well",
        "ork/sync/heads.py",
        "if base == there[ref] and self._remote is not None:",
        "if self._remote is not None:",
        ("sync/test_transfer.py::test_a_tag_that_both_have_moved_stays_until_it_is_forced_alone",),
    ),
    Fault(
        "a push believes that a head is there that stayed",
        "ork/sync/transfer.py",
        "                head = head or self._heads.equal.get(name)",
        "                head = head or self._from.store.ref(f'workflows/{name}')",
        ("cli/test_fetch.py::test_a_push_that_stays_remembers_nothing_new",),
    ),
    Fault(
        "fsck believes what is remembered of another store",
        "ork/upkeep/refs.py",
        '(("read", 1), ("remotes", 2))',
        '(("read", 1),)',
        ("cli/test_fetch.py::test_fsck_finds_a_head_of_another_workflow",),
    ),
    Fault(
        "an undo of a part stands for the whole operation",
        "ork/heads/undo.py",
        "            return oid, replace(operation, moves=tuple(left))",
        "            return oid, operation",
        ("cli/test_ops.py::test_what_was_undone_in_parts_is_undone_further",),
    ),
    Fault(
        "a child that a task has forked tells where it is as well",
        "ork/worker/interpreter.py",
        "after_in_child=lambda: faulthandler.unregister(signal.SIGTERM)",
        "after_in_child=lambda: None",
        ("worker/test_clean.py::test_a_timeout_tells_where_the_task_was[in_a_child-in_a_child-1]",),
    ),
    Fault(
        "a push takes a run that two sides went on with",
        "ork/sync/transfer.py",
        " and one[0] not in self._staying",
        "",
        ("sync/test_transfer.py::test_a_run_that_went_on_in_two_ways_stays[push]",),
    ),
    Fault(
        "a retry that goes on loses its place to another",
        "ork/sync/transfer.py",
        "        return self._force and has_ended",
        "        return self._force",
        ("sync/test_transfer.py::test_a_retry_that_goes_on_loses_its_place_to_no_other[push]",),
    ),
    Fault(
        "a push gives a number to a second run",
        "ork/sync/transfer.py",
        "                if other is None:\n                    continue\n",
        "                continue\n",
        ("sync/test_transfer.py::test_another_run_of_a_number_keeps_it_and_stops_no_other[push]",),
    ),
    Fault(
        "a push brings a run back that gc has removed",
        "ork/sync/transfer.py",
        "and number in self._removed_there:",
        "and False:",
        ("sync/test_transfer.py::test_a_number_that_gc_removed_does_not_come_back[False-push]",),
    ),
    Fault(
        "refs of runs that arrive are believed",
        "ork/sync/transfer.py",
        "            check_ref(moving.refs, self._from.wrong, arriving, ref, oid)",
        "            pass",
        (
            "sync/test_transfer_faults.py::"
            "test_a_store_made_to_do_harm_lets_nothing_in[pin of another-pull]",
        ),
    ),
    Fault(
        "a backup is not verified",
        "ork/sync/backup.py",
        "if not finding.code.startswith(_OF_REFS):",
        "if False:",
        ("sync/test_backup.py::test_a_copy_that_is_not_whole_gets_no_name",),
    ),
    # What arrives.
    Fault(
        "what arrives is taken in without its hash",
        "ork/sync/bundle.py",
        "if stored is not None and is_whole(oid, stored):",
        "if stored is not None:",
        ("sync/test_bundle.py::test_a_file_that_changes_after_it_was_checked_lets_nothing_in",),
    ),
    Fault(
        "what arrives is verified without its hash",
        "ork/upkeep/objects.py",
        "if hash_bytes(data) != oid:",
        "if False:",
        ("sync/test_bundle.py::test_a_bundle_is_checked_without_a_store",),
    ),
    Fault(
        "what arrives may lack what it names",
        "ork/sync/receive.py",
        '        if finding.code == "E101":\n',
        '        if finding.code == "E101":\n            continue\n',
        ("sync/test_bundle.py::test_a_hostile_bundle_lets_nothing_in[middle missing]",),
    ),
    Fault(
        "refs arrive before what they lead to",
        "ork/sync/receive.py",
        "    write_objects(store, bundle, brought)\n    failpoint",
        "    store.backend.write({}, {ref: ends for ref, ends in moves.items()})\n"
        "    moves = {ref: (new, new) for ref, (_, new) in moves.items()}\n"
        "    write_objects(store, bundle, brought)\n    failpoint",
        ("sync/test_bundle.py::test_an_import_that_is_killed_shows_nothing_and_can_be_repeated",),
    ),
    Fault(
        "a run that arrives takes the number of another",
        "ork/sync/receive.py",
        "elif any(store.ref(one) not in (None, targets[one]) for one in refs_of(run)[1:]):",
        "elif False:",
        ("sync/test_bundle.py::test_a_run_never_takes_the_number_of_another",),
    ),
    Fault(
        "a tag that arrives may have any name",
        "ork/sync/receive.py",
        "if not all(map(is_name, parts)):",
        "if False:",
        ("sync/test_bundle.py::test_a_hostile_bundle_lets_nothing_in[ref 'tags/etl/..']",),
    ),
    Fault(
        "a log that arrives may have any name",
        "ork/sync/receive.py",
        "or not is_log(name):",
        "or False:",
        ("sync/test_bundle.py::test_a_hostile_bundle_lets_nothing_in[log of no log]",),
    ),
    Fault(
        "a bundle is taken in though a head of it stays",
        "ork/sync/receive.py",
        "    if heads.elsewhere:",
        "    if False:",
        ("sync/test_bundle.py::test_a_head_moves_forward_only",),
    ),
    Fault(
        "a bundle may be as large as it says",
        "ork/sync/bundle.py",
        "if length > HEADER_BYTES_MAX:",
        "if False:",
        ("sync/test_bundle.py::test_a_header_and_a_name_have_a_largest_size",),
    ),
    Fault(
        "what a bundle says is long is read at once",
        "ork/sync/bundle.py",
        "piece = self._file.read(min(count, PIECE_BYTES))",
        "piece = self._file.read(count)",
        ("sync/test_bundle.py::test_a_length_that_lies_costs_no_memory",),
    ),
    Fault(
        "an object may unpack to any size",
        "ork/objects/canonical.py",
        "data = stream.decompress(stored[1:], PACK_BYTES_MAX + 1)",
        "data = stream.decompress(stored[1:])",
        ("store/test_packing.py::test_a_bomb_does_not_fill_the_memory",),
    ),
    Fault(
        "the hash at the end of a bundle is not compared",
        "ork/sync/bundle.py",
        "if self._bytes(_OID_BYTES) != right:",
        "if not self._bytes(_OID_BYTES):",
        ("sync/test_bundle.py::test_no_flipped_byte_and_no_cut_gets_through",),
    ),
    # Texts of others.
    Fault(
        "YAML may be as deep as it likes",
        "ork/yaml/nodes.py",
        "if depth >= DEPTH_MAX:",
        "if False:",
        ("yaml/test_reader.py::test_depth_has_a_limit",),
    ),
    Fault(
        "JSON may be as deep as it likes",
        "ork/objects/canonical.py",
        "        if depth > DEPTH_MAX:\n",
        "        if False:\n",
        ("objects/test_canonical.py::test_depth_is_limited",),
    ),
    Fault(
        "aliases have no budget",
        "ork/yaml/nodes.py",
        "if self.expanded > ALIAS_NODES_MAX + ALIAS_FACTOR_MAX * self.written:",
        "if False:",
        ("yaml/test_reader.py::test_aliases_have_a_budget",),
    ),
    Fault(
        "a control character is printed as it is",
        "ork/cli/screen/line.py",
        "    text = re.sub(_UNSAFE, _spell, text)\n",
        "",
        ("cli/test_terminal.py::test_what_controls_a_terminal_is_spelt_out",),
    ),
    Fault(
        "text stands in a page as it is",
        "ork/cli/report/page.py",
        "autoescape=True,",
        "autoescape=False,",
        ("cli/test_page.py::test_text_is_escaped_and_shows_what_is_hidden",),
    ),
    Fault(
        "a command is told without its quotes",
        "ork/cli/heads/operations.py",
        "(clip(one.command, room), ",
        '(clip(" ".join(one.argv), room), ',
        ("cli/test_ops.py::test_operations_newest_first",),
    ),
    Fault(
        "a path is given to git without its quotes",
        "ork/git/to_git.py",
        "    return f'\"{escaped}\"'",
        "    return f'\"{path}\"'",
        ("git/test_to_git.py::test_names_that_are_hard_to_quote",),
    ),
    Fault(
        "a file is restored wherever its path leads",
        "ork/worktree/destination.py",
        "if not is_path(path):",
        "if False:",
        ("worktree/test_restore.py::test_no_path_of_the_store_leads_anywhere_else",),
    ),
    Fault(
        "a task that was part of a text is taken for one",
        "ork/definition/workflow.py",
        "old.entries.keys() != before.tasks.keys()",
        "False",
        ("definition/test_edited.py::test_a_part_that_relies_on_another_is_not_read_alone",),
    ),
    Fault(
        "the last task is not read with what stands behind it",
        "ork/definition/workflow.py",
        "if n == last or task != old.entries[n]",
        "if task != old.entries[n]",
        ("definition/test_edited.py::test_a_part_that_relies_on_another_is_not_read_alone",),
    ),
    Fault(
        "a task is read without what its alias means",
        "ork/yaml/pieces.py",
        "_ALIAS.search(text)",
        "False",
        ("definition/test_edited.py::test_a_part_that_relies_on_another_is_not_read_alone",),
    ),
    Fault(
        "what was forgotten comes back as what took its place",
        "ork/worktree/load.py",
        "if store.forgotten and not is_same:",
        "if False:",
        ("worktree/test_load.py::test_a_text_of_which_a_task_was_forgotten_is_read",),
    ),
    Fault(
        "a file that is written meanwhile is captured",
        "ork/worktree/folder.py",
        "before.st_mtime_ns != after.st_mtime_ns",
        "False",
        ("worktree/test_capture.py::test_a_file_that_changes_while_it_is_read_is_refused",),
    ),
    Fault(
        "what was captured can be written in a checkout",
        "ork/worktree/place.py",
        "0o500 if self.captured[path].executable else 0o400",
        "0o700 if self.captured[path].executable else 0o600",
        ("runner/test_place.py::test_captured_files_in_a_checkout_are_read_only",),
    ),
    Fault(
        "what is restored may act for its owner",
        "ork/worktree/destination.py",
        "os.fchmod(file.fileno(), mode & 0o777)",
        "os.fchmod(file.fileno(), mode)",
        (
            "worktree/test_restore.py::"
            "test_permissions_of_a_file_stay_and_new_ones_follow_the_umask",
        ),
    ),
    Fault(
        "a link out of the folder is captured",
        "ork/worktree/folder.py",
        'return real == self.folder or real.startswith(self.folder.rstrip("/") + "/")',
        "return True",
        ("worktree/test_capture.py::test_a_link_out_of_the_root_is_refused",),
    ),
    Fault(
        "git runs what a repository says",
        "ork/git/binary.py",
        '    "core.hooksPath=/dev/null",\n',
        "",
        ("git/test_to_git.py::test_a_hostile_repository_runs_nothing_and_writes_nowhere_else",),
    ),
    Fault(
        "what was forgotten in part is run",
        "ork/runner/start.py",
        "    refuse_forgotten(store, target.snapshot)\n    base = same",
        "    base = same",
        ("upkeep/test_forget.py::test_what_was_forgotten_neither_runs_nor_comes_back",),
    ),
    Fault(
        "what was forgotten in part is gone back to",
        "ork/heads/rollback.py",
        "    refuse_forgotten(store, old.snapshot)\n",
        "",
        ("heads/test_rollback.py::test_a_version_of_which_a_part_was_forgotten_is_passed_over",),
    ),
    Fault(
        "a write needs what it forgets",
        "ork/store/store.py",
        "without = self._forgotten().keys() | self.store.forgotten.keys()",
        "without = self.store.forgotten.keys()",
        ("sync/test_bundle.py::test_a_head_that_the_sender_forgot_is_forgotten_here",),
    ),
    Fault(
        "a deploy whose code was never kept is run",
        "ork/worktree/reached.py",
        "if deploy is not None and lacks_code(store, deploy):",
        "if False:",
        ("cli/test_import_ork_db.py::test_a_deploy_without_its_code_is_not_run",),
    ),
    Fault(
        "code that was never kept is compared",
        "ork/history/compare.py",
        "    files = changes(before.files, after.files) if code else {}",
        "    files = changes(before.files, after.files)",
        ("cli/test_import_ork_db.py::test_the_first_deploy_with_code_goes_on_with_the_history",),
    ),
    Fault(
        "results of code that was never kept are used again",
        "ork/history/results.py",
        "    if comparison.unkept:",
        "    if False:",
        ("cli/test_import_ork_db.py::test_the_first_deploy_with_code_goes_on_with_the_history",),
    ),
    Fault(
        "gc takes what comes from a database",
        "ork/store/store.py",
        "        return self._written\n",
        "        return set()\n",
        ("orkdb/test_importing.py::test_objects_that_gc_takes_meanwhile_are_written_again",),
    ),
    Fault(
        "a database brings back what gc has removed",
        "ork/orkdb/importing.py",
        "if known is None and collected and name < newest:",
        "if False:",
        ("orkdb/test_importing.py::test_what_gc_has_removed_does_not_come_back",),
    ),
    Fault(
        "versions that are the same but for types of runs are two",
        "ork/orkdb/importing.py",
        "or (_bare(task) == _bare(here[name]) in (task, here[name]))",
        "or False",
        ("orkdb/test_importing.py::test_without_snapshots_a_version_is_what_its_runs_executed",),
    ),
    Fault(
        "a database is read at many moments",
        "ork/orkdb/database.py",
        'self._connection.execute("BEGIN")',
        "pass",
        ("orkdb/test_database.py::test_what_is_written_meanwhile_is_not_seen",),
    ),
    Fault(
        "a writer waits for who reads a database",
        "ork/orkdb/database.py",
        'if journal != "wal":',
        "if False:",
        ("orkdb/test_database.py::test_without_a_write_ahead_log_a_writer_need_not_wait",),
    ),
    Fault(
        "a key may be a parameter",
        "ork/runner/start.py",
        "    if not allow_secret:\n        _refuse_secrets(options.given)\n",
        "",
        ("cli/test_secrets.py::test_a_key_in_a_parameter_is_refused",),
    ),
    Fault(
        "a key is deployed",
        "ork/heads/deploy.py",
        "        if not allow_secret:\n            refuse_secrets(store, loaded, message)\n",
        "",
        ("cli/test_secrets.py::test_a_file_with_keys_is_refused_and_nothing_is_kept",),
    ),
    # Runs and their records.
    Fault(
        "an outcome is told before it is durable",
        "ork/runner/loop.py",
        "self.writing, self.events = self.events, []",
        "self.told, self.events = self.told + self.events, []",
        ("runner/test_run.py::test_an_outcome_is_not_told_while_it_is_written",),
    ),
    Fault(
        "a write of outcomes that failed is passed over",
        "ork/runner/loop.py",
        "written.result()  # raises what went wrong",
        "written.exception()",
        ("runner/test_bad_luck.py::test_a_write_that_fails_once_leaves_no_hole",),
    ),
    Fault(
        "an outcome is recorded before its log is written",
        "ork/executors/local.py",
        "        child.complete()\n        self._forget(child)\n",
        "        self._forget(child)\n",
        (
            "executors/test_logfile.py::"
            "test_a_secret_in_several_writes_is_masked_and_the_rest_is_not_held_back",
        ),
    ),
    Fault(
        "a run has no lock of its owner",
        "ork/runner/owner.py",
        "return store.backend.lease(run_id)",
        'return store.backend.lease(f"{run_id}-{os.getpid()}")',
        ("cli/test_watch.py::test_a_run_that_fails_has_the_exit_code_of_the_run",),
    ),
    Fault(
        "a lease lives on in a forked child",
        "ork/backends/leases.py",
        "os.register_at_fork(after_in_child=_after_fork)\n",
        "",
        ("backends/test_on_disk.py::test_a_lease_ends_with_its_process_whatever_lives_on",),
    ),
    Fault(
        "an owner that has lost its run writes on",
        "ork/runner/record.py",
        "            tx.move(owner.pin_ref(self.run.id), old=self.pin, new=self.pin)\n",
        "",
        (
            "runner/test_owner.py::"
            "test_an_old_owner_writes_over_nothing_that_a_new_one_has_recorded",
        ),
    ),
    Fault(
        "who takes a run over does not say so first",
        "ork/runner/record.py",
        "old=self.pin, new=pin)\n        self.pin = pin\n",
        "old=self.pin, new=self.pin)\n",
        ("runner/test_owner.py::test_what_an_old_owner_records_after_that_is_refused",),
    ),
    Fault(
        "a lost lease is not asked for anew",
        "ork/runner/record.py",
        "            self.hold()\n",
        "",
        ("runner/test_owner.py::test_a_lost_lease_is_asked_for_anew",),
    ),
    Fault(
        "an outcome is recorded before its log is in the store that others read",
        "ork/runner/record.py",
        "        tx.remove(replaced)\n        self._commit(tx, parts)\n",
        "        tx.remove(replaced)\n        for part in parts:\n"
        "            del tx.moves[self.shipping.ref(part)]\n        self._commit(tx, ())\n",
        ("runner/test_team.py::test_no_outcome_is_recorded_without_its_log",),
    ),
    Fault(
        "another machine goes on with a log elsewhere than where the store ends",
        "ork/logs/writing.py",
        "                os.ftruncate(file, self._sent[name])\n",
        "",
        ("logs/test_shared_logs.py::test_another_machine_goes_on_where_the_store_ends",),
    ),
    Fault(
        "small parts of a log stay many",
        "ork/logs/writing.py",
        "            if len(refs) < JOIN_PARTS:\n",
        "            if refs:\n",
        ("logs/test_shared_logs.py::test_many_small_parts_become_few",),
    ),
    Fault(
        "a log is read from a file here that another machine has gone on with",
        "ork/logs/bytes.py",
        "return store.shared and not offset >= store.writing.get(path, offset + 1)",
        "return store.shared and path not in store.writing",
        ("logs/test_shared_logs.py::test_another_machine_goes_on_where_the_store_ends",),
    ),
    Fault(
        "a run does not wait for a store that is away",
        "ork/runner/record.py",
        "if not self.store.shared or not self.patient() or time.monotonic() > deadline:",
        "if True:",
        ("runner/test_team.py::test_a_run_waits_for_a_store_that_is_away",),
    ),
    Fault(
        "a write that arrived, and of which nobody said so, is taken for a lost race",
        "ork/runner/record.py",
        "if unsure and all(",
        "if unsure and not all(",
        ("runner/test_team.py::test_a_run_waits_for_a_store_that_is_away",),
    ),
    Fault(
        "whoever settles a run fails when its owner was faster",
        "ork/runner/record.py",
        "        except Conflict:  # its owner lives, or somebody else was faster to settle it\n"
        "            continue\n",
        "",
        ("runner/test_owner.py::test_a_run_that_ends_at_the_last_moment_is_not_settled",),
    ),
    Fault(
        "a secret where two parts of a log meet is not forgotten",
        "ork/upkeep/forget.py",
        "            self._look_at_logs()\n",
        "            pass\n",
        ("runner/test_team.py::test_a_secret_is_forgotten_in_logs_where_it_lies",),
    ),
    Fault(
        "logs of a killed process stay where others have gone on",
        "ork/runner/owner.py",
        "    if store.shared:\n        for workflow",
        "    if False:\n        for workflow",
        ("runner/test_team.py::test_no_outcome_is_recorded_without_its_log",),
    ),
    Fault(
        "a log that has lost a part is whole",
        "ork/upkeep/refs.py",
        "        self._check_logs()\n",
        "",
        ("upkeep/test_fsck.py::test_a_log_that_has_lost_a_part_is_found",),
    ),
    Fault(
        "a request to stop outlives its run",
        "ork/runner/record.py",
        "            tx.move(stops, old=asked, new=None)\n",
        "",
        ("runner/test_owner.py::test_requests_to_stop_go_with_the_run",),
    ),
    Fault(
        "a run that has ended is asked to stop",
        "ork/runner/owner.py",
        "                tx.move(pin_ref(run.id), old=pin, new=pin)\n",
        "",
        ("runner/test_owner.py::test_a_request_that_comes_too_late_leaves_nothing",),
    ),
    Fault(
        "two runs have one number",
        "ork/runner/record.py",
        'tx.move(f"numbers/{run.workflow}/{number:010d}", old=None, new=oid)',
        'tx.move(f"numbers/{run.workflow}/1", old=store.ref(f"numbers/{run.workflow}/1"), new=oid)',
        ("runner/test_run.py::test_two_runs_at_the_same_time_get_different_numbers",),
    ),
    Fault(
        "what a killed ork left of secrets stays",
        "ork/runner/record.py",
        "    owner.remove_answers(store, run)\n",
        "",
        ("runner/test_run.py::test_a_raw_answer_does_not_outlive_a_killed_ork",),
    ),
    Fault(
        "a lock that was removed meanwhile is held",
        "ork/files.py",
        "if os.path.samestat(there, os.fstat(descriptor)):",
        "if True:",
        ("test_files.py::test_a_lock_file_that_was_removed_before_it_was_locked_does_not_count",),
    ),
    Fault(
        "a retry is not counted",
        "ork/runner/record.py",
        "attempt=before.attempt + 1,",
        "attempt=before.attempt,",
        ("runner/test_retry.py::test_the_run_keeps_its_number_and_says_that_it_was_gone_on_with",),
    ),
    Fault(
        "an attempt has the number of the one before",
        "ork/runner/loop.py",
        "attempt = len(before.attempts) + 1",
        "attempt = max(1, len(before.attempts))",
        ("runner/test_retry.py::test_attempts_and_logs_are_counted_on",),
    ),
    Fault(
        "a retry runs what has succeeded",
        "ork/runner/choices.py",
        'if t.state not in ("success", "skipped")}',
        'if t.state != "skipped"}',
        ("runner/test_retry.py::test_only_what_did_not_succeed_runs_again",),
    ),
    Fault(
        "what changed under an attempt is not recorded",
        "ork/runner/loop.py",
        "tainted=self._executed(name, touched) if touched else (),",
        "tainted=(),",
        ("runner/test_place.py::test_what_changes_under_an_attempt_that_executes_it_taints_it",),
    ),
    Fault(
        "a tainted run has a verdict",
        "ork/store/verdict.py",
        "    if tainted(states):\n        return",
        "    if False:\n        return",
        ("store/test_verdict.py::test_a_tainted_run_says_nothing",),
    ),
    Fault(
        "a changed file stays in a checkout",
        "ork/worktree/place.py",
        "groupby(self.wrong(), key=",
        "groupby([path for path in self.wrong() if not self._seen[path]], key=",
        (
            "runner/test_place.py::"
            "test_a_captured_file_that_a_task_changes_in_its_checkout_is_put_back",
        ),
    ),
    Fault(
        "a secret is not masked in what is printed",
        "ork/executors/logfile.py",
        "self._keep(data if self._masker is None else self._masker.feed(data))",
        "self._keep(data)",
        (
            "executors/test_logfile.py::"
            "test_a_secret_in_several_writes_is_masked_and_the_rest_is_not_held_back",
        ),
    ),
    Fault(
        "a secret is not masked in an output",
        "ork/executors/attempt.py",
        "output = self._masker.mask_json(output)",
        "pass",
        ("executors/test_logfile.py::test_an_output_is_parsed_then_masked",),
    ),
    Fault(
        "the log of a task can be read by everybody",
        "ork/files.py",
        "mode: int = 0o600",
        "mode: int = 0o644",
        (f"{LOCAL}::test_what_is_printed_is_in_a_private_log",),
    ),
    Fault(
        "a timeout never comes",
        "ork/executors/attempt.py",
        "self.deadline = self.begun + job.timeout_s",
        "self.deadline = FOREVER",
        ("runner/test_run.py::test_a_timeout_of_a_part_of_a_second_is_told_in_seconds",),
    ),
    Fault(
        "a deadline counts before what has ended is taken in",
        "ork/executors/local.py",
        "            self._take_in(child)\n        attempt, tree",
        "            pass\n        attempt, tree",
        (f"{LOCAL}::test_what_has_ended_is_not_late_because_nobody_listened",),
    ),
    Fault(
        "only the group of a task is killed",
        "ork/executors/process_tree.py",
        "            for pid in self.members():\n                _signal(pid, signal.SIGKILL)\n",
        "",
        ("executors/test_process_tree.py::test_kill_leaves_nobody[own session]",),
    ),
    Fault(
        "a thread counts as a process",
        "ork/executors/process_tree.py",
        'if fields[35] == b"-1":',
        "if False:",
        ("executors/test_process_tree.py::test_a_thread_is_no_process_of_any_tree",),
    ),
    Fault(
        "a process whose first thread has ended counts as dead",
        "ork/executors/process_tree.py",
        "return fields[0] in DEAD and int(fields[17]) <= 1",
        "return fields[0] in DEAD",
        ("executors/test_process_tree.py::test_kill_leaves_nobody[first thread gone]",),
    ),
    Fault(
        "what a task leaves running stays",
        "ork/executors/local.py",
        "        child.tree.kill_rest()\n",
        "",
        ("executors/test_process_tree.py::test_no_child_survives_its_task",),
    ),
    Fault(
        "an exit code of a task that was stopped counts",
        "ork/executors/attempt.py",
        "if self.state is not None:\n            state, error, output",
        "if False:\n            state, error, output",
        (
            "executors/test_process_tree.py::"
            "test_what_ends_well_when_it_is_stopped_has_not_succeeded",
        ),
    ),
    Fault(
        "a worker keeps the modules of the project",
        "ork/worker/modules.py",
        "return self._below_root(path) is not None",
        "return False",
        (
            "worker/test_clean.py::"
            "test_a_module_of_the_project_may_have_the_name_of_one_that_is_looked_at",
        ),
    ),
    Fault(
        "a worker keeps the code of a file that has changed",
        "ork/worker/modules.py",
        "if known != version:",
        "if known is None:",
        (
            "worker/test_clean.py::"
            "test_another_file_in_the_place_of_one_that_was_compiled_is_executed",
        ),
    ),
    # Copies, and what is left behind.
    Fault(
        "a damaged folder becomes a store",
        "ork/sync/from_backup.py",
        'wrong_refs(fsck(folder, environ=environ, depth="full").findings, name)',
        "name",
        ("sync/test_backup.py::test_a_damaged_folder_makes_no_store",),
    ),
    Fault(
        "a file takes the place of another one",
        "ork/files.py",
        "        os.link(made, place)",
        "        made.rename(place)",
        ("test_files.py::test_what_is_in_the_place_stays",),
    ),
    Fault(
        "a restore removes what another one writes",
        "ork/worktree/destination.py",
        "if lock(store):",
        "if True:",
        (
            "worktree/test_restore.py::"
            "test_what_a_killed_restore_has_left_is_removed_by_the_next_one",
        ),
    ),
    Fault(
        "a log follows a link",
        "ork/runner/workplace.py",
        "store=str(self._store.folder) if self._store.folder else None",
        "store=None",
        ("runner/test_bad_luck.py::test_no_log_is_written_where_a_link_leads",),
    ),
    Fault(
        "a log that was cut is not told of",
        "ork/executors/attempt.py",
        "log_error=self.log.error",
        "log_error=None",
        ("runner/test_bad_luck.py::test_a_limit_on_the_size_of_files_is_a_full_disk",),
    ),
    Fault(
        "the config of another ork is guessed",
        "ork/upkeep/repair.py",
        "keep.rename(old)",
        "pass",
        ("upkeep/test_repair.py::test_the_config_of_a_later_ork_is_not_guessed",),
    ),
    # On a server, where one is installed.
    Fault(
        "a write whose answer was lost is taken for one that never arrived",
        "ork/servers/postgresql.py",
        "if self._arrived(mark):\n                        return True",
        "pass",
        (
            "servers/test_connection.py::"
            "test_a_write_whose_answer_was_lost_is_known_to_have_happened",
        ),
    ),
    Fault(
        "a session whose client is gone is not ended before its write is asked for",
        "ork/servers/postgresql.py",
        "if self._writer.outlived():",
        "if self._writer.connected():",
        (
            "servers/test_connection.py::"
            "test_what_the_server_still_does_for_a_lost_connection_is_ended_first",
        ),
    ),
    Fault(
        "what became of a write is guessed when nobody can be asked",
        "ork/servers/postgresql.py",
        "except StoreError as error:\n            raise unknown() from error",
        "except StoreError:\n            return False",
        ("servers/test_connection.py::test_when_nobody_can_be_asked_that_is_said",),
    ),
    Fault(
        "a lease goes to the next one as soon as a connection breaks",
        "ork/servers/schema.py",
        "IF kept.holder <> mine AND",
        "IF false AND",
        (
            "servers/test_connection.py::test_a_lease_outlives_its_connection",
            "servers/test_promises.py::test_a_killed_holder_lets_go_of_its_lease",
        ),
    ),
    Fault(
        "a holder that was too late goes on",
        "ork/servers/leases.py",
        "if self._taken(name)}",
        "if self._taken(name) or True}",
        ("servers/test_connection.py::test_a_holder_that_comes_back_too_late_finds_out",),
    ),
    Fault(
        "a pool of connections in transaction mode is used",
        "ork/servers/session.py",
        "if process != connection.info.backend_pid:",
        "if False:",
        ("servers/test_connection.py::test_a_pool_in_transaction_mode_is_refused[transaction]",),
    ),
    Fault(
        "each of many names takes a lock of its own",
        "ork/servers/postgresql.py",
        "return len(self.locks) > NAMES_MAX",
        "return False",
        ("servers/test_promises.py::test_more_names_than_there_are_locks",),
    ),
    Fault(
        "a store of another format is opened",
        "ork/servers/session.py",
        "if versions == [FORMAT]:",
        "if versions:",
        ("servers/test_promises.py::test_a_store_of_another_format_is_refused",),
    ),
    Fault(
        "a forked child uses the session of its parent",
        "ork/servers/session.py",
        "session._refusal = forked()",
        "pass",
        ("servers/test_promises.py::test_a_child_has_no_part_in_it",),
    ),
    Fault(
        "a password in a URL is told",
        "ork/servers/session.py",
        "return scheme + mark + user + at + host",
        "return scheme + mark + login + at + host",
        ("servers/test_address.py::test_what_is_shown_has_no_password",),
    ),
    Fault(
        "a copy is believed without its seal",
        "ork/servers/cache.py",
        "isinstance(kept, bytes) and kept[-SEAL_BYTES:] == seal(key + kept[:-SEAL_BYTES])",
        "isinstance(kept, bytes)",
        ("servers/test_cache.py::test_a_damaged_copy_counts_as_absent",),
    ),
    Fault(
        "copies outlive what was swept",
        "ork/servers/cache.py",
        "folder / (seal(epoch.encode()).hex() + END)",
        'folder / ("all" + END)',
        (
            "servers/test_cache.py::test_after_a_sweep_elsewhere_no_copy_is_left",
            "servers/test_cache.py::test_a_sweep_tells_all_machines",
        ),
    ),
    Fault(
        "after a refusal a copy still counts as there",
        "ork/servers/cache.py",
        "self._copies.remove(needed)\n            return False",
        "return False",
        ("servers/test_cache.py::test_after_a_refusal_what_was_needed_is_looked_for_anew",),
    ),
    # When a schedule is due, and what is fired.
    Fault(
        "a time that the clock shows twice is due twice",
        "ork/schedule/times.py",
        "low, high = passed, max(high, passed)",
        "pass",
        ("schedule/test_times.py::test_a_line_is_due_when_the_rule_says",),
    ),
    Fault(
        "an hour that was decided is decided again",
        "ork/schedule/policy.py",
        "    due = list(undecided(schedule, last, now, out))",
        "    last = min(last, now - timedelta(hours=1))\n"
        "    due = list(undecided(schedule, last, now, out))",
        (
            "schedule/test_policy.py::test_of_what_is_due",
            "schedule/test_simulation.py::test_each_slot_of_years_is_fired_or_left_out_once",
        ),
    ),
    Fault(
        "a slot is fired that came while the run before went on",
        "ork/schedule/policy.py",
        "fires = not newer and not late and not (going and is_left_out(schedule, going, latest))",
        "fires = not newer and not late",
        ("schedule/test_policy.py::test_of_what_is_due",),
    ),
    Fault(
        "a slot is fired again for which there is a run",
        "ork/daemon/fires.py",
        "        if lines.fired(store, workflow, [ref]):\n"
        "            # Somebody made up for it: all the same it is decided.\n"
        "            with store.transaction() as passing:\n"
        "                lines.move_on(passing, line, before, slot, fire=name, skips=skips)\n"
        '            raise Conflict(f"a run was started for {slot:%Y-%m-%d %H:%M:%S} UTC")\n'
        "        tx.move(ref, old=None, new=pin)\n",
        "        tx.move(ref, old=store.ref(ref), new=pin)\n",
        ("daemon/test_fires.py::test_a_slot_for_which_somebody_has_started_a_run_is_passed_over",),
    ),
    Fault(
        "what others have decided about a schedule is not compared",
        "ork/daemon/fires.py",
        "if known is not None and known.slot >= earliest:",
        "if False:",
        ("daemon/test_fires.py::test_slots_can_be_left_out_alone",),
    ),
    Fault(
        "a hook is executed before the end of its run is recorded",
        "ork/daemon/hooks.py",
        "    _, run = run_of_id(store, run.workflow, run.id)  # as it is recorded\n",
        "",
        ("daemon/test_hooks.py::test_a_run_that_is_not_recorded_as_ended_has_no_hook",),
    ),
    Fault(
        "what is decided moves on from wherever it is",
        "ork/daemon/lines.py",
        "tx.move(ref, old=before.oid if before else None, new=tx.add_value(value))",
        "tx.move(ref, old=tx.store.ref(ref), new=tx.add_value(value))",
        ("daemon/test_fires.py::test_who_decides_at_the_same_moment_writes_nothing",),
    ),
    Fault(
        "a page is served under any name that leads here",
        "ork/cli/web/guard.py",
        'if found[1] in (*self._rules.hosts, at, f"[{at}]"):',
        "if True:",
        ("web/test_guard.py::test_a_name_that_leads_here_by_rebinding_is_not_served[/]",),
    ),
    Fault(
        "a form of another site changes something",
        "ork/cli/web/guard.py",
        "if (is_change or is_stream(request)) and not self._is_own(headers):",
        "if False:",
        ("web/test_guard.py::test_a_form_of_another_site_changes_nothing",),
    ),
    Fault(
        "the token of a form is not compared",
        "ork/cli/web/guard.py",
        "return found.new_cookie is None and _same(given, found.form_token)",
        "return True",
        ("web/test_guard.py::test_a_form_that_was_on_none_of_our_pages_changes_nothing",),
    ),
    Fault(
        "who does not read a stream is not cut",
        "ork/cli/web/__main__.py",
        "        super().pause_writing()\n        self._wait()\n",
        "        super().pause_writing()\n",
        ("web/test_live.py::test_who_does_not_read_a_stream_is_cut",),
    ),
    # Names.
    Fault(
        "a deploy does not compare that its workflow is archived",
        "ork/heads/deploy.py",
        "    tx.expect(archived_ref(workflow), None)",
        "    pass",
        (
            "daemon/test_archived.py::"
            "test_nothing_is_deployed_to_what_is_archived_meanwhile[deploy]",
        ),
    ),
    Fault(
        "any history may go on as another workflow",
        "ork/objects/kinds.py",
        "return self.workflow == before.workflow or same",
        "return True",
        ("sync/test_renamed.py::test_a_history_that_comes_after_another_one_is_none",),
    ),
    Fault(
        "a pull brings back the old name of what was renamed",
        "ork/sync/heads.py",
        "stays = head and name in renamed and self._stays(name, head, its.get(ref))",
        "stays = None",
        ("sync/test_renamed.py::test_a_pull_does_not_bring_the_old_name_back",),
    ),
    Fault(
        "a push of a renamed workflow moves a tag that is elsewhere",
        "ork/sync/heads.py",
        "self._compared(name, wanted, former | its, olds.values())",
        "self._compared(name, wanted, its, olds.values())",
        (
            "sync/test_renamed.py::"
            "test_a_tag_that_is_elsewhere_stays_there_under_the_new_name[push]",
        ),
    ),
    Fault(
        "a bundle brings back the old name of what was renamed",
        "ork/sync/receive.py",
        "    moves = heads.all_moves()",
        "    moves = {**heads.all_moves(), **{ref: (store.ref(ref), oid) for ref, oid in"
        ' bundle.refs.items() if ref.startswith("workflows/")}}',
        ("sync/test_renamed.py::test_a_bundle_does_not_bring_the_old_name_back",),
    ),
    Fault(
        "what ran by a former name after a rename elsewhere is of nobody",
        "ork/store/runs.py",
        "return [workflow, *sorted(former_in(refs, workflow))]",
        "return [workflow]",
        (
            "sync/test_renamed.py::"
            "test_what_ran_by_the_old_name_until_it_heard_of_the_new_one_is_of_that[False]",
        ),
    ),
    Fault(
        "a run by a name that two workflows had is of the one that had it then",
        "ork/store/runs.py",
        "found = self._near(name, deploy, snapshot)",
        "found = set()",
        (
            "sync/test_renamed.py::"
            "test_runs_by_a_name_that_two_workflows_had_are_of_the_one_that_has_their_deploy",
        ),
    ),
    # Firing what is due.
    Fault(
        "a fire does not compare that nobody has paused or archived the workflow",
        "ork/runner/record.py",
        '                tx.expect("ops", ops)',
        "                pass",
        (
            "daemon/test_archived.py::"
            "test_a_fire_sees_that_it_is_archived_while_the_run_is_prepared",
            "daemon/test_pauses.py::test_a_pause_while_the_run_is_prepared_is_seen",
        ),
    ),
    Fault(
        "a run is retried although somebody else has",
        "ork/daemon/child.py",
        "if run_of_id(store, work.workflow, work.id)[1].attempt != work.attempt:",
        "if False:",
        ("daemon/test_up.py::test_a_retry_that_another_process_has_made_is_not_made_once_more",),
    ),
    Fault(
        "a child ends when nobody hears what it tells",
        "ork/daemon/child.py",
        "with suppress(OSError):  # the daemon is gone: the run goes on",
        "if True:",
        ("daemon/test_up.py::test_a_killed_daemon_leaves_its_runs_to_their_end",),
    ),
    # What is told.
    Fault(
        "what a few tasks changed alike is the environment of all",
        "ork/history/lineage.py",
        "n >= 2 and 2 * n > count",
        "n >= 2",
        ("history/test_blame.py::test_what_the_environment_of_all_changes_touches_none_of_them",),
    ),
    Fault(
        "an import makes a store before it looks at the bundle",
        "ork/cli/git.py",
        "needs = None if session.has_store() else check(found, None)",
        "needs = None",
        ("cli/test_bundle.py::test_what_is_refused_or_only_tried_leaves_no_store",),
    ),
    Fault(
        "a bisection that runs nothing asks the command",
        "ork/cli/history/bisect.py",
        "try_ends=not dry_run,",
        "try_ends=True,",
        ("cli/test_bisect.py::test_what_would_run_is_told_before_and_may_be_all",),
    ),
    Fault(
        "a mistake that tasks share is told of each",
        "ork/definition/signature.py",
        "told.setdefault((message, hint), [])",
        "told.setdefault((message + name, hint), [])",
        ("cli/test_check.py::test_a_mistake_of_many_tasks_is_one_finding_at_the_code",),
    ),
    Fault(
        "code of another task is new in a task over time",
        "ork/history/tasks.py",
        "any(not one.files.isdisjoint(changed) for one in reach)",
        "True",
        ("cli/test_runs.py::test_a_task_over_time_is_marked_where_something_of_it_is_new",),
    ),
    Fault(
        "a task over time ends at its rename",
        "ork/history/tasks.py",
        "self.there[name] = old_name",
        "pass",
        ("cli/test_runs.py::test_a_task_over_time_is_followed_through_its_renames",),
    ),
    Fault(
        "what differs by chance has become slower",
        "ork/history/tasks.py",
        "return at if abs(since - before) >= least else None",
        "return at",
        ("history/test_tasks.py::test_what_differs_a_lot_each_time_is_noise",),
    ),
    Fault(
        "what an attempt took that failed is how long a task takes",
        "ork/history/tasks.py",
        "one.attempts[-1].seconds",
        "one.attempts[0].seconds",
        ("cli/test_runs.py::test_how_long_each_task_takes_and_which_got_slower",),
    ),
    Fault(
        "the newest of several runs is retried first",
        "ork/cli/runs/again.py",
        "for run_id in sorted(found)]",
        "for run_id in found]",
        ("cli/test_retry.py::test_several_runs_go_on_one_after_the_other_the_oldest_first",),
    ),
    Fault(
        "who stops one of several runs begins the next",
        "ork/cli/runs/again.py",
        "            if control.stops:",
        "            if False:",
        ("cli/test_retry.py::test_who_stops_a_retry_stops_all_that_would_come",),
    ),
    Fault(
        "a match in a line lets marks pile up",
        "ork/cli/history/grep.py",
        'if "".join(map(visible, parts)) != visible(shown):',
        "if False:",
        ("cli/test_grep.py::test_a_match_of_each_mark_of_many_lets_none_pile_up",),
    ),
    Fault(
        "a text that a deploy has as often as before is its change",
        "ork/search/texts.py",
        "return counts[0] != counts[1]",
        "return bool(counts[0] or counts[1])",
        ("cli/test_grep.py::test_the_deploys_that_brought_a_text_or_took_it_away",),
    ),
)
