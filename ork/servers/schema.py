"""What a store is in PostgreSQL: a schema with six tables and two functions.

    objects   oid (32 bytes), data: the stored bytes of an object, number: the order of arrival
    refs      name (UTF-8), target: 32 bytes of the oid, 8 of the seal over name and oid
    counters  how often each slot was written; the sum is the number of the newest write
    writes    the tokens of the writes of the last hours: what became of one is asked here
    leases    who has what, and when they were last heard of
    store     one row: the format, which store it is, how often it was swept, and after how much
              silence a lease may go to somebody else

Names are bytes, since text could hold neither NUL nor lone surrogates. What the functions do, they
do in the transaction of the statement that calls them, in one round trip.
"""

from __future__ import annotations

FORMAT = 3
SLOTS = 64  # writers that do not wait for each other's counters
KEPT = "6 hours"  # nobody asks for a write after more than minutes
GRACE_S = 60  # how long a holder that lost its connection may take to come back

TABLES = f"""
CREATE SEQUENCE arrivals CACHE 1;
CREATE TABLE objects (
    oid bytea PRIMARY KEY,
    data bytea NOT NULL,
    number bigint NOT NULL DEFAULT nextval('arrivals')
);
ALTER TABLE objects ALTER data SET STORAGE EXTERNAL;
CREATE INDEX objects_number ON objects (number);
CREATE TABLE refs (name bytea PRIMARY KEY, target bytea NOT NULL);
CREATE TABLE counters (slot integer PRIMARY KEY, written bigint NOT NULL) WITH (fillfactor = 50);
INSERT INTO counters SELECT slot, 0 FROM generate_series(0, {SLOTS - 1}) AS slot;
CREATE TABLE writes (token uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());
CREATE TABLE leases (
    name bytea PRIMARY KEY,
    holder uuid NOT NULL,
    heard timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE store (
    format integer NOT NULL,
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    swept bigint NOT NULL DEFAULT 0,
    grace interval NOT NULL DEFAULT interval '{GRACE_S} seconds'
);
INSERT INTO store VALUES ({FORMAT});
"""

# What of it a write needs, as the catalog of the server tells it: what a restore may have left out.
PARTS = frozenset(
    {
        "column objects.oid bytea NOT NULL",
        "column objects.data bytea NOT NULL",
        "column objects.number bigint NOT NULL DEFAULT",
        "column refs.name bytea NOT NULL",
        "column refs.target bytea NOT NULL",
        "column counters.slot integer NOT NULL",
        "column counters.written bigint NOT NULL",
        "column writes.token uuid NOT NULL",
        "column writes.at timestamp with time zone NOT NULL DEFAULT",
        "column leases.name bytea NOT NULL",
        "column leases.holder uuid NOT NULL",
        "column leases.heard timestamp with time zone NOT NULL DEFAULT",
        "column store.format integer NOT NULL",
        "column store.id uuid NOT NULL DEFAULT",
        "column store.swept bigint NOT NULL DEFAULT",
        "column store.grace interval NOT NULL DEFAULT",
        "key of objects: PRIMARY KEY (oid)",
        "key of refs: PRIMARY KEY (name)",
        "key of counters: PRIMARY KEY (slot)",
        "key of writes: PRIMARY KEY (token)",
        "key of leases: PRIMARY KEY (name)",
        "index objects_number",
        "function held",
        "function written",
        "function leased",
    }
)
PARTS_THERE = """
WITH mine AS (SELECT oid, relname FROM pg_class WHERE relnamespace = to_regnamespace(%b))
SELECT concat_ws(' ', 'column', relname || '.' || attname, format_type(atttypid, atttypmod),
        CASE WHEN attnotnull THEN 'NOT NULL' END, CASE WHEN atthasdef THEN 'DEFAULT' END)
    FROM mine JOIN pg_attribute ON attrelid = mine.oid WHERE attnum > 0
UNION ALL SELECT 'key of ' || relname || ': ' || pg_get_constraintdef(pg_constraint.oid)
    FROM mine JOIN pg_constraint ON conrelid = mine.oid
UNION ALL SELECT 'index ' || relname
    FROM mine JOIN pg_index ON indexrelid = mine.oid WHERE indisvalid
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = to_regnamespace(%b)
"""

