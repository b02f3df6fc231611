select
    pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname) as name,
    pg_catalog.json_agg(a.attname order by a.attnum) as columns
from pg_catalog.pg_attrdef as f
join pg_catalog.pg_attribute as a on a.attrelid = f.adrelid and a.attnum = f.adnum
join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
    and d.objid = f.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
join pg_catalog.pg_class as c on c.oid = d.refobjid and c.relkind = 'S'
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where f.adrelid = $1
    and not exists (
        select from pg_catalog.pg_depend as o
        where o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and o.objid = c.oid
            and o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and o.refobjid = f.adrelid
            and o.deptype in ('a', 'i')
    )
group by n.nspname, c.relname
order by n.nspname, c.relname
