-- Version 1 of the state schema. {state} stands for the schema's quoted name, {journal} for the
-- name of the sequence journal_id as a literal.
--
-- No foreign keys: each insert into a child would lock the parent's row, and the rows of a lease,
-- of a migration and of its control are the hot ones. What belongs to a migration is removed
-- children first. No primary key or unique index holds a column that changes while a migration
-- runs: an update of such a column would conflict with `for key share`.

create table {state}.meta (
    only_row boolean primary key default true check (only_row),
    version integer not null,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    upgraded_at timestamptz not null default pg_catalog.clock_timestamp()
);
comment on table {state}.meta is 'One row: the version of this schema.';
comment on column {state}.meta.only_row is 'Keeps the table at one row.';
comment on column {state}.meta.version is 'Number of the last script that was applied; a program that knows only lower ones refuses to work.';
comment on column {state}.meta.created_at is 'When the schema was created.';
comment on column {state}.meta.upgraded_at is 'When the last script was applied.';

create sequence {state}.journal_id;
comment on sequence {state}.journal_id is 'Ids of event and control_change together, so that audit_log can show both under one id.';

create table {state}.migration (
    id bigint generated always as identity primary key,
    name text not null,
    fingerprint text not null,
    plan json not null,
    stage text not null default 'planned' check (stage in ('planned', 'expanded', 'backfilling',
        'backfilled', 'verified', 'cut_over', 'contracted', 'rolling_back', 'rolled_back')),
    status text not null default 'pending' check (status in ('pending', 'running', 'paused',
        'waiting', 'failed', 'done')),
    table_schema text not null,
    table_name text not null,
    table_oid oid not null,
    created_by text not null,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    updated_at timestamptz not null default pg_catalog.clock_timestamp(),
    expanded_at timestamptz,
    cut_over_at timestamptz,
    finished_at timestamptz,
    error text,
    rollback_sql text,
    target_oid oid,
    continuity jsonb,
    target_catalog json,
    horizon xid8,
    horizon_passed_at timestamptz
);
create unique index migration_name on {state}.migration (name) where stage <> 'rolled_back';
create unique index migration_table_name on {state}.migration (table_schema, table_name)
    where stage not in ('contracted', 'rolled_back');
create unique index migration_table_oid on {state}.migration (table_oid)
    where stage not in ('contracted', 'rolled_back');
comment on table {state}.migration is 'One row per registered migration. The only record of its stage.';
comment on column {state}.migration.id is 'Id; a migration that was rolled back and registered anew has a new one.';
comment on column {state}.migration.name is 'Name in the plan file; unique among those that were not rolled back.';
comment on column {state}.migration.fingerprint is 'blake3 of the plan file and of the catalog that it was planned against, 64 hex digits.';
comment on column {state}.migration.plan is 'The execution plan with the plan file in it. json, not jsonb: the order of its keys is kept.';
comment on column {state}.migration.stage is 'How far it has come.';
comment on column {state}.migration.status is 'What it is doing now.';
comment on column {state}.migration.table_schema is 'Schema of the migrated table.';
comment on column {state}.migration.table_name is 'Name of the migrated table.';
comment on column {state}.migration.table_oid is 'pg_class.oid of the table that was the source at registration.';
comment on column {state}.migration.created_by is 'Who registered it: database role, and host and process of the runner.';
comment on column {state}.migration.created_at is 'When it was registered.';
comment on column {state}.migration.updated_at is 'When stage, status or error last changed.';
comment on column {state}.migration.expanded_at is 'Since when writes reach both sides.';
comment on column {state}.migration.cut_over_at is 'When the target took over the name.';
comment on column {state}.migration.finished_at is 'When it was contracted or rolled back.';
comment on column {state}.migration.error is 'Why the last run failed, or what it waits for; no value of a row is in it.';
comment on column {state}.migration.rollback_sql is 'The statements by which the present stage is undone; null where nothing is left to undo.';
comment on column {state}.migration.target_oid is 'pg_class.oid of the shadow table.';
comment on column {state}.migration.continuity is 'The triggers as they were created: what they are compared with to find a gap in dual-write.';
comment on column {state}.migration.target_catalog is 'The parts of the shadow table''s catalog when the backfill had built it: any other one shuts the gate.';
comment on column {state}.migration.horizon is 'The transaction after the last write of ours to the shadow table; null where something of ours may have written since.';
comment on column {state}.migration.horizon_passed_at is 'When every snapshot from before that transaction was gone.';

