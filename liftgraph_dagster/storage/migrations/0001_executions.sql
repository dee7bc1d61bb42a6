-- Executions, their history and their leases.

CREATE TABLE graph_versions (
    version text PRIMARY KEY,
    graph text NOT NULL,
    manifest jsonb NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE graph_versions IS 'What each version of a graph consists of: a digest for each node, the state and the edges.';

CREATE TABLE programs (
    digest text PRIMARY KEY,
    graph text NOT NULL,
    name text NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE programs IS 'Instructions and demonstrations of each predictor of a graph, as JSON, by digest.';

CREATE INDEX programs_by_graph ON programs (graph, created_at DESC);

CREATE TABLE graph_executions (
    id uuid PRIMARY KEY,
    graph text NOT NULL,
    graph_version text NOT NULL REFERENCES graph_versions (version),
    program_digest text NOT NULL REFERENCES programs (digest),
    user_id text,
    status text NOT NULL CHECK (
        status IN ('running', 'waiting', 'suspended', 'succeeded', 'failed', 'cancelled')
    ),
    rev integer NOT NULL,
    input bytea NOT NULL,
    attrs jsonb NOT NULL DEFAULT '{}',
    initial bytea NOT NULL,
    state bytea,
    state_rev integer NOT NULL,
    flags jsonb NOT NULL DEFAULT '{}',
    parent_id uuid,
    forked_at_rev integer,
    created_at timestamptz NOT NULL,
    finished_at timestamptz
) WITH (fillfactor = 70);

-- The client compresses what is large; pglz on top of that costs three times the time for nothing.
ALTER TABLE graph_executions
    ALTER COLUMN input SET STORAGE EXTERNAL,
    ALTER COLUMN initial SET STORAGE EXTERNAL,
    ALTER COLUMN state SET STORAGE EXTERNAL;

COMMENT ON COLUMN graph_executions.rev IS 'Number of events; the fence against a second writer.';
COMMENT ON COLUMN graph_executions.attrs IS 'Small projection of the state that executions are searched by; the only indexed JSON.';
COMMENT ON COLUMN graph_executions.initial IS 'JSON of the state before the first node, zstd above 8 KB.';
COMMENT ON COLUMN graph_executions.state IS 'JSON of the state at state_rev; NULL while that is the initial one.';

CREATE INDEX graph_executions_by_graph ON graph_executions (graph, status, id DESC);
CREATE INDEX graph_executions_by_program ON graph_executions (program_digest, id DESC);
CREATE INDEX graph_executions_by_user ON graph_executions (user_id, id DESC) WHERE user_id IS NOT NULL;
CREATE INDEX graph_executions_open ON graph_executions (id) WHERE status = 'running';
CREATE INDEX graph_executions_attrs ON graph_executions USING gin (attrs jsonb_path_ops);

CREATE TABLE execution_leases (
    execution_id uuid PRIMARY KEY REFERENCES graph_executions (id) ON DELETE CASCADE,
    owner text NOT NULL,
    epoch bigint NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE node_events (
    execution_id uuid NOT NULL REFERENCES graph_executions (id) ON DELETE CASCADE,
    seq integer NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL CHECK (kind IN ('node', 'predictor', 'error', 'edit', 'version', 'status')),
    node text NOT NULL,
    node_type text NOT NULL,
    branch text NOT NULL,
    attempt smallint NOT NULL,
    duration_us bigint NOT NULL,
    reads text NOT NULL,
    input_digest bytea,
    output bytea,
    state_patch bytea,
    next_node text,
    next_args bytea,
    error bytea,
    note text,
    calls integer NOT NULL,
    prompt_tokens integer NOT NULL,
    cached_tokens integer NOT NULL,
    completion_tokens integer NOT NULL,
    model_us bigint NOT NULL,
    model text,
    cost double precision,
    PRIMARY KEY (execution_id, seq)
);

ALTER TABLE node_events
    ALTER COLUMN output SET STORAGE EXTERNAL,
    ALTER COLUMN state_patch SET STORAGE EXTERNAL;

COMMENT ON TABLE node_events IS 'Append-only history of executions, one line a node.';
COMMENT ON COLUMN node_events.at IS 'When the node began.';
COMMENT ON COLUMN node_events.next_args IS 'Fields of the next node, JSON; NULL when the event leads nowhere.';

CREATE INDEX node_events_by_node ON node_events (node, at DESC);

CREATE VIEW node_events_readable AS
SELECT
    execution_id, seq, at, kind, node, node_type, branch, attempt,
    duration_us / 1000.0 AS duration_ms,
    CASE WHEN substring(output FROM 1 FOR 4) = '\x28b52ffd' THEN '(compressed)'
         ELSE convert_from(output, 'UTF8') END AS output,
    CASE WHEN substring(state_patch FROM 1 FOR 4) = '\x28b52ffd' THEN '(compressed)'
         ELSE convert_from(state_patch, 'UTF8') END AS state_patch,
    next_node,
    convert_from(error, 'UTF8') AS error,
    note, calls, prompt_tokens, completion_tokens, model, cost
FROM node_events;

COMMENT ON VIEW node_events_readable IS 'The history with its JSON as text, for people at a psql prompt.';
