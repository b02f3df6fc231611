//! The database of the demo: its application works on it, and a damage is found.

use std::error::Error;

use crossfade_sandbox::oracle::OracleError;
use crossfade_sandbox::sales::{APPLICATION, Sales, Version};
use crossfade_sandbox::workload::Workload;
use tokio_postgres::NoTls;

type TestResult = Result<(), Box<dyn Error + Send + Sync>>;

#[tokio::test(flavor = "multi_thread")]
async fn own_cluster_a_row_that_goes_behind_the_applications_back_is_found() -> TestResult {
    let sales = Sales::start(4).await?;
    sales.load(500, 1).await?;
    let mut spec = sales.workload(500);
    spec.connections = 4;
    let workload = Workload::start(spec).await?;
    let worked = workload.every_kind_again(3).await;
    let report = workload.stop().await;
    assert!(report.failures().is_empty(), "{:#?}", report.failures());
    worked?;
    let rows = sales.compare(Version::First).await?;
    assert!(rows > 0);

    let (superuser, connection) = tokio_postgres::connect(&sales.url("postgres"), NoTls).await?;
    tokio::spawn(connection);
    let damages = [
        (
            "delete from public.leads where id = (select pg_catalog.min(id) from public.leads)",
            1,
            0,
        ),
        (
            "update public.leads set created_at = created_at + interval '1 microsecond' \
             where id = (select pg_catalog.max(id) from public.leads \
                         where pg_catalog.isfinite(created_at))",
            2,
            1,
        ),
        // Last: the workload may leave the row that is inserted here as that of the greatest id.
        ("insert into public.leads (name) values ('A B')", 2, 2),
    ];
    for (damage, missing, extra) in damages {
        assert_eq!(superuser.execute(damage, &[]).await?, 1, "{damage}");
        let Err(OracleError::Differ(found)) = sales.compare(Version::First).await else {
            return Err(format!("not found: {damage}").into());
        };
        assert_eq!((found.missing, found.extra), (missing, extra), "{damage}");
    }
    Ok(())
}

#[tokio::test]
async fn own_cluster_only_what_was_granted_lets_the_migrator_in() -> TestResult {
    let sales = Sales::start(1).await?;
    assert!(
        tokio_postgres::connect(&sales.url("crossfade"), NoTls)
            .await
            .is_err()
    );
    sales
        .grant(&["create role crossfade login".to_owned()])
        .await?;
    let (migrator, connection) = tokio_postgres::connect(&sales.url("crossfade"), NoTls).await?;
    tokio::spawn(connection);
    let made = migrator.batch_execute("create table public.mine ()").await;
    assert!(made.is_err(), "it has no right on the schema");
    assert!(
        tokio_postgres::connect(&sales.url(APPLICATION), NoTls)
            .await
            .is_ok()
    );
    assert!(sales.free_disk()? > 0);
    assert!(sales.server_version().await?.starts_with(char::is_numeric));
    Ok(())
}