create table {state}.step (
    migration_id bigint not null,
    step_id text not null,
    started_at timestamptz not null default pg_catalog.clock_timestamp(),
    finished_at timestamptz,
    error text,
    primary key (migration_id, step_id)
);
comment on table {state}.step is 'Steps of the execution plan that were begun. A finished one is recorded in the transaction of its own statements.';
comment on column {state}.step.migration_id is 'migration.id.';
comment on column {state}.step.step_id is 'Id of the step in the plan.';
comment on column {state}.step.started_at is 'When it was last begun.';
comment on column {state}.step.finished_at is 'When it was finished; null while it is not.';
comment on column {state}.step.error is 'Why the last attempt failed; no value of a row is in it.';

create table {state}.task_range (
    id bigint generated always as identity primary key,
    migration_id bigint not null,
    relation oid not null,
    relfilenode oid not null,
    first_block bigint not null check (first_block >= 0),
    end_block bigint not null check (end_block > first_block),
    position bigint not null check (position between first_block and end_block),
    rows_copied bigint not null default 0,
    chunks bigint not null default 0,
    attempts integer not null default 0,
    left_out int8multirange not null default '{}',
    state text not null default 'open' check (state in ('open', 'done')),
    updated_at timestamptz not null default pg_catalog.clock_timestamp()
) with (fillfactor = 50);
create index task_range_migration on {state}.task_range (migration_id, state);
comment on table {state}.task_range is 'Ranges of heap blocks that the backfill copies. A worker holds the lock on its row: a kill frees it.';
comment on column {state}.task_range.id is 'Id.';
comment on column {state}.task_range.migration_id is 'migration.id.';
comment on column {state}.task_range.relation is 'pg_class.oid of the physical table.';
comment on column {state}.task_range.relfilenode is 'Its file when the range was made; a rewrite changes it and voids the positions.';
comment on column {state}.task_range.first_block is 'First heap block.';
comment on column {state}.task_range.end_block is 'The block after the last one.';
comment on column {state}.task_range.position is 'Next block to copy; committed together with the rows before it.';
comment on column {state}.task_range.rows_copied is 'Rows that its chunks inserted.';
comment on column {state}.task_range.chunks is 'Chunks that were committed.';
comment on column {state}.task_range.attempts is 'Chunks that failed.';
comment on column {state}.task_range.left_out is 'Blocks before position that hold rows which a chunk found and did not insert: others held them, or the target had them. The closing pass looks there.';
comment on column {state}.task_range.state is 'open, or done once position has reached end_block.';
comment on column {state}.task_range.updated_at is 'When it was last written.';

create table {state}.lease (
    migration_id bigint primary key,
    owner text,
    epoch bigint not null default 0,
    acquired_at timestamptz,
    heartbeat_at timestamptz,
    expires_at timestamptz
) with (fillfactor = 20);
comment on table {state}.lease is 'Who may work on a migration. Each writing transaction of the runner locks its row for key share; a takeover locks it for update first.';
comment on column {state}.lease.migration_id is 'migration.id.';
comment on column {state}.lease.owner is 'The runner: host/pid/uuid of the process; null when it is free.';
comment on column {state}.lease.epoch is 'Grows by one at every change of hands, and when a runner that lost a connection proves itself.';
comment on column {state}.lease.acquired_at is 'When the owner got it.';
comment on column {state}.lease.heartbeat_at is 'When the owner last said that it is alive, by the clock of the server.';
comment on column {state}.lease.expires_at is 'From when on somebody else may take it, by the clock of the server.';

