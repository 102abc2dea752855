-- When its person last came by a link in their own mailbox. An organization opens an account for an address through a provider of its own,
-- too, and whoever reads the mailbox knows nothing of it.
ALTER TABLE users ADD COLUMN mailbox_read_at BIGINT;
UPDATE users SET mailbox_read_at = activated_at
 WHERE activated_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sso_identities i WHERE i.user_key = users.key);
