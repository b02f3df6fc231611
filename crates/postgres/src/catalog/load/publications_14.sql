-- Version 14 publishes named tables or all of them, whole.
select
    p.pubname as name,
    pg_catalog.pg_get_userbyid(p.pubowner) as owner,
    s.scope,
    null as columns,
    null as row_filter
from pg_catalog.pg_publication as p
cross join lateral (
    select 'table'
    from pg_catalog.pg_publication_rel as r
    where r.prpubid = p.oid and r.prrelid = $1
    union all
    select 'all_tables' where p.puballtables and pg_catalog.pg_relation_is_publishable($1)
) as s(scope)
order by p.pubname, s.scope collate "C"
