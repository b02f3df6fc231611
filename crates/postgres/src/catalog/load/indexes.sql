select
    x.indexrelid::bigint as oid,
    c.relname as name,
    pg_catalog.pg_get_indexdef(x.indexrelid) as definition,
    m.amname as method,
    x.indisunique as unique,
    x.indisprimary as primary,
    x.indisexclusion as exclusion,
    x.indimmediate as immediate,
    x.indisvalid as valid,
    x.indisready as ready,
    -- Through jsonb, since version 14 has no such column.
    coalesce((pg_catalog.to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false) as nulls_not_distinct,
    x.indisclustered as clustered,
    x.indisreplident as replica_identity,
    (
        select pg_catalog.json_agg(
            pg_catalog.json_build_object(
                'value', case when a.attname is not null
                    then pg_catalog.json_build_object('column', a.attname)
                    else pg_catalog.json_build_object(
                        'expression', pg_catalog.pg_get_indexdef(x.indexrelid, k.n, false)
                    )
                end,
                'opclass', pg_catalog.json_build_object('schema', ocn.nspname, 'name', oc.opcname),
                'opclass_default', oc.opcdefault,
                'opclass_options', (
                    select coalesce(
                        pg_catalog.json_object_agg(o.option_name, o.option_value), '{}'::pg_catalog.json
                    )
                    from pg_catalog.pg_options_to_table(ia.attoptions) as o
                ),
                'collation', case when l.oid is not null then
                    pg_catalog.json_build_object('schema', ln.nspname, 'name', l.collname)
                end,
                'deterministic', coalesce(l.collisdeterministic, true),
                'descending', x.indoption[k.n - 1] & 1 = 1,
                'nulls_first', x.indoption[k.n - 1] & 2 = 2,
                'equality', (
                    select pg_catalog.json_build_object('schema', opn.nspname, 'symbol', op.oprname)
                    from pg_catalog.pg_amop as ao
                    join pg_catalog.pg_operator as op on op.oid = ao.amopopr
                    join pg_catalog.pg_namespace as opn on opn.oid = op.oprnamespace
                    where ao.amopfamily = oc.opcfamily
                        and ao.amoplefttype = oc.opcintype
                        and ao.amoprighttype = oc.opcintype
                        and ao.amopstrategy = case m.amname when 'btree' then 3 when 'hash' then 1 end
                ),
                'statistics_target', nullif(ia.attstattarget, -1)
            ) order by k.n
        )
        from pg_catalog.generate_series(1, x.indnkeyatts::integer) as k(n)
        join pg_catalog.pg_attribute as ia on ia.attrelid = x.indexrelid and ia.attnum = k.n
        left join pg_catalog.pg_attribute as a
            on a.attrelid = x.indrelid and a.attnum = x.indkey[k.n - 1] and x.indkey[k.n - 1] <> 0
        join pg_catalog.pg_opclass as oc on oc.oid = x.indclass[k.n - 1]
        join pg_catalog.pg_namespace as ocn on ocn.oid = oc.opcnamespace
        left join pg_catalog.pg_collation as l on l.oid = x.indcollation[k.n - 1]
        left join pg_catalog.pg_namespace as ln on ln.oid = l.collnamespace
    ) as key,
    (
        select coalesce(pg_catalog.json_agg(a.attname order by k.n), '[]'::pg_catalog.json)
        from pg_catalog.generate_series(x.indnkeyatts + 1, x.indnatts::integer) as k(n)
        join pg_catalog.pg_attribute as a on a.attrelid = x.indrelid and a.attnum = x.indkey[k.n - 1]
    ) as include,
    pg_catalog.pg_get_expr(x.indpred, x.indrelid) as predicate,
    (
        select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]'::pg_catalog.json)
        from pg_catalog.pg_attribute as a
        where a.attrelid = x.indrelid and a.attnum > 0
            and (
                a.attnum = any (x.indkey::pg_catalog.int2[])
                or exists (
                    select from pg_catalog.pg_depend as d
                    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        and d.objid = x.indexrelid
                        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                        and d.refobjid = x.indrelid
                        and d.refobjsubid = a.attnum
                )
            )
    ) as columns,
    (
        select coalesce(pg_catalog.json_object_agg(o.option_name, o.option_value), '{}'::pg_catalog.json)
        from pg_catalog.pg_options_to_table(c.reloptions) as o
    ) as options,
    (select s.spcname from pg_catalog.pg_tablespace as s where s.oid = c.reltablespace) as tablespace,
    (
        select pg_catalog.json_build_object('name', con.conname, 'kind', case con.contype
            when 'p' then 'primary_key' when 'u' then 'unique' when 'x' then 'exclusion'
        end)
        from pg_catalog.pg_constraint as con
        where con.conindid = x.indexrelid
            and con.conrelid = x.indrelid
            and con.contype in ('p', 'u', 'x')
    ) as constraint,
    pg_catalog.obj_description(x.indexrelid, 'pg_class') as comment,
    (
        select pg_catalog.json_build_object('schema', pn.nspname, 'name', p.relname)
        from pg_catalog.pg_inherits as i
        join pg_catalog.pg_class as p on p.oid = i.inhparent
        join pg_catalog.pg_namespace as pn on pn.oid = p.relnamespace
        where i.inhrelid = x.indexrelid
    ) as parent
from pg_catalog.pg_index as x
join pg_catalog.pg_class as c on c.oid = x.indexrelid
join pg_catalog.pg_am as m on m.oid = c.relam
where x.indrelid = $1
order by c.relname
