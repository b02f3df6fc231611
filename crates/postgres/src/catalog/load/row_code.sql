-- What runs when a row is written and may depend on the session. Dependencies on what initdb made
-- are not recorded, so each one that is names an object of somebody's. Words such as current_user
-- are no functions: they are found in the stored expression, by their number there.
with recursive
types (oid) as (
    select a.atttypid
    from pg_catalog.pg_attribute as a
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
    union
    select part.oid
    from types
    join pg_catalog.pg_type as t on t.oid = types.oid
    cross join lateral (
        select t.typbasetype
        union all
        select t.typelem
        union all
        select a.atttypid
        from pg_catalog.pg_attribute as a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    ) as part (oid)
    where part.oid <> 0
),
expressions (place, default_of, classid, objid, tree) as (
    select
        'constraint ' || pg_catalog.quote_ident(con.conname), null::pg_catalog.name,
        'pg_catalog.pg_constraint'::pg_catalog.regclass, con.oid, con.conbin::text
    from pg_catalog.pg_constraint as con
    where con.conrelid = $1 and con.contype = 'c'
    union all
    select
        'domain ' || con.contypid::pg_catalog.regtype::text, null,
        'pg_catalog.pg_constraint'::pg_catalog.regclass, con.oid, con.conbin::text
    from pg_catalog.pg_constraint as con
    join types on types.oid = con.contypid
    where con.contype = 'c'
    union all
    select
        case a.attgenerated when '' then 'default of column ' else 'generated column ' end
            || pg_catalog.quote_ident(a.attname),
        case a.attgenerated when '' then a.attname end,
        'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, d.adbin::text
    from pg_catalog.pg_attrdef as d
    join pg_catalog.pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum
    where d.adrelid = $1
    union all
    select
        'index ' || pg_catalog.quote_ident(c.relname), null,
        'pg_catalog.pg_class'::pg_catalog.regclass, c.oid,
        pg_catalog.concat(i.indexprs::text, i.indpred::text)
    from pg_catalog.pg_index as i
    join pg_catalog.pg_class as c on c.oid = i.indexrelid
    where i.indrelid = $1
),
called (place, default_of, function) as (
    select e.place, e.default_of, coalesce(o.oprcode::pg_catalog.oid, d.refobjid)
    from expressions as e
    join pg_catalog.pg_depend as d on d.classid = e.classid and d.objid = e.objid
    left join pg_catalog.pg_operator as o
        on d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass and o.oid = d.refobjid
    where d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass or o.oid is not null
    union
    -- A body that was parsed names what it calls.
    select called.place, called.default_of, d.refobjid
    from called
    join pg_catalog.pg_proc as p on p.oid = called.function and p.prosqlbody is not null
    join pg_catalog.pg_depend as d
        on d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
            and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
)
select
    called.place, called.default_of,
    p.oid::pg_catalog.regprocedure::text as code, 'search_path' as "on"
from called
join pg_catalog.pg_proc as p on p.oid = called.function
join pg_catalog.pg_language as l on l.oid = p.prolang
where l.lanname not in ('internal', 'c')
    and p.prosqlbody is null
    and not exists (
        select
        from pg_catalog.unnest(p.proconfig) as setting (text)
        where setting.text like 'search\_path=%'
    )
union
select e.place, e.default_of, word.name, word."on"
from expressions as e
join (
    values
        ('9', 'current_role', 'role'),
        ('10', 'current_user', 'role'),
        ('11', 'user', 'role'),
        ('14', 'current_schema', 'search_path')
) as word (number, name, "on")
    on e.tree ~ ('\{SQLVALUEFUNCTION :op ' || word.number || '[ }]')
union
-- PostgreSQL's own functions that read settings, such as the time zone. What reads the time of the
-- transaction has one value on both sides.
select e.place, e.default_of, p.oid::pg_catalog.regprocedure::text, 'settings'
from expressions as e
cross join lateral pg_catalog.regexp_matches(e.tree, ':(?:funcid|opfuncid) ([0-9]+) ', 'g') as found (part)
join pg_catalog.pg_proc as p on p.oid = found.part[1]::pg_catalog.oid
where p.provolatile = 's' and p.oid < 16384 and p.proname not in ('now', 'transaction_timestamp')
union
-- A CHECK that asks for the time, or for what a STABLE function of somebody's finds, is not asked again
-- while a row stays as it is: it may be false by now. One that was never validated is not validated on
-- the target either, and a value of a domain is copied without a look at it.
select e.place, e.default_of, asked.code, 'moment'
from expressions as e
join pg_catalog.pg_constraint as con
    on e.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and con.oid = e.objid
        and con.conrelid = $1 and con.convalidated
cross join lateral (
    select p.oid::pg_catalog.regprocedure::text
    from pg_catalog.regexp_matches(e.tree, ':(?:funcid|opfuncid) ([0-9]+) ', 'g') as found (part)
    join pg_catalog.pg_proc as p on p.oid = found.part[1]::pg_catalog.oid
    where case when p.oid >= 16384 then p.provolatile = 's'
        else p.proname in (
            'now', 'transaction_timestamp', 'statement_timestamp', 'clock_timestamp', 'timeofday'
        ) or p.proname = 'age' and p.pronargs = 1 end
    union
    select word.name
    from (
        values
            ('0', 'current_date'),
            ('[12]', 'current_time'),
            ('[34]', 'current_timestamp'),
            ('[56]', 'localtime'),
            ('[78]', 'localtimestamp')
    ) as word (number, name)
    where e.tree ~ ('\{SQLVALUEFUNCTION :op ' || word.number || '[ }]')
) as asked (code)
order by place, code, "on"
