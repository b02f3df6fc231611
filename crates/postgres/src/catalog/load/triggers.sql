-- Version 14 calls the copies of a partitioned table's triggers internal, later ones do not.
select
    t.oid::bigint as oid,
    t.tgname as name,
    pg_catalog.pg_get_triggerdef(t.oid) as definition,
    pg_catalog.json_build_object('schema', pn.nspname, 'name', p.proname) as function,
    case t.tgenabled
        when 'O' then 'origin' when 'D' then 'disabled' when 'R' then 'replica' when 'A' then 'always'
    end as state,
    case t.tgtype & 66 when 2 then 'before' when 0 then 'after' when 64 then 'instead_of' end as timing,
    case t.tgtype & 1 when 1 then 'row' else 'statement' end as level,
    (
        select pg_catalog.json_agg(e.name order by e.n)
        from (
            values (1, 4, 'insert'), (2, 16, 'update'), (3, 8, 'delete'), (4, 32, 'truncate')
        ) as e(n, bit, name)
        where t.tgtype & e.bit <> 0
    ) as events,
    (
        select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]'::pg_catalog.json)
        from pg_catalog.pg_attribute as a
        where a.attrelid = t.tgrelid and a.attnum = any (t.tgattr::pg_catalog.int2[])
    ) as update_of,
    (
        select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]'::pg_catalog.json)
        from pg_catalog.pg_attribute as a
        where a.attrelid = t.tgrelid
            and a.attnum > 0
            and exists (
                select from pg_catalog.pg_depend as d
                where d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
                    and d.objid = t.oid
                    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and d.refobjid = t.tgrelid
                    and d.refobjsubid = a.attnum
            )
    ) as columns,
    t.tgqual is not null as condition,
    t.tgconstraint <> 0 as "constraint",
    t.tgparentid <> 0 as inherited,
    pg_catalog.starts_with(t.tgname::pg_catalog.text, '!crossfade_')
        or pg_catalog.starts_with(t.tgname::pg_catalog.text, '~crossfade_') as ours,
    pg_catalog.obj_description(t.oid, 'pg_trigger') as comment
from pg_catalog.pg_trigger as t
join pg_catalog.pg_proc as p on p.oid = t.tgfoid
join pg_catalog.pg_namespace as pn on pn.oid = p.pronamespace
where t.tgrelid = $1
    and (not t.tgisinternal or (t.tgparentid <> 0 and t.tgconstraint = 0))
order by t.tgname
