//! What Slack may answer instead, and that no invite, acceptance or mail suffers by it.