# `held` takes the locks of a write and says whether all refs are where they should be, and all
# objects there that are needed. A sweep has the table of refs in EXCLUSIVE mode; many names
# would be more locks than a server has room for, so that `alone` locks out all other writers.
FUNCTIONS = f"""
CREATE FUNCTION held(
    alone boolean, locks bigint[], names bytea[], olds bytea[], needed bytea[]
) RETURNS boolean LANGUAGE plpgsql AS $body$
BEGIN
    IF alone THEN
        LOCK TABLE refs IN SHARE ROW EXCLUSIVE MODE;
    ELSE
        LOCK TABLE refs IN ROW EXCLUSIVE MODE;
        PERFORM pg_advisory_xact_lock(lock) FROM unnest(locks) AS lock;
    END IF;
    IF EXISTS (
        SELECT FROM unnest(names, olds) AS move (name, old)
        LEFT JOIN refs ON refs.name = move.name WHERE refs.target IS DISTINCT FROM move.old
    ) THEN
        RETURN false;
    END IF;
    RETURN NOT EXISTS (
        SELECT FROM unnest(needed) AS need
        WHERE NOT EXISTS (SELECT FROM objects WHERE oid = need)
    );
END
$body$;

CREATE FUNCTION written(
    mark uuid, alone boolean, locks bigint[], names bytea[], olds bytea[], news bytea[],
    needed bytea[], doomed bytea[], oids bytea[], contents bytea[]
) RETURNS boolean LANGUAGE plpgsql AS $body$
BEGIN
    IF NOT held(alone, locks, names, olds, needed) THEN
        RETURN false;
    END IF;
    IF cardinality(doomed) > 0 THEN
        DELETE FROM objects WHERE oid = ANY (doomed);
    END IF;
    IF cardinality(oids) > 0 THEN
        INSERT INTO objects (oid, data) SELECT * FROM unnest(oids, contents)
            ON CONFLICT (oid) DO UPDATE SET data = excluded.data
            WHERE objects.data <> excluded.data;
    END IF;
    IF cardinality(names) > 0 THEN
        DELETE FROM refs USING unnest(names, news) AS move (name, new)
            WHERE refs.name = move.name AND move.new IS NULL;
        INSERT INTO refs SELECT name, new FROM unnest(names, olds, news) AS move (name, old, new)
            WHERE new IS NOT NULL AND new IS DISTINCT FROM old
            ON CONFLICT (name) DO UPDATE SET target = excluded.target;
    END IF;
    INSERT INTO writes (token) VALUES (mark);
    IF random() < 0.01 THEN
        DELETE FROM writes WHERE token IN (
            SELECT token FROM writes WHERE at < now() - interval '{KEPT}'
            LIMIT 10000 FOR UPDATE SKIP LOCKED
        );
    END IF;
    UPDATE counters SET written = written + 1 WHERE slot = pg_backend_pid() % {SLOTS};
    RETURN true;
END
$body$;

CREATE FUNCTION leased(wanted bytea, lock bigint, mine uuid) RETURNS boolean
LANGUAGE plpgsql AS $body$
DECLARE
    kept leases;
BEGIN
    IF NOT pg_try_advisory_lock(lock) THEN
        RETURN false;
    END IF;
    SELECT * INTO kept FROM leases WHERE name = wanted;
    IF kept.holder <> mine AND clock_timestamp() < (SELECT grace FROM store)
        + greatest(kept.heard, pg_postmaster_start_time())
    THEN
        PERFORM pg_advisory_unlock(lock);
        RETURN false;
    END IF;
    INSERT INTO leases VALUES (wanted, mine)
        ON CONFLICT (name) DO UPDATE SET holder = mine, heard = clock_timestamp();
    RETURN true;
END
$body$;
"""

# For people. An object that is kept compressed shows no fields.
VIEWS = """
CREATE VIEW workflows AS
    SELECT convert_from(substr(name, 11), 'UTF8') AS name, encode(oid, 'hex') AS deploy,
        fields ->> 'time' AS time, fields ->> 'author' AS author, fields ->> 'message' AS message
    FROM (
        SELECT name, oid, CASE WHEN get_byte(data, 0) = 0
            THEN convert_from(substr(data, position('\\x0a'::bytea IN data) + 1), 'UTF8')::json
        END AS fields
        FROM refs JOIN objects ON oid = substr(target, 1, 32)
        WHERE name >= 'workflows/'::bytea AND name < 'workflows0'::bytea
    ) AS heads;
CREATE VIEW runs AS
    SELECT fields ->> 'workflow' AS workflow, (fields ->> 'number')::bigint AS number,
        fields ->> 'state' AS state, fields ->> 'created' AS created, fields ->> 'ended' AS ended,
        fields ->> 'snapshot' AS snapshot, fields ->> 'id' AS id, encode(oid, 'hex') AS oid
    FROM (
        SELECT oid, CASE WHEN get_byte(data, 0) = 0
            THEN convert_from(substr(data, position('\\x0a'::bytea IN data) + 1), 'UTF8')::json
        END AS fields
        FROM refs JOIN objects ON oid = substr(target, 1, 32)
        WHERE name >= 'runs/'::bytea AND name < 'runs0'::bytea
    ) AS found;
"""
