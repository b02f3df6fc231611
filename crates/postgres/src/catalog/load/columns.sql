select
    a.attnum,
    a.attname as name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as sql_type,
    a.atttypid::bigint as type_oid,
    a.attnotnull as not_null,
    case when a.attgenerated = '' then pg_catalog.pg_get_expr(d.adbin, d.adrelid) end as "default",
    case when a.attgenerated <> '' then pg_catalog.json_build_object(
        'kind', case a.attgenerated when 's' then 'stored' when 'v' then 'virtual' end,
        'expression', pg_catalog.pg_get_expr(d.adbin, d.adrelid)
    ) end as generated,
    case a.attidentity when 'a' then 'always' when 'd' then 'by_default' end as identity,
    case when a.attcollation <> t.typcollation then (
        select pg_catalog.json_build_object('schema', n.nspname, 'name', l.collname)
        from pg_catalog.pg_collation as l
        join pg_catalog.pg_namespace as n on n.oid = l.collnamespace
        where l.oid = a.attcollation
    ) end as collation,
    coalesce(
        (select l.collisdeterministic from pg_catalog.pg_collation as l where l.oid = a.attcollation),
        true
    ) as deterministic,
    case a.attstorage
        when 'p' then 'plain' when 'e' then 'external' when 'x' then 'extended' when 'm' then 'main'
    end as storage,
    case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end as compression,
    -- "as the server's default" is -1 before version 17 and NULL since.
    nullif(a.attstattarget, -1) as statistics_target,
    (
        select coalesce(pg_catalog.json_object_agg(o.option_name, o.option_value), '{}'::pg_catalog.json)
        from pg_catalog.pg_options_to_table(a.attoptions) as o
    ) as options,
    pg_catalog.col_description(a.attrelid, a.attnum) as comment,
    (
        select coalesce(pg_catalog.json_agg(
            pg_catalog.json_build_object(
                'grantee', r.grantee, 'privilege', r.privilege_type,
                'grantor', r.grantor, 'grantable', r.is_grantable
            ) order by r.grantee nulls first, r.privilege_type, r.grantor
        ), '[]'::pg_catalog.json)
        from (
            select
                case when g.grantee <> 0 then pg_catalog.pg_get_userbyid(g.grantee) end as grantee,
                pg_catalog.pg_get_userbyid(g.grantor) as grantor,
                g.privilege_type collate "C" as privilege_type,
                g.is_grantable
            from pg_catalog.aclexplode(a.attacl) as g
        ) as r
    ) as grants,
    a.attislocal as local,
    a.attinhcount > 0 as inherited
from pg_catalog.pg_attribute as a
join pg_catalog.pg_type as t on t.oid = a.atttypid
left join pg_catalog.pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
order by a.attnum
