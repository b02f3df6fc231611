select
    p.polname as name,
    case p.polcmd
        when '*' then 'all' when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update'
        when 'd' then 'delete'
    end as command,
    p.polpermissive as permissive,
    (
        select coalesce(pg_catalog.json_agg(q.role order by q.role), '[]'::pg_catalog.json)
        from (
            select pg_catalog.pg_get_userbyid(r.oid) as role
            from pg_catalog.unnest(p.polroles) as r(oid)
            where r.oid <> 0
        ) as q
    ) as roles,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid) as "using",
    pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as "check",
    (
        select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]'::pg_catalog.json)
        from pg_catalog.pg_attribute as a
        where a.attrelid = p.polrelid
            and a.attnum > 0
            and exists (
                select from pg_catalog.pg_depend as d
                where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
                    and d.objid = p.oid
                    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and d.refobjid = p.polrelid
                    and d.refobjsubid = a.attnum
            )
    ) as columns,
    pg_catalog.obj_description(p.oid, 'pg_policy') as comment
from pg_catalog.pg_policy as p
where p.polrelid = $1
order by p.polname
