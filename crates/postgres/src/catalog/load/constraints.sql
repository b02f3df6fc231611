-- The table's constraints, and the foreign keys that point to it.
select
    c.oid::bigint as oid,
    pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname) as "table",
    pg_catalog.pg_get_userbyid(c.relowner) as owner,
    pg_catalog.json_build_object(
        'name', con.conname,
        'kind', case con.contype
            when 'p' then 'primary_key'
            when 'u' then 'unique'
            when 'c' then 'check'
            when 'f' then 'foreign_key'
            when 'x' then 'exclusion'
            when 'n' then 'not_null'
            when 't' then 'trigger'
        end,
        'definition', pg_catalog.pg_get_constraintdef(con.oid),
        'columns', (
            select coalesce(pg_catalog.json_agg(a.attname order by k.n), '[]'::pg_catalog.json)
            from pg_catalog.unnest(con.conkey) with ordinality as k(attnum, n)
            join pg_catalog.pg_attribute as a on a.attrelid = con.conrelid and a.attnum = k.attnum
        ),
        'expression', case con.contype when 'c' then
            pg_catalog.pg_get_expr(con.conbin, con.conrelid)
        end,
        'validated', con.convalidated,
        -- Through jsonb, since only version 18 has this column.
        'enforced', coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true),
        'deferrable', con.condeferrable,
        'initially_deferred', con.condeferred,
        'no_inherit', con.connoinherit,
        'inherited', con.coninhcount > 0 or con.conparentid <> 0,
        'index', case when con.contype <> 'f' then (
            select i.relname from pg_catalog.pg_class as i where i.oid = con.conindid
        ) end,
        'foreign_key', case con.contype when 'f' then pg_catalog.json_build_object(
            'references', (
                select pg_catalog.json_build_object('schema', rn.nspname, 'name', r.relname)
                from pg_catalog.pg_class as r
                join pg_catalog.pg_namespace as rn on rn.oid = r.relnamespace
                where r.oid = con.confrelid
            ),
            'referenced_columns', (
                select coalesce(pg_catalog.json_agg(a.attname order by k.n), '[]'::pg_catalog.json)
                from pg_catalog.unnest(con.confkey) with ordinality as k(attnum, n)
                join pg_catalog.pg_attribute as a on a.attrelid = con.confrelid and a.attnum = k.attnum
            ),
            'referenced_index', (
                select i.relname from pg_catalog.pg_class as i where i.oid = con.conindid
            ),
            'on_update', case con.confupdtype
                when 'a' then 'no_action' when 'r' then 'restrict' when 'c' then 'cascade'
                when 'n' then 'set_null' when 'd' then 'set_default'
            end,
            'on_delete', case con.confdeltype
                when 'a' then 'no_action' when 'r' then 'restrict' when 'c' then 'cascade'
                when 'n' then 'set_null' when 'd' then 'set_default'
            end,
            -- Through jsonb, since version 14 has no such column.
            'delete_sets', (
                select coalesce(pg_catalog.json_agg(a.attname order by k.n), '[]'::pg_catalog.json)
                from pg_catalog.jsonb_array_elements_text(
                    case pg_catalog.jsonb_typeof(pg_catalog.to_jsonb(con) -> 'confdelsetcols')
                        when 'array' then pg_catalog.to_jsonb(con) -> 'confdelsetcols'
                    end
                ) with ordinality as k(attnum, n)
                join pg_catalog.pg_attribute as a
                    on a.attrelid = con.conrelid and a.attnum = k.attnum::pg_catalog.int2
            ),
            'matching', case con.confmatchtype
                when 's' then 'simple' when 'f' then 'full' when 'p' then 'partial'
            end
        ) end,
        'comment', pg_catalog.obj_description(con.oid, 'pg_constraint')
    ) as "constraint"
from pg_catalog.pg_constraint as con
join pg_catalog.pg_class as c on c.oid = con.conrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where con.conrelid = $1 or con.confrelid = $1
order by con.conname, n.nspname, c.relname
