-- $1 is the table, $2 the names that are looked for. An unquoted name may be written in any case,
-- and one that needs quotes may stand without them in a text that is executed: so case never counts.
select
    p.oid::pg_catalog.regprocedure::pg_catalog.text as signature,
    case p.prokind when 'p' then 'procedure' else 'function' end as kind,
    pg_catalog.pg_get_userbyid(p.proowner) as owner,
    pg_catalog.pg_has_role(p.proowner, 'usage') as alterable
from pg_catalog.pg_proc as p
join pg_catalog.pg_language as l on l.oid = p.prolang
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where l.lanname = 'plpgsql'
    -- Functions of other sessions' temporary schemas.
    and n.nspname !~ '^pg_'
    and not exists (
        select
        from pg_catalog.pg_trigger as t
        where t.tgfoid = p.oid and t.tgname ~ '^[!~]crossfade_'
    )
    and (
        exists (
            select
            from pg_catalog.pg_trigger as t
            where t.tgrelid = $1 and t.tgfoid = p.oid and not t.tgisinternal
        )
        or exists (
            select
            from pg_catalog.unnest($2) as named (name)
            where pg_catalog.strpos(pg_catalog.lower(p.prosrc), pg_catalog.lower(named.name collate "C")) > 0
                and pg_catalog.lower(p.prosrc) ~ pg_catalog.concat(
                    '(^|[^[:alnum:]_$])',
                    pg_catalog.regexp_replace(
                        pg_catalog.replace(pg_catalog.lower(named.name collate "C"), '"', '""'),
                        '([^[:alnum:]_])', '\\\1', 'g'
                    ),
                    '($|[^[:alnum:]_$])'
                )
        )
    )
order by 1
