select
    c.oid::bigint as oid,
    pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname) as name,
    case c.relkind
        when 'r' then 'ordinary'
        when 'p' then 'partitioned'
        when 'v' then 'view'
        when 'm' then 'materialized_view'
        when 'f' then 'foreign'
        when 'S' then 'sequence'
        when 'i' then 'index'
        when 'I' then 'index'
        when 'c' then 'composite_type'
        when 't' then 'toast'
    end as kind,
    case c.relpersistence
        when 'p' then 'permanent' when 'u' then 'unlogged' when 't' then 'temporary'
    end as persistence,
    pg_catalog.pg_get_userbyid(c.relowner) as owner,
    pg_catalog.obj_description(c.oid, 'pg_class') as comment,
    pg_catalog.json_build_object(
        'implicit', c.relacl is null,
        'grants', (
            select coalesce(pg_catalog.json_agg(
                pg_catalog.json_build_object(
                    'grantee', r.grantee, 'privilege', r.privilege_type,
                    'grantor', r.grantor, 'grantable', r.is_grantable
                ) order by r.grantee nulls first, r.privilege_type, r.grantor
            ), '[]'::pg_catalog.json)
            from (
                select
                    case when g.grantee <> 0 then pg_catalog.pg_get_userbyid(g.grantee) end as grantee,
                    pg_catalog.pg_get_userbyid(g.grantor) as grantor,
                    g.privilege_type collate "C" as privilege_type,
                    g.is_grantable
                from pg_catalog.aclexplode(coalesce(
                    c.relacl,
                    pg_catalog.acldefault(case c.relkind when 'S' then 's' else 'r' end::"char", c.relowner)
                )) as g
            ) as r
        )
    ) as acl,
    pg_catalog.json_build_object(
        'enabled', c.relrowsecurity, 'forced', c.relforcerowsecurity
    ) as row_security,
    case c.relreplident
        when 'd' then pg_catalog.to_json('default'::pg_catalog.text)
        when 'n' then pg_catalog.to_json('nothing'::pg_catalog.text)
        when 'f' then pg_catalog.to_json('full'::pg_catalog.text)
        when 'i' then pg_catalog.json_build_object('index', (
            select i.relname
            from pg_catalog.pg_index as x
            join pg_catalog.pg_class as i on i.oid = x.indexrelid
            where x.indrelid = c.oid and x.indisreplident
        ))
    end as replica_identity,
    pg_catalog.json_build_object(
        'access_method', (select a.amname from pg_catalog.pg_am as a where a.oid = c.relam),
        'tablespace', (
            select s.spcname from pg_catalog.pg_tablespace as s where s.oid = c.reltablespace
        ),
        'options', (
            select coalesce(pg_catalog.json_object_agg(o.option_name, o.option_value), '{}'::pg_catalog.json)
            from pg_catalog.pg_options_to_table(c.reloptions) as o
        ),
        'toast_options', (
            select coalesce(pg_catalog.json_object_agg(o.option_name, o.option_value), '{}'::pg_catalog.json)
            from pg_catalog.pg_class as t, pg_catalog.pg_options_to_table(t.reloptions) as o
            where t.oid = c.reltoastrelid
        )
    ) as storage,
    (
        select pg_catalog.json_build_object('schema', tn.nspname, 'name', t.typname)
        from pg_catalog.pg_type as t
        join pg_catalog.pg_namespace as tn on tn.oid = t.typnamespace
        where t.oid = c.reloftype
    ) as of_type,
    (
        select e.extname
        from pg_catalog.pg_depend as d
        join pg_catalog.pg_extension as e on e.oid = d.refobjid
        where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
            and d.objid = c.oid
            and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
            and d.deptype = 'e'
    ) as extension,
    case c.relkind when 'p' then pg_catalog.pg_get_partkeydef(c.oid) end as partition_key,
    (
        select coalesce(pg_catalog.json_agg(q.conname order by q.conname), '[]'::pg_catalog.json)
        from (
            select distinct con.conname
            from pg_catalog.pg_trigger as t
            join pg_catalog.pg_constraint as con on con.oid = t.tgconstraint
            where t.tgrelid = c.oid and t.tgisinternal and t.tgparentid = 0 and t.tgenabled <> 'O'
        ) as q
    ) as altered_constraint_triggers,
    (
        select coalesce(pg_catalog.json_agg(s.subname order by s.subname), '[]'::pg_catalog.json)
        from pg_catalog.pg_subscription_rel as r
        join pg_catalog.pg_subscription as s on s.oid = r.srsubid
        where r.srrelid = c.oid
    ) as subscriptions,
    (
        select coalesce(pg_catalog.json_agg(
            pg_catalog.json_build_object('schema', pn.nspname, 'name', p.relname) order by i.inhseqno
        ), '[]'::pg_catalog.json)
        from pg_catalog.pg_inherits as i
        join pg_catalog.pg_class as p on p.oid = i.inhparent
        join pg_catalog.pg_namespace as pn on pn.oid = p.relnamespace
        where i.inhrelid = c.oid
    ) as parents,
    case when c.relispartition then pg_catalog.json_build_object(
        'bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
        'detaching', coalesce(
            (select i.inhdetachpending from pg_catalog.pg_inherits as i where i.inhrelid = c.oid), false
        )
    ) end as partition,
    (
        select coalesce(pg_catalog.json_agg(q.label order by q.objsubid, q.label), '[]'::pg_catalog.json)
        from (
            select
                l.objsubid,
                pg_catalog.concat(
                    'column ' || pg_catalog.quote_ident(a.attname) || ': ', l.provider, ': ', l.label
                ) collate "C" as label
            from pg_catalog.pg_seclabel as l
            left join pg_catalog.pg_attribute as a
                on a.attrelid = l.objoid and a.attnum = l.objsubid and l.objsubid > 0
            where l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and l.objoid = c.oid
        ) as q
    ) as security_labels
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2
