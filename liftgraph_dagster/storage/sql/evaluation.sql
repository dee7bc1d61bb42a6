-- Statements on datasets and scores.

-- save_dataset --
-- Stores a dataset; nothing when one of its digest is known.
INSERT INTO datasets (digest, graph, n, families)
VALUES (:digest, :graph, :n, :families)
ON CONFLICT (digest) DO NOTHING

-- save_example --
-- Stores one example of a dataset; nothing when it is known.
INSERT INTO examples (dataset_digest, id, family, split, body)
VALUES (:dataset_digest, :id, :family, :split, :body)
ON CONFLICT (dataset_digest, id) DO NOTHING

-- save_score --
-- Stores a score; it replaces one of the same execution and metric version.
INSERT INTO scores (
    execution_id, metric, metric_version, graph, dataset_digest, example_id, family,
    program_digest, program_name, repeat, value, feedback, failure
)
VALUES (
    :execution_id, :metric, :metric_version, :graph, :dataset_digest, :example_id, :family,
    :program_digest, :program_name, :repeat, :value, :feedback, :failure
)
ON CONFLICT (execution_id, metric, metric_version) DO UPDATE
SET graph = excluded.graph,
    dataset_digest = excluded.dataset_digest,
    example_id = excluded.example_id,
    family = excluded.family,
    program_digest = excluded.program_digest,
    program_name = excluded.program_name,
    repeat = excluded.repeat,
    value = excluded.value,
    feedback = excluded.feedback,
    failure = excluded.failure,
    scored_at = now()

-- get_scores --
-- Returns the scores of a program on a dataset by one version of a metric, by example.
SELECT
    execution_id, metric, metric_version, graph, dataset_digest, example_id, family,
    program_digest, program_name, repeat, value, feedback, failure
FROM scores
WHERE program_digest = :program_digest
    AND dataset_digest = :dataset_digest
    AND metric = :metric
    AND metric_version = :metric_version
ORDER BY example_id, repeat, scored_at
