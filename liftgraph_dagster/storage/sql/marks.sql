-- Statements on marks.

-- save_mark --
-- Stores a mark; of two marks of one place the later stays.
INSERT INTO marks (
    id, graph, example_id, outcome, execution_id, rater, pass, scale, value, seconds, at
)
VALUES (
    :id, :graph, :example_id, :outcome, :execution_id, :rater, :pass, :scale, :value, :seconds, :at
)
ON CONFLICT (graph, example_id, outcome, rater, pass, scale) DO UPDATE
SET id = excluded.id,
    execution_id = excluded.execution_id,
    value = excluded.value,
    seconds = excluded.seconds,
    at = excluded.at
WHERE marks.at < excluded.at

-- remove_mark --
-- Removes a mark, unless its place holds a later one.
DELETE FROM marks
WHERE graph = :graph
  AND example_id = :example_id
  AND outcome = :outcome
  AND rater = :rater
  AND pass = :number
  AND scale = :scale
  AND id = :id

-- list_marks --
-- Returns the marks of a graph's outcomes, oldest first.
SELECT id, graph, example_id, outcome, execution_id, rater, pass, scale, value, seconds, at
FROM marks
WHERE graph = :graph
ORDER BY at, id
