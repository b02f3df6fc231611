-- In the order in which the server looks: the same type, pg_cast, the elements of arrays, then
-- printing and reading, which every type does to a string and, when told to, from one.
-- The letters of volatility happen to be in the order from best to worst.
with recursive
base(side, type_oid) as (
    values ('from', $1), ('to', $2)
    union all
    select b.side, t.typbasetype
    from base as b
    join pg_catalog.pg_type as t on t.oid = b.type_oid and t.typtype = 'd'
),
bottom as (
    select b.side, t.oid, t.typelem, t.typcategory, t.typinput, t.typoutput,
        exists (
            select from pg_catalog.pg_type as e where e.oid = t.typelem and e.typarray = t.oid
        ) as is_array
    from base as b
    join pg_catalog.pg_type as t on t.oid = b.type_oid and t.typtype <> 'd'
),
-- Domains over the elements of arrays.
element(side, type_oid) as (
    select b.side, b.typelem from bottom as b where b.is_array
    union all
    select e.side, t.typbasetype
    from element as e
    join pg_catalog.pg_type as t on t.oid = e.type_oid and t.typtype = 'd'
),
element_bottom as (
    select e.side, t.oid, t.typinput, t.typoutput, t.typcategory
    from element as e
    join pg_catalog.pg_type as t on t.oid = e.type_oid and t.typtype <> 'd'
),
asked(rank, source, target, typoutput, typinput, source_category, target_category) as (
    select 1, f.oid, t.oid, f.typoutput, t.typinput, f.typcategory, t.typcategory
    from bottom as f, bottom as t
    where f.side = 'from' and t.side = 'to'
    union all
    select 2, f.oid, t.oid, f.typoutput, t.typinput, f.typcategory, t.typcategory
    from element_bottom as f, element_bottom as t
    where f.side = 'from' and t.side = 'to'
),
found(rank, context, method, volatility) as (
    select a.rank * 10, 'implicit', 'binary', 'i'
    from asked as a
    where a.source = a.target
    union all
    select
        a.rank * 10 + 1,
        case k.castcontext when 'i' then 'implicit' when 'a' then 'assignment' when 'e' then 'explicit' end,
        case k.castmethod when 'b' then 'binary' when 'f' then 'function' when 'i' then 'in_out' end,
        case k.castmethod
            when 'b' then 'i'
            when 'f' then (
                select p.provolatile::pg_catalog.text from pg_catalog.pg_proc as p where p.oid = k.castfunc
            )
            when 'i' then (
                select max(p.provolatile::pg_catalog.text collate "C")
                from pg_catalog.pg_proc as p
                where p.oid in (a.typinput, a.typoutput)
            )
        end
    from asked as a
    join pg_catalog.pg_cast as k on k.castsource = a.source and k.casttarget = a.target
    union all
    select
        a.rank * 10 + 2,
        case a.target_category when 'S' then 'assignment' else 'explicit' end,
        'in_out',
        (
            select max(p.provolatile::pg_catalog.text collate "C")
            from pg_catalog.pg_proc as p
            where p.oid in (a.typinput, a.typoutput)
        )
    from asked as a
    where a.source_category = 'S' or a.target_category = 'S'
)
select
    f.context,
    f.method,
    case f.volatility when 'i' then 'immutable' when 's' then 'stable' when 'v' then 'volatile' end as volatility
from found as f
order by f.rank
limit 1