create table {state}.control (
    migration_id bigint primary key,
    paused boolean not null default false,
    hold boolean not null default false,
    settings jsonb not null default '{}',
    version bigint not null default 0,
    updated_at timestamptz not null default pg_catalog.clock_timestamp()
) with (fillfactor = 50);
comment on table {state}.control is 'What people want a running migration to do. Runners read it all the time.';
comment on column {state}.control.migration_id is 'migration.id.';
comment on column {state}.control.paused is 'No chunk is begun while it is true.';
comment on column {state}.control.hold is 'No cutover is begun while it is true.';
comment on column {state}.control.settings is 'Live settings by name; they win over the plan file.';
comment on column {state}.control.version is 'Grows with every change.';
comment on column {state}.control.updated_at is 'When it was last changed.';

create table {state}.control_change (
    id bigint primary key default pg_catalog.nextval({journal}::pg_catalog.regclass),
    migration_id bigint not null,
    at timestamptz not null default pg_catalog.clock_timestamp(),
    actor text not null,
    action text not null,
    old_value jsonb,
    new_value jsonb
);
create index control_change_migration on {state}.control_change (migration_id);
comment on table {state}.control_change is 'Who changed what in control and approval, append-only.';
comment on column {state}.control_change.id is 'Id, shared with event.';
comment on column {state}.control_change.migration_id is 'migration.id.';
comment on column {state}.control_change.at is 'When.';
comment on column {state}.control_change.actor is 'Who: database role, and host and process.';
comment on column {state}.control_change.action is 'pause, resume, hold, unhold, set or approve.';
comment on column {state}.control_change.old_value is 'What was changed, before; null where there was nothing.';
comment on column {state}.control_change.new_value is 'What was changed, after.';

create table {state}.approval (
    id bigint generated always as identity primary key,
    migration_id bigint not null,
    role text not null,
    actor text not null,
    fingerprint text not null,
    at timestamptz not null default pg_catalog.clock_timestamp()
);
create index approval_migration on {state}.approval (migration_id);
comment on table {state}.approval is 'Approvals of a plan, append-only. One counts only for the fingerprint it was given for.';
comment on column {state}.approval.id is 'Id.';
comment on column {state}.approval.migration_id is 'migration.id.';
comment on column {state}.approval.role is 'The role that the plan asks for and that the approver speaks for.';
comment on column {state}.approval.actor is 'Who approved: database role, and host and process.';
comment on column {state}.approval.fingerprint is 'Fingerprint of the plan that was approved.';
comment on column {state}.approval.at is 'When.';

create table {state}.verification (
    id bigint generated always as identity primary key,
    migration_id bigint not null,
    mode text not null check (mode in ('counts', 'sample', 'full')),
    direction text not null check (direction in ('forward', 'reverse')),
    verdict text check (verdict in ('exact', 'checksum', 'sampled', 'counted', 'inconclusive',
        'mismatch')),
    valid boolean not null default true,
    started_at timestamptz not null default pg_catalog.clock_timestamp(),
    finished_at timestamptz,
    snapshot text not null,
    source_rows bigint not null default 0,
    target_rows bigint not null default 0,
    differences bigint not null default 0,
    details jsonb not null default '{}'
) with (fillfactor = 50);
create index verification_migration on {state}.verification (migration_id);
comment on table {state}.verification is 'Comparisons of both sides, and what they found.';
comment on column {state}.verification.id is 'Id.';
comment on column {state}.verification.migration_id is 'migration.id.';
comment on column {state}.verification.mode is 'counts, sample or full.';
comment on column {state}.verification.direction is 'forward before cutover: the target has to follow the source; reverse after it.';
comment on column {state}.verification.verdict is 'What it proved; null while it runs, or when it was cut off.';
comment on column {state}.verification.valid is 'False once a repair, a drift or a gap in the triggers came after its start: it proves nothing any more.';
comment on column {state}.verification.started_at is 'When it began.';
comment on column {state}.verification.finished_at is 'When it ended.';
comment on column {state}.verification.snapshot is 'pg_current_snapshot() at its start.';
comment on column {state}.verification.source_rows is 'Rows that it read on the source.';
comment on column {state}.verification.target_rows is 'Rows that it read on the target.';
comment on column {state}.verification.differences is 'Rows that are missing, different or extra.';
comment on column {state}.verification.details is 'Bound of a sample, columns left out, tolerances, invariants: never a cell of a row.';

