-- Statements on programs.

-- save_program --
-- Stores a program; nothing when one of its digest is known.
INSERT INTO programs (digest, graph, name, body)
VALUES (:digest, :graph, :name, :body)
ON CONFLICT (digest) DO NOTHING

-- get_program --
-- Returns the JSON of the program with a digest.
SELECT body
FROM programs
WHERE digest = :digest

-- list_programs --
-- Returns the programs of a graph, newest first.
SELECT digest, graph, name, body, created_at
FROM programs
WHERE graph = :graph
ORDER BY created_at DESC
