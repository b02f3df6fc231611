//! What depends on the table, what it is a part of, and where it is stored.

use crossfade_postgres::catalog::{FiringState, RelationKind, Table, ViewKind};
use crossfade_postgres::{Mode, catalog};
use crossfade_testkit::Result;

use crate::fixture::{Rich, begin, ident, name};

#[tokio::test]
async fn dependents() -> Result<()> {
    let rich = Rich::create().await?;
    let table = rich.table().await?;
    let found: Vec<String> = table
        .dependents
        .iter()
        .map(|found| format!("{} {} {}", found.depth, found.kind, found.identity))
        .collect();
    assert_eq!(
        found,
        [
            "1 function other.all_of()",
            "1 function other.count_items(bigint)",
            "1 function other.describe(\"Shop\".\"Order Item\")",
            "1 materialized view other.totals",
            "1 policy of_items on \"Shop\".customers",
            "1 rule note on \"Shop\".customers",
            "1 table column \"Shop\".special_items.id",
            "1 table column other.borrower.id",
            "1 table column other.shipments.snapshot",
            "1 view \"Shop\".cheap",
            "1 view other.grouped",
            "2 view other.cheaper",
        ]
    );
    let view = |identity: &str| -> Result<_> {
        let found = table
            .dependents
            .iter()
            .find(|found| found.identity == identity);
        Ok(found
            .and_then(|found| found.view.clone())
            .ok_or("no view")?)
    };
    let cheap = view("\"Shop\".cheap")?;
    assert_eq!(cheap.kind, ViewKind::View);
    assert_eq!(
        cheap.options.get("security_barrier").map(String::as_str),
        Some("true")
    );
    assert_eq!(cheap.comment.as_deref(), Some("bargains"));
    assert_eq!(cheap.extras, ["grant on column id"]);
    assert_eq!(
        cheap.columns,
        [ident("id")?, ident("qty")?, ident("price")?]
    );
    assert!(cheap.definition.contains("FROM \"Shop\".\"Order Item\""));
    assert!(!cheap.definition.ends_with(';'));
    assert!(cheap.acl.grants.iter().any(|grant| {
        grant
            .grantee
            .as_ref()
            .is_some_and(|role| role.as_str() == rich.database.app())
    }));
    let totals = view("other.totals")?;
    assert_eq!(totals.kind, ViewKind::Materialized);
    assert!(!totals.populated);
    assert_eq!(totals.extras, ["index totals_customer"]);
    let cheap = table
        .dependents
        .iter()
        .find(|found| found.identity == "\"Shop\".cheap");
    let columns = cheap.map(|found| found.columns.clone());
    assert_eq!(
        columns,
        Some(vec![ident("id")?, ident("qty")?, ident("price")?])
    );
    Ok(())
}

#[tokio::test]
async fn disabled_constraint_triggers_are_seen() -> Result<()> {
    let rich = Rich::create().await?;
    rich.admin
        .run("alter table \"Shop\".\"Order Item\" disable trigger all")
        .await?;
    let table = rich.table().await?;
    assert!(
        table
            .altered_constraint_triggers
            .contains(&ident("customer_fk")?)
    );
    assert!(
        table
            .triggers
            .iter()
            .all(|found| found.state == FiringState::Disabled)
    );
    Ok(())
}

