-- All walsenders but those of base backups and of logical replication: a subscriber confirms when
-- it likes, which is no lag.
select w.flushed,
       current_user::text as role,
       r.application_name as name,
       pg_catalog.host(r.client_addr) as address,
       s.slot_name::text as slot,
       r.state is not null as visible,
       pg_catalog.pg_wal_lsn_diff(r.replay_lsn, '0/0')::int8 as replayed,
       (extract(epoch from r.replay_lag) * 1000000)::int8 as lag_us
  from (select pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_flush_lsn(), '0/0')::int8
               as flushed offset 0) w
 cross join pg_catalog.pg_stat_replication r
  left join pg_catalog.pg_replication_slots s on s.active_pid = r.pid
 where r.state is distinct from 'backup'
   and s.slot_type is distinct from 'logical'
