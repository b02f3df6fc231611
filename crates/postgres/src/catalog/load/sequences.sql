select
    c.oid::bigint as oid,
    pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname) as name,
    a.attname as "column",
    case d.deptype when 'i' then 'identity' when 'a' then 'owned' end as usage,
    pg_catalog.pg_get_userbyid(c.relowner) as owner,
    case c.relpersistence
        when 'p' then 'permanent' when 'u' then 'unlogged' when 't' then 'temporary'
    end as persistence,
    pg_catalog.format_type(s.seqtypid, null) as data_type,
    s.seqstart as start,
    s.seqincrement as increment,
    s.seqmin as min,
    s.seqmax as max,
    s.seqcache as cache,
    s.seqcycle as cycle,
    pg_catalog.json_build_object(
        'implicit', c.relacl is null,
        'grants', (
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
                from pg_catalog.aclexplode(
                    coalesce(c.relacl, pg_catalog.acldefault('s', c.relowner))
                ) as g
            ) as r
        )
    ) as acl,
    pg_catalog.obj_description(c.oid, 'pg_class') as comment
from pg_catalog.pg_depend as d
join pg_catalog.pg_class as c on c.oid = d.objid and c.relkind = 'S'
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
join pg_catalog.pg_sequence as s on s.seqrelid = c.oid
join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.refobjid = $1
    and d.deptype in ('a', 'i')
order by n.nspname, c.relname
