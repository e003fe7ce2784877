/**
 * What attempts ran on, what their providers were paid, and the history of prices. Of attempts from before, the log knows:
 * which devices they got, which models these were by the offer of the time, and the pay. A log's entries are JSON lines
 * without a newline in them. (Indexes of format 1 are below 0: there the offer at the assignment stands for the one at
 * the end.)
 */
export const marketHistory = `
CREATE TABLE device_classes (
  num INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;
ALTER TABLE attempts ADD COLUMN class INTEGER;
ALTER TABLE attempts ADD COLUMN units INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN pay_nano INTEGER NOT NULL DEFAULT 0 CHECK (pay_nano >= 0);

CREATE TEMP TABLE told (event INTEGER PRIMARY KEY, type TEXT, value TEXT);
INSERT INTO told SELECT g.first + e.key, json_extract(e.value, '$.type'), e.value
  FROM log_groups g, json_each('[' || replace(g.entries, char(10), ',') || ']') e
  WHERE json_extract(e.value, '$.type') IN ('attempt.assigned', 'attempt.ended', 'node.offered')
    AND EXISTS (SELECT 1 FROM attempts);
CREATE TEMP TABLE offered (node TEXT, event INTEGER, devices TEXT, PRIMARY KEY (node, event)) WITHOUT ROWID;
INSERT INTO offered SELECT json_extract(value, '$.node'), event, json_extract(value, '$.offer.devices')
  FROM told WHERE type = 'node.offered';
CREATE TEMP TABLE of_attempts (job INTEGER, task INTEGER, attempt INTEGER, event INTEGER, node TEXT, devices TEXT,
  pay INTEGER, PRIMARY KEY (job, task, attempt)) WITHOUT ROWID;
INSERT INTO of_attempts (job, task, attempt, event, node, devices)
  SELECT j.num, substr(json_extract(value, '$.task'), 26), json_extract(value, '$.attempt'), event,
    json_extract(value, '$.node'), json_extract(value, '$.devices')
  FROM told JOIN jobs j ON j.id = substr(json_extract(value, '$.task'), 1, 24) WHERE type = 'attempt.assigned';
UPDATE of_attempts SET pay = e.pay FROM (
    SELECT j.num AS job, CAST(substr(json_extract(value, '$.task'), 26) AS INTEGER) AS task,
      json_extract(value, '$.attempt') AS attempt, CAST(json_extract(value, '$.then.payNano') AS INTEGER) AS pay
    FROM told JOIN jobs j ON j.id = substr(json_extract(value, '$.task'), 1, 24)
    WHERE type = 'attempt.ended' AND json_extract(value, '$.then.payNano') IS NOT NULL) e
  WHERE of_attempts.job = e.job AND of_attempts.task = e.task AND of_attempts.attempt = e.attempt;

CREATE TEMP TABLE classed (event INTEGER, task INTEGER, name TEXT, pay INTEGER, PRIMARY KEY (event, task)) WITHOUT ROWID;
INSERT INTO classed SELECT a.event, a.task, CASE WHEN o.devices = '[]' THEN 'cpu' ELSE coalesce((
      SELECT group_concat(model, ' + ') FROM (
        SELECT DISTINCT json_extract(d.value, '$.model') AS model FROM json_each((
          SELECT devices FROM offered f WHERE f.node = o.node
            AND f.event <= CASE WHEN a.event < 0 THEN o.event ELSE a.event END ORDER BY f.event DESC LIMIT 1)) d
        WHERE json_extract(d.value, '$.id') IN (SELECT value FROM json_each(o.devices)) ORDER BY 1)), 'unknown') END,
    coalesce(o.pay, 0)
  FROM attempts a JOIN of_attempts o ON o.job = a.job AND o.task = a.task AND o.attempt = a.attempt;
INSERT INTO device_classes SELECT row_number() OVER (ORDER BY min(event), min(task)), name FROM classed GROUP BY name;
UPDATE attempts SET class = d.num, pay_nano = c.pay FROM classed c JOIN device_classes d ON d.name = c.name
  WHERE c.event = attempts.event AND c.task = attempts.task;
UPDATE attempts SET units = coalesce(json_extract(j.resources, '$.devices.count')
    * coalesce(json_extract(j.resources, '$.devices.shareMilli'), 1000), json_extract(j.resources, '$.cpuMilli'))
  FROM jobs j WHERE j.num = attempts.job;
DROP TABLE classed;
DROP TABLE of_attempts;
DROP TABLE offered;
DROP TABLE told;

-- span is 0 for an hour and 1 for a day; start counts them from 1970. A unit is a device, or a processor in the class
-- cpu; its price has what came with it in it. volume_ms counts whole units.
CREATE TABLE price_buckets (
  span INTEGER NOT NULL CHECK (span IN (0, 1)),
  class INTEGER NOT NULL,
  start INTEGER NOT NULL,
  trades INTEGER NOT NULL,
  volume_ms INTEGER NOT NULL,
  min_nano INTEGER NOT NULL,
  max_nano INTEGER NOT NULL,
  charged_nano INTEGER NOT NULL,
  PRIMARY KEY (span, class, start)
) STRICT, WITHOUT ROWID;
CREATE INDEX price_buckets_by_time ON price_buckets (span, start, class);
CREATE TEMP TABLE trades AS SELECT class, ended_at, units, (units * metered_ms + 999) / 1000 AS volume, charged_nano AS charged,
    CASE WHEN rate_nano / units >= 1000000000000000 THEN 1000000000000000000
      ELSE min(1000000000000000000, rate_nano / units * 1000 + (rate_nano % units * 1000 + units - 1) / units) END AS unit_nano
  FROM attempts WHERE metered_ms IS NOT NULL AND class IS NOT NULL;
INSERT INTO price_buckets SELECT s.value, class, ended_at / iif(s.value = 0, 3600000, 86400000) AS start, count(*),
    sum(volume), min(unit_nano), max(unit_nano),
    min(9000000000000000000, min(8999999999999, sum(charged / 1000000)) * 1000000 + sum(charged % 1000000))
  FROM trades, json_each('[0, 1]') s GROUP BY s.value, class, start;
DROP TABLE trades;
`;
