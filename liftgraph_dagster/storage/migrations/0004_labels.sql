-- Marks that people gave to outcomes.

CREATE TABLE marks (
    id uuid NOT NULL,
    graph text NOT NULL,
    example_id text NOT NULL,
    outcome text NOT NULL,
    execution_id uuid NOT NULL,
    rater text NOT NULL,
    pass integer NOT NULL CHECK (pass >= 1),
    scale text NOT NULL,
    value smallint NOT NULL,
    seconds double precision NOT NULL CHECK (seconds >= 0),
    at timestamptz NOT NULL,
    PRIMARY KEY (graph, example_id, outcome, rater, pass, scale)
);

COMMENT ON TABLE marks IS 'What raters say of outcomes; one mark for each outcome, rater, pass and scale.';
COMMENT ON COLUMN marks.outcome IS 'Digest of the outcome: marks outlive executions and come with files from other databases, so there is no foreign key.';
COMMENT ON COLUMN marks.scale IS 'ordinal (1 to 5) or binary (0, 1), with :PART when a part of the outcome was marked.';
COMMENT ON COLUMN marks.seconds IS 'From when the outcome was shown until the key was pressed.';
