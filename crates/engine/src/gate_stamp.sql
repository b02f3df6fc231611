select coalesce(string_agg(entry, ' ' order by entry), '') as stamp
from (
    select 'c' || c.oid || ':' || c.xmin as entry
    from pg_catalog.pg_class c
    where c.oid in ($1, $2)
    union all
    select 'a' || a.attrelid || '.' || a.attnum || ':' || a.xmin
    from pg_catalog.pg_attribute a
    where a.attrelid in ($1, $2) and a.attnum > 0
    union all
    select 'd' || d.oid || ':' || d.xmin
    from pg_catalog.pg_attrdef d
    where d.adrelid in ($1, $2)
    union all
    select 'i' || i.indexrelid || ':' || i.xmin
    from pg_catalog.pg_index i
    where i.indrelid in ($1, $2)
    union all
    select 'k' || k.oid || ':' || k.xmin
    from pg_catalog.pg_constraint k
    where k.conrelid in ($1, $2) or k.confrelid in ($1, $2)
    union all
    select 't' || t.oid || ':' || t.xmin
    from pg_catalog.pg_trigger t
    where t.tgrelid in ($1, $2)
    union all
    select 'f' || f.oid || ':' || f.xmin
    from pg_catalog.pg_trigger t
    join pg_catalog.pg_proc f on f.oid = t.tgfoid
    where t.tgrelid in ($1, $2)
    union all
    select 'r' || r.oid || ':' || r.xmin
    from pg_catalog.pg_rewrite r
    where r.ev_class in ($1, $2)
    union all
    select 'p' || p.oid || ':' || p.xmin
    from pg_catalog.pg_policy p
    where p.polrelid in ($1, $2)
    union all
    select 'h' || h.inhrelid || '.' || h.inhparent || ':' || h.xmin
    from pg_catalog.pg_inherits h
    where h.inhrelid in ($1, $2) or h.inhparent in ($1, $2)
    union all
    select 'b' || b.oid || ':' || b.xmin
    from pg_catalog.pg_publication_rel b
    where b.prrelid in ($1, $2)
    union all
    select 's' || s.oid || ':' || s.xmin
    from pg_catalog.pg_statistic_ext s
    where s.stxrelid in ($1, $2)
    union all
    select 'x' || x.classid || '.' || x.objid || '.' || x.objsubid || ':' || x.refobjid
        || '.' || x.refobjsubid || x.deptype::text
    from pg_catalog.pg_depend x
    where x.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and x.refobjid in ($1, $2)
) entries