#[tokio::test]
async fn partitions() -> Result<()> {
    let rich = Rich::create().await?;
    rich.admin
        .run(
            "create table public.p (id bigint primary key, v text default 'x') partition by range (id);
             create index p_v on public.p (v);
             create trigger t after insert on public.p for each row execute function \"Shop\".touch();
             create table public.p1 partition of public.p for values from (1) to (100);
             create table public.pd partition of public.p default",
        )
        .await?;
    let transaction = begin(&rich.database, Mode::Snapshot).await?;
    let load = async |text: &str| -> Result<Table> {
        Ok(Table::load(&transaction, &name(text)?)
            .await?
            .ok_or("not there")?)
    };
    let whole = load("public.p").await?;
    assert_eq!(whole.kind, RelationKind::Partitioned);
    assert_eq!(whole.partition_key.as_deref(), Some("RANGE (id)"));
    assert_eq!(whole.children.len(), 2);
    assert!(whole.dependents.is_empty(), "{:?}", whole.dependents);
    let leaf = load("public.p1").await?;
    let bound = leaf
        .partition
        .as_ref()
        .map(|partition| partition.bound.as_str());
    assert_eq!(bound, Some("FOR VALUES FROM ('1') TO ('100')"));
    assert_eq!(leaf.parents, [name("public.p")?]);
    assert_eq!(leaf.triggers.len(), 1);
    assert!(leaf.triggers[0].inherited);
    assert!(
        leaf.indexes
            .iter()
            .any(|index| index.parent == name("public.p_v").ok())
    );
    assert_eq!(
        Table::load(&transaction, &name("public.nowhere")?).await?,
        None
    );
    transaction.rollback().await?;
    Ok(())
}

#[tokio::test]
async fn sizes_and_files() -> Result<()> {
    let rich = Rich::create().await?;
    rich.admin
        .run(
            "create table public.sized (id int primary key);
             insert into public.sized select generate_series(1, 1000)",
        )
        .await?;
    let measure = async || -> Result<_> {
        let transaction = begin(&rich.database, Mode::Read).await?;
        let table = Table::load(&transaction, &name("public.sized")?)
            .await?
            .ok_or("not there")?;
        let sizes = catalog::Estimates::load(&transaction, table.oid)
            .await?
            .ok_or("no sizes")?;
        let file = catalog::relation_filenode(&transaction, table.oid).await?;
        transaction.rollback().await?;
        Ok((sizes, file))
    };
    let (before, file) = measure().await?;
    assert_eq!(before.rows, None);
    assert!(
        before.blocks > 0 && before.index_bytes > 0 && before.table_bytes >= before.blocks * 8192
    );
    rich.admin
        .run("vacuum (full, analyze) public.sized")
        .await?;
    let (after, new_file) = measure().await?;
    assert_eq!(after.rows, Some(1000.0));
    assert!(file.is_some() && new_file.is_some() && file != new_file);
    Ok(())
}

/// Too many rather than too few; a part of another word is not the name.
#[tokio::test]
async fn functions_that_mention_the_table_or_a_view_on_it() -> Result<()> {
    let rich = Rich::create().await?;
    let body = |name: &str, text: &str| {
        format!(
            "create function other.{name}() returns void language plpgsql as \
             $$begin perform 1; /* {text} */ end$$;"
        )
    };
    let functions = [
        body("quoted", "from \"Shop\".\"Order Item\""),
        body("executed", "format(''%I'', ''order item'')"),
        body("of_a_view", "from \"Shop\".CHEAP where true"),
        body(
            "of_another",
            "from \"Shop\".\"Order Items\", cheap_ones, my$cheap",
        ),
    ];
    let sql = format!(
        "{} alter function other.quoted() owner to {}; \
         create procedure other.called(int) language plpgsql as $$begin perform cheap; end$$;",
        functions.concat(),
        rich.database.owner()
    );
    rich.admin.run(&sql).await?;
    let before = rich.table().await?;
    let found: Vec<String> = before
        .mentioning_functions
        .iter()
        .filter(|found| found.signature.starts_with("other."))
        .map(|found| format!("{} {:?} {}", found.signature, found.kind, found.alterable))
        .collect();
    assert_eq!(
        found,
        [
            "other.called(integer) Procedure false",
            "other.executed() Function false",
            "other.of_a_view() Function false",
            "other.quoted() Function true",
        ]
    );
    rich.admin.run("drop function other.quoted()").await?;
    assert_eq!(before.parts(), rich.table().await?.parts(), "no drift");
    Ok(())
}
