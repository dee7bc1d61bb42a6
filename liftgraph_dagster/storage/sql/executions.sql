-- Statements on executions. Parameters are written :name; see storage/queries.py.

-- remember_version --
-- Stores what a version of a graph consists of; nothing when it is known.
INSERT INTO graph_versions (version, graph, manifest)
VALUES (:version, :graph, :manifest)
ON CONFLICT (version) DO NOTHING

-- get_manifest --
-- Returns what a version of a graph consists of.
SELECT manifest
FROM graph_versions
WHERE version = :version

-- create_execution --
-- Stores a new execution.
INSERT INTO graph_executions (
    id, graph, graph_version, program_digest, user_id, status, rev, input, attrs, initial, state,
    state_rev, flags, parent_id, forked_at_rev, created_at
)
VALUES (
    :id, :graph, :graph_version, :program_digest, :user_id, :status, 0, :input, :attrs, :initial,
    :state, 0, :flags, :parent_id, :forked_at_rev, :created_at
)

-- get_execution --
-- Returns one execution.
SELECT
    id, graph, graph_version, program_digest, user_id, status, rev, input, attrs, initial, state,
    state_rev, flags, parent_id, forked_at_rev, created_at, finished_at
FROM graph_executions
WHERE id = :id

-- list_executions --
-- Returns executions that pass every filter that is not NULL, newest first.
SELECT
    id, graph, graph_version, program_digest, user_id, status, rev, input, attrs, initial, state,
    state_rev, flags, parent_id, forked_at_rev, created_at, finished_at
FROM graph_executions
WHERE (CAST(:graph AS text) IS NULL OR graph = :graph)
    AND (CAST(:status AS text) IS NULL OR status = :status)
    AND (CAST(:user_id AS text) IS NULL OR user_id = :user_id)
    AND (CAST(:program_digest AS text) IS NULL OR program_digest = :program_digest)
    AND (CAST(:graph_version AS text) IS NULL OR graph_version = :graph_version)
    AND (CAST(:attrs AS jsonb) IS NULL OR attrs @> :attrs AND NOT EXISTS (
        SELECT 1 FROM jsonb_each(:attrs) AS wanted WHERE attrs -> wanted.key <> wanted.value))
    AND (CAST(:before AS uuid) IS NULL OR id < :before)
ORDER BY id DESC
LIMIT :limit

-- commit_events --
-- Appends events and advances rev, in one transaction. Returns the id, or no row when the execution
-- is not at :rev any more.
WITH moved AS (
    UPDATE graph_executions
    SET rev = :rev + :count,
        status = coalesce(:status, status),
        finished_at = CASE WHEN CAST(:status AS text) IS NULL THEN finished_at ELSE CAST(:finished_at AS timestamptz) END,
        state = coalesce(:state, state),
        state_rev = CASE WHEN CAST(:state AS bytea) IS NULL THEN state_rev ELSE :rev + :count END,
        attrs = attrs || coalesce(CAST(:attrs AS jsonb), '{}'),
        graph_version = coalesce(:graph_version, graph_version)
    WHERE id = :id
        AND rev = :rev
    RETURNING id
), appended AS (
    INSERT INTO node_events (
        execution_id, seq, at, kind, node, node_type, branch, attempt, duration_us, reads,
        input_digest, output, state_patch, next_node, next_args, error, note, calls, prompt_tokens,
        cached_tokens, completion_tokens, model_us, model, cost, evidence
    )
    SELECT moved.id, :rev + event.nr, event.at, event.kind, event.node, event.node_type,
        event.branch, event.attempt, event.duration_us, event.reads, event.input_digest,
        event.output, event.state_patch, event.next_node, event.next_args, event.error, event.note,
        event.calls, event.prompt_tokens, event.cached_tokens, event.completion_tokens,
        event.model_us, event.model, event.cost, event.evidence
    FROM moved, unnest(
        CAST(:at AS timestamptz[]), CAST(:kind AS text[]), CAST(:node AS text[]),
        CAST(:node_type AS text[]), CAST(:branch AS text[]), CAST(:attempt AS smallint[]),
        CAST(:duration_us AS bigint[]), CAST(:reads AS text[]), CAST(:input_digest AS bytea[]),
        CAST(:output AS bytea[]), CAST(:state_patch AS bytea[]), CAST(:next_node AS text[]),
        CAST(:next_args AS bytea[]), CAST(:error AS bytea[]), CAST(:note AS text[]),
        CAST(:calls AS integer[]), CAST(:prompt_tokens AS integer[]),
        CAST(:cached_tokens AS integer[]), CAST(:completion_tokens AS integer[]),
        CAST(:model_us AS bigint[]), CAST(:model AS text[]), CAST(:cost AS double precision[]),
        CAST(:evidence AS bytea[])
    ) WITH ORDINALITY AS event (
        at, kind, node, node_type, branch, attempt, duration_us, reads, input_digest, output,
        state_patch, next_node, next_args, error, note, calls, prompt_tokens, cached_tokens,
        completion_tokens, model_us, model, cost, evidence, nr
    )
)
SELECT id
FROM moved

-- cancel_execution --
-- Ends an execution from wherever it stands, whoever runs it, with a line of history. Returns the
-- id, or no row when it has ended or does not exist.
WITH moved AS (
    UPDATE graph_executions
    SET rev = rev + 1,
        status = 'cancelled',
        finished_at = :finished_at
    WHERE id = :id
        AND status NOT IN ('succeeded', 'cancelled')
    RETURNING id, rev
), appended AS (
    INSERT INTO node_events (
        execution_id, seq, at, kind, node, node_type, branch, attempt, duration_us, reads, note,
        calls, prompt_tokens, cached_tokens, completion_tokens, model_us
    )
    SELECT id, rev, :at, :kind, '', '', '', 1, 0, '', :note, 0, 0, 0, 0, 0
    FROM moved
)
SELECT id
FROM moved

-- get_history --
-- Returns the events of an execution after a place, oldest first.
SELECT
    seq, at, kind, node, node_type, branch, attempt, duration_us, reads, input_digest, output,
    state_patch, next_node, next_args, error, note, calls, prompt_tokens, cached_tokens,
    completion_tokens, model_us, model, cost, evidence
FROM node_events
WHERE execution_id = :id
    AND seq > :after
ORDER BY seq
LIMIT :limit

-- acquire_lease --
-- Takes the lease when it is free, has run out or is held by :instead_of. Returns its epoch, or no
-- row when somebody else holds it.
INSERT INTO execution_leases AS held (execution_id, owner, epoch, until)
VALUES (:id, :owner, 1, clock_timestamp() + make_interval(secs => :ttl_s))
ON CONFLICT (execution_id) DO UPDATE
SET owner = excluded.owner,
    epoch = held.epoch + 1,
    until = excluded.until
WHERE held.until <= clock_timestamp()
    OR held.owner = :instead_of
RETURNING epoch

-- renew_lease --
-- Extends a lease. Returns its epoch, or no row when another owner has it.
UPDATE execution_leases
SET until = clock_timestamp() + make_interval(secs => :ttl_s)
WHERE execution_id = :id
    AND owner = :owner
    AND epoch = :epoch
RETURNING epoch

-- release_lease --
-- Gives a lease back; the row stays, so that the epoch goes on counting.
UPDATE execution_leases
SET until = clock_timestamp()
WHERE execution_id = :id
    AND owner = :owner
    AND epoch = :epoch

-- get_holder --
-- Returns who holds the lease of an execution now.
SELECT owner
FROM execution_leases
WHERE execution_id = :id
    AND until > clock_timestamp()
