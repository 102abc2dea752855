//! What the rows must say together at any moment, whatever failed before.

use super::{Engine, Server, database::Connection};

/// Each rule with a statement that counts what breaks it.
const RULES: &[(&str, &str)] = &[
    (
        "a Pending person has exactly one live link, their invite",
        "SELECT count(*) AS n FROM users u WHERE u.status = 'pending'
            AND (1 <> (SELECT count(*) FROM links l WHERE l.user_key = u.key AND l.ended_at IS NULL)
                 OR 1 <> (SELECT count(*) FROM links l WHERE l.user_key = u.key AND l.ended_at IS NULL AND l.kind = 'invite'))",
    ),
    (
        "nobody else has a live invite, and who is deactivated no live link at all",
        "SELECT count(*) AS n FROM links l JOIN users u ON u.key = l.user_key
          WHERE l.ended_at IS NULL AND (u.status = 'deactivated' OR (l.kind = 'invite' AND u.status <> 'pending'))",
    ),
    (
        "every generation of a link is there once",
        "SELECT count(*) AS n FROM users u
          WHERE u.invite_generation <> (SELECT count(*) FROM links l WHERE l.user_key = u.key AND l.kind = 'invite')
             OR u.invite_generation <> (SELECT coalesce(max(generation), 0) FROM links l WHERE l.user_key = u.key AND l.kind = 'invite')",
    ),
    (
        "every link has its mail, but the operator's",
        "SELECT count(*) AS n FROM links l WHERE l.kind <> 'operator' AND 1 <> (SELECT count(*) FROM outbox b WHERE b.link_id = l.id)",
    ),
    (
        "the head counts the people",
        "SELECT count(*) AS n FROM org_heads h
          WHERE h.pending_administrators <> (SELECT count(*) FROM users WHERE org = h.org AND status = 'pending' AND role = 'administrator')
             OR h.pending_users <> (SELECT count(*) FROM users WHERE org = h.org AND status = 'pending' AND role = 'user')
             OR h.active_administrators <> (SELECT count(*) FROM users WHERE org = h.org AND status = 'active' AND role = 'administrator')
             OR h.active_users <> (SELECT count(*) FROM users WHERE org = h.org AND status = 'active' AND role = 'user')
             OR h.deactivated_administrators
                <> (SELECT count(*) FROM users WHERE org = h.org AND status = 'deactivated' AND role = 'administrator')
             OR h.deactivated_users <> (SELECT count(*) FROM users WHERE org = h.org AND status = 'deactivated' AND role = 'user')",
    ),
    (
        "the head counts the groups",
        "SELECT count(*) AS n FROM org_heads h WHERE h.access_groups <> (SELECT count(*) FROM access_groups WHERE org = h.org)",
    ),
    ("an organization keeps an active Administrator", "SELECT count(*) AS n FROM org_heads WHERE active_administrators < 1"),
    (
        "the head names the newest audit entry",
        "SELECT count(*) AS n FROM org_heads h
          WHERE h.audit_seq <> (SELECT count(*) FROM audit_log WHERE org = h.org)
             OR NOT EXISTS (SELECT 1 FROM audit_log a WHERE a.org = h.org AND a.seq = h.audit_seq AND a.hash = h.audit_hash)",
    ),
    (
        "audit time never goes back",
        "SELECT count(*) AS n FROM audit_log a JOIN audit_log b ON b.org = a.org AND b.seq = a.seq + 1 WHERE b.at < a.at",
    ),
    (
        "nobody is there without an audit entry",
        "SELECT count(*) AS n FROM users u WHERE NOT EXISTS (SELECT 1 FROM audit_log a WHERE a.org = u.org AND a.target_id = u.id)",
    ),
    (
        "no group is there without an audit entry",
        "SELECT count(*) AS n FROM access_groups g WHERE NOT EXISTS (SELECT 1 FROM audit_log a WHERE a.org = g.org AND a.target_id = g.id)",
    ),
    (
        "a group counts its members",
        "SELECT count(*) AS n FROM access_groups g WHERE g.members <> (SELECT count(*) FROM group_members m WHERE m.group_key = g.key)",
    ),
    (
        "nothing hangs in the air",
        "SELECT (SELECT count(*) FROM group_members WHERE user_key NOT IN (SELECT key FROM users))
              + (SELECT count(*) FROM group_members WHERE group_key NOT IN (SELECT key FROM access_groups))
              + (SELECT count(*) FROM group_permissions WHERE group_key NOT IN (SELECT key FROM access_groups))
              + (SELECT count(*) FROM credentials WHERE user_key NOT IN (SELECT key FROM users))
              + (SELECT count(*) FROM links WHERE user_key NOT IN (SELECT key FROM users))
              + (SELECT count(*) FROM outbox WHERE link_id NOT IN (SELECT id FROM links)) AS n",
    ),
];

const SEARCH_SQLITE: &str = "SELECT (SELECT count(*) FROM users WHERE key NOT IN (SELECT id FROM users_fts_docsize))
                                  + (SELECT count(*) FROM users_fts_docsize WHERE id NOT IN (SELECT key FROM users)) AS n";
const SEARCH_POSTGRES: &str = "SELECT count(*) AS n FROM users WHERE key NOT IN (SELECT key FROM users_grams)";

/// Fails, naming the rules, where the rows contradict each other.
pub async fn hold(server: &Server, when: &str) {
    let connection = Connection::to(server).await;
    let search = match server.engine {
        Engine::Sqlite => SEARCH_SQLITE,
        Engine::Postgres => SEARCH_POSTGRES,
    };
    let mut broken = Vec::new();
    for (rule, sql) in RULES.iter().chain(&[("everybody can be searched for", search)]) {
        let offenders = connection.number(sql).await;
        if offenders != 0 {
            broken.push(format!("{rule}: not so {offenders} times"));
        }
    }
    connection.close().await;
    assert!(broken.is_empty(), "{when}: {broken:#?}");
}
