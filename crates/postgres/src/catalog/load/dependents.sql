-- What depends on the table, its row types, constraints and sequences, and through views on; each
-- object once. `rel` is the relation that a dependent is a bit of (a rule of its view, a default
-- of its column): bits of the relation that is depended on are that relation, not its dependents.
with recursive
node(classid, objid, objsubid, attnum, depth) as (
    select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, $1, 0, 0, 0
    union
    select found.classid, found.objid, found.objsubid, found.attnum, node.depth + 1
    from node
    join pg_catalog.pg_class as parent on parent.oid = node.objid
    cross join lateral (
        select
            source.classid as refclassid, source.objid as refobjid
        from (
            select 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, parent.oid
            union all
            select 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid
            from pg_catalog.pg_type as t
            where t.oid = parent.reltype
                or t.oid = (select e.typarray from pg_catalog.pg_type as e where e.oid = parent.reltype)
            union all
            select 'pg_catalog.pg_constraint'::pg_catalog.regclass, con.oid
            from pg_catalog.pg_constraint as con
            where con.conrelid = parent.oid
            union all
            select 'pg_catalog.pg_class'::pg_catalog.regclass, d.objid
            from pg_catalog.pg_depend as d
            join pg_catalog.pg_class as s on s.oid = d.objid and s.relkind = 'S'
            where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                and d.refobjid = parent.oid
                and d.deptype in ('a', 'i')
        ) as source(classid, objid)
    ) as source
    join pg_catalog.pg_depend as d
        on d.refclassid = source.refclassid
        and d.refobjid = source.refobjid
        and d.deptype not in ('P', 'S')
    left join pg_catalog.pg_rewrite as rule
        on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and rule.oid = d.objid
    left join pg_catalog.pg_attrdef as def
        on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and def.oid = d.objid
    left join pg_catalog.pg_trigger as trigger
        on d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass and trigger.oid = d.objid
    left join pg_catalog.pg_policy as policy
        on d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and policy.oid = d.objid
    left join pg_catalog.pg_constraint as con
        on d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and con.oid = d.objid
    left join pg_catalog.pg_statistic_ext as stat
        on d.classid = 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass and stat.oid = d.objid
    left join pg_catalog.pg_index as index
        on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and index.indexrelid = d.objid
    left join pg_catalog.pg_class as class
        on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and class.oid = d.objid
    left join pg_catalog.pg_type as type
        on d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass and type.oid = d.objid
    cross join lateral (
        select
            case
                when rule.rulename = '_RETURN' then rule.ev_class
                when def.oid is not null then def.adrelid
            end as relation,
            case
                when rule.oid is not null then rule.ev_class
                when def.oid is not null then def.adrelid
                when trigger.oid is not null then trigger.tgrelid
                when policy.oid is not null then policy.polrelid
                when stat.oid is not null then stat.stxrelid
                when index.indexrelid is not null then index.indrelid
            end as rel
    ) as bit
    cross join lateral (
        select
            case when bit.relation is not null
                then 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid
                else d.classid
            end as classid,
            coalesce(bit.relation, d.objid) as objid,
            case when def.oid is not null then def.adnum::integer
                when bit.relation is not null then 0
                else d.objsubid
            end as objsubid,
            case when d.refobjid = $1 and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                then d.refobjsubid
                else 0
            end as attnum
    ) as found
    where
        node.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and node.objsubid = 0
        and (node.depth = 0 or parent.relkind in ('v', 'm'))
        -- Two views with rules can depend on each other.
        and node.depth < 32
        and bit.rel is distinct from parent.oid
        and not coalesce(trigger.tgisinternal, false)
        -- Own constraints, foreign keys in both directions.
        and (con.oid is null or (con.conrelid <> parent.oid and con.confrelid <> parent.oid))
        and (class.oid is null or (
            class.oid <> parent.oid
            and class.relkind <> 't'
            -- Own sequences, and children.
            and not (class.relkind = 'S' and d.deptype in ('a', 'i') and d.refobjid = parent.oid)
            and not exists (
                select from pg_catalog.pg_inherits as i
                where i.inhrelid = class.oid and i.inhparent = parent.oid
            )
        ))
        -- Own row types.
        and (type.oid is null or (
            type.oid <> parent.reltype
            and type.typelem <> parent.reltype
        ))
        and d.classid <> 'pg_catalog.pg_publication_rel'::pg_catalog.regclass
),
dependent as (
    select
        node.classid,
        node.objid,
        node.objsubid,
        min(node.depth) as depth,
        coalesce(
            pg_catalog.json_agg(a.attname order by a.attnum) filter (where a.attname is not null),
            '[]'::pg_catalog.json
        ) as columns
    from (select distinct n.classid, n.objid, n.objsubid, n.attnum, n.depth from node as n) as node
    left join pg_catalog.pg_attribute as a
        on a.attrelid = $1 and a.attnum = node.attnum and node.attnum > 0
    where node.depth > 0
    group by node.classid, node.objid, node.objsubid
)
select
    named.type as kind,
    named.identity,
    dependent.columns,
    dependent.depth,
    case when c.relkind in ('v', 'm') then pg_catalog.json_build_object(
        'oid', c.oid::bigint,
        'name', pg_catalog.json_build_object('schema', n.nspname, 'name', c.relname),
        'kind', case c.relkind when 'v' then 'view' when 'm' then 'materialized' end,
        'owner', pg_catalog.pg_get_userbyid(c.relowner),
        'columns', (
            select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]'::pg_catalog.json)
            from pg_catalog.pg_attribute as a
            where a.attrelid = c.oid and a.attnum > 0
        ),
        'definition', pg_catalog.rtrim(pg_catalog.pg_get_viewdef(c.oid), ';'),
        'options', (
            select coalesce(pg_catalog.json_object_agg(o.option_name, o.option_value), '{}'::pg_catalog.json)
            from pg_catalog.pg_options_to_table(c.reloptions) as o
        ),
        'acl', pg_catalog.json_build_object(
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
                        case when g.grantee <> 0 then pg_catalog.pg_get_userbyid(g.grantee) end
                            as grantee,
                        pg_catalog.pg_get_userbyid(g.grantor) as grantor,
                        g.privilege_type collate "C" as privilege_type,
                        g.is_grantable
                    from pg_catalog.aclexplode(
                        coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))
                    ) as g
                ) as r
            )
        ),
        'comment', pg_catalog.obj_description(c.oid, 'pg_class'),
        'extras', (
            select coalesce(pg_catalog.json_agg(e.extra order by e.extra collate "C"), '[]'::pg_catalog.json)
            from (
                select 'grant on column ' || pg_catalog.quote_ident(a.attname)
                from pg_catalog.pg_attribute as a
                where a.attrelid = c.oid and a.attnum > 0 and a.attacl is not null
                union all
                select 'comment on column ' || pg_catalog.quote_ident(a.attname)
                from pg_catalog.pg_attribute as a
                join pg_catalog.pg_description as ds
                    on ds.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    and ds.objoid = a.attrelid
                    and ds.objsubid = a.attnum
                where a.attrelid = c.oid and a.attnum > 0
                union all
                select 'default of column ' || pg_catalog.quote_ident(a.attname)
                from pg_catalog.pg_attribute as a
                where a.attrelid = c.oid and a.attnum > 0 and a.atthasdef
                union all
                select 'trigger ' || pg_catalog.quote_ident(t.tgname)
                from pg_catalog.pg_trigger as t
                where t.tgrelid = c.oid and not t.tgisinternal
                union all
                select 'rule ' || pg_catalog.quote_ident(r.rulename)
                from pg_catalog.pg_rewrite as r
                where r.ev_class = c.oid and r.rulename <> '_RETURN'
                union all
                select 'index ' || pg_catalog.quote_ident(ic.relname)
                from pg_catalog.pg_index as x
                join pg_catalog.pg_class as ic on ic.oid = x.indexrelid
                where x.indrelid = c.oid
                union all
                select 'statistics ' || pg_catalog.quote_ident(s.stxname)
                from pg_catalog.pg_statistic_ext as s
                where s.stxrelid = c.oid
                union all
                select 'security label of ' || l.provider
                from pg_catalog.pg_seclabel as l
                where l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and l.objoid = c.oid
            ) as e(extra)
        ),
        'populated', c.relispopulated
    ) end as view
from dependent
cross join lateral pg_catalog.pg_identify_object(
    dependent.classid, dependent.objid, dependent.objsubid
) as named
left join pg_catalog.pg_class as c
    on dependent.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and dependent.objsubid = 0
    and c.oid = dependent.objid
left join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where named.identity is not null
order by dependent.depth, named.type collate "C", named.identity collate "C"
