select
    p.pubname as name,
    pg_catalog.pg_get_userbyid(p.pubowner) as owner,
    s.scope,
    s.columns,
    s.row_filter
from pg_catalog.pg_publication as p
cross join lateral (
    select
        'table',
        (
            select pg_catalog.json_agg(a.attname order by a.attnum)
            from pg_catalog.pg_attribute as a
            where a.attrelid = r.prrelid and a.attnum = any (r.prattrs::pg_catalog.int2[])
        ),
        pg_catalog.pg_get_expr(r.prqual, r.prrelid)
    from pg_catalog.pg_publication_rel as r
    where r.prpubid = p.oid and r.prrelid = $1
    union all
    select 'schema', null, null
    from pg_catalog.pg_publication_namespace as ns
    join pg_catalog.pg_class as c on c.relnamespace = ns.pnnspid
    where ns.pnpubid = p.oid and c.oid = $1 and pg_catalog.pg_relation_is_publishable($1)
    union all
    select 'all_tables', null, null
    where p.puballtables and pg_catalog.pg_relation_is_publishable($1)
) as s(scope, columns, row_filter)
order by p.pubname, s.scope collate "C"
