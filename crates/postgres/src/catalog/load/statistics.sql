select
    pg_catalog.json_build_object('schema', n.nspname, 'name', s.stxname) as name,
    pg_catalog.pg_get_userbyid(s.stxowner) as owner,
    pg_catalog.pg_get_statisticsobjdef(s.oid) as definition,
    (
        select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]'::pg_catalog.json)
        from pg_catalog.pg_attribute as a
        where a.attrelid = s.stxrelid
            and a.attnum > 0
            and exists (
                select from pg_catalog.pg_depend as d
                where d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass
                    and d.objid = s.oid
                    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and d.refobjid = s.stxrelid
                    and d.refobjsubid = a.attnum
            )
    ) as columns,
    nullif(s.stxstattarget, -1) as statistics_target,
    pg_catalog.obj_description(s.oid, 'pg_statistic_ext') as comment
from pg_catalog.pg_statistic_ext as s
join pg_catalog.pg_namespace as n on n.oid = s.stxnamespace
where s.stxrelid = $1
order by n.nspname, s.stxname
