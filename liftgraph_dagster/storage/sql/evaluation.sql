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

-- get_dataset --
-- Returns the graph and the examples of a dataset, by id.
SELECT datasets.graph, examples.body
FROM datasets
JOIN examples ON examples.dataset_digest = datasets.digest
WHERE datasets.digest = :digest
ORDER BY examples.id

-- moved_families --
-- Returns the families of a graph's stored examples that are in more than one split.
SELECT examples.family
FROM examples
JOIN datasets ON datasets.digest = examples.dataset_digest
WHERE datasets.graph = :graph
GROUP BY examples.family
HAVING count(DISTINCT examples.split) > 1
ORDER BY examples.family

-- move_name --
-- Lets a name stand for a dataset. Returns its number, or no row when the name has moved meanwhile.
INSERT INTO dataset_names (graph, name, number, digest)
VALUES (:graph, :name, :number, :digest)
ON CONFLICT (graph, name, number) DO NOTHING
RETURNING number

-- find_name --
-- Returns what a name stands for now, for each graph that has it.
SELECT DISTINCT ON (graph) graph, number, digest
FROM dataset_names
WHERE name = :name
    AND (CAST(:graph AS text) IS NULL OR graph = :graph)
ORDER BY graph, number DESC

-- find_digest --
-- Returns the datasets whose digest begins as given, two at the most.
SELECT digest
FROM datasets
WHERE starts_with(digest, :beginning)
    AND (CAST(:graph AS text) IS NULL OR graph = :graph)
LIMIT 2

-- list_datasets --
-- Returns what names stand for now, and the datasets that never had a name, newest first.
WITH named AS (
    SELECT DISTINCT ON (graph, name) name, number, digest, created_at
    FROM dataset_names
    ORDER BY graph, name, number DESC
)
SELECT datasets.digest, datasets.graph, named.name, named.number, datasets.n, datasets.families,
    coalesce(named.created_at, datasets.created_at) AS since, splits.train, splits.dev,
    splits.sealed
FROM datasets
LEFT JOIN named ON named.digest = datasets.digest
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE split = 'train') AS train,
        count(*) FILTER (WHERE split = 'dev') AS dev,
        count(*) FILTER (WHERE split = 'sealed') AS sealed
    FROM examples
    WHERE dataset_digest = datasets.digest
) AS splits
WHERE (CAST(:graph AS text) IS NULL OR datasets.graph = :graph)
    AND (named.name IS NOT NULL OR NOT EXISTS (
        SELECT FROM dataset_names WHERE dataset_names.digest = datasets.digest))
ORDER BY since DESC, datasets.digest

-- save_score --
-- Stores a score; it replaces one of the same execution and metric version.
INSERT INTO scores (
    execution_id, metric, metric_version, graph, dataset_digest, example_id, family,
    program_digest, program_name, repeat, value, feedback, failure, failure_class
)
VALUES (
    :execution_id, :metric, :metric_version, :graph, :dataset_digest, :example_id, :family,
    :program_digest, :program_name, :repeat, :value, :feedback, :failure,
    :failure_class
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
    failure_class = excluded.failure_class,
    scored_at = now()

-- get_scores --
-- Returns the scores of a program on a dataset by one version of a metric, by example.
SELECT
    execution_id, metric, metric_version, graph, dataset_digest, example_id, family,
    program_digest, program_name, repeat, value, feedback, failure, failure_class
FROM scores
WHERE program_digest = :program_digest
    AND dataset_digest = :dataset_digest
    AND metric = :metric
    AND metric_version = :metric_version
ORDER BY example_id, repeat, scored_at
