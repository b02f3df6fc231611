select
    r.rulename as name,
    case r.ev_type when '1' then 'select' when '2' then 'update' when '3' then 'insert' when '4' then 'delete' end
        as event,
    r.is_instead as instead,
    case r.ev_enabled
        when 'O' then 'origin' when 'D' then 'disabled' when 'R' then 'replica' when 'A' then 'always'
    end as state,
    pg_catalog.pg_get_ruledef(r.oid) as definition,
    pg_catalog.obj_description(r.oid, 'pg_rewrite') as comment
from pg_catalog.pg_rewrite as r
where r.ev_class = $1 and r.rulename <> '_RETURN'
order by r.rulename
