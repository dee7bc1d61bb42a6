-- What the model's own probabilities say of a node's answer, beside the answer.

ALTER TABLE node_events ADD COLUMN evidence bytea;

COMMENT ON COLUMN node_events.evidence IS 'By JSON Pointer of a value of the answer, what is known about it, JSON; NULL when the node asks for none.';
