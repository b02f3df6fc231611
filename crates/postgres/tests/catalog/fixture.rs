//! One table with everything on it, and a way to read it as the role that migrates.

use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::{Catalog, Table};
use crossfade_postgres::{
    ConnectionSettings, ConnectionString, Connector, Environment, Mode, Session, Transaction,
    TransactionSettings,
};
use crossfade_testkit::{Result, Role, TestDatabase};

pub(crate) const NAME: &str = "\"Shop\".\"Order Item\"";

/// A database with the fixture in it.
pub(crate) struct Rich {
    pub(crate) database: TestDatabase,
    pub(crate) admin: crossfade_testkit::Session,
}

impl Rich {
    pub(crate) async fn create() -> Result<Self> {
        let database = TestDatabase::create().await?;
        let admin = database.session("admin", Role::Superuser).await?;
        let sql = include_str!("fixture.sql")
            .replace("$owner", database.owner())
            .replace("$app", database.app());
        admin.run(&sql).await?;
        Ok(Self { database, admin })
    }

    pub(crate) async fn catalog(&self) -> Result<Catalog> {
        let transaction = begin(&self.database, Mode::Snapshot).await?;
        let catalog = Catalog::load(&transaction, &name(NAME)?).await?;
        transaction.rollback().await?;
        catalog.ok_or_else(|| "the table is not there".into())
    }

    pub(crate) async fn table(&self) -> Result<Table> {
        Ok(self.catalog().await?.table)
    }
}

/// A transaction of the role that migrates, no superuser.
pub(crate) async fn begin(database: &TestDatabase, mode: Mode) -> Result<Transaction> {
    let url = database.url(Role::Migrator);
    let given = ConnectionString {
        text: url.into(),
        origin: "test",
    };
    let environment = Environment::new(|_| None, None, None);
    let settings = ConnectionSettings::resolve(Some(&given), &environment)?;
    let connector = Connector::new(settings, None)?;
    let session = Session::direct(connector.connect("test").await?, "test");
    let settings = TransactionSettings {
        mode,
        ..TransactionSettings::default()
    };
    Ok(Transaction::begin(session, &connector, &settings).await?)
}

pub(crate) fn name(text: &str) -> Result<QualifiedName> {
    Ok(QualifiedName::parse(text)?)
}

pub(crate) fn ident(text: &str) -> Result<Ident> {
    Ok(Ident::new(text)?)
}
