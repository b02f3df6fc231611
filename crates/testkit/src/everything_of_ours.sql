select named.type || ' ' || named.identity
from (
    select 'pg_catalog.pg_class'::pg_catalog.regclass, c.oid, c.relnamespace
    from pg_catalog.pg_class as c
    where c.relname ~ 'crossfade'
    union all
    select 'pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, p.pronamespace
    from pg_catalog.pg_proc as p
    where p.proname ~ 'crossfade'
    union all
    select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid, t.typnamespace
    from pg_catalog.pg_type as t
    where t.typname ~ 'crossfade'
    union all
    select 'pg_catalog.pg_constraint'::pg_catalog.regclass, n.oid, n.connamespace
    from pg_catalog.pg_constraint as n
    where n.conname ~ 'crossfade'
    union all
    select 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, c.relnamespace
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_class as c on c.oid = t.tgrelid
    where t.tgname ~ 'crossfade'
    union all
    select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, s.stxnamespace
    from pg_catalog.pg_statistic_ext as s
    where s.stxname ~ 'crossfade'
    union all
    select 'pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid, c.relnamespace
    from pg_catalog.pg_rewrite as r
    join pg_catalog.pg_class as c on c.oid = r.ev_class
    where r.rulename ~ 'crossfade'
    union all
    select 'pg_catalog.pg_namespace'::pg_catalog.regclass, n.oid, n.oid
    from pg_catalog.pg_namespace as n
    where n.nspname ~ 'crossfade'
) as object(classid, objid, schema)
join pg_catalog.pg_namespace as n on n.oid = object.schema
cross join lateral pg_catalog.pg_identify_object(object.classid, object.objid, 0) as named
where not n.nspname = any ($1)
