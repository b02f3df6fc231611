select
    c.oid::bigint as oid,
    pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname) as name,
    case c.relkind when 'r' then 'ordinary' when 'p' then 'partitioned' when 'f' then 'foreign' end as kind,
    case when c.relispartition then pg_catalog.json_build_object(
        'bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
        'detaching', i.inhdetachpending
    ) end as partition
from pg_catalog.pg_inherits as i
join pg_catalog.pg_class as c on c.oid = i.inhrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where i.inhparent = $1
order by n.nspname, c.relname
