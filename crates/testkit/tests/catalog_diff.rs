//! Two tables are compared by what they are, not by what they are called.

use crossfade_plan::QualifiedName;
use crossfade_postgres::catalog::Table;
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Environment, Mode, Session, Transaction,
    TransactionSettings,
};
use crossfade_testkit::catalog_diff::{diff, everything_of_ours};
use crossfade_testkit::{Result, Role, TestDatabase};

const STRUCTURE: &str = "(id bigint primary key, qty int not null default 1 check (qty > 0))";

async fn load(database: &TestDatabase, name: &str) -> Result<Table> {
    let given = ConnectionString {
        text: database.url(Role::Superuser).into(),
        origin: "test",
    };
    let environment = Environment::new(|_| None, None, None);
    let connector = Connector::new(
        ConnectionSettings::resolve(Some(&given), &environment)?,
        None,
    )?;
    let session = Session::direct(connector.connect("test").await?, "test");
    let settings = TransactionSettings {
        mode: Mode::Snapshot,
        ..TransactionSettings::default()
    };
    let transaction = Transaction::begin(session, &connector, &settings).await?;
    let table = Table::load(&transaction, &QualifiedName::parse(name)?).await?;
    transaction.rollback().await?;
    table.ok_or_else(|| format!("{name} is not there").into())
}

#[tokio::test]
async fn only_the_name_of_the_table_may_differ() -> Result<()> {
    let database = TestDatabase::create().await?;
    let admin = database.session("admin", Role::Superuser).await?;
    for name in [
        "public.orders",
        "public.\"user\"",
        "public.\"Order \"\"x\"\"\"",
    ] {
        admin
            .run(&format!(
                "create table {name} {STRUCTURE};
                 create index i on {name} (qty);
                 comment on table {name} is 'one';
                 grant select on {name} to public"
            ))
            .await?;
        let before = load(&database, name).await?;
        // The same again under another name, with the names of what hangs on it given back.
        admin
            .run(&format!(
                "alter table {name} rename to gone; drop table public.gone;
                 create table public.anew {STRUCTURE};
                 create index i on public.anew (qty);
                 comment on table public.anew is 'one';
                 grant select on public.anew to public"
            ))
            .await?;
        for constraint in &before.constraints {
            let table = before.name.name.as_str();
            let of_what = constraint.name.as_str().strip_prefix(table);
            let of_what = of_what.ok_or("it is named after its table")?;
            admin
                .run(&format!(
                    "alter table public.anew rename constraint \"anew{of_what}\" to {}",
                    constraint.name
                ))
                .await?;
        }
        assert_eq!(
            diff(&before, &load(&database, "public.anew").await?),
            Vec::<String>::new()
        );

        admin
            .run("alter table public.anew alter qty drop default; drop index public.i")
            .await?;
        let found = diff(&before, &load(&database, "public.anew").await?);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("column TABLE.\"qty\": "), "{found:?}");
        assert!(
            found[1].starts_with("index \"i\" on TABLE is missing: "),
            "{found:?}"
        );
        admin.run("drop table public.anew").await?;
    }
    Ok(())
}

#[tokio::test]
async fn whatever_bears_our_name_is_found() -> Result<()> {
    let database = TestDatabase::create().await?;
    let admin = database.session("admin", Role::Superuser).await?;
    assert_eq!(
        everything_of_ours(&admin, &["crossfade"]).await?,
        Vec::<String>::new()
    );
    admin
        .run(
            "create schema crossfade;
             create table crossfade.crossfade_state (id int);
             create table public.orders (id int);
             create function public.crossfade_m_forward() returns trigger language plpgsql
                 as 'begin return null; end';
             create trigger \"!crossfade_m_forward\" after insert on public.orders
                 for each row execute function public.crossfade_m_forward();
             create index crossfade_index on public.orders (id)",
        )
        .await?;
    assert_eq!(
        everything_of_ours(&admin, &["crossfade"]).await?,
        [
            "function public.crossfade_m_forward()",
            "index public.crossfade_index",
            "trigger \"!crossfade_m_forward\" on public.orders",
        ]
    );
    assert!(
        everything_of_ours(&admin, &[])
            .await?
            .contains(&"schema crossfade".to_owned())
    );
    Ok(())
}
