-- What the planner asks of types. A type compares with `=` only if everything that it is made of
-- does: an array of json has an operator class, and comparing two of them fails all the same.
with recursive
wanted as (
    select distinct w.type_oid from pg_catalog.unnest($1) as w(type_oid)
),
part(root, type_oid) as (
    select w.type_oid, w.type_oid from wanted as w
    union
    select p.root, below.type_oid
    from part as p
    join pg_catalog.pg_type as t on t.oid = p.type_oid
    cross join lateral (
        select t.typbasetype where t.typtype = 'd'
        union all
        select e.oid from pg_catalog.pg_type as e where e.oid = t.typelem and e.typarray = t.oid
        union all
        select a.atttypid
        from pg_catalog.pg_attribute as a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) as below(type_oid)
),
-- From a domain down to the type below all domains.
chain(root, depth, type_oid, typmod, constrained) as (
    select
        w.type_oid, 0, w.type_oid, -1,
        t.typnotnull or exists (
            select from pg_catalog.pg_constraint as con
            where con.contypid = t.oid and con.contype = 'c'
        )
    from wanted as w
    join pg_catalog.pg_type as t on t.oid = w.type_oid
    where t.typtype = 'd'
    union all
    select
        c.root, c.depth + 1, b.oid, t.typtypmod,
        c.constrained or (b.typtype = 'd' and (b.typnotnull or exists (
            select from pg_catalog.pg_constraint as con
            where con.contypid = b.oid and con.contype = 'c'
        )))
    from chain as c
    join pg_catalog.pg_type as t on t.oid = c.type_oid and t.typtype = 'd'
    join pg_catalog.pg_type as b on b.oid = t.typbasetype
),
bottom as (
    select distinct on (c.root) c.root, c.type_oid, c.typmod, c.constrained
    from chain as c
    order by c.root, c.depth desc
),
-- As the server looks a default operator class up: the type's own, else that of a type to which
-- its bytes can be passed (varchar to text), else that of its kind.
compared as (
    select q.type_oid, eq.oprname, eq.nspname
    from (select distinct p.type_oid from part as p) as q
    join pg_catalog.pg_type as t on t.oid = q.type_oid and t.typtype <> 'd'
    cross join lateral (
        select o.oprname, n.nspname
        from pg_catalog.pg_opclass as oc
        join pg_catalog.pg_am as am on am.oid = oc.opcmethod and am.amname = 'btree'
        join pg_catalog.pg_amop as ao
            on ao.amopfamily = oc.opcfamily
            and ao.amopstrategy = 3
            and ao.amoplefttype = oc.opcintype
            and ao.amoprighttype = oc.opcintype
        join pg_catalog.pg_operator as o on o.oid = ao.amopopr
        join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
        join pg_catalog.pg_type as it on it.oid = oc.opcintype
        where oc.opcdefault
            and (
                oc.opcintype = t.oid
                or oc.opcintype = case
                    when t.typtype = 'e' then 'pg_catalog.anyenum'
                    when t.typtype = 'r' then 'pg_catalog.anyrange'
                    when t.typtype = 'm' then 'pg_catalog.anymultirange'
                    when t.typtype = 'c' then 'pg_catalog.record'
                    when exists (
                        select from pg_catalog.pg_type as e where e.oid = t.typelem and e.typarray = t.oid
                    ) then 'pg_catalog.anyarray'
                end::pg_catalog.regtype
                or exists (
                    select from pg_catalog.pg_cast as k
                    where k.castsource = t.oid
                        and k.casttarget = oc.opcintype
                        and k.castmethod = 'b'
                        and k.castcontext = 'i'
                )
            )
        order by oc.opcintype = t.oid desc, it.typispreferred desc, oc.oid
        limit 1
    ) as eq
)
select
    w.type_oid::bigint as type_oid,
    pg_catalog.json_build_object('schema', n.nspname, 'name', t.typname) as type_name,
    case
        when exists (
            select from pg_catalog.pg_type as e where e.oid = t.typelem and e.typarray = t.oid
        ) then 'array'
        when t.typtype = 'b' then 'base'
        when t.typtype = 'c' then 'composite'
        when t.typtype = 'd' then 'domain'
        when t.typtype = 'e' then 'enum'
        when t.typtype = 'r' then 'range'
        when t.typtype = 'm' then 'multirange'
        when t.typtype = 'p' then 'pseudo'
    end as type_kind,
    case when b.root is not null then pg_catalog.json_build_object(
        'base_type', pg_catalog.format_type(b.type_oid, b.typmod),
        'type_oid', b.type_oid::bigint,
        'constrained', b.constrained
    ) end as domain,
    case when not exists (
        select from part as p
        join pg_catalog.pg_type as pt on pt.oid = p.type_oid and pt.typtype <> 'd'
        left join compared as c on c.type_oid = p.type_oid
        where p.root = w.type_oid and c.type_oid is null
    ) then (
        select pg_catalog.json_build_object('schema', c.nspname, 'symbol', c.oprname)
        from compared as c
        where c.type_oid = coalesce(b.type_oid, w.type_oid)
    ) end as equality
from wanted as w
join pg_catalog.pg_type as t on t.oid = w.type_oid
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
left join bottom as b on b.root = w.type_oid
