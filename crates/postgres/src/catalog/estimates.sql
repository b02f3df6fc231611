select
    case when pg_catalog.bool_and(c.reltuples >= 0) then pg_catalog.sum(c.reltuples::double precision) end as rows,
    coalesce(pg_catalog.sum(
        pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::bigint
    ), 0) as blocks,
    coalesce(pg_catalog.sum(pg_catalog.pg_table_size(c.oid)), 0) as table_bytes,
    coalesce(pg_catalog.sum(pg_catalog.pg_indexes_size(c.oid)), 0) as index_bytes
from (
    select $1
    union
    select t.relid from pg_catalog.pg_partition_tree($1) as t
) as part(oid)
join pg_catalog.pg_class as c on c.oid = part.oid and c.relkind <> 'p'
having pg_catalog.count(*) > 0
