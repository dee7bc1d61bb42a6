-- Labelled examples and scores.

CREATE TABLE datasets (
    digest text PRIMARY KEY,
    graph text NOT NULL,
    n integer NOT NULL,
    families integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE datasets IS 'Labelled examples of a graph at one moment, by the digest of their content.';

CREATE INDEX datasets_by_graph ON datasets (graph, created_at DESC);

CREATE TABLE examples (
    dataset_digest text NOT NULL REFERENCES datasets (digest) ON DELETE CASCADE,
    id text NOT NULL,
    family text NOT NULL,
    split text NOT NULL CHECK (split IN ('train', 'dev', 'sealed')),
    body bytea NOT NULL,
    PRIMARY KEY (dataset_digest, id)
);

COMMENT ON COLUMN examples.body IS 'JSON of input, expected outcome and labels, zstd above 8 KB.';

CREATE TABLE scores (
    execution_id uuid NOT NULL REFERENCES graph_executions (id) ON DELETE CASCADE,
    metric text NOT NULL,
    metric_version text NOT NULL,
    graph text NOT NULL,
    dataset_digest text NOT NULL REFERENCES datasets (digest) ON DELETE CASCADE,
    example_id text NOT NULL,
    family text NOT NULL,
    program_digest text NOT NULL REFERENCES programs (digest),
    program_name text NOT NULL,
    repeat integer NOT NULL,
    value double precision NOT NULL CHECK (value >= 0 AND value <= 1),
    feedback bytea NOT NULL,
    failure bytea,
    scored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (execution_id, metric, metric_version)
);

COMMENT ON TABLE scores IS 'One row for each example, program, metric and repeat. A failed execution scores 0.';

CREATE INDEX scores_by_program ON scores (program_digest, dataset_digest, metric, metric_version);
