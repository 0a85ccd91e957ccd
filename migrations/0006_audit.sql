-- The chain of audit rows, and what they are looked for by.

ALTER TABLE audit ADD COLUMN seq BIGINT NOT NULL DEFAULT 0; -- place in the chain; 0: not there yet
ALTER TABLE audit ADD COLUMN previous TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN hash TEXT NOT NULL DEFAULT '';

CREATE UNIQUE INDEX audit_chain ON audit (seq) WHERE seq > 0;
CREATE INDEX audit_loose ON audit (id) WHERE seq = 0;
CREATE INDEX audit_by_time ON audit (at, id);
CREATE INDEX audit_by_actor ON audit (actor, at, id);
CREATE INDEX audit_by_object ON audit (object, at, id);
CREATE INDEX audit_by_via ON audit (via, at, id);
CREATE INDEX audit_by_action ON audit (action, at, id);

-- The last row of the chain, and the last one that was deleted because of its age.
CREATE TABLE audit_links (
    name TEXT PRIMARY KEY,
    seq  BIGINT NOT NULL,
    hash TEXT NOT NULL
);
INSERT INTO audit_links (name, seq, hash) VALUES ('head', 0, '');
INSERT INTO audit_links (name, seq, hash) VALUES ('anchor', 0, '');
