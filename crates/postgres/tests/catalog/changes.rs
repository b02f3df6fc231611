//! Small changes, and the part of the table that each shows in.

/// Statement and part, in the order in which they are made. `$t` is the table; `$owner`, `$app`
/// and `$superuser` are roles.
pub(crate) const CHANGES: &[(&str, &str)] = &[
    // Else the row type in it forbids to change the type of a column.
    (
        "alter table other.shipments drop snapshot",
        "dependent table column other.shipments.snapshot",
    ),
    (
        "alter table $t alter code type varchar(30)",
        "column $t.\"code\"",
    ),
    (
        "alter table $t alter qty set default 2",
        "column $t.\"qty\"",
    ),
    (
        "alter table $t alter price set not null",
        "column $t.\"price\"",
    ),
    (
        "alter table $t alter price set statistics 7",
        "column $t.\"price\"",
    ),
    ("comment on column $t.id is 'x'", "column $t.\"id\""),
    ("alter table $t add extra int", "column order of $t"),
    ("alter table $t drop place", "column $t.\"place\""),
    (
        "alter table $t rename tags to labels",
        "column $t.\"labels\"",
    ),
    (
        "grant select (id) on $t to public",
        "grant select on column $t.\"id\" to public by \"$owner\"",
    ),
    (
        "revoke select on $t from public",
        "grant select on $t to public by \"$owner\"",
    ),
    (
        "revoke grant option for insert on $t from $app",
        "grant insert on $t to \"$app\" by \"$owner\"",
    ),
    (
        "alter table $t force row level security",
        "row security of $t",
    ),
    (
        "alter table $t replica identity default",
        "replica identity of $t",
    ),
    ("alter table $t set (fillfactor = 50)", "storage of $t"),
    (
        "alter table $t set (toast.autovacuum_enabled = on)",
        "storage of $t",
    ),
    ("comment on table $t is 'y'", "comment on $t"),
    ("alter table $t no inherit \"Shop\".base", "table $t"),
    (
        "create index extra_index on $t (price)",
        "index \"extra_index\" on $t",
    ),
    ("drop index \"Shop\".by_tags", "index \"by_tags\" on $t"),
    (
        "alter index \"Shop\".by_qty rename to b",
        "index \"b\" on $t",
    ),
    (
        "alter table $t set without cluster",
        "index \"by_no\" on $t",
    ),
    (
        "alter table $t validate constraint price_positive",
        "constraint \"price_positive\" on $t",
    ),
    (
        "alter table $t drop constraint qty_positive",
        "constraint \"qty_positive\" on $t",
    ),
    (
        "alter table $t alter constraint parent_fk deferrable",
        "constraint \"parent_fk\" on $t",
    ),
    (
        "alter table other.shipments validate constraint item_fk",
        "foreign key \"other\".\"shipments\".\"item_fk\" to $t",
    ),
    (
        "alter sequence \"Shop\".\"Order Item_id_seq\" cache 9",
        "sequence \"Shop\".\"Order Item_id_seq\"",
    ),
    (
        "grant select on sequence \"Shop\".\"Order Item_id_seq\" to public",
        "grant select on sequence \"Shop\".\"Order Item_id_seq\" to public by \"$owner\"",
    ),
    (
        "alter table $t disable trigger touch",
        "trigger \"touch\" on $t",
    ),
    (
        "alter table $t disable trigger all",
        "altered constraint triggers of $t",
    ),
    ("drop rule no_negative on $t", "rule \"no_negative\" on $t"),
    (
        "alter policy own on $t using (qty > 1)",
        "policy \"own\" on $t",
    ),
    (
        "drop publication some_items",
        "publication \"some_items\" (table) on $t",
    ),
    (
        "alter statistics other.qty_price set statistics 51",
        "statistics \"other\".\"qty_price\" of $t",
    ),
    (
        "create table \"Shop\".c2 () inherits ($t)",
        "child \"Shop\".\"c2\" on $t",
    ),
    (
        "create or replace view other.cheaper as select id from \"Shop\".cheap where price < 6",
        "dependent view other.cheaper",
    ),
    (
        "grant select on \"Shop\".cheap to public",
        "grant select on view \"Shop\".cheap to public by \"$owner\"",
    ),
    (
        "create function other.f(i $t) returns int language sql as 'select 1'",
        "dependent function other.f($t)",
    ),
    // Last, since it makes the new owner the grantor of everything.
    ("alter table $t owner to $superuser", "owner of $t"),
];
