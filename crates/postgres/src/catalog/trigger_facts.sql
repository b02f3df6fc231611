-- The source is hashed with sha256 and not md5, which servers in FIPS mode refuse.
select
    t.tgname as name,
    t.oid::bigint as oid,
    t.xmin::pg_catalog.text as xmin,
    case t.tgenabled
        when 'O' then 'origin' when 'D' then 'disabled' when 'R' then 'replica' when 'A' then 'always'
    end as state,
    t.tgtype as kind,
    pg_catalog.json_build_object('schema', n.nspname, 'name', p.proname) as function,
    p.oid::bigint as function_oid,
    p.xmin::pg_catalog.text as function_xmin,
    pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, 'UTF8')), 'hex') as function_hash
from pg_catalog.pg_trigger as t
join pg_catalog.pg_proc as p on p.oid = t.tgfoid
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where t.tgrelid = $1
    and not t.tgisinternal
    and (
        pg_catalog.starts_with(t.tgname::pg_catalog.text, '!crossfade_')
        or pg_catalog.starts_with(t.tgname::pg_catalog.text, '~crossfade_')
    )
order by t.tgname