create table {state}.verified_interval (
    id bigint generated always as identity primary key,
    verification_id bigint not null,
    side text not null check (side in ('both', 'source', 'target')),
    lower_key text[],
    upper_key text[],
    source_rows bigint not null,
    target_rows bigint not null,
    differences bigint not null,
    at timestamptz not null default pg_catalog.clock_timestamp()
);
create index verified_interval_verification on {state}.verified_interval (verification_id);
comment on table {state}.verified_interval is 'Half-open key intervals that a verification has compared; together they must tile the key space.';
comment on column {state}.verified_interval.id is 'Id.';
comment on column {state}.verified_interval.verification_id is 'verification.id.';
comment on column {state}.verified_interval.side is 'Whose key the bounds are of: both where one interval holds the same rows on both sides.';
comment on column {state}.verified_interval.lower_key is 'First key, inclusive; null for no lower bound.';
comment on column {state}.verified_interval.upper_key is 'The key before which it ends; null for no upper bound.';
comment on column {state}.verified_interval.source_rows is 'Rows read on the source.';
comment on column {state}.verified_interval.target_rows is 'Rows read on the target.';
comment on column {state}.verified_interval.differences is 'Rows that are missing, different or extra.';
comment on column {state}.verified_interval.at is 'When it was compared.';

create table {state}.mismatch (
    id bigint generated always as identity primary key,
    verification_id bigint not null,
    kind text not null check (kind in ('missing', 'different', 'extra')),
    key text[] not null,
    columns text[] not null default '{}'
);
create index mismatch_verification on {state}.mismatch (verification_id);
comment on table {state}.mismatch is 'Rows that a verification found to differ, by key and names of columns.';
comment on column {state}.mismatch.id is 'Id.';
comment on column {state}.mismatch.verification_id is 'verification.id.';
comment on column {state}.mismatch.kind is 'missing in the target, different, or extra in the target.';
comment on column {state}.mismatch.key is 'Key of the row.';
comment on column {state}.mismatch.columns is 'Columns of the target that differ; empty for missing and extra rows.';

create table {state}.row_error (
    id bigint generated always as identity primary key,
    migration text not null,
    direction text not null check (direction in ('forward', 'reverse')),
    key text[] not null,
    key_hash bigint[] not null generated always as (array[
        pg_catalog.hash_array_extended(key, 0), pg_catalog.hash_array_extended(key, 1)]) stored,
    sqlstate text not null,
    column_name text,
    constraint_name text,
    first_at timestamptz not null default pg_catalog.clock_timestamp(),
    last_at timestamptz not null default pg_catalog.clock_timestamp(),
    times bigint not null default 1,
    unique (migration, direction, key_hash)
);
comment on table {state}.row_error is 'Rows that the other side refuses, by key. Written by the backfill and by the trigger functions, which know only the name of the migration. The gate stays shut while one is left.';
comment on column {state}.row_error.id is 'Id.';
comment on column {state}.row_error.migration is 'migration.name.';
comment on column {state}.row_error.direction is 'forward: from source to target; reverse: the way back after cutover.';
comment on column {state}.row_error.key is 'Key of the row on the side that was written.';
comment on column {state}.row_error.key_hash is 'Two hashes of the key: the key itself can be too long for an index, and the write of an application would fail.';
comment on column {state}.row_error.sqlstate is 'SQLSTATE of the last refusal.';
comment on column {state}.row_error.column_name is 'The column that the server named.';
comment on column {state}.row_error.constraint_name is 'The constraint that the server named.';
comment on column {state}.row_error.first_at is 'First refusal.';
comment on column {state}.row_error.last_at is 'Last refusal.';
comment on column {state}.row_error.times is 'How often.';

