-- Names of datasets, and the class of a failure.

CREATE TABLE dataset_names (
    graph text NOT NULL,
    name text NOT NULL,
    number integer NOT NULL CHECK (number >= 1),
    digest text NOT NULL REFERENCES datasets (digest) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (graph, name, number)
);

COMMENT ON TABLE dataset_names IS 'Append-only: a name stands for the dataset of its highest number.';

CREATE INDEX dataset_names_by_digest ON dataset_names (digest);

ALTER TABLE scores ADD COLUMN failure_class text;

COMMENT ON COLUMN scores.failure_class IS 'What a caller could do about the failure; NULL without one.';
