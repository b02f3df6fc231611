//! Rights: the target's are exactly the source's, from its first moment.

use std::collections::BTreeMap;

use crossfade_dual_write::sql;
use crossfade_plan::{Ident, QualifiedName};
use crossfade_postgres::catalog::{Acl, Grant};

/// What a right is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    Sequence,
}

impl Kind {
    fn keyword(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Sequence => "sequence",
        }
    }
}

/// The statements that give an object the rights of another, and no more.
pub(crate) fn copy(kind: Kind, object: &QualifiedName, owner: &Ident, acl: &Acl) -> Vec<String> {
    let keyword = kind.keyword();
    let held = format!(
        "select c.relacl as acl, c.relowner as owner from pg_catalog.pg_class as c \
         where c.oid = {}::pg_catalog.regclass",
        sql::literal(&object.to_string())
    );
    let mut statements = vec![sql::revoke_from_others(
        &format!("{keyword} {object}"),
        &held,
    )];
    if acl.implicit {
        return statements;
    }
    statements.push(format!("revoke all on {keyword} {object} from {owner}"));
    statements.extend(grants(&format!("{keyword} {object}"), None, &acl.grants));
    statements
}

/// The statements that give rights on one column.
pub(crate) fn copy_column(table: &QualifiedName, column: &Ident, given: &[Grant]) -> Vec<String> {
    grants(&format!("table {table}"), Some(column), given)
}

fn grants(object: &str, column: Option<&Ident>, given: &[Grant]) -> Vec<String> {
    let mut by_grantee: BTreeMap<(Option<&Ident>, bool), Vec<String>> = BTreeMap::new();
    for grant in given {
        let privilege = match column {
            Some(column) => format!("{} ({column})", grant.privilege),
            None => grant.privilege.to_string(),
        };
        let privileges = by_grantee
            .entry((grant.grantee.as_ref(), grant.grantable))
            .or_default();
        // The same right from two grantors is one right when the owner gives it.
        if !privileges.contains(&privilege) {
            privileges.push(privilege);
        }
    }
    by_grantee
        .into_iter()
        .map(|((grantee, grantable), privileges)| {
            let grantee = grantee.map_or_else(|| "public".to_owned(), Ident::to_string);
            let option = if grantable { " with grant option" } else { "" };
            format!(
                "grant {} on {object} to {grantee}{option}",
                sql::list(privileges)
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossfade_postgres::catalog::Privilege;

    #[test]
    fn rights_are_grouped_by_grantee_and_option() {
        let owner = Ident::new("own er").expect("a name");
        let grant = |privilege, grantee: Option<&str>, grantable| Grant {
            grantee: grantee.map(|name| Ident::new(name).expect("a name")),
            privilege,
            grantor: owner.clone(),
            grantable,
        };
        let acl = Acl {
            implicit: false,
            grants: vec![
                grant(Privilege::Select, None, false),
                grant(Privilege::Insert, Some("app"), false),
                grant(Privilege::Select, Some("app"), true),
                grant(Privilege::Update, Some("app"), false),
            ],
        };
        let table = QualifiedName::parse("s.\"50%\"").expect("a name");
        let statements = copy(Kind::Table, &table, &owner, &acl);
        assert!(
            statements[0].contains("revoke all on table \"s\".\"50%%\" from %s"),
            "{}",
            statements[0]
        );
        assert_eq!(
            statements[1..],
            [
                "revoke all on table \"s\".\"50%\" from \"own er\"",
                "grant select on table \"s\".\"50%\" to public",
                "grant insert, update on table \"s\".\"50%\" to \"app\"",
                "grant select on table \"s\".\"50%\" to \"app\" with grant option",
            ]
        );
    }
}