create table {state}.reverse_loss (
    id bigint generated always as identity primary key,
    migration text not null,
    at timestamptz not null default pg_catalog.clock_timestamp(),
    key text[] not null,
    column_name text
);
create index reverse_loss_migration on {state}.reverse_loss (migration, at);
comment on table {state}.reverse_loss is 'Writes after cutover that the old side could not take, append-only: one row per migration would serialize all such writers. While it has a row, the way back loses data.';
comment on column {state}.reverse_loss.id is 'Id.';
comment on column {state}.reverse_loss.migration is 'migration.name.';
comment on column {state}.reverse_loss.at is 'When.';
comment on column {state}.reverse_loss.key is 'Key of the row on the new side.';
comment on column {state}.reverse_loss.column_name is 'Column of the old side that could not be set; null where the whole row could not be stored.';

create table {state}.event (
    id bigint primary key default pg_catalog.nextval({journal}::pg_catalog.regclass),
    migration_id bigint not null,
    at timestamptz not null default pg_catalog.clock_timestamp(),
    kind text not null,
    actor text not null,
    data jsonb not null default '{}'
);
create index event_migration on {state}.event (migration_id, id);
comment on table {state}.event is 'What happened to a migration, append-only.';
comment on column {state}.event.id is 'Id, shared with control_change.';
comment on column {state}.event.migration_id is 'migration.id.';
comment on column {state}.event.at is 'When.';
comment on column {state}.event.kind is 'What, in snake_case.';
comment on column {state}.event.actor is 'Who: database role, and host and process.';
comment on column {state}.event.data is 'Names, counts, settings and stages: never a cell of a row.';

create view {state}.migration_log as
select id,
       name as migration_name,
       case stage when 'rolled_back' then 'rolled_back' else status end as status,
       created_at as started_at,
       finished_at as completed_at,
       error as error_message,
       rollback_sql
  from {state}.migration;
comment on view {state}.migration_log is 'Migrations, under the column names that change procedures know.';
comment on column {state}.migration_log.id is 'migration.id.';
comment on column {state}.migration_log.migration_name is 'migration.name.';
comment on column {state}.migration_log.status is 'migration.status, or rolled_back.';
comment on column {state}.migration_log.started_at is 'migration.created_at.';
comment on column {state}.migration_log.completed_at is 'migration.finished_at.';
comment on column {state}.migration_log.error_message is 'migration.error.';
comment on column {state}.migration_log.rollback_sql is 'migration.rollback_sql.';

create view {state}.audit_log as
select c.id,
       case c.action when 'approve' then 'approval' else 'control' end as table_name,
       c.migration_id::text as record_id,
       c.action,
       c.old_value as old_values,
       c.new_value as new_values,
       c.actor as user_id,
       c.at as "timestamp",
       c.migration_id
  from {state}.control_change c
union all
select e.id,
       'migration',
       e.migration_id::text,
       e.kind,
       e.data -> 'old',
       e.data -> 'new',
       e.actor,
       e.at,
       e.migration_id
  from {state}.event e
 where e.data ? 'new';
comment on view {state}.audit_log is 'Changes of stage, settings and approvals, under the column names that change procedures know. No cell of a user''s table is in it.';
comment on column {state}.audit_log.id is 'Id of the event or the change.';
comment on column {state}.audit_log.table_name is 'Table of this schema that was changed.';
comment on column {state}.audit_log.record_id is 'The migration''s id, as text.';
comment on column {state}.audit_log.action is 'What was done.';
comment on column {state}.audit_log.old_values is 'Before.';
comment on column {state}.audit_log.new_values is 'After.';
comment on column {state}.audit_log.user_id is 'Who: database role, and host and process.';
comment on column {state}.audit_log."timestamp" is 'When.';
comment on column {state}.audit_log.migration_id is 'migration.id.';
